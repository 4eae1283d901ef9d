"""What every part of an evaluation stands on: checked labels and scores, patients, intervals of shares, Holm's rule.

`y` holds labels (n,), 0 or 1, and `score` scores (n,), film by film; `patients` the patient of each film, or None
where films are taken for independent.
"""

import numpy as np
import pandas as pd

from util.errors import CourseError

MISSING = ("", "nan", "NaN", "None", "NaT", "<NA>")  # what becomes of a missing name when it is made text
NO_PATIENT = "Some films have no patient (NaN): give each film the number of its patient."


def checked(y, score, finding=""):
    """Labels as bool (n,) and scores as float (n,), or a CourseError that says what is wrong.

    Parameters
    ----------
    y, score : arrays (n,), at least two films
    finding : str, named in the message
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
    """Two pandas columns whose rows have the same names in another order are not paired film by film."""
    both = isinstance(y, pd.Series) and isinstance(score, pd.Series) and len(y) == len(score)
    if both and not y.index.equals(score.index) and y.index.isin(score.index).all():
        raise CourseError(f"Labels{place} and scores name the same rows in another order: bring them into one order.")


def _labels(y, place):
    """Labels as bool, whatever numpy or pandas makes of them."""
    y = np.asarray(y)
    if y.dtype.kind in "OUS" and not pd.isna(y).any():
        y = as_numbers(y, f"labels{place}")
    if y.dtype.kind not in "biuf" or not ((y == 0) | (y == 1)).all():
        raise CourseError(
            f"Labels{place} must be 0 or 1, and some are not: 1 says the finding is there, 0 that it is not."
        )
    return y.astype(bool)


def as_numbers(values, what):
    """Values as floats, missing ones as NaN; CourseError names what is no number."""
    values = np.asarray(values)
    if values.dtype == object:
        values = np.where(pd.isna(values), np.nan, values)
    if values.dtype.kind in "biufOUS":
        try:
            return values.astype(float)
        except (TypeError, ValueError):
            pass
    raise CourseError(f"The {what} must be numbers, and some are not: {values.ravel()[0]!r} is the first.")


def checked_probabilities(y, p):
    """As `checked`, for scores that claim to be probabilities, in [0, 1]."""
    y, p = checked(y, p)
    if p.min() < 0 or p.max() > 1:
        raise CourseError(
            f"Probabilities must lie between 0 and 1; these go from {p.min():.3g} to {p.max():.3g}. Are they logits? "
            "Then take the sigmoid first."
        )
    return y, p


def patient_codes(patients, films):
    """Patients as integers (films,) from 0, and how many they are; each film its own patient where None is given."""
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
    """Names of patients as text; numbers beside text would make two patients of 7 and '7'."""
    text = names.astype(str)
    if (pd.isna(names) | np.isin(text, MISSING)).any():
        raise CourseError(NO_PATIENT)
    if len({isinstance(name, str) for name in names}) > 1:
        raise CourseError("Some patients are numbers and some are text: give all as one kind, else 7 and '7' are two.")
    return text


def checked_shares(**given):
    """Raise CourseError unless every value, float or array, lies in [0, 1]."""
    for name, value in given.items():
        if not np.all((np.asarray(value) >= 0) & (np.asarray(value) <= 1)):
            raise CourseError(f"The {name} must lie between 0 and 1; is it in percent?")
