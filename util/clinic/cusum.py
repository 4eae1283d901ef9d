"""CUSUM: small changes of a standardized number add up until an alarm is raised, and how often that happens by chance.

Page 1954 (doi 10.1093/biomet/41.1-2.100). z is a number that has mean 0 and variance 1 as long as nothing has changed.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from util.errors import CourseError

SLACK = 0.5  # the usual choice: best for a change of one standard deviation


def cusum(z: ArrayLike, slack: float = SLACK) -> tuple[np.ndarray, np.ndarray]:
    """The upper and the lower sum, without any reset.

    Parameters
    ----------
    z : float (..., weeks), standardized; NaN where a week has no number, which leaves the sums as they are
    slack : float, at least 0: how much of each week's z is forgiven

    Returns
    -------
    (up, down) : float (..., weeks), up = max(0, up before + z - slack), down = max(0, down before - z - slack)

    Raises
    ------
    CourseError : the slack is below 0.

    See Also
    --------
    first_alarm : when a sum passes the limit
    average_run_length : how long that takes

    Examples
    --------
    >>> up, down = cusum([1.0, 1.0, -2.0])
    >>> up.tolist(), down.tolist()
    ([0.5, 1.0, 0.0], [0.0, 0.0, 1.5])

    Taught in lesson 14, section 3.
    """
    z = np.asarray(z, dtype=float)
    if not slack >= 0:
        raise CourseError(f"The slack is {slack}: give a number of at least 0, such as {SLACK}.")
    sums = np.zeros((2, *z.shape))
    before = np.zeros((2, *z.shape[:-1]))
    for week in range(z.shape[-1]):
        sums[..., week] = before = after_week(before, z[..., week], slack)
    return sums[0], sums[1]


def after_week(before: np.ndarray, z: ArrayLike, slack: float = SLACK) -> np.ndarray:
    """Both sums after one more week: float (2, ...), upper and lower, from those before and the week's z (...).

    See Also
    --------
    cusum : week after week

    Examples
    --------
    >>> after_week(np.array([1.0, 0.2]), 1.5).tolist()
    [2.0, 0.0]

    Taught in lesson 14, section 3.
    """
    z = np.asarray(z, dtype=float)
    step = np.stack([z, -z]) - slack
    return np.where(np.isnan(step), before, np.maximum(0, before + step))


def first_alarm(z: ArrayLike, limit: float, slack: float = SLACK) -> np.ndarray:
    """Number of weeks until either sum exceeds the limit, int (...,), counted from 1; 0 where none ever does.

    See Also
    --------
    cusum : the sums

    Examples
    --------
    >>> int(first_alarm([2.0, 2.0, 2.0], limit=2.5))
    2

    Taught in lesson 14, section 3.
    """
    high = np.maximum(*cusum(z, slack)) > limit
    return np.where(high.any(axis=-1), high.argmax(axis=-1) + 1, 0)


def limit_for(z: ArrayLike, share: float, slack: float = SLACK) -> float:
    """The limit that at most a share of event-free years ever exceeds.

    Parameters
    ----------
    z : float (years, weeks) or (years, monitors, weeks) of years without events; with several monitors, a year has a false
        alarm where any of them has
    share : float in (0, 1), of years that may have a false alarm
    slack : float

    Raises
    ------
    CourseError : the share is out of range, or the years are fewer than 1 / share.

    See Also
    --------
    average_run_length : the closed form for a normal z

    Examples
    --------
    >>> years = np.random.default_rng(0).normal(size=(500, 52))
    >>> limit = limit_for(years, 0.1)
    >>> float(np.mean(first_alarm(years, limit) > 0))
    0.1

    Taught in lesson 14, section 3.
    """
    z = np.asarray(z, dtype=float)
    if not 0 < share < 1 or len(z) * share < 1:
        raise CourseError(f"A share of {share} cannot be found in {len(z)} years: give more years, or a share below 1.")
    highest = np.maximum(*cusum(z, slack)).max(axis=-1)
    highest = np.sort(highest.reshape(len(z), -1).max(axis=1))
    return float(highest[len(z) - int(np.floor(len(z) * share)) - 1])


def average_run_length(limit: float, slack: float = SLACK, shift: float = 0.0, states: int = 200) -> float:
    """Mean number of weeks until an alarm of either sum, for independent normal z of variance 1 and mean `shift`.

    Parameters
    ----------
    limit : float above 0; slack : float, at least 0; shift : float
    states : int, cells that [0, limit] is divided into

    Notes
    -----
    Each sum is a Markov chain on the cells (Brook and Evans 1972, doi 10.1093/biomet/59.3.539); the two sides are put
    together by 1 / ARL = 1 / ARL(up) + 1 / ARL(down).

    See Also
    --------
    siegmund_run_length : a formula that is nearly as good

    Examples
    --------
    >>> print(round(average_run_length(5)), round(average_run_length(5, shift=1), 1))
    465 10.4

    Taught in lesson 14, section 3.
    """
    if not limit > 0 or not slack >= 0:
        raise CourseError(f"A limit of {limit} with a slack of {slack} cannot be: both are positive numbers.")
    rates = [1 / _one_sided(limit, slack, side * shift, states) for side in (1, -1)]
    return float(1 / sum(rates))


def _one_sided(limit, slack, shift, states):
    width = 2 * limit / (2 * states - 1)
    step = np.arange(states)[None, :] - np.arange(states)[:, None]
    upper = ndtr((step + 0.5) * width + slack - shift)
    moves = upper - ndtr((step - 0.5) * width + slack - shift)
    moves[:, 0] = upper[:, 0]  # all below 0 is 0
    return np.linalg.solve(np.eye(states) - moves, np.ones(states))[0]


def siegmund_run_length(limit: float, slack: float = SLACK, shift: float = 0.0) -> float:
    """The same by Siegmund's formula (Siegmund 1985, Sequential Analysis).

    For one side, with d = shift - slack and b = limit + 1.166: (exp(-2 d b) + 2 d b - 1) / (2 d^2), or b^2 where d is 0.

    See Also
    --------
    average_run_length : the same by a Markov chain

    Examples
    --------
    >>> print(round(siegmund_run_length(5)))
    469

    Taught in lesson 14, section 3.
    """
    if not limit > 0 or not slack >= 0:
        raise CourseError(f"A limit of {limit} with a slack of {slack} cannot be: both are positive numbers.")
    b, rates = limit + 1.166, []
    for drift in (shift - slack, -shift - slack):
        small = abs(drift * b) < 1e-6
        rates.append(1 / b**2 if small else 2 * drift**2 / (np.exp(-2 * drift * b) + 2 * drift * b - 1))
    return float(1 / sum(rates))
