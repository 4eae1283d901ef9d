"""The mark of one report against the sealed truth: verdicts, estimates, intervals and evidence.

The mark is 100 J S. J is the share of faults that were found, less the share of true claims that were accused: 0 for a
report that accepts everything, for one that accuses everything, and on average for one that guesses; it is never below 0. S
says how well the right verdicts are supported, from `VERDICT`, for verdicts without support, to 1.

Points for an estimate, an interval or evidence count only where the verdict is right. An interval earns its point when it
holds the truth, and is neither so wide nor so narrow that no honest analysis of these films would give it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from util.hospital.claims import CLAIMS, Claim, Truth, other_group
from util.hospital.report import is_films, is_number

VERDICT = 0.4  # what a right verdict is worth without its support
POINTS = 10  # of one problem
# Least F1 of the films named. Some copies escape any search; the other films can all be found, and without looking at one, all
# films with the label reach 0.88 for the claim about the word, and all films with a map 0.80 for the claim about maps.
FOUND, FOUND_COPIES = 0.9, 0.8
WIDEST, NARROWEST = 2.5, 0.4  # bounds of an interval's width, in widths of an honest one
PARTS = ("estimate", "interval", "evidence")


@dataclass(frozen=True)
class Problem:
    """The mark of one claim.

    Attributes
    ----------
    key : str, of the Claim; right : bool, whether the verdict is
    support : dict of `PARTS` that this claim asks for -> bool; empty where the verdict is wrong
    sentence : str, what was right and what is missing, without the truth

    See Also
    --------
    mark_claim : makes it

    Examples
    --------
    >>> float(Problem("copies", True, {"estimate": True, "evidence": False}, "").points)
    7.0
    """

    key: str
    right: bool
    support: dict
    sentence: str

    @property
    def points(self) -> float:
        """Of `POINTS`; 0 where the verdict is wrong."""
        return POINTS * (VERDICT + (1 - VERDICT) * np.mean(list(self.support.values()))) if self.right else 0.0


@dataclass
class Mark:
    """The mark of a report.

    Attributes
    ----------
    found, faults : int, faults found, and how many there are
    accused, sound : int, true claims that were accused or not answered, and how many there are
    problems : dict key of a claim -> Problem
    notice : list of str, what an instructor should look at
    pending : bool, whether the mark is 0 until the instructor has looked
    foreign : bool, whether the report is about a hospital that the secret does not give this student

    See Also
    --------
    mark_report : makes it

    Examples
    --------
    >>> Mark(found=2, faults=4, accused=0, sound=7).earned
    0.0
    """

    found: int = 0
    faults: int = 0
    accused: int = 0
    sound: int = 0
    problems: dict = field(default_factory=dict)
    notice: list = field(default_factory=list)
    pending: bool = False
    foreign: bool = False

    @property
    def earned(self) -> float:
        """The mark between 0 and 100, whatever the notices say."""
        return mark_of(self.found, self.faults, self.accused, self.sound, self._points())

    @property
    def mark(self) -> float:
        """The mark that counts: 0 while it is pending."""
        return 0.0 if self.pending else self.earned

    def count(self, part: str) -> int:
        """How many answers have a part of their support right, and how many of all claims ask for it."""
        asked = [problem.support.get(part) for problem in self.problems.values()]
        return sum(right is True for right in asked)

    def _points(self):
        return [problem.points for problem in self.problems.values() if problem.right]


def mark_of(found: int, faults: int, accused: int, sound: int, points: Sequence[float]) -> float:
    """The mark out of 100.

    Parameters
    ----------
    found, faults, accused, sound : int, as in `Mark`
    points : list of float, between 0 and `POINTS`, of the problems with a right verdict

    Returns
    -------
    float between 0 and 100

    See Also
    --------
    mark_report : counts them in a report

    Examples
    --------
    Four of five faults found, one of six true claims accused, all verdicts fully supported:

    >>> round(mark_of(4, 5, 1, 6, [10] * 9), 1)
    63.3

    Taught in lesson 15, section 8.
    """
    hit = found / faults if faults else 1.0
    false = accused / sound if sound else 0.0
    return 100 * max(0.0, hit - false) * (float(np.mean(points)) / POINTS if points else 0.0)


def mark_report(report: dict, truth: dict[str, Truth]) -> Mark:
    """Mark the answers of a report against what is true.

    Parameters
    ----------
    report : dict, as `read_report` gives it; answers may be missing or nonsense, which earns nothing
    truth : dict key of a claim -> Truth

    Returns
    -------
    Mark, without notices

    See Also
    --------
    mark_claim : one of them

    Examples
    --------
    >>> from util.hospital.claims import Truth
    >>> from util.hospital.report import answer, new_report
    >>> report = new_report("ada", "5f3c")
    >>> answer(report, "average", "fails", 0.81)
    >>> mark_report(report, {"average": Truth("average", False, 0.8, 0.02)}).mark
    100.0

    Taught in lesson 15, section 8.
    """
    claims, made = report.get("claims"), Mark()
    claims = claims if isinstance(claims, dict) else {}
    for claim in CLAIMS:
        if claim.key not in truth:
            continue
        made.problems[claim.key] = problem = mark_claim(claim, truth[claim.key], claims.get(claim.key))
        if truth[claim.key].holds:
            made.sound, made.accused = made.sound + 1, made.accused + (not problem.right)
        else:
            made.faults, made.found = made.faults + 1, made.found + problem.right
    return made


def mark_claim(claim: Claim, truth: Truth, given: object) -> Problem:
    """The mark of the answer to one claim: a Problem.

    Parameters
    ----------
    claim : Claim; truth : Truth
    given : what the report says of it, of any type, or None

    See Also
    --------
    mark_report : marks all claims

    Examples
    --------
    >>> from util.hospital.claims import CLAIMS, Truth
    >>> mark_claim(CLAIMS[0], Truth("patients", True, 0, 0), {"verdict": "fails"}).sentence
    'The claim is true here, so this is a false accusation.'

    Taught in lesson 15, section 8.
    """
    given = given if isinstance(given, dict) else {}
    if given.get("verdict") not in ("holds", "fails"):
        return Problem(claim.key, False, {}, "No verdict is given, so this claim counts as wrongly judged.")
    if (given["verdict"] == "holds") != truth.holds:
        said = "so this is a false accusation" if truth.holds else "so a fault was missed"
        return Problem(claim.key, False, {}, f"The claim is {'true' if truth.holds else 'false'} here, {said}.")
    value = _value(claim, truth, given)
    said = {
        "estimate": _estimate(truth, value, given.get("estimate")),
        "interval": _interval(truth, value, given.get("low"), given.get("high")) if claim.interval else None,
        "evidence": _evidence(claim, truth, given) if claim.evidence and not truth.holds else None,
    }
    asked = {part: what for part, what in said.items() if what}
    support = {part: right for part, (right, _) in asked.items()}
    return Problem(
        claim.key, True, support, "The verdict is right; " + "; ".join(what for _, what in asked.values()) + "."
    )


def _value(claim, truth, given):
    """The true quantity, seen from the group that the report names: 'men less women' is minus 'women less men'.

    Where a report names neither of the two groups, as it may where the claim is true, the sign is the estimate's.
    """
    if claim.evidence != "group" or given.get("group") == truth.group:
        return truth.value
    if truth.group and given.get("group") == other_group(truth.group):
        return -truth.value
    estimate = given.get("estimate")
    return float(np.copysign(truth.value, estimate)) if is_number(estimate) else truth.value


def _estimate(truth, value, estimate):
    if not is_number(estimate):
        return False, "the estimate is missing"
    near = abs(estimate - value) <= truth.tolerance * (1 + 1e-9) + 1e-12
    return near, "the estimate is right" if near else "the estimate is off by more than the tolerance"


def _interval(truth, value, low, high):
    if not (is_number(low) and is_number(high)) or low > high:
        return False, "the interval is missing"
    if high - low > WIDEST * truth.width:
        return False, "the interval is too wide to say anything"
    if high - low < NARROWEST * truth.width:
        return False, "the interval is narrower than these films allow"
    holds = low <= value <= high
    return holds, "the interval holds the truth" if holds else "the interval misses the truth"


def _evidence(claim, truth, given):
    if claim.evidence == "group":
        right = bool(truth.group) and given.get("group") == truth.group
        return right, "the group is right" if right else "the group is not the one concerned"
    named = set(given["films"]) if is_films(given.get("films")) else set()
    if not named:
        return False, "no films are named"
    hits, least = len(named & truth.films), FOUND_COPIES if claim.key == "copies" else FOUND
    if 2 * hits >= least * (len(named) + len(truth.films)):
        return True, "the films are the right ones"
    return False, "films are missing" if hits >= least * len(named) else "films are named that do not show the fault"
