"""What every part of an evaluation stands on: checked labels and scores, patients, intervals of shares, Holm's rule.

`y` holds labels (n,), 0 or 1, and `score` scores (n,), film by film; `patients` the patient of each film, or None
where films are taken for independent.
"""

import numpy as np
from scipy.stats import norm

from util.errors import CourseError


def checked(y, score, finding=""):
    """Labels as bool (n,) and scores as float (n,), or a CourseError that says what is wrong.

    Parameters
    ----------
    y, score : arrays (n,), at least two films
    finding : str, named in the message
    """
    place = f" of {finding}" if finding else ""
    y, score = np.asarray(y), np.asarray(score, dtype=float)
    if y.ndim != 1 or y.shape != score.shape:
        raise CourseError(f"Labels{place} have shape {y.shape}, scores {score.shape}: both must be (n,), film by film.")
    if not len(y):
        raise CourseError(f"There are no films{place}: give labels and scores.")
    if len(y) == 1:
        raise CourseError(f"There is a single film{place}: films are judged against each other, so give more.")
    if y.dtype != bool and not ((y == 0) | (y == 1)).all():
        raise CourseError(
            f"Labels{place} must be 0 or 1, and some are not: 1 says the finding is there, 0 that it is not."
        )
    if np.isnan(score).any():
        raise CourseError(f"{np.isnan(score).sum()} of {len(score)} scores{place} are NaN: find out why, drop no film.")
    return y.astype(bool), score


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
    patients = np.asarray(patients)
    if patients.shape != (films,):
        raise CourseError(f"There are {films} films and {len(patients)} patients' numbers: give one for each film.")
    if patients.dtype.kind == "f" and np.isnan(patients).any():
        raise CourseError("Some films have no patient (NaN): give each film the number of its patient.")
    known, who = np.unique(patients, return_inverse=True)
    return who, len(known)


def normal_quantile(level):
    """How many standard errors a two-sided interval of this level reaches: 1.96 for 0.95."""
    if not 0 < level < 1:
        raise CourseError(f"The level is {level}: give a share between 0 and 1, such as 0.95.")
    return float(norm.ppf((1 + level) / 2))


def checked_shares(**given):
    """Raise CourseError unless every value, float or array, lies in [0, 1]."""
    for name, value in given.items():
        if not np.all((np.asarray(value) >= 0) & (np.asarray(value) <= 1)):
            raise CourseError(f"The {name} must lie between 0 and 1; is it in percent?")


def wilson_interval(hits, of, level=0.95):
    """Confidence interval (low, high) of a share, `hits` of `of` films; NaN of none.

    Wilson 1927 (doi 10.1080/01621459.1927.10502953). Unlike the textbook's p +- z sqrt(p(1-p)/n) it stays
    within [0, 1] and keeps a width when no film, or every film, is a hit.
    """
    z = normal_quantile(level)
    if not 0 <= hits <= of:
        raise CourseError(f"{hits} of {of} films is no share: the first number lies between 0 and the second.")
    if of == 0:
        return np.nan, np.nan
    share = hits / of
    centre = share + z**2 / (2 * of)
    reach = z * np.sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    low, high = (centre - reach) / (1 + z**2 / of), (centre + reach) / (1 + z**2 / of)
    return (0.0 if hits == 0 else float(low)), (1.0 if hits == of else float(high))


def holm(p):
    """Holm's adjusted p-values: that any of them falls below 0.05 by luck alone happens in at most 5 of 100 studies.

    Parameters
    ----------
    p : array (k,) of p-values; NaN where no test was made, which then does not count

    Returns
    -------
    float array (k,): the smallest p times k, the next times k - 1 and so on, never falling and at most 1

    Holm 1979, 'A simple sequentially rejective multiple test procedure', Scand J Statist 6:65-70.
    """
    p = np.asarray(p, dtype=float)
    if not np.all(np.isnan(p) | ((p >= 0) & (p <= 1))):
        raise CourseError("p-values must lie between 0 and 1.")
    order = np.argsort(p)[: np.sum(~np.isnan(p))]  # NaN is sorted to the end
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted
