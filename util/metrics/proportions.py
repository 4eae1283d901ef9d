"""Shares with their intervals, by patient where wanted, and Holm's rule for several tests at once. Notebooks 6 to 8."""

import numpy as np
from scipy.special import ndtri, stdtrit

from util.errors import CourseError
from util.metrics.inputs import patient_codes


def effective_number(shares):
    """How many patients of equal weight weigh like these: (sum of shares)^2 / sum of squares; 0 of none.

    shares : array (patients,) of films or shares of films, at least 0

    Kish 1965, 'Survey sampling': 24 films of one patient and 26 of fourteen others are worth about four patients.
    """
    shares = np.asarray(shares, dtype=float)
    return float(shares.sum() ** 2 / np.sum(shares**2)) if shares.any() else 0.0


def normal_quantile(level):
    """How many standard errors a two-sided interval of this level reaches: 1.96 for 0.95."""
    if not 0 < level < 1:
        raise CourseError(f"The level is {level}: give a share between 0 and 1, such as 0.95.")
    return float(ndtri((1 + level) / 2))


def student_quantile(level, freedom):
    """As `normal_quantile`, where the standard error itself comes from few patients: 2.78 for 0.95 and 4 degrees.

    freedom : float, degrees of freedom of the standard error; infinite for the normal quantile. Below 0.1, where the
        quantile is a million millions, it stays.
    """
    normal = normal_quantile(level)
    return normal if np.isinf(freedom) else float(stdtrit(max(freedom, 0.1), (1 + level) / 2))


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


def share_interval(values, patients=None, level=0.95):
    """Mean of numbers between 0 and 1, such as hits, with an interval that counts patients, not films.

    Wilson's interval of as many independent films as have the variance that the patients show: n / (variance of the
    mean, clustered by patient, over that of n independent hits), with Student's quantile, since that variance is
    itself known from few patients. Where all values are 0 or all are 1 no variance is seen, so each patient of equal
    weight counts as one film, with the normal quantile.

    Parameters
    ----------
    values : array (n,) in [0, 1]
    patients : array (n,), the patient of each value, or None where each is another's
    level : float in (0, 1)

    Returns
    -------
    (mean, low, high) : floats; all NaN without values, and no interval (NaN) of a single patient
    """
    values = np.asarray(values, float)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise CourseError("Hits and shares must be numbers between 0 and 1, one for each map.")
    if not len(values):
        return np.nan, np.nan, np.nan
    mean, variance, effective = clustered_mean(values, patients)
    return mean, *share_around(mean, variance, effective, level)


def share_around(share, variance, effective, level=0.95):
    """Interval (low, high) of a share of known variance; see `share_interval`, and `effective_number`."""
    if effective <= 1 + 1e-9:
        return np.nan, np.nan
    spread, n, q = share * (1 - share), effective, normal_quantile(level)
    if variance > 1e-12 and spread > 0:
        n, q = spread / variance, student_quantile(level, effective - 1)
    centre, reach = share + q**2 / (2 * n), q * np.sqrt(spread / n + q**2 / (4 * n**2))
    low, high = (centre - reach) / (1 + q**2 / n), (centre + reach) / (1 + q**2 / n)
    return (0.0 if share == 0 else float(low)), (1.0 if share == 1 else float(high))


def clustered_mean(values, patients=None):
    """Mean of values (n,), its variance by patient, and how many patients of equal weight these are worth.

    The variance adds up the squares of each patient's sum of distances from the mean, over 1 - the patient's share of
    the films: who has many films draws the mean towards himself and looks closer to it than he is (CR2; Bell and
    McCaffrey 2002). With equally many films of each it is Bessel's correction. NaN of a single patient.
    """
    who, everyone = patient_codes(patients, len(values))
    mean, share = float(values.mean()), np.bincount(who) / len(values)
    if everyone < 2:
        return mean, np.nan, 1.0
    sums = np.bincount(who, values - mean) / len(values)
    return mean, float(np.sum(sums**2 / (1 - share))), effective_number(share)


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
