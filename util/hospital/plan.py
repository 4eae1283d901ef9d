"""The whole plan of a hospital, from a student and a secret alone: every table and every truth, but no pixel. Lesson 15."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.hospital import faults
from util.hospital.cohort import FILMS, LEAST, MOST, Roles, draw_people, draw_roles
from util.hospital.estimates import mean_auc, missed_gap, pooled_auc, word_gap
from util.hospital.luck import UnluckyError, keep
from util.hospital.scores import draw_scores
from util.hospital.seal import checked_student, seed_of, stream
from util.hospital.sheet import claims_of

ATTEMPTS = 60  # groups of people, of which the first that shows everything clearly is taken
HITS, HITS_ELSEWHERE = (
    0.9,
    0.35,
)  # share of heat maps whose peak is in an outline: honest, and where maps look elsewhere
APART = 0.012  # least difference of a right and a wrong mean AUC, where the claim is false
FEWEST_POSITIVES, FEWEST_RARE, FEWEST_MAPS, FEWEST_REREAD = 24, 6, 22, 20


@dataclass(frozen=True, eq=False)
class Plan:
    """A hospital before its films are drawn.

    Attributes
    ----------
    student : str
    roles : Roles, which claims are false and what each is about
    people : DataFrame, one row per film, for the phantom: as of `cohort.draw_people` and `faults.add_copies`, with Word
        (bool, the printed word), Gray (the mean gray level to set) and Hit (1 a heat map that hits, 0 one that does
        not, -1 no map); never shown to a student
    films, scores, reread, claims : DataFrames as of `util.hospital.folder.Hospital`, in the order of `people`
    seed : int, keys the bodies and the films

    See Also
    --------
    plan_hospital : makes it

    Examples
    --------
    >>> from util.hospital.seal import OPEN
    >>> plan = plan_hospital("anna", OPEN)
    >>> len(plan.films) == len(plan.people)
    True
    """

    student: str
    roles: Roles
    people: pd.DataFrame
    films: pd.DataFrame
    scores: pd.DataFrame
    reread: pd.DataFrame
    claims: pd.DataFrame
    seed: int


def plan_hospital(student: str, secret: bytes, films: int = FILMS) -> Plan:
    """Plan a student's hospital.

    Parameters
    ----------
    student : str, see `util.hospital.seal.checked_student`
    secret : bytes, see `util.hospital.seal.secret_of`
    films : int from 400 to 800

    Returns
    -------
    Plan, the same for the same arguments

    Raises
    ------
    CourseError : the student's name or the number of films is not possible.

    See Also
    --------
    util.hospital.truth.truth_of_plan : what is true of its claims

    Examples
    --------
    >>> from util.hospital.seal import OPEN
    >>> len(plan_hospital("anna", OPEN, films=500).films)
    500

    Taught in lesson 15, section 1.
    """
    checked_student(student)
    if not LEAST <= films <= MOST:
        raise CourseError(f"A hospital of {films} films is not possible: ask for {LEAST} to {MOST}.")
    roles = draw_roles(student, secret)
    for attempt in range(ATTEMPTS):
        try:
            return _plan(student, secret, roles, films, attempt)
        except UnluckyError:
            continue
    raise CourseError(f"No hospital of {films} films was found for {student}: ask for more films, such as {FILMS}.")


def _plan(student, secret, roles, films, attempt):
    def rng(use):
        return stream(student, secret, f"{use} {attempt}")

    copies = faults.INNER_COPIES + faults.COPIES * ("copies" in roles.false)
    people = draw_people(student, secret, roles, films - copies, attempt)
    people = faults.share_patients(people, "patients" in roles.false, rng("patients"))
    people = faults.add_copies(people, "copies" in roles.false, _names(student, secret, films), rng("copies"))
    public, reread = _labels(people, roles, rng("labels"))
    people["Word"] = _words(public, people, roles, rng("mark"))
    people["Gray"] = faults.gray_levels(people, rng("statistics"))
    people["Hit"] = _hits(public, people, roles, rng("maps"))
    scores = draw_scores(public, roles, student, secret, attempt)
    tables = SimpleNamespace(films=public, scores=scores, reread=reread)
    if "average" in roles.false and abs(pooled_auc(tables) - mean_auc(tables)) < APART:
        raise UnluckyError
    claims = claims_of(tables, people, roles)
    return Plan(student, roles, people, public, scores, reread, claims, seed_of(student, secret, "films"))


def _names(student, secret, films):
    """Names of the films; of a cryptographic hash, so that no random number can be worked out from them."""
    return [f"{seed_of(student, secret, f'name {number}') >> 192:016x}.png" for number in range(films)]


def _labels(people, roles, rng):
    """The table that a student sees, and what the radiologist saw, drawn until the claim about labels is clear."""
    finding, group, planted = roles.findings["labels"], roles.groups["labels"], "labels" in roles.false
    seen = people.rename(columns={"PatientId": "Body", "FollowUp": "Exposure"})
    seen = seen.rename(columns={"Person": "PatientId", "Visit": "FollowUp"})
    seen = seen[["Image", "PatientId", "FollowUp", "Age", "Sex", "View", "Site", "Split"]]
    reread = faults.reread(people, finding, rng)
    present = reread[reread[finding] == 1]["Image"]
    inside = faults.members(seen[seen["Image"].isin(present)], group)
    if min(inside.sum(), (~inside).sum()) < FEWEST_REREAD:
        raise UnluckyError

    def clear(films):
        found = missed_gap(SimpleNamespace(films=films, reread=reread), finding, group)
        return found.low > 0.15 if planted else abs(found.value) < 0.05

    films = keep(lambda: seen.join(faults.mine(people, finding, group, planted, rng)), clear)
    positives = films[films["Split"] == "test"][roles.scored].sum()
    if positives.min() < FEWEST_RARE or positives[roles.common].min() < FEWEST_POSITIVES:
        raise UnluckyError
    return films, reread


def _words(films, people, roles, rng):
    """Which films carry the printed word, drawn until the claim about it is clear."""
    finding, planted = roles.findings["mark"], "mark" in roles.false

    def clear(carries):
        found = word_gap(SimpleNamespace(films=films), carries, finding)
        return found.low > 0.5 if planted else abs(found.value) < 0.06

    return keep(lambda: faults.print_word(people, films[finding].to_numpy(), planted, rng), clear)


def _hits(films, people, roles, rng):
    """1 for a heat map that hits, 0 for one that does not, -1 for no map: int (films,)."""
    finding = roles.findings["maps"]
    mapped = np.flatnonzero((films["Split"] == "test") & (films[finding] == 1) & (people[finding] > 0))
    if len(mapped) < FEWEST_MAPS:
        raise UnluckyError
    share = HITS_ELSEWHERE if "maps" in roles.false else HITS
    hits = np.full(len(films), -1)
    hits[mapped] = 0
    hits[rng.permutation(mapped)[: round(share * len(mapped))]] = 1
    return hits
