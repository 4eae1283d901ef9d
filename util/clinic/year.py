"""A simulated year: 52 weeks of films drawn from pools that were scored once, with planted events and labels that come late."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from util.clinic.pools import CONDITIONS, Pools
from util.errors import CourseError

WEEKS, FILMS = 52, 100  # of a year; films a week
PREVALENCE, WAVE = 0.08, 2.0  # usual share of films with the finding; how many times as many in the winter wave
LATE, LABELED = 8, 0.6  # weeks until a label arrives, and the share of the films whose label ever does
LENGTHS = {"wave": 10, "scanner": 8, "marker": 6, "portable": 4}  # weeks of an event; an update stays
SENSITIVITY, SPECIFICITY = 0.95, 0.98  # of a person who sorts films by hand; invented


@dataclass(frozen=True)
class Event:
    """Something that happens to the clinic: its kind, its first and its last week (1 to 52, both included).

    See Also
    --------
    plan_events : draws a year's events

    Examples
    --------
    >>> Event("portable", 20, 23).kind
    'portable'
    """

    kind: str
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Year:
    """The films of a year, a row for each week.

    Attributes
    ----------
    finding : str
    logit : float (weeks, films)
    truth, mined : bool (weeks, films), whether the finding is there, and whether a report will say so
    ap : bool (weeks, films), whether the view is AP
    labeled : bool (weeks, films), whether the label arrives, LATE weeks after the film
    by_hand : bool (weeks, films), what a person calls who sorts the film by hand
    condition : str (weeks,); prevalence : float (weeks,)
    events : tuple of Event

    See Also
    --------
    simulate_year : draws it

    Examples
    --------
    >>> from util.clinic.pools import read_pools
    >>> str(simulate_year(read_pools(), weeks=2).condition[0])
    'usual'

    Taught in lesson 14, section 1.
    """

    finding: str
    logit: np.ndarray
    truth: np.ndarray
    mined: np.ndarray
    ap: np.ndarray
    labeled: np.ndarray
    by_hand: np.ndarray
    condition: np.ndarray
    prevalence: np.ndarray
    events: tuple


def plan_events(seed: int, kinds: Sequence[str] = ("wave", "scanner", "marker", "portable", "update")) -> tuple:
    """Draw the weeks of a year's events.

    Parameters
    ----------
    seed : int, at least 0
    kinds : of 'wave', 'scanner', 'marker', 'portable', 'update'. The wave may meet any other; those that change the films
        never overlap, since each film was scored under one condition at a time. The update comes last and stays.

    Returns
    -------
    tuple of Event, by their first week

    Raises
    ------
    CourseError : a kind is unknown.

    See Also
    --------
    simulate_year : a year with these events

    Examples
    --------
    >>> [event.kind for event in plan_events(1)][-1]
    'update'

    Taught in lesson 14, section 1.
    """
    if unknown := sorted(set(kinds) - {"update", *LENGTHS}):
        raise CourseError(f"There is no event {unknown[0]!r}: choose of {', '.join([*LENGTHS, 'update'])}.")
    rng = np.random.default_rng([14, seed])
    starts = {"wave": int(rng.integers(3, 12)), "update": int(rng.integers(41, 45))}
    slots = rng.permutation([9, 20, 31]) + rng.integers(0, 3, 3)
    starts |= {kind: int(week) for kind, week in zip(("scanner", "marker", "portable"), slots, strict=True)}
    ends = {kind: starts[kind] + length - 1 for kind, length in LENGTHS.items()} | {"update": WEEKS}
    return tuple(sorted((Event(kind, starts[kind], ends[kind]) for kind in kinds), key=lambda event: event.start))


def simulate_year(
    pools: Pools,
    events: Sequence[Event] = (),
    seed: int = 0,
    weeks: int = WEEKS,
    films: int = FILMS,
    prevalence: float = PREVALENCE,
) -> Year:
    """Draw the films of a year; the same arguments give the same year.

    Each week's films have the finding with the week's prevalence, and are drawn with replacement from the pool of the
    week's condition, so the pool plays the world: what is learned from it holds for its films, not for others.

    Parameters
    ----------
    pools : util.clinic.pools.Pools
    events : Events; without any, the year is an ordinary one
    seed : int, at least 0
    weeks, films : int, at least 1: how many weeks, and films in each
    prevalence : float in (0, 1), outside of a wave

    Raises
    ------
    CourseError : an argument is out of range, or the pools lack the condition of an event.

    See Also
    --------
    plan_events : draws the events
    util.clinic.rules.run_year : what a clinic's rules make of it

    Examples
    --------
    >>> from util.clinic.pools import read_pools
    >>> simulate_year(read_pools(), weeks=4, films=25).logit.shape
    (4, 25)

    Taught in lesson 14, section 1.
    """
    if weeks < 1 or films < 1:
        raise CourseError(f"A year of {weeks} weeks with {films} films each cannot be: give at least one of both.")
    condition, shares = _of_each_week(events, weeks, prevalence)
    if not (shares.min() > 0 and shares.max() < 1):
        raise CourseError(f"The prevalence {prevalence} is out of range: it and its wave must be between 0 and 1.")
    rng = np.random.default_rng([41, seed])
    truth = rng.random((weeks, films)) < shares[:, None]
    chance = rng.random((weeks, films))
    labeled = rng.random((weeks, films)) < LABELED
    right = rng.random((weeks, films)) < np.where(truth, SENSITIVITY, SPECIFICITY)
    logit, drawn, ap = np.empty((weeks, films)), np.empty((weeks, films), int), np.empty((weeks, films), bool)
    has = pools.films["Truth"].to_numpy() == 1
    for name in np.unique(condition):
        values, views, usable = _pool_of(pools, str(name))
        here = condition == name
        rows = drawn[here]
        for kind in (False, True):
            able = np.flatnonzero(usable & (has == kind))
            part = truth[here] == kind
            rows[part] = able[(chance[here][part] * len(able)).astype(int)]
        drawn[here], logit[here], ap[here] = rows, values[rows], views[rows] == "AP"
    mined = pools.films["Mined"].to_numpy()[drawn] == 1
    by_hand = truth == right  # a mistake turns the truth round
    return Year(pools.finding, logit, truth, mined, ap, labeled, by_hand, condition, shares, tuple(events))


def _of_each_week(events, weeks, prevalence):
    """Condition and prevalence of each week: str (weeks,) and float (weeks,)."""
    condition, shares = np.full(weeks, "usual", dtype="<U8"), np.full(weeks, float(prevalence))
    for event in events:
        during = slice(max(event.start, 1) - 1, event.end)
        if event.kind == "wave":
            shares[during] *= WAVE
        elif event.kind not in CONDITIONS[1:]:
            raise CourseError(f"There is no event {event.kind!r}: choose of wave, {', '.join(CONDITIONS[1:])}.")
        elif (condition[during] != "usual").any():
            raise CourseError("Two events change the films of one week: no film was scored under both.")
        else:
            condition[during] = event.kind
    return condition, shares


def _pool_of(pools, condition):
    """Logits, views and which films may be drawn under a condition."""
    if condition in pools.logits:
        return pools.logits[condition], pools.views(condition), np.ones(len(pools.films), bool)
    if condition != "portable":
        raise CourseError(f"These pools have no films under the condition {condition!r}: leave that event out.")
    views = pools.views("usual")  # films that were really taken: those in the AP view stand for portable ones
    return pools.logits["usual"], views, views == "AP"
