"""For whom does it work? AUCs by group of films, gaps between groups, and what mixing groups does to an AUC."""

from collections.abc import Mapping
from numbers import Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.auc_intervals import influence, interval_of
from util.metrics.auc_tables import MINIMUM, shortage
from util.metrics.inputs import checked, patient_codes
from util.metrics.proportions import share_interval
from util.metrics.roc import auc

AGE_BANDS = {"0 to 39": (0, 40), "40 to 59": (40, 60), "60 and over": (60, np.inf)}


def age_bands(ages: ArrayLike) -> np.ndarray:
    """Age bands of ages (n,) in years: object array of names from AGE_BANDS, 'unknown' where the age is NaN.

    See Also
    --------
    subgroup_table : the AUC in each band

    Examples
    --------
    >>> age_bands([12, 59, 60, np.nan]).tolist()
    ['0 to 39', '40 to 59', '60 and over', 'unknown']

    Taught in lesson 8.
    """
    ages = np.asarray(ages, dtype=float)
    bands = np.full(ages.shape, "unknown", dtype=object)
    for name, (youngest, below) in AGE_BANDS.items():
        bands[(ages >= youngest) & (ages < below)] = name
    return bands


def subgroup_table(
    y: ArrayLike,
    score: ArrayLike,
    groups: ArrayLike | Mapping[str, np.ndarray],
    patients: ArrayLike | None = None,
    minimum: int = MINIMUM,
    level: float = 0.95,
) -> pd.DataFrame:
    """AUC of one finding within each group of films.

    Parameters
    ----------
    y, score : arrays (n,)
    groups : array (n,) of names, where a missing name becomes 'unknown'; or dict name -> bool array (n,) for groups
        that overlap
    patients : array (n,), the patient of each film, or None to treat the films as independent
    minimum : int, fewest patients (films where `patients` is None) of either class for an AUC to be given
    level : float in (0, 1)

    Returns
    -------
    DataFrame (index: group): films, positives, prevalence, with patients positive_patients, auc, low, high, note

    Raises
    ------
    CourseError : the groups have a different length, or the input is wrong as in `util.metrics.roc.auc`.

    See Also
    --------
    util.metrics.comparison.auc_gap : the difference of two groups with its interval
    pairs_by_group : what mixing the groups does to the AUC

    Examples
    --------
    >>> y, score = [1, 1, 0, 0, 1, 1, 0, 0], [4, 3, 2, 1, 4, 2, 3, 1]
    >>> subgroup_table(y, score, list("aaaabbbb"), minimum=1)["auc"].round(3).to_dict()
    {'a': 1.0, 'b': 0.75}

    Taught in lesson 8.
    """
    y, score = checked(y, score)
    rows = {name: _group_row(y, score, mask, patients, minimum, level) for name, mask in as_masks(groups, len(y))}
    return pd.DataFrame.from_dict(rows, orient="index")


def as_masks(groups: ArrayLike | Mapping[str, np.ndarray], films: int) -> list[tuple[str, np.ndarray]]:
    """Pairs (name, bool array), sorted, from one name for each film, or from a dict, in its order.

    A missing name becomes 'unknown'.

    See Also
    --------
    subgroup_table : uses it

    Examples
    --------
    >>> [(name, mask.tolist()) for name, mask in as_masks(["b", None], 2)]
    [('b', [True, False]), ('unknown', [False, True])]
    """
    if not isinstance(groups, dict):
        groups = np.asarray(groups, dtype=object)
        groups = np.where(pd.isna(groups), "unknown", groups)
        groups = {name: groups == name for name in sorted(set(groups), key=str)}
    pairs = [(name, np.asarray(mask)) for name, mask in groups.items()]
    for name, mask in pairs:
        if mask.shape != (films,) or mask.dtype != bool:
            raise CourseError(f"There are {films} films, and the group {name} has shape {mask.shape}: name all films.")
    return pairs


def _group_row(y, score, mask, patients, minimum, level):
    positives, films = int(y[mask].sum()), int(mask.sum())
    row = {"films": films, "positives": positives, "prevalence": positives / films if films else np.nan}
    who = None
    if patients is not None:
        who = patient_codes(patients, len(y))[0]
        row["positive_patients"] = len(np.unique(who[mask & y]))
    row |= dict.fromkeys(["auc", "low", "high"], np.nan)
    row["note"] = shortage(y[mask], None if who is None else who[mask], minimum)
    if row["note"]:
        return row
    parts = influence(y, score, who, mask)
    low, high = interval_of(parts, level)
    return row | {"auc": parts.auc, "low": low, "high": high, "note": "" if low == low else "no interval"}


def missed_table(
    y: ArrayLike,
    score: ArrayLike,
    groups: ArrayLike,
    threshold: float,
    patients: ArrayLike | None = None,
    minimum: int = MINIMUM,
    level: float = 0.95,
) -> pd.DataFrame:
    """Who is missed at one threshold? Share of the positive films of each group that are not called positive.

    Parameters
    ----------
    y, score, groups, patients, minimum, level : as those of `subgroup_table`; `minimum` counts positive patients
    threshold : float, the same for all groups; a film is called positive when its score reaches it

    Returns
    -------
    DataFrame (index: group): films, positives, positive_patients, missed (1 - sensitivity) with low and high by patient,
    false_alarms (1 - specificity), note; NaN where a group has too few positive patients

    The underdiagnosis rate of Seyyed-Kalantari et al. 2021 (doi 10.1038/s41591-021-01595-0), where `y` says whether a film
    has any finding.

    Raises
    ------
    CourseError : as `subgroup_table`, and for a threshold that is no number.

    See Also
    --------
    subgroup_table : the AUC of each group

    Examples
    --------
    >>> table = missed_table([1, 1, 0, 0], [0.9, 0.2, 0.8, 0.1], ["a", "a", "a", "a"], 0.5, minimum=1)
    >>> float(table.loc["a", "missed"]), float(table.loc["a", "false_alarms"])
    (0.5, 0.5)

    Taught in lesson 8.
    """
    y, score = checked(y, score)
    if not isinstance(threshold, Real) or np.isnan(threshold):
        raise CourseError(f"{threshold!r} is no threshold: give one number for all groups.")
    who = patient_codes(patients, len(y))[0]
    rows = {}
    for name, mask in as_masks(groups, len(y)):
        ill, healthy = mask & y, mask & ~y
        people = len(np.unique(who[ill]))
        row = {"films": int(mask.sum()), "positives": int(ill.sum()), "positive_patients": people}
        row |= dict.fromkeys(["missed", "low", "high", "false_alarms"], np.nan)
        row["note"] = "" if people >= minimum else f"too few: {people} positive patients"
        if not row["note"]:
            row["missed"], row["low"], row["high"] = share_interval(score[ill] < threshold, who[ill], level)
            row["false_alarms"] = float(np.mean(score[healthy] >= threshold)) if healthy.any() else np.nan
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def pairs_by_group(y: ArrayLike, score: ArrayLike, groups: ArrayLike) -> pd.DataFrame:
    """An AUC taken apart: pairs of a positive and a negative film, by the groups of the two.

    Parameters
    ----------
    y, score : arrays (n,)
    groups : array (n,) of names

    Returns
    -------
    DataFrame (index: positive's group, negative's group): pairs (share of all pairs), auc (NaN without pairs). The sum
    of pairs times auc is the AUC of all films. Within a group the score must recognize the finding; between groups,
    recognizing the group may be enough.

    See Also
    --------
    subgroup_table : the AUC within each group

    Examples
    --------
    >>> table = pairs_by_group([1, 1, 0, 0], [4, 2, 3, 1], ["AP", "PA", "PA", "PA"])
    >>> print(round(float((table["pairs"] * table["auc"]).sum()), 3))
    0.75

    Taught in lesson 8.
    """
    y, score = checked(y, score)
    masks = as_masks(groups, len(y))
    rows = {}
    for mine, of_positives in masks:
        for other, of_negatives in masks:
            chosen = (y & of_positives) | (~y & of_negatives)
            share = np.sum(y & of_positives) * np.sum(~y & of_negatives) / (np.sum(y) * np.sum(~y))
            rows[mine, other] = share, auc(y[chosen], score[chosen]) if share > 0 else np.nan
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["pairs", "auc"])
    table.index = pd.MultiIndex.from_tuples(table.index, names=["positive", "negative"])
    return table


def spectrum(films: pd.DataFrame, finding: str) -> dict[str, np.ndarray]:
    """Which negatives are the positives compared with? Masks for `subgroup_table` and `auc_gap`.

    Parameters
    ----------
    films : DataFrame with the 14 findings as 0/1
    finding : str

    Returns
    -------
    dict of bool arrays (n,), each of which holds all positives: 'all others', 'other findings' (negatives with a
    different one of the 14) and 'no finding' (negatives with none of them)

    See Also
    --------
    util.metrics.comparison.auc_gap : the gap between two of the masks

    Examples
    --------
    >>> films = pd.DataFrame(np.eye(3, 14, dtype=int), columns=FINDINGS)
    >>> spectrum(films, "Emphysema")["no finding"].tolist()
    [False, True, False]

    Taught in lesson 8.
    """
    if finding not in FINDINGS:
        raise CourseError(f"There is no finding {finding!r}: choose one of {', '.join(FINDINGS)}.")
    ill = films[finding].to_numpy() == 1
    abnormal = films[list(FINDINGS)].to_numpy().any(axis=1)
    return {"all others": np.ones(len(films), bool), "other findings": ill | abnormal, "no finding": ill | ~abnormal}
