"""For whom does it work? AUCs by group of films, gaps between groups, and what mixing groups does to an AUC."""

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.auc_intervals import influence, interval_of
from util.metrics.auc_tables import MINIMUM, shortage
from util.metrics.inputs import checked, patient_codes
from util.metrics.roc import auc

AGE_BANDS = {"0 to 39": (0, 40), "40 to 59": (40, 60), "60 and over": (60, np.inf)}


def age_bands(ages):
    """Age bands of ages in years (n,): object array of the names of AGE_BANDS, 'unknown' where the age is NaN."""
    ages = np.asarray(ages, dtype=float)
    bands = np.full(ages.shape, "unknown", dtype=object)
    for name, (youngest, below) in AGE_BANDS.items():
        bands[(ages >= youngest) & (ages < below)] = name
    return bands


def subgroup_table(y, score, groups, patients=None, minimum=MINIMUM, level=0.95):
    """AUC of one finding within each group of films.

    Parameters
    ----------
    y, score : arrays (n,)
    groups : array (n,) of names, 'unknown' where one is missing; or dict name -> bool array (n,) where groups overlap
    patients : array (n,), the patient of each film, or None to treat the films as independent
    minimum : int, fewest patients (films where `patients` is None) of either class for an AUC to be given
    level : float in (0, 1)

    Returns
    -------
    DataFrame (index: group): films, positives, prevalence, with patients positive_patients, auc, low, high, note

    Raises
    ------
    CourseError : a group column of another length, or the input is wrong as in `util.metrics.roc.auc`.
    """
    y, score = checked(y, score)
    rows = {name: _group_row(y, score, mask, patients, minimum, level) for name, mask in as_masks(groups, len(y))}
    return pd.DataFrame.from_dict(rows, orient="index")


def as_masks(groups, films):
    """Pairs (name, bool array) from names film by film, sorted, or from a dict, in its order. No name is 'unknown'."""
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


def pairs_by_group(y, score, groups):
    """An AUC taken apart: pairs of a positive and a negative film by the group of either.

    Parameters
    ----------
    y, score : arrays (n,)
    groups : array (n,) of names

    Returns
    -------
    DataFrame (index: positive's group, negative's group): pairs (share of all pairs), auc (NaN without pairs). The
    sum of pairs times auc is the AUC of all films: within groups the score must know the finding, between groups it
    may know the group instead.
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


def spectrum(films, finding):
    """Whom are the positives held against? Masks for `subgroup_table` and `util.metrics.comparison.auc_gap`.

    Parameters
    ----------
    films : DataFrame with the 14 findings as 0/1
    finding : str

    Returns
    -------
    dict of bool arrays (n,), each holding all positives: 'all others', 'other findings' (negatives that have another
    of the 14) and 'no finding' (negatives that have none)
    """
    if finding not in FINDINGS:
        raise CourseError(f"There is no finding {finding!r}: choose one of {', '.join(FINDINGS)}.")
    ill = films[finding].to_numpy() == 1
    abnormal = films[list(FINDINGS)].to_numpy().any(axis=1)
    return {"all others": np.ones(len(films), bool), "other findings": ill | abnormal, "no finding": ill | ~abnormal}
