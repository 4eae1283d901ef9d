"""The probabilities of the vendor's two models, simulated: what each claim says of them is known exactly. Lesson 15.

Networks give slightly different numbers on different machines. Here a film's score is z = d y + e: y is its label, e is
standard normal with a share that belongs to the patient, and so the AUC in the long run is Phi(d / sqrt 2) (the binormal
model; Green and Swets 1966). The probability is what Bayes' theorem makes of z, so it is calibrated unless it is shifted.
A draw is kept if it shows its claim's truth clearly in this hospital's films, so no student meets a borderline case.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from util.hospital.claims import members
from util.hospital.cohort import RARES, Roles
from util.hospital.estimates import OLD, excess, finding_auc, gain, group_gap, threshold_of
from util.hospital.luck import keep
from util.hospital.seal import stream

SENSITIVITY = 0.90  # that the claim 'threshold' promises
PATIENT_SHARE = 0.3  # of the noise
GOOD, BAD, USUAL, POOR = 2.4, 0.6, 1.8, 1.0  # d, so AUCs of 0.96, 0.66, 0.90 and 0.76 in the long run
# The old model's d, and the share of its noise that is the new model's: where the new one is better, both make the same
# errors, so that a small difference is sure; where it hardly is, they do not, and the same difference may be chance.
OLD_WORSE, OLD_SAME = (1.4, 0.93), (1.7, 0.1)
SHIFT = 1.8  # in logits, of wrong probabilities
FEWEST = 12  # test films of each label in each group


def draw_scores(films: pd.DataFrame, roles: Roles, student: str, secret: bytes, attempt: int) -> pd.DataFrame:
    """Scores of the validation and test films: Image, one column for each scored finding, and the old model's.

    See Also
    --------
    util.hospital.plan.plan_hospital : calls it

    Examples
    --------
    >>> from util.hospital.plan import plan_hospital
    >>> from util.hospital.seal import OPEN
    >>> scores = plan_hospital("anna", OPEN).scores.drop(columns="Image")
    >>> bool(((scores >= 0) & (scores <= 1)).all(axis=None))
    True
    """
    films = films[films["Split"] != "train"].reset_index(drop=True)
    columns = {}
    for key, finding in roles.findings.items():
        rng, planted = stream(student, secret, f"scores {key} {attempt}"), key in roles.false
        draw, clear = DRAWS.get(key, (_usual, _usable))

        def once(draw=draw, finding=finding, planted=planted, rng=rng):
            return draw(films, finding, planted, roles, rng)

        def good(drawn, clear=clear, finding=finding, planted=planted):
            scores = pd.DataFrame({"Image": films["Image"], **drawn})
            return clear(SimpleNamespace(films=films, scores=scores), finding, planted, roles)

        columns |= keep(once, good)
    order = [*roles.scored, roles.findings["better"] + OLD]
    return films[["Image"]].join(pd.DataFrame(columns)[order])


def _noise(films, rng):
    """Standard normal noise of each film, partly its patient's."""
    who, people = np.unique(films["PatientId"], return_inverse=True)[1], films["PatientId"].nunique()
    of_patient, of_film = rng.standard_normal(people)[who], rng.standard_normal(len(films))
    return np.sqrt(PATIENT_SHARE) * of_patient + np.sqrt(1 - PATIENT_SHARE) * of_film


def _probability(films, finding, z, strength, shift=0.0):
    """Bayes' theorem for z of the binormal model at this prevalence, rounded to four decimals as in the file."""
    prevalence = logit(films[finding].mean())
    return np.rint(expit(strength * z - strength**2 / 2 + prevalence + shift) * 1e4) / 1e4


def _usual(films, finding, planted, roles, rng):
    strength = USUAL + rng.uniform(-0.4, 0.4)
    z = strength * films[finding] + _noise(films, rng)
    return {finding: _probability(films, finding, z, strength)}


def _rare(films, finding, planted, roles, rng):
    return {finding: _probability(films, finding, POOR * films[finding] + _noise(films, rng), POOR)}


def _calibration(films, finding, planted, roles, rng):
    shift = (SHIFT if rng.random() < 0.5 else -SHIFT) * planted
    return {finding: _probability(films, finding, USUAL * films[finding] + _noise(films, rng), USUAL, shift)}


def _subgroup(films, finding, planted, roles, rng):
    inside = members(films, roles.groups["subgroup"])
    strength = np.where(inside, BAD, GOOD) if planted else USUAL
    z = strength * films[finding] + _noise(films, rng)
    return {finding: _probability(films, finding, z, USUAL)}


def _better(films, finding, planted, roles, rng):
    old, common = OLD_SAME if planted else OLD_WORSE
    noise = _noise(films, rng)
    other = np.sqrt(common) * noise + np.sqrt(1 - common) * _noise(films, rng)
    return {
        finding: _probability(films, finding, USUAL * films[finding] + noise, USUAL),
        finding + OLD: _probability(films, finding, old * films[finding] + other, old),
    }


def _usable(hospital, finding, planted, roles):
    return 0.5 < finding_auc(hospital, finding).value < 0.995


def _threshold_is_clear(hospital, finding, planted, roles):
    valid, test = (threshold_of(hospital, finding, SENSITIVITY, split) for split in ("valid", "test"))
    return abs(valid - test) >= 0.06


def _calibration_is_clear(hospital, finding, planted, roles):
    found = excess(hospital, finding)
    return max(found.low, -found.high) > 0.08 if planted else abs(found.value) < 0.02 and found.low < 0 < found.high


def _subgroup_is_clear(hospital, finding, planted, roles):
    films = hospital.films[hospital.films["Split"] == "test"]
    inside = members(films, roles.groups["subgroup"])
    if pd.crosstab(inside, films[finding]).reindex([False, True]).to_numpy().min() < FEWEST:
        return False
    found = group_gap(hospital, finding, roles.groups["subgroup"])
    return found.high < -0.08 if planted else abs(found.value) < 0.04 and found.low < 0 < found.high


def _better_is_clear(hospital, finding, planted, roles):
    found = gain(hospital, finding)
    return 0.03 <= found.value <= 0.07 and found.low < -0.01 if planted else found.low > 0.02


DRAWS = {  # key: how its finding is scored, and what makes a draw clear
    "threshold": (_usual, _threshold_is_clear),
    "calibration": (_calibration, _calibration_is_clear),
    "subgroup": (_subgroup, _subgroup_is_clear),
    "better": (_better, _better_is_clear),
    **dict.fromkeys(RARES, (_rare, _usable)),
}
