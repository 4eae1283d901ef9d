"""The faults that concern people, films and labels, one function for each: planted, or the honest version. Lesson 15.

Each function gets a generator of its own and says what it did in the table's columns, from which the truth is counted. An
honest hospital has the same material without the fault: copies within the training films, a printed word that says
nothing, labels that miss as much in one group as in the other. So nothing is proved by its mere presence.
"""

import numpy as np
import pandas as pd

from util.findings import FINDINGS
from util.hospital.claims import members

SHARED_PATIENTS = 10  # test patients, half of whose films go to training
COPIES, INNER_COPIES = 12, 4  # test films exported into training again; training films filed twice, in every hospital
MISSED, MISSED_MORE, FALSE_ALARMS = (
    0.08,
    0.55,
    0.02,
)  # label errors: of positives, of positives in the group, of negatives
WORD_WITH, WORD_WITHOUT, WORD_ANYWHERE = 0.85, 0.06, 0.35  # shares of films that carry the printed word
GRAY = 98.0, 124.0  # between these, the mean gray level of a hospital's films before the newer detector
GRAY_SPREAD, COPY_SPREAD, BRIGHTER = (
    10.0,
    3.0,
    10.0,
)  # between films, between copies; how much brighter the newer detector's test films are
GRAY_LIMITS = 65.0, 170.0
REREAD = 0.6  # share of films that the radiologist rereads


def share_patients(people: pd.DataFrame, planted: bool, rng: np.random.Generator) -> pd.DataFrame:
    """Move the later films of ten test patients to training, if planted.

    See Also
    --------
    util.hospital.estimates.shared_patients : finds them

    Examples
    --------
    >>> people = pd.DataFrame({"Person": [1, 1, 2, 2], "Split": ["test", "test", "train", "train"]})
    >>> share_patients(people, True, np.random.default_rng(0))["Split"].tolist()
    ['test', 'train', 'train', 'train']
    """
    if not planted:
        return people
    counts = people[people["Split"] == "test"].groupby("Person").size()
    several = counts.index[counts >= 2].to_numpy()
    chosen = rng.permutation(several)[:SHARED_PATIENTS]
    place, size = people.groupby("Person").cumcount(), people.groupby("Person")["Person"].transform("size")
    moved = people["Person"].isin(chosen) & (place >= size - size // 2)
    return people.assign(Split=people["Split"].mask(moved, "train"))


def add_copies(people: pd.DataFrame, planted: bool, names: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """File some exposures twice: training films always, and test films as training films of new patients, if planted.

    Adds the columns Visit (the follow-up number that a student sees), Image (one of `names`), Source (the Image of the
    exposure that a film shows, its own except for copies), and sorts the films by Image.

    See Also
    --------
    util.leaks.near_duplicates.near_duplicates : finds them

    Examples
    --------
    >>> people = pd.DataFrame({"Person": [1, 2], "Split": ["train", "test"], "FollowUp": 0})
    >>> add_copies(people, True, list("abcd"), np.random.default_rng(0))["Source"].tolist()
    ['a', 'b', 'a', 'b']
    """
    sides = people.groupby("Person")["Split"].nunique()
    single = people["Person"].map(sides) == 1
    last = ~people["Person"].duplicated(keep="last") & single
    inner = rng.permutation(people.index[last & (people["Split"] == "train")])[:INNER_COPIES]
    outer = rng.permutation(people.index[last & (people["Split"] == "test")])[: COPIES * planted]
    table = people.assign(Visit=people["FollowUp"], Image=names[: len(people)])
    table["Source"] = table["Image"]
    free = np.setdiff1d(np.arange(10_000, 90_000), people["Person"])
    again = table.loc[inner].assign(Visit=table.loc[inner, "Visit"] + 1)
    abroad = table.loc[outer].assign(Visit=0, Split="train", Person=rng.permutation(free)[: len(outer)])
    copies = pd.concat([again, abroad]).assign(Image=names[len(people) : len(people) + len(inner) + len(outer)])
    return pd.concat([table, copies]).sort_values("Image", ignore_index=True)


def mine(people: pd.DataFrame, finding: str, group: str, planted: bool, rng: np.random.Generator) -> pd.DataFrame:
    """Labels as mined from reports: DataFrame (films, 14) of 0/1; those of one finding miss more in a group, if planted.

    See Also
    --------
    reread : what is there instead

    Examples
    --------
    >>> people = pd.DataFrame({"Image": list("ab"), "Source": list("ab"), "Age": 40, "Sex": list("FM")})
    >>> people = people.assign(**dict.fromkeys(FINDINGS, 0.5))
    >>> mine(people, "Mass", "women", False, np.random.default_rng(0)).shape
    (2, 14)
    """
    present = people[list(FINDINGS)].to_numpy() > 0
    missed = np.full(present.shape, MISSED)
    if planted:
        missed[members(people, group), FINDINGS.index(finding)] = MISSED_MORE
    wrong = rng.random(present.shape) < np.where(present, missed, FALSE_ALARMS)
    labels = pd.DataFrame((present ^ wrong).astype(int), columns=list(FINDINGS))
    return labels.iloc[_source_rows(people)].reset_index(drop=True)  # a copy has the report of its exposure


def _source_rows(people: pd.DataFrame) -> np.ndarray:
    """The row of the exposure that each film shows: int (films,)."""
    return pd.Index(people["Image"]).get_indexer(people["Source"])


def reread(people: pd.DataFrame, finding: str, rng: np.random.Generator) -> pd.DataFrame:
    """What a radiologist saw on a random sample of the films: Image and the finding as 0/1.

    See Also
    --------
    mine : what the reports said

    Examples
    --------
    >>> people = pd.DataFrame({"Image": list("abcde"), "Mass": [0.0, 0.4, 0.0, 0.7, 0.0]})
    >>> len(reread(people, "Mass", np.random.default_rng(0)))
    3
    """
    chosen = np.sort(rng.permutation(len(people))[: round(REREAD * len(people))])
    seen = people.loc[chosen, ["Image"]].assign(**{finding: (people.loc[chosen, finding] > 0).astype(int)})
    return seen.reset_index(drop=True)


def print_word(people: pd.DataFrame, label: np.ndarray, planted: bool, rng: np.random.Generator) -> np.ndarray:
    """Which films carry the printed word: bool (films,); mostly those with the label, if planted.

    See Also
    --------
    util.hospital.estimates.word_gap : measures it

    Examples
    --------
    >>> people = pd.DataFrame({"Image": list("ab"), "Source": list("ab")})
    >>> print_word(people, np.array([1, 0]), True, np.random.default_rng(0)).tolist()
    [True, False]
    """
    chance = np.where(label == 1, WORD_WITH, WORD_WITHOUT) if planted else WORD_ANYWHERE
    return (rng.random(len(people)) < chance)[_source_rows(people)]


def gray_levels(people: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Mean gray level that each film is set to: float (films,), two decimals; test films come from a brighter detector.

    A copy is about as bright as its exposure.

    See Also
    --------
    util.hospital.pictures.picture : sets a film to its level

    Examples
    --------
    >>> people = pd.DataFrame({"Image": list("ab"), "Source": list("aa"), "Split": ["test", "train"]})
    >>> first, second = gray_levels(people, np.random.default_rng(0))
    >>> bool(abs(first - second) < 15)
    True
    """
    level = rng.uniform(*GRAY) + BRIGHTER * (people["Split"] == "test") + GRAY_SPREAD * rng.standard_normal(len(people))
    copied = (people["Source"] != people["Image"]).to_numpy()
    level = np.where(copied, level[_source_rows(people)] + COPY_SPREAD * rng.standard_normal(len(people)), level)
    return np.round(np.clip(level, *GRAY_LIMITS), 2)
