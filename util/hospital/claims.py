"""What a vendor claims about a model, and what is true of each claim in one hospital. Lesson 15.

Every hospital has the same eleven claims. In each hospital some are true and some are false: a false one is a fault that
was planted when the hospital was drawn. A report answers each claim with a verdict, an estimate and its evidence; a grade
compares it with the `Truth`, which never leaves the instructor's machine.

Films of the split 'test' are the vendor's test films. Labels are those of films.csv, as mined from reports, except where a
claim speaks of what a radiologist saw when rereading.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from util.errors import CourseError

MIDDLE = 50  # years; the two groups by age meet here

# Each attribute divides the films into two groups. A report names a group by its name here.
GROUPS = {
    "Sex": ("women", "men"),
    "Age": ("under 50", "50 and over"),
    "View": ("AP", "PA"),
    "Site": ("site A", "site B"),
}


@dataclass(frozen=True)
class Claim:
    """One kind of claim.

    Attributes
    ----------
    key : str, its name in the claims sheet and in the report
    fault : str, what is wrong where the claim is false
    quantity : str, the one number that the report is to estimate, with its unit
    interval : bool, whether the estimate needs a 95 % interval; False where it is counted or computed exactly
    evidence : "films", "group" or "", what a report names where the claim is false: film names, or the group concerned
    films : str, which films those are; "" where none are asked for

    See Also
    --------
    Truth : what is true of a claim in one hospital

    Examples
    --------
    >>> CLAIMS[1].key, CLAIMS[1].interval, CLAIMS[1].evidence
    ('copies', False, 'films')
    """

    key: str
    fault: str
    quantity: str
    interval: bool
    evidence: str
    films: str = ""


@dataclass(frozen=True)
class Truth:
    """What is true of one claim in one hospital.

    Attributes
    ----------
    key : str, of the Claim
    holds : bool, whether the claim is true
    value : float, the quantity, computed correctly from this hospital's own films and tables
    tolerance : float, how far an estimate may be off
    films : frozenset of str, the films that show the fault; empty where the claim is true or needs no films
    group : str, the group concerned, a name of `GROUPS`, or ""; where the claim is true and is about two groups, the group
        that `value` is the difference of
    width : float, of the 95 % interval that an honest analysis of these films gives; 0 where none is asked for

    See Also
    --------
    util.hospital.truth.truth_of_plan : computes it

    Examples
    --------
    >>> Truth("copies", False, 12, 3.5).films
    frozenset()
    """

    key: str
    holds: bool
    value: float
    tolerance: float
    films: frozenset = frozenset()
    group: str = ""
    width: float = 0.0


CLAIMS = (
    Claim(
        "patients",
        "patients are in training and test films",
        "test patients who also have training films",
        False,
        "films",
        "all training and test films of the patients who have both",
    ),
    Claim(
        "copies",
        "films are in training and test twice",
        "pairs of one exposure, one film in training, one in test",
        False,
        "films",
        "both films of each pair",
    ),
    Claim(
        "mark",
        "a mark on the film gives a label away",
        "share of the films with the finding that carry the word, less that share of the films without it, all films",
        True,
        "films",
        "all films that carry the printed word",
    ),
    Claim("statistics", "test films went into the normalization", "mean gray level of the training films", False, ""),
    Claim(
        "threshold",
        "the threshold was chosen on test films",
        "highest threshold with the promised sensitivity on the validation films",
        False,
        "",
    ),
    Claim(
        "labels",
        "labels are missed more often in one group",
        "share of missed positives in the group less elsewhere, reread films",
        True,
        "group",
    ),
    Claim(
        "subgroup", "the AUC is lower in one group", "AUC in the group less AUC elsewhere, test films", True, "group"
    ),
    Claim(
        "calibration",
        "probabilities are wrong at this prevalence",
        "mean probability less share of positives, test films",
        True,
        "",
    ),
    Claim(
        "maps",
        "heat maps point at something else",
        "share of the maps whose peak is in an outline",
        True,
        "films",
        "the films whose map peaks outside all outlines",
    ),
    Claim(
        "better",
        "a difference is claimed that chance explains",
        "AUC of the new model less that of the old, test films",
        True,
        "",
    ),
    Claim(
        "average",
        "the mean AUC is averaged wrongly",
        "plain mean of the AUCs of the scored findings, test films",
        False,
        "",
    ),
)
KEYS = tuple(claim.key for claim in CLAIMS)


def members(films: pd.DataFrame, group: str) -> np.ndarray:
    """Which films belong to a group.

    Parameters
    ----------
    films : DataFrame with Sex (F, M), Age (years), View (AP, PA) and Site (A, B), as `Hospital.films`
    group : str, a name of `GROUPS`

    Returns
    -------
    bool array (films,)

    Raises
    ------
    CourseError : there is no such group.

    See Also
    --------
    other_group : the rest of the films

    Examples
    --------
    >>> films = pd.DataFrame({"Sex": ["F", "M"], "Age": [50, 49], "View": ["AP", "PA"], "Site": ["A", "B"]})
    >>> members(films, "women").tolist(), members(films, "under 50").tolist()
    ([True, False], [False, True])

    Taught in lesson 15.
    """
    old = films["Age"].to_numpy() >= MIDDLE
    attribute = attribute_of(group)
    if attribute == "Age":
        return old if group == "50 and over" else ~old
    code = {"women": "F", "men": "M"}.get(group, group.removeprefix("site "))
    return (films[attribute] == code).to_numpy()


def attribute_of(group: str) -> str:
    """The attribute that a group belongs to: 'Sex', 'Age', 'View' or 'Site'; a CourseError where there is no such group.

    See Also
    --------
    members : the films of a group

    Examples
    --------
    >>> attribute_of("women")
    'Sex'
    """
    for attribute, names in GROUPS.items():
        if group in names:
            return attribute
    known = ", ".join(name for names in GROUPS.values() for name in names)
    raise CourseError(f"There is no group {group!r}: name one of {known}.")


def other_group(group: str) -> str:
    """The group that holds all other films: 'men' for 'women'.

    See Also
    --------
    members : the films of a group

    Examples
    --------
    >>> other_group("women")
    'men'
    """
    first, second = GROUPS[attribute_of(group)]
    return second if group == first else first
