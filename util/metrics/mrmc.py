"""Many readers, many cases: is one way of reading better than another, for other readers and other patients, too?

The model of Obuchowski and Rockette 1995 (doi 10.1080/03610919508813243) for the AUC of modality i and reader j,
``A_ij = mean + T_i + R_j + (TR)_ij + e_ij``, where errors e share the cases and so are correlated: Cov1 for one reader in
two modalities, Cov2 for two readers in one modality, Cov3 for two readers in two. Tests, degrees of freedom and intervals
are those of Hillis 2007 (doi 10.1002/sim.2532). A modality is a way of reading, such as alone or with a model's advice.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import chdtrc, fdtrc, stdtr

from util.errors import CourseError
from util.metrics.inputs import checked
from util.metrics.mrmc_parts import Components, checked_ratings, components_of, covariances_of, mean_squares
from util.metrics.proportions import student_quantile

ANALYSES = ("random readers, random cases", "fixed readers, random cases", "random readers, fixed cases")
TINY = 1e-14  # a variance below this one is a rounding error


class Mrmc(NamedTuple):
    """What a study of many readers and many cases says.

    Attributes
    ----------
    aucs : float (t, r), of each modality and reader; covariances : float (t, r, t, r), of their errors from the cases
    ms : dict of mean squares: 'T', 'R', 'TR'; components : Components
    tests : DataFrame, a row for each of ANALYSES: statistic, name ('F' or 'chi2'), df1, df2, p; NaN where there is none
    differences : DataFrame: analysis, first, second (numbers of modalities), difference (first less second), error, df,
        low, high, p
    means : DataFrame: analysis, modality, auc, error, df, low, high

    See Also
    --------
    mrmc : makes it

    Examples
    --------
    >>> Mrmc._fields[:2]
    ('aucs', 'covariances')

    Taught in lesson 16, section 4.
    """

    aucs: np.ndarray
    covariances: np.ndarray
    ms: dict
    components: Components
    tests: pd.DataFrame
    differences: pd.DataFrame
    means: pd.DataFrame


def mrmc(
    y: ArrayLike,
    ratings: ArrayLike,
    patients: ArrayLike | None = None,
    method: str = "delong",
    level: float = 0.95,
) -> Mrmc:
    """Analysis of readers who have all rated the same films in every modality.

    Parameters
    ----------
    y : array (n,) of 0/1
    ratings : array (t, r, n), of modality, reader and film; only the order within each reader and modality counts
    patients : array (n,), the patient of each film, or None to treat the films as independent
    method : 'delong' or 'jackknife' (one patient left out at a time), for the covariances
    level : float in (0, 1), of the intervals

    Returns
    -------
    Mrmc. Three analyses: readers and cases random (the result is about other readers and patients), readers fixed (about
    these readers only), cases fixed (about these patients only). With one reader only the second is possible.

    Intervals are symmetric, as in the programs of these authors. In 1,000 simulated studies each of 5 readers and 60 films, 12
    and 48, 3 and 120, without a difference (mean AUC 0.85), the test with both random alarmed in 5 to 6 of 100, and the interval
    of a mean AUC held the truth in 91 to 93 of 100: with so few films it is a little too narrow.

    Raises
    ------
    CourseError : the shapes do not fit, a rating is NaN, or there are fewer than two patients with or without the finding.

    See Also
    --------
    readers_against : readers beside a model that rates alone
    util.metrics.comparison.auc_difference : two models, no readers

    Examples
    --------
    >>> rng = np.random.default_rng(16)
    >>> y = np.arange(60) % 2
    >>> study = mrmc(y, y + rng.normal(size=(2, 3, 60)))
    >>> study.aucs.shape, study.tests.index[0]
    ((2, 3), 'random readers, random cases')

    Taught in lesson 16, section 4.
    """
    ratings = checked_ratings(ratings)
    aucs, covariances = covariances_of(y, ratings, patients, method)
    ms = mean_squares(aucs)
    components = components_of(aucs, covariances)
    return Mrmc(
        aucs,
        covariances,
        ms,
        components,
        _tests(aucs, ms, components),
        _differences(aucs, ms, components, level),
        _means(aucs, covariances, level),
    )


# ---- Tests and intervals ----------------------------------------------------------------------------------


def _shared(components):
    """What two readers share within a modality beyond what they share across: at least 0."""
    return max(components.cov2 - components.cov3, 0.0)


def _denominators(aucs, ms, components):
    """For each analysis: (the mean square that MS(T) is compared with, its degrees of freedom)."""
    t, r = aucs.shape
    freedom = (t - 1) * (r - 1)
    fixed = components.error - components.cov1 + (0.0 if r == 1 else (r - 1) * _shared(components))
    both = ms["TR"] + r * _shared(components) if freedom else np.nan
    df = np.inf if freedom and ms["TR"] < TINY else (both / ms["TR"]) ** 2 * freedom if freedom else np.nan
    return [(both, df), (fixed, np.inf), (ms["TR"], freedom or np.nan)]


def _tests(aucs, ms, components):
    t, rows = len(aucs), []
    for denominator, df2 in _denominators(aucs, ms, components):
        known = t > 1 and denominator > TINY
        ratio = ms["T"] / denominator if known else np.nan
        if np.isinf(df2):
            statistic, p, name = (t - 1) * ratio, chdtrc(max(t - 1, 1), (t - 1) * ratio), "chi2"
        else:
            statistic, p, name = ratio, fdtrc(max(t - 1, 1), df2, ratio), "F"
        rows.append({"statistic": statistic, "name": name, "df1": t - 1, "df2": df2, "p": p})
    table = pd.DataFrame(rows, index=pd.Index(ANALYSES, name="analysis"))
    return table.astype({"statistic": float, "df2": float, "p": float})


def _differences(aucs, ms, components, level):
    t, r = aucs.shape
    rows, means = [], aucs.mean(axis=1)
    for analysis, (denominator, df) in zip(ANALYSES, _denominators(aucs, ms, components), strict=True):
        for first in range(t):
            for second in range(first + 1, t):
                row = interval_row(means[first] - means[second], 2 / r * denominator, df, level)
                rows.append(
                    {"analysis": analysis, "first": first, "second": second, "difference": row.pop("value"), **row}
                )
    columns = ["analysis", "first", "second", "difference", "error", "df", "low", "high", "p"]
    return pd.DataFrame(rows, columns=columns)


def _means(aucs, covariances, level):
    rows = []
    for modality, (values, block) in enumerate(zip(aucs, _diagonal(covariances), strict=True)):
        for analysis, (variance, df) in zip(ANALYSES, mean_variances(values, block), strict=True):
            row = interval_row(values.mean(), variance, df, level)
            row.pop("p")
            rows.append({"analysis": analysis, "modality": modality, "auc": row.pop("value"), **row})
    table = pd.DataFrame(rows, columns=["analysis", "modality", "auc", "error", "df", "low", "high"])
    return table.sort_values("analysis", key=lambda names: names.map(ANALYSES.index), kind="stable", ignore_index=True)


def _diagonal(covariances):
    return [covariances[modality, :, modality, :] for modality in range(len(covariances))]


def mean_variances(values: np.ndarray, block: np.ndarray) -> list[tuple[float, float]]:
    """Variance of the mean of readers' values in one modality and its degrees of freedom, for each of ANALYSES.

    Parameters
    ----------
    values : float (r,), such as AUCs; block : float (r, r), the covariances of their errors

    Returns
    -------
    list of (variance, degrees of freedom); NaN where a single reader allows none

    See Also
    --------
    mrmc : uses it for each modality

    Examples
    --------
    >>> both, readers_fixed, cases_fixed = mean_variances(np.array([0.8, 0.9]), np.full((2, 2), 0.001))
    >>> round(both[0], 4), round(readers_fixed[0], 4), round(cases_fixed[0], 4)
    (0.0035, 0.001, 0.0025)

    Taught in lesson 16, section 3.
    """
    r = len(values)
    error = float(np.trace(block) / r)
    if r == 1:
        return [(np.nan, np.nan), (error, np.inf), (np.nan, np.nan)]
    shared = max(float((block.sum() - np.trace(block)) / (r * (r - 1))), 0.0)
    ms = float(np.var(values, ddof=1))
    both = ms + r * shared
    df = np.inf if ms < TINY else (both / ms) ** 2 * (r - 1)
    return [(both / r, df), ((error + (r - 1) * shared) / r, np.inf), (ms / r, float(r - 1))]


def interval_row(value: float, variance: float, df: float, level: float = 0.95) -> dict:
    """Value, error, df, low, high and two-sided p (of 0) as a dict; NaN where the variance is unknown or 0.

    See Also
    --------
    mrmc : its tables are made of such rows

    Examples
    --------
    >>> row = interval_row(0.05, 0.02**2, np.inf)
    >>> print(round(row["low"], 3), round(row["p"], 3))
    0.011 0.012
    """
    known = bool(variance > TINY)
    error = float(np.sqrt(variance)) if known else np.nan
    reach = student_quantile(level, df) * error if known else np.nan
    p = float(2 * stdtr(min(df, 1e12), -abs(value / error))) if known else np.nan
    ends = {"low": float(value - reach), "high": float(value + reach)}
    return {"value": float(value), "error": error, "df": float(df), **ends, "p": p}


def readers_against(
    y: ArrayLike, ratings: ArrayLike, score: ArrayLike, patients: ArrayLike | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Mean AUC of readers minus the AUC of a model that rates the same films alone.

    Parameters
    ----------
    y : array (n,) of 0/1; ratings : array (r, n), of readers; score : array (n,), of the model
    patients, level : as in `mrmc`

    Returns
    -------
    DataFrame, a row for each of ANALYSES: difference, error, df, low, high, p. The model is one and the same for all
    readers, so only the readers and the cases can be random: the analysis of one modality (Hillis 2007) of the
    differences of each reader from the model, whose errors share the model's.

    Raises
    ------
    CourseError : the shapes do not fit, or as in `mrmc`.

    See Also
    --------
    mrmc : two ways of reading

    Examples
    --------
    >>> rng = np.random.default_rng(16)
    >>> y = np.arange(60) % 2
    >>> table = readers_against(y, y + rng.normal(size=(4, 60)), y + rng.normal(size=60) / 2)
    >>> bool(table["difference"].iloc[0] < 0)
    True

    Taught in lesson 16, section 3.
    """
    _, score = checked(y, score)
    ratings = np.asarray(ratings, dtype=float)
    if ratings.ndim != 2 or ratings.shape[1:] != score.shape:
        raise CourseError(
            f"Ratings have shape {ratings.shape}, scores {score.shape}: give (readers, films) and (films,)."
        )
    aucs, covariances = covariances_of(y, np.concatenate([ratings, score[None]])[None], patients)
    apart = np.column_stack([np.eye(len(ratings)), -np.ones(len(ratings))])
    values, block = apart @ aucs[0], apart @ covariances[0, :, 0, :] @ apart.T
    rows = [interval_row(values.mean(), variance, df, level) for variance, df in mean_variances(values, block)]
    return pd.DataFrame(rows, index=pd.Index(ANALYSES, name="analysis")).rename(columns={"value": "difference"})
