"""What a larger study needs: readers times cases for a power, from the variance components of a small one.

Hillis, Obuchowski and Berbaum 2011 (doi 10.1016/j.acra.2010.09.007).
"""

import numpy as np
import pandas as pd
from scipy.special import chndtr, fdtri, ncfdtr, ndtri

from util.errors import CourseError
from util.metrics.mrmc_parts import Components

MOST_CASES = 20_000


def power_of(
    components: Components,
    difference: float,
    readers: int,
    cases: int,
    pilot: int,
    alpha: float = 0.05,
    fixed_readers: bool = False,
) -> float:
    """Power of a study of two modalities to find a true difference of AUC, if its films are mixed as the pilot's are.

    Parameters
    ----------
    components : Components, of a pilot study; an interaction below 0 counts as 0
    difference : float, the true difference of the two mean AUCs, not 0
    readers, cases : int, at least 2, of the study to come; pilot : int, the cases of the pilot
    alpha : float in (0, 1), the level of the test
    fixed_readers : bool, whether the result is to be about these readers only

    Returns
    -------
    float in (0, 1), the chance that p is below `alpha`. Errors and covariances from the cases fall with one over their
    number; the interaction does not, so cases alone cannot replace readers.

    Raises
    ------
    CourseError : a number is out of range, or the components are not known.

    See Also
    --------
    cases_needed : how many cases reach a power
    util.metrics.mrmc.mrmc : the pilot's components

    Examples
    --------
    >>> pilot = Components(0.0015, 0.0002, 0.0008, 0.00035, 0.00034, 0.00024)
    >>> print(round(power_of(pilot, 0.05, readers=6, cases=114, pilot=114), 2))
    0.68

    Taught in lesson 16, section 6.
    """
    wanted = [components.error, components.cov1, components.cov2, components.cov3]
    if not np.isfinite(wanted + ([] if fixed_readers else [components.interaction])).all():
        raise CourseError(
            "The components are not all known: a pilot study has two modalities and at least two readers."
        )
    if difference == 0 or not abs(difference) < 1 or not 0 < alpha < 1:
        raise CourseError(f"A difference of {difference} at a level of {alpha} has no power: give some below 1, not 0.")
    if min(readers, cases, pilot) < 2:
        raise CourseError("A study has at least two readers and two cases.")
    shared = max(components.cov2 - components.cov3, 0.0)
    by_cases = pilot / cases
    own = components.error - components.cov1
    error = by_cases * max(own + (readers - 1) * shared, 0.0)
    if fixed_readers:
        limit = ndtri(1 - alpha / 2) ** 2
        return float(1 - chndtr(limit, 1, readers * difference**2 / 2 / error)) if error > 0 else 1.0
    interaction = max(components.interaction, 0.0)
    total, of_readers = interaction + error, interaction + by_cases * max(own - shared, 0.0)
    if total <= 0:
        return 1.0
    df = (readers - 1) * (total / of_readers) ** 2 if of_readers > 0 else 1e6
    limit, noncentral = fdtri(1, df, 1 - alpha), readers * difference**2 / 2 / total
    return float(1 - ncfdtr(1, df, noncentral, limit))


def cases_needed(
    components: Components,
    difference: float,
    readers: int,
    pilot: int,
    power: float = 0.8,
    alpha: float = 0.05,
    fixed_readers: bool = False,
) -> int | None:
    """The least number of cases that reach a power with so many readers; None where 20,000 do not.

    Parameters
    ----------
    components, difference, readers, pilot, alpha, fixed_readers : as in `power_of`
    power : float in (0, 1)

    See Also
    --------
    power_of : the power of a given study
    sizes_table : for several numbers of readers

    Examples
    --------
    >>> pilot = Components(0.0015, 0.0002, 0.0008, 0.00035, 0.00034, 0.00024)
    >>> cases_needed(pilot, 0.05, readers=6, pilot=114) > cases_needed(pilot, 0.05, readers=12, pilot=114)
    True

    Taught in lesson 16, section 6.
    """
    if not 0 < power < 1:
        raise CourseError(f"The power is {power}: give a share between 0 and 1, such as 0.8.")

    def reached(cases):
        return power_of(components, difference, readers, cases, pilot, alpha, fixed_readers) >= power

    low, high = 1, MOST_CASES
    if not reached(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def sizes_table(
    components: Components,
    difference: float,
    pilot: int,
    readers: tuple[int, ...] = (3, 5, 8, 12, 20, 40, 60),
    power: float = 0.8,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Cases that reach a power, for several numbers of readers.

    Parameters
    ----------
    components, difference, pilot, power, alpha : as in `cases_needed`
    readers : tuple of int

    Returns
    -------
    DataFrame (index: readers): cases (NaN where 20,000 are too few), readings (readers x cases x 2 modalities)

    See Also
    --------
    cases_needed : one row

    Examples
    --------
    >>> pilot = Components(0.0015, 0.0002, 0.0008, 0.00035, 0.00034, 0.00024)
    >>> sizes_table(pilot, 0.05, pilot=114, readers=(5, 10))["cases"].is_monotonic_decreasing
    True

    Taught in lesson 16, section 6.
    """
    found = [cases_needed(components, difference, number, pilot, power, alpha) for number in readers]
    table = pd.DataFrame({"cases": found}, index=pd.Index(readers, name="readers"), dtype=float)
    return table.assign(readings=2 * table["cases"] * table.index)
