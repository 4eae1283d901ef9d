"""The quantities of the eleven claims, computed correctly, with intervals by patient where they are estimated. Lesson 15.

A hospital is a `util.hospital.folder.Hospital` here, or anything else that has its tables (`Tables`).
"""

from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from util.hospital.claims import members
from util.metrics.auc_intervals import auc_interval
from util.metrics.comparison import auc_difference, auc_gap, difference_from
from util.metrics.inputs import patient_codes
from util.metrics.proportions import clustered_mean, effective_number, share_interval
from util.metrics.roc import auc
from util.metrics.thresholds import threshold_for_sensitivity

OLD = "_old"  # ends the column of scores.csv with the old model's probabilities


class Tables(Protocol):
    """What the estimates need of a hospital: `films`, `scores` and `reread`, DataFrames as of `Hospital`.

    See Also
    --------
    util.hospital.folder.Hospital : has them

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"Image": list("abcd"), "PatientId": range(4), "Split": "test", "Mass": [0, 0, 1, 1]})
    >>> scores = pd.DataFrame({"Image": list("abcd"), "Mass": [0.1, 0.3, 0.2, 0.9]})
    >>> mean_auc(SimpleNamespace(films=films, scores=scores))
    0.75
    """

    films: pd.DataFrame
    scores: pd.DataFrame
    reread: pd.DataFrame


class Estimate(NamedTuple):
    """A quantity and its 95 % interval; low and high are NaN where it is counted or computed exactly.

    See Also
    --------
    util.hospital.claims.Truth : what it is compared with

    Examples
    --------
    >>> Estimate(12)
    Estimate(value=12, low=nan, high=nan)
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")


def _scored(hospital: Tables, split: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Films of the split 'valid' or 'test', and their scores in the same order."""
    films = hospital.films[hospital.films["Split"] == split].reset_index(drop=True)
    return films, hospital.scores.set_index("Image").loc[films["Image"]].reset_index()


def scored_findings(scores: pd.DataFrame) -> list[str]:
    """Names of the findings that the new model scores.

    See Also
    --------
    mean_auc : over these findings

    Examples
    --------
    >>> scored_findings(pd.DataFrame(columns=["Image", "Mass", "Mass_old", "Edema"]))
    ['Mass', 'Edema']
    """
    return [name for name in scores.columns if name != "Image" and not name.endswith(OLD)]


def shared_patients(hospital: Tables) -> np.ndarray:
    """Patients with training and test films: their PatientIds, in ascending order.

    See Also
    --------
    util.leaks.audit.audit : looks for every leak

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"PatientId": [1, 1, 2], "Split": ["train", "test", "test"]})
    >>> shared_patients(SimpleNamespace(films=films)).tolist()
    [1]
    """
    films = hospital.films
    sides = [films.loc[films["Split"] == split, "PatientId"] for split in ("train", "test")]
    return np.intersect1d(*sides)


def share_gap(values: np.ndarray, inside: np.ndarray, patients: np.ndarray) -> Estimate:
    """Mean of the values inside a group less the mean of the others, with an interval by patient.

    Parameters
    ----------
    values : float array (n,)
    inside : bool array (n,), some True and some False
    patients : array (n,); a patient may be on both sides

    Returns
    -------
    Estimate. What each film adds to the error of the difference is summed within patients before it is squared (the
    linearized variance of cluster sampling, Binder 1983, doi 10.2307/1402588).

    See Also
    --------
    util.metrics.proportions.clustered_mean : one mean

    Examples
    --------
    >>> round(share_gap(np.array([1, 1, 0, 0, 0, 1]), np.array([1, 1, 1, 0, 0, 0], bool), np.arange(6)).value, 3)
    0.333

    Taught in lesson 15, section 3.
    """
    values, who = np.asarray(values, float), patient_codes(patients, len(values))[0]
    means, parts, effective = [], np.zeros(len(values)), []
    for side, sign in ((inside, 1), (~inside, -1)):
        means.append(float(values[side].mean()) if side.any() else np.nan)
        parts[side] = sign * (values[side] - means[-1]) / max(1, side.sum())
        effective.append(effective_number(np.bincount(who[side])))
    people = who.max() + 1
    variance = float(np.sum(np.bincount(who, parts) ** 2)) * people / max(1, people - 1)
    found = difference_from(means[0] - means[1], variance, freedom=min(effective) - 1)
    return Estimate(found.difference, found.low, found.high)


def missed_gap(hospital: Tables, finding: str, group: str) -> Estimate:
    """Share of the positives that the labels miss in a group less that share elsewhere, in the reread films.

    See Also
    --------
    share_gap : computes it

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> who = {"Image": list("abcd"), "PatientId": range(4), "Sex": list("FFMM"), "Age": 40}
    >>> films, reread = pd.DataFrame({**who, "Mass": [0, 1, 1, 1]}), pd.DataFrame({"Image": list("abcd"), "Mass": 1})
    >>> float(missed_gap(SimpleNamespace(films=films, reread=reread), "Mass", "women").value)
    0.5
    """
    reread = hospital.reread[hospital.reread[finding] == 1]
    films = hospital.films.set_index("Image").loc[reread["Image"]]
    return share_gap(films[finding].to_numpy() == 0, members(films, group), films["PatientId"].to_numpy())


def word_gap(hospital: Tables, carries: np.ndarray, finding: str) -> Estimate:
    """Share of films with a finding that carry the word less that share of the others; `carries` is bool (films,).

    See Also
    --------
    share_gap : computes it

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"PatientId": range(4), "Mass": [1, 1, 0, 0]})
    >>> float(word_gap(SimpleNamespace(films=films), np.array([True, True, True, False]), "Mass").value)
    0.5
    """
    films = hospital.films
    return share_gap(carries, films[finding].to_numpy() == 1, films["PatientId"].to_numpy())


def group_gap(hospital: Tables, finding: str, group: str) -> Estimate:
    """AUC of the new model in a group less its AUC elsewhere, on the test films.

    See Also
    --------
    util.metrics.comparison.auc_gap : computes it

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"Image": list("abcdefgh"), "PatientId": range(8), "Split": "test", "Mass": [0, 1] * 4})
    >>> films = films.assign(Age=40, Sex=list("FFFFMMMM"))
    >>> scores = pd.DataFrame({"Image": films["Image"], "Mass": [0.1, 0.4, 0.3, 0.2, 0.1, 0.2, 0.3, 0.9]})
    >>> round(float(group_gap(SimpleNamespace(films=films, scores=scores), "Mass", "women").value), 2)
    0.0
    """
    films, scores = _scored(hospital, "test")
    inside = members(films, group)
    found = auc_gap(films[finding], scores[finding], inside, ~inside, films["PatientId"])
    return Estimate(found.difference, found.low, found.high)


def excess(hospital: Tables, finding: str) -> Estimate:
    """Mean probability less the share of positives, on the test films.

    See Also
    --------
    util.metrics.proportions.clustered_mean : computes it

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"Image": list("abcd"), "PatientId": range(4), "Split": "test", "Mass": [0, 1, 0, 1]})
    >>> scores = pd.DataFrame({"Image": list("abcd"), "Mass": [0.1, 0.2, 0.3, 0.9]})
    >>> hospital = SimpleNamespace(films=films, scores=scores)
    >>> round(float(excess(hospital, "Mass").value), 3)
    -0.125
    """
    films, scores = _scored(hospital, "test")
    mean, variance, effective = clustered_mean((scores[finding] - films[finding]).to_numpy(), films["PatientId"])
    found = difference_from(mean, variance, freedom=effective - 1)
    return Estimate(found.difference, found.low, found.high)


def threshold_of(hospital: Tables, finding: str, sensitivity: float, split: str = "valid") -> float:
    """Highest threshold with the wanted sensitivity on the films of a split.

    See Also
    --------
    util.metrics.thresholds.threshold_for_sensitivity : computes it

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"Image": list("abcd"), "PatientId": range(4), "Split": "test", "Mass": [0, 1, 0, 1]})
    >>> scores = pd.DataFrame({"Image": list("abcd"), "Mass": [0.1, 0.2, 0.3, 0.9]})
    >>> hospital = SimpleNamespace(films=films, scores=scores)
    >>> threshold_of(hospital, "Mass", sensitivity=0.9, split="test")
    0.2
    """
    films, scores = _scored(hospital, split)
    return threshold_for_sensitivity(films[finding], scores[finding], sensitivity)


def gain(hospital: Tables, finding: str) -> Estimate:
    """AUC of the new model less that of the old one, on the same test films.

    See Also
    --------
    util.metrics.comparison.auc_difference : computes it

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"Image": list("abcd"), "PatientId": range(4), "Split": "test", "Mass": [0, 1, 0, 1]})
    >>> scores = {"Image": list("abcd"), "Mass": [0.1, 0.2, 0.3, 0.9], "Mass_old": [0.1, 0.2, 0.9, 0.3]}
    >>> float(gain(SimpleNamespace(films=films, scores=pd.DataFrame(scores)), "Mass").value)
    0.25
    """
    films, scores = _scored(hospital, "test")
    found = auc_difference(films[finding], scores[finding], scores[finding + OLD], films["PatientId"])
    return Estimate(found.difference, found.low, found.high)


def finding_auc(hospital: Tables, finding: str) -> Estimate:
    """AUC of the new model on the test films, with its interval by patient.

    See Also
    --------
    util.metrics.auc_intervals.auc_interval : the interval

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"Image": list("abcd"), "PatientId": range(4), "Split": "test", "Mass": [0, 1, 0, 1]})
    >>> scores = pd.DataFrame({"Image": list("abcd"), "Mass": [0.1, 0.2, 0.3, 0.9]})
    >>> hospital = SimpleNamespace(films=films, scores=scores)
    >>> float(finding_auc(hospital, "Mass").value)
    0.75
    """
    films, scores = _scored(hospital, "test")
    return Estimate(
        auc(films[finding], scores[finding]),
        *auc_interval(films[finding], scores[finding], patients=films["PatientId"]),
    )


def mean_auc(hospital: Tables) -> float:
    """Plain mean of the AUCs of the scored findings on the test films.

    See Also
    --------
    pooled_auc : the wrong mean

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"Image": list("abcd"), "PatientId": range(4), "Split": "test", "Mass": [0, 1, 0, 1]})
    >>> scores = pd.DataFrame({"Image": list("abcd"), "Mass": [0.1, 0.2, 0.3, 0.9]})
    >>> hospital = SimpleNamespace(films=films, scores=scores)
    >>> mean_auc(hospital)
    0.75
    """
    films, scores = _scored(hospital, "test")
    return float(np.mean([auc(films[finding], scores[finding]) for finding in scored_findings(scores)]))


def pooled_auc(hospital: Tables) -> float:
    """A wrong mean: one AUC of all pairs of a test film and a finding, as if they were one big finding.

    See Also
    --------
    mean_auc : the right one

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> films = pd.DataFrame({"Image": list("abcd"), "PatientId": range(4), "Split": "test", "Mass": [0, 1, 0, 1]})
    >>> scores = pd.DataFrame({"Image": list("abcd"), "Mass": [0.1, 0.2, 0.3, 0.9]})
    >>> hospital = SimpleNamespace(films=films, scores=scores)
    >>> float(pooled_auc(hospital))
    0.75
    """
    films, scores = _scored(hospital, "test")
    findings = scored_findings(scores)
    return auc(films[findings].to_numpy().ravel(), scores[findings].to_numpy().ravel())


def hit_share(hits: np.ndarray, patients: np.ndarray) -> Estimate:
    """Share of maps that hit, with an interval by patient.

    See Also
    --------
    util.metrics.proportions.share_interval : the interval

    Examples
    --------
    >>> float(hit_share([True, True, False, True], [1, 2, 3, 4]).value)
    0.75
    """
    return Estimate(*share_interval(np.asarray(hits, float), patients))


def peak_of(heat: np.ndarray, size: int) -> tuple[float, float]:
    """Center (x, y) of the hottest cell of a heat map, in pixels of a film of `size` pixels a side.

    See Also
    --------
    inside_any : whether it is in an outline

    Examples
    --------
    >>> heat = np.zeros((80, 80))
    >>> heat[10, 20] = 1
    >>> [float(part) for part in peak_of(heat, size=320)]
    [82.0, 42.0]
    """
    row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
    return (column + 0.5) * size / heat.shape[1], (row + 0.5) * size / heat.shape[0]


def inside_any(point: tuple[float, float], boxes: pd.DataFrame) -> bool:
    """Whether a point (x, y) is in one of the boxes, rows with x, y, w and h in pixels.

    See Also
    --------
    peak_of : the point to ask for

    Examples
    --------
    >>> inside_any((82, 42), pd.DataFrame({"x": [80], "y": [40], "w": [10], "h": [10]}))
    True
    """
    x, y = point
    across = (boxes["x"] <= x) & (x <= boxes["x"] + boxes["w"])
    return bool((across & (boxes["y"] <= y) & (y <= boxes["y"] + boxes["h"])).any())
