"""Do readers agree more than by chance? Kappa of two readers and of many, and a coefficient that rare findings do not fool."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.metrics.inputs import patient_codes
from util.metrics.proportions import student_quantile


def agreement(answers: ArrayLike) -> dict:
    """Agreement of readers who have all judged the same films.

    Parameters
    ----------
    answers : array (r, n) of categories, such as 0 and 1, of at least two readers

    Returns
    -------
    dict of float: 'observed', the share of pairs of readers who agree on a film; 'kappa', Fleiss' (1971,
    doi 10.1037/h0031619), (observed - chance) / (1 - chance) with the chance that two answers drawn from all answers agree;
    'ac1', Gwet's (2008, doi 10.1348/000711006X126600), with the chance sum p (1 - p) / (categories - 1). Kappa falls when
    one answer is rare though readers agree as often as before; AC1 hardly does. Kappa is NaN, AC1 and observed are 1 where
    all answers are the same.

    Raises
    ------
    CourseError : there are not two readers, or an answer is missing.

    See Also
    --------
    agreement_table : with intervals
    cohen_kappa : of two readers who may differ in how often they say yes

    Examples
    --------
    >>> {name: round(value, 2) for name, value in agreement([[1, 1, 0, 0], [1, 0, 0, 0]]).items()}
    {'observed': 0.75, 'kappa': 0.47, 'ac1': 0.53}

    Taught in lesson 16, section 5.
    """
    counts = _counts(answers)
    readers = counts[0].sum()
    observed = float(np.mean(np.sum(counts * (counts - 1), axis=1) / (readers * (readers - 1))))
    shares = counts.mean(axis=0) / readers
    if len(shares) == 1:
        return {"observed": 1.0, "kappa": np.nan, "ac1": 1.0}
    chance = {"kappa": np.sum(shares**2), "ac1": np.sum(shares * (1 - shares)) / (len(shares) - 1)}
    return {"observed": observed, **{name: float((observed - by) / (1 - by)) for name, by in chance.items()}}


def _counts(answers):
    """How many readers gave each category to each film: int (n, categories)."""
    answers = np.asarray(answers)
    if answers.ndim != 2 or answers.shape[0] < 2 or not answers.shape[1]:
        raise CourseError(f"Answers have shape {answers.shape}: give (readers, films) of at least two readers.")
    if answers.dtype.kind == "f" and np.isnan(answers).any():
        raise CourseError("Some answers are missing (NaN): agreement needs an answer of every reader to every film.")
    categories = np.unique(answers)
    return np.sum(answers[:, :, None] == categories, axis=0)


def cohen_kappa(one: ArrayLike, other: ArrayLike) -> float:
    """Cohen's kappa of two readers (1960, doi 10.1177/001316446002000104): chance follows each reader's own shares.

    Parameters
    ----------
    one, other : arrays (n,) of categories

    Returns
    -------
    float, at most 1; 0 for agreement as by chance; NaN where both give one and the same answer to all films

    Raises
    ------
    CourseError : the readers have not judged the same number of films.

    See Also
    --------
    agreement : of many readers

    Examples
    --------
    >>> print(round(cohen_kappa([1, 1, 0, 0], [1, 0, 0, 0]), 2))
    0.5

    Taught in lesson 16, section 5.
    """
    one, other = np.asarray(one), np.asarray(other)
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise CourseError(
            f"Answers have shapes {one.shape} and {other.shape}: give one answer of each reader to each film."
        )
    categories = np.unique(np.concatenate([one, other]))
    chance = sum(np.mean(one == category) * np.mean(other == category) for category in categories)
    return float((np.mean(one == other) - chance) / (1 - chance)) if chance < 1 else np.nan


def agreement_table(answers: ArrayLike, patients: ArrayLike | None = None, level: float = 0.95) -> pd.DataFrame:
    """`agreement` with intervals from a jackknife that leaves out one patient at a time; the readers are fixed.

    Parameters
    ----------
    answers : as in `agreement`
    patients : array (n,), the patient of each film, or None to treat the films as independent
    level : float in (0, 1)

    Returns
    -------
    DataFrame (index: observed, kappa, ac1): value, low, high, cut at -1 and 1; NaN where they are unknown

    See Also
    --------
    agreement : the values

    Examples
    --------
    >>> table = agreement_table([[1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 1, 0], [1, 1, 0, 0, 1, 1]])
    >>> bool((table["low"] <= table["value"]).all())
    True

    Taught in lesson 16, section 5.
    """
    answers = np.asarray(answers)
    values = agreement(answers)
    who, everyone = patient_codes(patients, answers.shape[1])
    table = pd.DataFrame({"value": values, "low": np.nan, "high": np.nan})
    if everyone < 3:
        return table
    left_out = pd.DataFrame([agreement(answers[:, who != patient]) for patient in range(everyone)])
    variance = left_out.var(ddof=0) * (everyone - 1)
    reach = student_quantile(level, everyone - 1) * np.sqrt(variance)
    known = left_out.notna().all() & (variance > 0)
    table["low"] = (table["value"] - reach).clip(-1, 1).where(known)
    table["high"] = (table["value"] + reach).clip(-1, 1).where(known)
    return table
