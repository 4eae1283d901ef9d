"""Five leaks, planted on purpose, each beside the clean version of the same cohort with the same test films.

Each function takes a clean cohort of `clean_split` and gives a `Leak`. Films are changed only when they are read;
nothing is written. `util.leaks.audit` finds the leaks, `util.leaks.cost` measures what they are worth.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from util.data.cohort import Cohort
from util.data.splits import split_by_patient
from util.findings import FINDINGS

MOST_FILMS = 1620  # of a cohort; more make the lesson slower, not clearer
COPIED = 0.3  # share of the test films that get a copy in training
MARKED, MARKED_BY_CHANCE = 0.85, 0.05  # share of films with, and without, the finding that carry the mark
MARK, PLACE = "PORTABLE", (0.05, 0.12)  # its left end and its foot, as shares of the film's width and height
SEED = 0  # each leak is planted once
FEWEST = 5  # test films with a finding, for it to be asked about


@dataclass(frozen=True, eq=False)
class PlantedCohort(Cohort):
    """A cohort whose films are changed as they are read: `changed` is film name -> (film on disk, function of pixels)."""

    changed: dict = field(default_factory=dict, repr=False)

    def read(self, image):
        """Pixels of one film by name: uint8 (h, w)."""
        source, change = self.changed.get(image, (image, None))
        film = super().read(source)
        return film if change is None else change(film)


class Leak(NamedTuple):
    """A planted leak.

    name, what : str; clean, leaky : PlantedCohort with the splits 'train' and 'test', the same test films and as many
    training films; findings : those it concerns; told : what the leaky pipeline is told besides the films: None,
    'row' (the place in the table), 'scale' (mean and SD of all films) or 'frequencies' (of all films' labels)
    """

    name: str
    what: str
    clean: PlantedCohort
    leaky: PlantedCohort
    findings: list
    told: str | None = None


def clean_split(cohort, seed=0):
    """A sample of a cohort, split by patient: 3/4 'train', 1/4 'test'.

    Whole patients are drawn until 1,620 films are reached; copies that the cohort documents are left out, so that each
    leak is alone. Returns a PlantedCohort with nothing planted.
    """
    films = cohort.films
    if cohort.duplicates is not None:
        films = films[~films["Image"].isin(cohort.duplicates["Image"])]
    patients = films["PatientId"].drop_duplicates().sample(frac=1, random_state=seed)
    counts = films["PatientId"].value_counts().loc[patients].cumsum()
    kept = films["PatientId"].isin(counts.index[counts <= max(MOST_FILMS, counts.iloc[0])])
    films = films[kept].reset_index(drop=True)
    split = split_by_patient(films, {"train": 0.75, "test": 0.25}, seed)
    boxes = cohort.boxes[cohort.boxes["Image"].isin(films["Image"])].reset_index(drop=True)
    return PlantedCohort(cohort.name, films.assign(Split=split), boxes, paths=cohort.paths, root=cohort.root)


def plant_patients(base):
    """The same patient on both sides: of each test patient with several films, every second film goes to training."""
    test = base.films["Split"] == "test"
    moved = test & (base.films.groupby("PatientId").cumcount() % 2 == 1)
    clean = _with(base, base.films[~moved])
    leaky = _with(base, _swap_in(base.films[~moved], base.films[moved]))
    return Leak("patients", "half of each test patient's films are in training", clean, leaky, _asked(clean))


def plant_duplicates(base):
    """Films exported again, cropped by 1 % and re-windowed, under another name and another patient, in training."""
    from util.phantom.films import near_duplicate

    test = base.films[base.films["Split"] == "test"]
    originals = test.sample(max(1, round(COPIED * len(test))), random_state=SEED)
    numbers = base.films["PatientId"].max() + 1 + np.arange(len(originals))
    names = [
        f"{number:08d}_000{image[image.rfind('.') :]}"
        for number, image in zip(numbers, originals["Image"], strict=True)
    ]
    copies = originals.assign(Image=names, PatientId=numbers, FollowUp=0)

    def export(number):
        return lambda film: near_duplicate(film, np.random.default_rng([SEED, int(number)]))

    changed = {
        name: (image, export(number)) for name, image, number in zip(names, originals["Image"], numbers, strict=True)
    }
    leaky = _with(base, _swap_in(base.films, copies), changed)
    what = f"{COPIED:.0%} of the test films have a copy in training, under another name"
    return Leak("duplicates", what, base, leaky, _asked(base))


def plant_scale(base):
    """Mean and SD are taken from all films, the test films included."""
    return Leak("scale", "mean and SD are taken from all films", base, base, _asked(base), "scale")


def plant_frequencies(base):
    """How often a patient has a finding is counted over all films, the test films included, and given to the model."""
    what = "a patient's label frequencies are counted over all films"
    return Leak("frequencies", what, base, base, _asked(base), "frequencies")


def plant_mark(base):
    """A word printed on most films with a finding, as by the machine of one ward, and on few films without it."""
    finding = _frequent(base, "Edema")
    chance = np.where(base.films[finding] == 1, MARKED, MARKED_BY_CHANCE)
    marked = base.films["Image"][np.random.default_rng(SEED).random(len(base.films)) < chance]
    leaky = _with(base, base.films, {image: (image, print_mark) for image in marked})
    return Leak("mark", f"the word {MARK} is printed on films with {finding}", base, leaky, [finding])


def print_mark(film):
    """The film, uint8 (h, w), with the word MARK printed on it in white."""
    import cv2

    film, (height, width) = film.copy(), film.shape
    foot = round(PLACE[0] * width), round(PLACE[1] * height)
    scale, thick = height / 320, max(1, height // 320)
    return cv2.putText(film, MARK, foot, cv2.FONT_HERSHEY_SIMPLEX, 0.35 * scale, 255, thick, cv2.LINE_AA)


def plant_order(base):
    """Films exported finding first, and numbered in that order: the place in the table carries the label."""
    finding = _frequent(base)
    films = base.films.sample(frac=1, random_state=SEED).sort_values(finding, ascending=False, kind="stable")
    names = [f"export_{number:05d}{image[image.rfind('.') :]}" for number, image in enumerate(films["Image"])]
    changed = {name: (image, None) for name, image in zip(names, films["Image"], strict=True)}
    leaky = _with(base, films.assign(Image=names), changed)
    return Leak("order", f"films with {finding} come first, numbered so", base, leaky, [finding], "row")


PLANTS = (plant_patients, plant_duplicates, plant_scale, plant_frequencies, plant_mark, plant_order)


def _with(base, films, changed=None):
    """The cohort with another table of films."""
    films = films.reset_index(drop=True)
    return PlantedCohort(base.name, films, base.boxes, paths=base.paths, root=base.root, changed=changed or {})


def _swap_in(films, leaked):
    """`leaked` films join the training films, as many others leave them: training stays as large as it was."""
    training = films.index[films["Split"] == "train"]
    gone = pd.Series(training).sample(min(len(leaked), len(training)), random_state=SEED)
    return pd.concat([films.drop(index=gone), leaked.assign(Split="train")])


def _asked(base):
    """Findings with enough test films on both sides, and with training films on both."""
    test, train = (base.films.loc[base.films["Split"] == split, list(FINDINGS)] for split in ("test", "train"))
    enough = (test.sum() >= FEWEST) & ((1 - test).sum() >= FEWEST) & (train.sum() > 0) & ((1 - train).sum() > 0)
    return list(enough.index[enough])


def _frequent(base, preferred=None):
    """The preferred finding where it can be asked about, else the most frequent one."""
    return preferred if preferred in _asked(base) else base.films[list(FINDINGS)].sum().idxmax()
