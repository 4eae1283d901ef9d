"""The clinic's rules: which films are called, left or sorted by hand, what is watched, when the model is stopped, what it costs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from util.clinic.cusum import SLACK, after_week
from util.clinic.pools import Pools
from util.clinic.year import LATE, SENSITIVITY, SPECIFICITY, Year
from util.errors import CourseError
from util.metrics.calibration import calibration_line

MONITORS = ("calibration", "score", "view")


@dataclass(frozen=True)
class Prices:
    """What things cost, in false alarms: a missed finding, a false alarm, and a film that a person sorts by hand.

    See Also
    --------
    cost_of : uses them

    Examples
    --------
    >>> Prices(miss=20).miss
    20

    Taught in lesson 14, section 2.
    """

    miss: float = 10.0
    alarm: float = 1.0
    by_hand: float = 0.1


@dataclass(frozen=True)
class Rules:
    """What a clinic has decided.

    Attributes
    ----------
    low, high : float, probabilities: a film at or above `high` is called, one below `low` is left, the others are sorted
        by hand; with low = high the model decides alone
    limit : float, of the CUSUMs; slack : float
    listen : monitors whose alarm stops the model; () for none
    pause : int, weeks in which all films are sorted by hand after an alarm

    Raises
    ------
    CourseError : low is above high, a monitor is unknown, or a number is out of range.

    See Also
    --------
    run_year : runs a year by them

    Examples
    --------
    >>> Rules(0.05, 0.35, listen=("score",)).pause
    4

    Taught in lesson 14, section 4.
    """

    low: float
    high: float
    limit: float = 5.0
    slack: float = SLACK
    listen: tuple = MONITORS
    pause: int = 4

    def __post_init__(self):
        if not self.low <= self.high:
            raise CourseError(
                f"The rules leave films below {self.low} and call those from {self.high} on: low <= high."
            )
        if unknown := sorted(set(self.listen) - set(MONITORS)):
            raise CourseError(f"There is no monitor {unknown[0]!r}: choose of {', '.join(MONITORS)}.")
        if not self.limit > 0 or not self.slack >= 0 or self.pause < 0:
            raise CourseError("The limit is above 0; slack and pause are at least 0.")


@dataclass(frozen=True)
class Reference:
    """What is usual, learned from weeks in which the model ran in the shadow and decided nothing.

    Attributes
    ----------
    slope, intercept : floats, from a logit to a calibrated probability
    logit, spread : mean and standard deviation of the logits; ap : share of AP films

    See Also
    --------
    learn_reference : makes it

    Examples
    --------
    >>> Reference(slope=1.0, intercept=-2.0, logit=0.0, spread=1.0, ap=0.4).probability([2.0]).tolist()
    [0.5]

    Taught in lesson 14, section 1.
    """

    slope: float
    intercept: float
    logit: float
    spread: float
    ap: float

    def probability(self, logit: ArrayLike) -> np.ndarray:
        """Calibrated probabilities of logits, of the same shape."""
        return expit(self.intercept + self.slope * np.asarray(logit, dtype=float))


def learn_reference(shadow: Year) -> Reference:
    """What is usual, from a year without events; the labels are the mined ones, since a clinic has no others.

    See Also
    --------
    util.metrics.calibration.calibration_line : slope and intercept

    Examples
    --------
    >>> from util.clinic.pools import read_pools
    >>> from util.clinic.year import simulate_year
    >>> shadow = simulate_year(read_pools(), seed=1000, weeks=26)
    >>> print(round(learn_reference(shadow).ap, 2))
    0.44

    Taught in lesson 14, section 1.
    """
    logits = shadow.logit.ravel()
    line = calibration_line(shadow.mined.ravel().astype(int), expit(np.clip(logits, -30, 30)))
    ap = float(np.clip(shadow.ap.mean(), 0.5 / logits.size, 1 - 0.5 / logits.size))
    return Reference(float(line.slope), float(line.intercept), float(logits.mean()), float(logits.std()), ap)


def weekly_z(year: Year, reference: Reference) -> dict:
    """The monitors' numbers: dict monitor -> float (weeks,), about normal with variance 1 in a usual week.

    'calibration' is calibration-in-the-large of the films whose labels arrive this week, that is of films taken LATE weeks
    ago: (labels - probabilities) / sqrt(sum p (1 - p)); NaN as long as none arrives. 'score' is the mean logit, 'view' the
    share of AP films, both of this week's films.

    See Also
    --------
    util.clinic.cusum.cusum : adds them up

    Examples
    --------
    >>> from util.clinic.pools import read_pools
    >>> from util.clinic.year import simulate_year
    >>> pools = read_pools()
    >>> usual = learn_reference(simulate_year(pools, seed=1000, weeks=26))
    >>> z = weekly_z(simulate_year(pools, weeks=10), usual)
    >>> int(np.isnan(z["calibration"]).sum()), int(np.isnan(z["score"]).sum())
    (8, 0)

    Taught in lesson 14, section 3.
    """
    films = year.logit.shape[1]
    p, known = reference.probability(year.logit), year.labeled
    spread = np.sqrt(np.sum(p * (1 - p) * known, axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.sum((year.mined - p) * known, axis=1) / np.where(spread > 0, spread, np.nan)
    late = np.concatenate([np.full(min(LATE, len(z)), np.nan), z[: max(len(z) - LATE, 0)]])
    score = (year.logit.mean(axis=1) - reference.logit) / (reference.spread / np.sqrt(films))
    view = (year.ap.mean(axis=1) - reference.ap) / np.sqrt(reference.ap * (1 - reference.ap) / films)
    return {"calibration": late, "score": score, "view": view}


def cost_of(truth: np.ndarray, called: np.ndarray, by_hand: np.ndarray, prices: Prices | None = None) -> dict:
    """What decisions cost: dict missed, false alarms, by hand (numbers of films) and cost (in false alarms).

    Parameters
    ----------
    truth, called, by_hand : bool arrays of one shape: whether the finding is there, whether the film was called in the end
        (by the model or by the person), whether a person sorted it

    See Also
    --------
    run_year : makes the decisions

    Examples
    --------
    >>> cost_of(np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0]), np.array([0, 0, 0, 1]))["cost"]
    11.1

    Taught in lesson 14, section 2.
    """
    prices = Prices() if prices is None else prices
    truth, called, by_hand = (np.asarray(part, dtype=bool) for part in (truth, called, by_hand))
    if not truth.shape == called.shape == by_hand.shape:
        raise CourseError("Truth, calls and films sorted by hand must be of one shape, a number for each film.")
    counts = {
        "missed": int(np.sum(truth & ~called)), "false alarms": int(np.sum(~truth & called)), "by hand": int(by_hand.sum())
    }  # fmt: skip
    cost = prices.miss * counts["missed"] + prices.alarm * counts["false alarms"] + prices.by_hand * counts["by hand"]
    return counts | {"cost": float(cost)}


def _decided(p, by_hand, low, high):
    """(called, asked) for films of probability p: a person decides from `low` to below `high`, the model elsewhere."""
    asked = (p >= low) & (p < high)
    return np.where(asked, by_hand, p >= high), asked


def run_year(year: Year, rules: Rules, reference: Reference, prices: Prices | None = None) -> pd.DataFrame:
    """Run the year by the rules.

    Returns
    -------
    DataFrame, index Week from 1: stopped (bool), alarms (names of the monitors that raised one, as text), one column for
    each monitor with the larger of its two sums, and the columns of `cost_of`. After a pause all sums start from 0.

    See Also
    --------
    oracle_year : what is best for those who know the events
    cost_of : the costs

    Examples
    --------
    >>> from util.clinic.pools import read_pools
    >>> from util.clinic.year import simulate_year
    >>> pools = read_pools()
    >>> usual = learn_reference(simulate_year(pools, seed=1000, weeks=26))
    >>> int(run_year(simulate_year(pools), Rules(0, 1.1), usual)["by hand"].sum())  # all of them
    5200

    Taught in lesson 14, section 4.
    """
    z = weekly_z(year, reference)
    p = reference.probability(year.logit)
    sums = {monitor: np.zeros(2) for monitor in MONITORS}
    stopped_until, rows = 0, []
    for week in range(len(p)):
        stopped = week < stopped_until
        band = (0, np.inf) if stopped else (rules.low, rules.high)  # a stopped model leaves all films to people
        called, asked = _decided(p[week], year.by_hand[week], *band)
        row = {"Week": week + 1, "stopped": stopped} | cost_of(year.truth[week], called, asked, prices)
        alarms = []
        for monitor in MONITORS:
            if not stopped:
                sums[monitor] = after_week(sums[monitor], z[monitor][week], rules.slack)
            row[monitor] = float(sums[monitor].max())
            if row[monitor] > rules.limit:
                alarms.append(monitor)
                sums[monitor] = np.zeros(2)
        if set(alarms) & set(rules.listen):
            stopped_until = week + 1 + rules.pause
            sums = {monitor: np.zeros(2) for monitor in MONITORS}
        rows.append(row | {"alarms": ", ".join(alarms)})
    return pd.DataFrame(rows).set_index("Week")


def cheapest_band(
    pools: Pools, reference: Reference, prevalence: float, condition: str = "usual", prices: Prices | None = None
) -> tuple[float, float]:
    """The probabilities (low, high) of the rules whose expected cost on a pool is least, over all pairs of its scores.

    All films by hand, none by hand, and anything between are among them.

    See Also
    --------
    oracle_year : uses it week by week

    Examples
    --------
    >>> from util.clinic.pools import read_pools
    >>> from util.clinic.year import simulate_year
    >>> pools = read_pools()
    >>> usual = learn_reference(simulate_year(pools, seed=1000, weeks=26))
    >>> low, high = cheapest_band(pools, usual, prevalence=0.08)
    >>> 0 < low < high < 1
    True

    Taught in lesson 14, section 4.
    """
    prices = Prices() if prices is None else prices
    p, has = reference.probability(pools.logits[condition]), pools.films["Truth"].to_numpy() == 1
    # Cuts between all different scores: the number of films of each kind below each.
    cuts = np.unique(np.concatenate([[0.0], np.quantile(p, np.linspace(0, 1, 201)), [1.1]]))
    below = {kind: np.searchsorted(np.sort(p[has == kind]), cuts) / np.sum(has == kind) for kind in (False, True)}
    ill = prevalence * (prices.by_hand + (1 - SENSITIVITY) * prices.miss)
    well = (1 - prevalence) * (prices.by_hand + (1 - SPECIFICITY) * prices.alarm)
    hand_up_to = ill * below[True] + well * below[False]
    left = prevalence * prices.miss * below[True]
    called = (1 - prevalence) * prices.alarm * (1 - below[False])
    cost = (left - hand_up_to)[:, None] + (hand_up_to + called)[None, :]
    cost[np.tril_indices(len(cuts), -1)] = np.inf
    low, high = np.unravel_index(np.argmin(np.round(cost, 12)), cost.shape)
    return float(cuts[low]), float(cuts[high])


def oracle_year(year: Year, pools: Pools, reference: Reference, prices: Prices | None = None) -> dict:
    """What the year costs those who know each week's condition and prevalence and set the cheapest band for them.

    Returns the dict of `cost_of`.

    See Also
    --------
    cheapest_band : the band of one week

    Examples
    --------
    >>> from util.clinic.pools import read_pools
    >>> from util.clinic.year import simulate_year
    >>> pools = read_pools()
    >>> usual = learn_reference(simulate_year(pools, seed=1000, weeks=26))
    >>> sorted(oracle_year(simulate_year(pools, weeks=4), pools, usual))
    ['by hand', 'cost', 'false alarms', 'missed']

    Taught in lesson 14, section 4.
    """
    p = reference.probability(year.logit)
    called, asked = np.zeros(p.shape, bool), np.zeros(p.shape, bool)
    for condition, share in sorted(set(zip(year.condition.tolist(), year.prevalence.tolist(), strict=True))):
        low, high = cheapest_band(pools, reference, share, condition, prices)
        here = (year.condition == condition) & (year.prevalence == share)
        called[here], asked[here] = _decided(p[here], year.by_hand[here], low, high)
    return cost_of(year.truth, called, asked, prices)
