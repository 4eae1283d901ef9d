"""Who comes to a hospital: people, films, splits and true findings, before any fault is planted. Lesson 15."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from util.findings import FINDINGS
from util.hospital.claims import GROUPS, KEYS
from util.hospital.seal import seed_of, stream
from util.phantom.studies import EPISODES, sample_studies

FILMS = 600  # of a hospital
LEAST, MOST = 400, 800
SHARES = {"train": 0.36, "valid": 0.24, "test": 0.40}
# So that marks compare, every hospital has 4 to 6 false claims, and one or two in each of these families.
FAMILIES = (
    ("patients", "copies", "mark", "statistics"),
    ("labels", "subgroup", "maps"),
    ("threshold", "calibration", "better", "average"),
)
FALSE, OF_FAMILY = (4, 5, 6), (1, 2)
MOST_FOLLOW_UPS = 4  # films of one patient; in ChestX-ray14 some have a hundred, and an interval would hang on them
ENRICHED = 0.26  # least prevalence of a scored finding's label
RARE = 0.25  # share of patients who keep a finding that no claim is about
CONFOUNDED = 0.3  # how much the view goes with the findings; 1 is ChestX-ray14's
ADULT = 18
OUTLINED = ("Consolidation", "Infiltration", "Mass", "Pneumonia")  # findings that the phantom always draws visibly
SCORED = (*OUTLINED, "Atelectasis", "Cardiomegaly", "Edema", "Effusion", "Emphysema", "Fibrosis", "Nodule",
          "Pleural_Thickening", "Pneumothorax")  # fmt: skip
ROLES = ("mark", "threshold", "labels", "subgroup", "calibration", "better", "spare")  # claims about one finding each
RARES = ("rare 1", "rare 2", "rare 3")  # scored as well; few films have them, and the model ranks them less well
WORDS = ("ICU 2", "BED 7", "WARD C", "ROOM 4")
CORNERS = ("lower left", "lower right")
SEEN = 0.35  # least severity of the outlined finding


@dataclass(frozen=True)
class Roles:
    """What is drawn first: which claims are false, and which finding or group each is about.

    Attributes
    ----------
    false : frozenset of keys of `CLAIMS`
    findings : dict key -> finding; 'spare' and the rare ones are scored as well
    groups : dict, 'labels' and 'subgroup' -> the group at a disadvantage where the claim is false
    word, corner : str, what is printed on some films and where

    See Also
    --------
    draw_roles : draws them

    Examples
    --------
    >>> from util.hospital.seal import OPEN
    >>> len(draw_roles("anna", OPEN).scored)
    11
    """

    false: frozenset
    findings: dict
    groups: dict
    word: str
    corner: str

    @property
    def common(self) -> list:
        """The findings that the claims are about, and one more."""
        return [finding for key, finding in self.findings.items() if key not in RARES]

    @property
    def scored(self) -> list:
        """The scored findings, in the order of FINDINGS."""
        return sorted(self.findings.values(), key=FINDINGS.index)


def draw_roles(student: str, secret: bytes) -> Roles:
    """Draw which claims are false in a student's hospital, and what each is about.

    See Also
    --------
    draw_people : draws films to go with them

    Examples
    --------
    >>> from util.hospital.seal import OPEN
    >>> draw_roles("anna", OPEN).false <= set(KEYS)
    True
    """
    rng = stream(student, secret, "roles")
    false = _false(rng)
    outlined = OUTLINED[rng.integers(len(OUTLINED))]
    others = [finding for finding in SCORED if finding != outlined]
    chosen = [others[place] for place in rng.permutation(len(others))[: len(ROLES) + len(RARES)]]
    groups = {
        key: GROUPS[attributes[rng.integers(2)]][rng.integers(2)]
        for key, attributes in (("labels", ("Sex", "Age")), ("subgroup", ("View", "Site")))
    }
    findings = dict(zip(ROLES + RARES, chosen, strict=True)) | {"maps": outlined}
    return Roles(
        false, findings, groups, WORDS[rng.integers(len(WORDS))], CORNERS[rng.integers(len(CORNERS))]
    )  # fmt: skip


def _false(rng):
    """Keys of the false claims: every set that FALSE and FAMILIES allow is equally likely, given its size."""
    number = FALSE[rng.integers(len(FALSE))]
    while True:
        false = frozenset(KEYS[place] for place in rng.permutation(len(KEYS))[:number])
        if all(len(false & set(family)) in OF_FAMILY for family in FAMILIES):
            return false


def draw_people(student: str, secret: bytes, roles: Roles, number: int, attempt: int) -> pd.DataFrame:
    """Draw the films of a hospital as rows for the phantom, whole patients in each split, nothing planted.

    Returns
    -------
    DataFrame (number,), as of `util.phantom.studies.sample_studies`, with the columns Split, Site and Person added. Person
    is the number that a student sees as PatientId; PatientId keys the body.

    See Also
    --------
    util.phantom.studies.sample_studies : the rows before a hospital is made of them

    Examples
    --------
    >>> from util.hospital.seal import OPEN
    >>> people = draw_people("anna", OPEN, draw_roles("anna", OPEN), 400, attempt=0)
    >>> len(people), bool((people.groupby("Person")["Split"].nunique() == 1).all())
    (400, True)
    """
    rng = stream(student, secret, f"people {attempt}")
    draw = sample_studies(3 * number, [seed_of(student, secret, "studies"), attempt], ENRICHED, confounding=CONFOUNDED)
    table = draw[(draw["FollowUp"] < MOST_FOLLOW_UPS) & (draw["BaseAge"] >= ADULT)].head(number)
    table = table.drop(columns=[f"{finding}_mined" for finding in FINDINGS]).reset_index(drop=True)
    who, people = np.unique(table["PatientId"], return_inverse=True)[1], table["PatientId"].nunique()
    table[[*FINDINGS]] *= _kept(roles, people, rng)[who]
    table[EPISODES] *= (table[[*FINDINGS]] > 0).to_numpy()
    outlined = roles.findings["maps"]
    table[outlined] = table[outlined].where(table[outlined] == 0, table[outlined].clip(lower=SEEN))
    numbers = rng.permutation(np.arange(10_000, 90_000))[:people]
    return table.assign(
        Portable=False,
        Person=numbers[who],
        Site=np.where(rng.random(people) < 0.5, "A", "B")[who],
        Split=_split(np.bincount(who), rng)[who],
    )


def _kept(roles, people, rng):
    """Which patients keep which findings: bool (people, 14), all for the common ones."""
    kept = rng.random((people, len(FINDINGS))) < RARE
    return kept | np.isin(FINDINGS, roles.common)


def _split(films, rng):
    """Split of each patient, from the numbers of films: patients in random order fill test, then validation."""
    order = rng.permutation(len(films))
    before = np.cumsum(films[order]) / films.sum()
    names = np.full(len(films), "train", dtype=object)
    names[order[before <= SHARES["test"] + SHARES["valid"]]] = "valid"
    names[order[before <= SHARES["test"]]] = "test"
    return names
