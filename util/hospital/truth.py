"""What is true of a hospital's claims: from the student and the secret, in about half a second, without a film. Lesson 15."""

import numpy as np

from util.hospital import estimates
from util.hospital.claims import KEYS, Truth
from util.hospital.estimates import Estimate
from util.hospital.plan import Plan
from util.hospital.scores import SENSITIVITY

# How far an estimate may be off: nothing where it is counted, a rounding where it is computed, and where ways to find it
# differ (of twelve copies, up to three escaped a search), somewhat more. Faults are several times as large.
TOLERANCE = {
    "patients": 0.5, "copies": 3.5, "mark": 0.05, "statistics": 0.3, "threshold": 0.02, "labels": 0.03, "subgroup": 0.02,
    "calibration": 0.01, "maps": 0.05, "better": 0.01, "average": 0.005,
}  # fmt: skip


def truth_of_plan(plan: Plan) -> dict[str, Truth]:
    """What is true of each claim in a planned hospital.

    Returns
    -------
    dict key -> Truth, in the order of CLAIMS

    See Also
    --------
    util.hospital.plan.plan_hospital : makes the plan again from the student and the secret
    util.hospital.claims.Truth : what an answer says

    Examples
    --------
    >>> from util.hospital.plan import plan_hospital
    >>> from util.hospital.seal import OPEN
    >>> truth = truth_of_plan(plan_hospital("anna", OPEN))
    >>> len(truth), 4 <= sum(not claim.holds for claim in truth.values()) <= 6
    (11, True)

    Taught in lesson 15, section 1.
    """
    false, found = plan.roles.false, _quantities(plan)
    return {
        key: Truth(
            key,
            key not in false,
            float(found[key].value),
            TOLERANCE[key],
            frozenset(_films(plan, key) if key in false else ()),
            plan.roles.groups.get(key, ""),
            float(np.nan_to_num(found[key].high - found[key].low)),
        )
        for key in KEYS
    }


def _quantities(plan):
    """The quantity of each claim, an Estimate."""
    found, groups, people = plan.roles.findings, plan.roles.groups, plan.people
    mapped = people["Hit"] >= 0
    return {
        "patients": Estimate(len(estimates.shared_patients(plan))),
        "copies": Estimate(len(_pairs(people))),
        "mark": estimates.word_gap(plan, people["Word"].to_numpy(), found["mark"]),
        "statistics": Estimate(people.loc[people["Split"] == "train", "Gray"].mean()),
        "threshold": Estimate(estimates.threshold_of(plan, found["threshold"], SENSITIVITY)),
        "labels": estimates.missed_gap(plan, found["labels"], groups["labels"]),
        "subgroup": estimates.group_gap(plan, found["subgroup"], groups["subgroup"]),
        "calibration": estimates.excess(plan, found["calibration"]),
        "maps": estimates.hit_share(people.loc[mapped, "Hit"] == 1, people.loc[mapped, "Person"]),
        "better": estimates.gain(plan, found["better"]),
        "average": Estimate(estimates.mean_auc(plan)),
    }


def _films(plan, key):
    """The films that show a fault that is there."""
    films, people = plan.films, plan.people
    if key == "patients":
        shared = films["PatientId"].isin(estimates.shared_patients(plan))
        return films.loc[shared & films["Split"].isin(["train", "test"]), "Image"]
    if key == "copies":
        return _pairs(people).to_numpy().ravel().tolist()
    which = {"mark": people["Word"].to_numpy(), "maps": people["Hit"].to_numpy() == 0}
    return films.loc[which.get(key, np.zeros(len(films), bool)), "Image"]


def _pairs(people):
    """Image and Source of the copies whose exposure is a test film."""
    test = people.loc[people["Split"] == "test", "Image"]
    return people.loc[(people["Source"] != people["Image"]) & people["Source"].isin(test), ["Image", "Source"]]
