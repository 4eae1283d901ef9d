"""Shares with their intervals, by patient if wanted, and Holm's rule for several tests at once. Lessons 6 to 8."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from util.errors import CourseError
from util.metrics.inputs import patient_codes


def effective_number(shares: ArrayLike) -> float:
    """Effective number of patients, (sum of shares)^2 / sum of squares: as many of equal weight are worth the same.

    Parameters
    ----------
    shares : array (patients,), numbers or shares of films, at least 0

    Returns
    -------
    float, 0 where there are none

    Kish 1965, 'Survey sampling': 24 films of one patient and 26 of fourteen others are worth about four patients.

    See Also
    --------
    share_interval : an interval that uses it

    Examples
    --------
    >>> print(effective_number([5, 5, 5]), round(effective_number([24] + [26 / 14] * 14), 1))
    3.0 4.0

    Taught in lesson 6, section 5.
    """
    shares = np.asarray(shares, dtype=float)
    return float(shares.sum() ** 2 / np.sum(shares**2)) if shares.any() else 0.0


def normal_quantile(level: float) -> float:
    """How many standard errors a two-sided interval of this level reaches: 1.96 for 0.95.

    See Also
    --------
    student_quantile : the same where patients are few

    Examples
    --------
    >>> print(round(normal_quantile(0.95), 2))
    1.96

    Taught in lesson 6, section 5.
    """
    if not 0 < level < 1:
        raise CourseError(f"The level is {level}: give a share between 0 and 1, such as 0.95.")
    return float(ndtri((1 + level) / 2))


def student_quantile(level: float, freedom: float) -> float:
    """As `normal_quantile`, if the standard error itself comes from few patients: 2.78 for 0.95 and 4 degrees.

    Parameters
    ----------
    level : float in (0, 1)
    freedom : float, degrees of freedom of the standard error; infinite for the normal quantile. Values below 0.1, where
        the quantile is about 10^12, count as 0.1.

    See Also
    --------
    normal_quantile : the limit for many patients

    Examples
    --------
    >>> print(round(student_quantile(0.95, 4), 2))
    2.78

    Taught in lesson 6, section 5.
    """
    normal = normal_quantile(level)
    return normal if np.isinf(freedom) else float(stdtrit(max(freedom, 0.1), (1 + level) / 2))


def wilson_interval(hits: float, of: float, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval (low, high) of a share, `hits` of `of` films; NaN if `of` is 0.

    Wilson 1927 (doi 10.1080/01621459.1927.10502953). Unlike p +- z sqrt(p(1-p)/n), it stays within [0, 1] and keeps
    its width when no film, or every film, is a hit.

    See Also
    --------
    share_interval : the same by patient

    Examples
    --------
    >>> low, high = wilson_interval(9, 10)
    >>> print(round(low, 3), round(high, 3))
    0.596 0.982

    Taught in lesson 7.
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


def share_interval(
    values: ArrayLike, patients: ArrayLike | None = None, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean of numbers between 0 and 1, such as hits, with an interval that counts patients, not films.

    This is Wilson's interval for the number of independent films that would have the same variance as the mean,
    clustered by patient. The quantile is Student's, since that variance is itself estimated from few patients. Where
    all values are 0 or all are 1, no variance is seen; then the effective number of patients takes the place of the
    films, with the normal quantile.

    Parameters
    ----------
    values : array (n,) in [0, 1]
    patients : array (n,), the patient of each value, or None if each has a patient of its own
    level : float in (0, 1)

    Returns
    -------
    (mean, low, high) : floats; all NaN without values; the interval is NaN for a single patient

    See Also
    --------
    wilson_interval : the same for independent films
    clustered_mean : mean and variance by patient

    Examples
    --------
    >>> mean, low, high = share_interval([1, 1, 0, 1], patients=[1, 1, 2, 3])
    >>> print(mean, round(low, 2), round(high, 2))
    0.75 0.04 1.0

    Taught in lesson 7.
    """
    values = np.asarray(values, float)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise CourseError("Hits and shares must be numbers between 0 and 1, one for each map.")
    if not len(values):
        return np.nan, np.nan, np.nan
    mean, variance, effective = clustered_mean(values, patients)
    return mean, *share_around(mean, variance, effective, level)


def share_around(share: float, variance: float, effective: float, level: float = 0.95) -> tuple[float, float]:
    """Interval (low, high) of a share of known variance; see `share_interval` and `effective_number`.

    See Also
    --------
    share_interval : the same, from the values

    Examples
    --------
    >>> low, high = share_around(0.5, variance=0.0025, effective=100)
    >>> print(round(low, 2), round(high, 2))
    0.4 0.6
    """
    if effective <= 1 + 1e-9:
        return np.nan, np.nan
    spread, n, q = share * (1 - share), effective, normal_quantile(level)
    if variance > 1e-12 and spread > 0:
        n, q = spread / variance, student_quantile(level, effective - 1)
    centre, reach = share + q**2 / (2 * n), q * np.sqrt(spread / n + q**2 / (4 * n**2))
    low, high = (centre - reach) / (1 + q**2 / n), (centre + reach) / (1 + q**2 / n)
    return (0.0 if share == 0 else float(low)), (1.0 if share == 1 else float(high))


def clustered_mean(values: np.ndarray, patients: ArrayLike | None = None) -> tuple[float, float, float]:
    """Mean of values (n,), its variance by patient, and the effective number of patients.

    The variance is a sum over the patients: the square of each one's sum of deviations from the mean, divided by 1 -
    the patient's share of the films. A patient with many films pulls the mean along and so looks closer to it (CR2;
    Bell and McCaffrey 2002). With equally many films for each, this is Bessel's correction. NaN for a single patient.

    See Also
    --------
    share_interval : the interval of such a mean

    Examples
    --------
    >>> mean, variance, effective = clustered_mean(np.array([1.0, 0, 1, 0]), [1, 2, 3, 4])
    >>> print(mean, round(variance, 3), effective)
    0.5 0.083 4.0

    Taught in lesson 6, section 5.
    """
    who, everyone = patient_codes(patients, len(values))
    mean, share = float(values.mean()), np.bincount(who) / len(values)
    if everyone < 2:
        return mean, np.nan, 1.0
    sums = np.bincount(who, values - mean) / len(values)
    return mean, float(np.sum(sums**2 / (1 - share))), effective_number(share)


def holm(p: ArrayLike) -> np.ndarray:
    """Holm's adjusted p-values: by luck alone, any of them falls below 0.05 in at most 5 of 100 studies.

    Parameters
    ----------
    p : array (k,) of p-values; NaN where no test was made, and these do not count

    Returns
    -------
    float array (k,): the smallest p times k, the next times k - 1 and so on, never falling and at most 1

    Holm 1979, 'A simple sequentially rejective multiple test procedure', Scand J Statist 6:65-70.

    See Also
    --------
    util.metrics.comparison.compare_table : uses it over 14 findings

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]

    Taught in lesson 8.
    """
    p = np.asarray(p, dtype=float)
    if not np.all(np.isnan(p) | ((p >= 0) & (p <= 1))):
        raise CourseError("p-values must lie between 0 and 1.")
    order = np.argsort(p)[: np.sum(~np.isnan(p))]  # NaN is sorted to the end
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted
