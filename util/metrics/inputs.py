"""Labels, scores, probabilities and patients, checked once for all metrics.

`y` holds labels (n,), 0 or 1, and `score` scores (n,), film by film; `patients` holds the patient of each film, or is
None to treat the films as independent.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from util.errors import CourseError

MISSING = ("", "nan", "NaN", "None", "NaT", "<NA>")  # missing names after conversion to text
NO_PATIENT = "Some films have no patient (NaN): give each film the number of its patient."


def checked(y: ArrayLike, score: ArrayLike, finding: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Labels as bool (n,) and scores as float (n,); a CourseError says what is wrong with them.

    Parameters
    ----------
    y, score : arrays (n,), at least two films
    finding : str, named in the message

    See Also
    --------
    checked_probabilities : the same for probabilities
    util.metrics.matching.matched : the same for tables of 14 findings

    Examples
    --------
    >>> checked([1, 0, 1], [3, 1, 2])
    (array([ True, False,  True]), array([3., 1., 2.]))

    Taught in lesson 6, section 3.
    """
    place = f" of {finding}" if finding else ""
    _refuse_another_order(y, score, place)
    y, score = _labels(y, place), as_numbers(score, f"scores{place}")
    if y.ndim != 1 or y.shape != score.shape:
        raise CourseError(f"Labels{place} have shape {y.shape}, scores {score.shape}: both must be (n,), film by film.")
    if not len(y):
        raise CourseError(f"There are no films{place}: give labels and scores.")
    if len(y) == 1:
        raise CourseError(f"There is a single film{place}: films are judged against each other, so give more.")
    if np.isnan(score).any():
        raise CourseError(f"{np.isnan(score).sum()} of {len(score)} scores{place} are NaN: find out why, drop no film.")
    return y, score


def _refuse_another_order(y, score, place):
    """Refuse two pandas columns whose rows have the same names in a different order."""
    both = isinstance(y, pd.Series) and isinstance(score, pd.Series) and len(y) == len(score)
    if both and not y.index.equals(score.index) and y.index.isin(score.index).all():
        raise CourseError(f"Labels{place} and scores name the same rows in another order: bring them into one order.")


def _labels(y, place):
    """Labels as bool, whatever type NumPy or pandas gives them."""
    y = np.asarray(y)
    if y.dtype.kind in "OUS" and not pd.isna(y).any():
        y = as_numbers(y, f"labels{place}")
    if y.dtype.kind not in "biuf" or not ((y == 0) | (y == 1)).all():
        raise CourseError(
            f"Labels{place} must be 0 or 1, and some are not: 1 says the finding is there, 0 that it is not."
        )
    return y.astype(bool)


def as_numbers(values: ArrayLike, what: str) -> np.ndarray:
    """Values as floats, missing values as NaN; a CourseError names `what` where they are not numbers.

    See Also
    --------
    checked : labels and scores together

    Examples
    --------
    >>> as_numbers([1, None], "scores").tolist()
    [1.0, nan]
    """
    values = np.asarray(values)
    if values.dtype == object:
        values = np.where(pd.isna(values), np.nan, values)
    if values.dtype.kind in "biufOUS":
        try:
            return values.astype(float)
        except (TypeError, ValueError):
            pass
    raise CourseError(f"The {what} must be numbers, and some are not: {values.ravel()[0]!r} is the first.")


def checked_probabilities(y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """As `checked`, for scores that must be probabilities in [0, 1].

    See Also
    --------
    checked : the same for scores of any range

    Examples
    --------
    >>> checked_probabilities([1, 0], [2.0, -1.0])
    Traceback (most recent call last):
    util.errors.CourseError: Probabilities must lie between 0 and 1; these go from -1 to 2. Are they logits? ...

    Taught in lesson 7.
    """
    y, p = checked(y, p)
    if p.min() < 0 or p.max() > 1:
        raise CourseError(
            f"Probabilities must lie between 0 and 1; these go from {p.min():.3g} to {p.max():.3g}. Are they logits? "
            "Then take the sigmoid first."
        )
    return y, p


def patient_codes(patients: ArrayLike | None, films: int) -> tuple[np.ndarray, int]:
    """Patients as integers (films,) from 0, and their number; with None, each film is a patient of its own.

    See Also
    --------
    util.metrics.matching.matched_patients : finds the patients of a table

    Examples
    --------
    >>> codes, patients = patient_codes(["b", "a", "b"], 3)
    >>> codes.tolist(), patients
    ([1, 0, 1], 2)
    """
    if patients is None:
        return np.arange(films), films
    codes = np.asarray(patients)
    if codes.shape != (films,):
        raise CourseError(f"There are {films} films and {codes.size} patients' numbers: give one for each film.")
    if codes.dtype.kind not in "biuf":
        codes = _named_patients(np.asarray(patients, dtype=object))
    elif np.isnan(codes).any():
        raise CourseError(NO_PATIENT)
    known, who = np.unique(codes, return_inverse=True)
    return who, len(known)


def _named_patients(names):
    """Names of patients as text; a mix of numbers and text would make two patients of 7 and '7'."""
    text = names.astype(str)
    if (pd.isna(names) | np.isin(text, MISSING)).any():
        raise CourseError(NO_PATIENT)
    if len({isinstance(name, str) for name in names}) > 1:
        raise CourseError("Some patients are numbers and some are text: give all as one kind, else 7 and '7' are two.")
    return text


def checked_shares(**given: ArrayLike) -> None:
    """Raise CourseError unless every value, float or array, lies in [0, 1].

    See Also
    --------
    checked_probabilities : the same for predictions with their labels

    Examples
    --------
    >>> checked_shares(prevalence=0.1, sensitivity=[0.8, 0.9])
    """
    for name, value in given.items():
        if not np.all((np.asarray(value) >= 0) & (np.asarray(value) <= 1)):
            raise CourseError(f"The {name} must lie between 0 and 1; is it in percent?")
