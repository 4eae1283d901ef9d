"""Real films with their labels in memory, for fine-tuning: folders read as cohorts, split by patient."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from util.data.cohort import load_cohort
from util.data.images import resize
from util.data.outlines import box_mask, box_shares
from util.errors import CourseError
from util.findings import FINDINGS
from util.progress import progress
from util.training.augment import PLACE

# Where a finding comes almost only from one source, a network learns the source: its label counts in that source
# (against that source's own other films) and in folders without such a source, and is left out elsewhere.
# That is a finding whose positives come to LEAST_SHARE from one source of at most RARE_SOURCE of the films. A source
# that has it on more than SELECTED of its films was put together by it: its label is left out there too.
LEAST_SHARE, RARE_SOURCE, SELECTED = 0.8, 0.5, 0.3
FIRST = 2.0  # how often the films of the folder that is named first are taken, in relation to those of the others
CAP = 4  # films of a patient that count in full; those of a patient with more share so many films' weight
OLD = 47, 17  # years, mean and SD of the ages in ChestX-ray14


@dataclass(frozen=True, eq=False)
class Lessons:
    """Films to learn from.

    Attributes
    ----------
    pixels : uint8 (n, h, h)
    labels : float32 (n, 14), 0 to 1
    counts : float32 (n, 14), how much each label counts
    further : float32 (n, 3), see `demographics`
    places : list of bool (h / 8, h / 8, 14), or None where nobody has drawn a box
    chance : float (n,), how often a film is taken, in relation to the others
    """

    pixels: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    further: np.ndarray
    places: list
    chance: np.ndarray

    def __len__(self):
        return len(self.labels)


def demographics(table):
    """View (AP), sex (M) and standardised age of each film: float32 (films, 3)."""
    age = (table["Age"].fillna(OLD[0]) - OLD[0]) / OLD[1]
    return np.stack([table["View"] == "AP", table["Sex"] == "M", age], axis=1).astype(np.float32)


def share_of_patients(patients):
    """How often each film is taken: 1, or less where its patient has more than CAP films; float (n,)."""
    films = pd.Series(np.asarray(patients)).groupby(np.asarray(patients)).transform("size").to_numpy()
    return np.minimum(1.0, CAP / films)


@dataclass(frozen=True, eq=False)
class RealFilms:
    """Films of one or more folders in NIH's format.

    Attributes
    ----------
    table : DataFrame, one row per film: Image, PatientId, Age, Sex, View, the 14 findings as 0/1, Folder and Source
    counts : bool (films, 14), whether the label may be learned from
    pixels : uint8 (films, size, size)
    boxes : DataFrame Image, finding, x, y, w, h as shares of the film, 0 to 1
    """

    table: pd.DataFrame
    counts: np.ndarray
    pixels: np.ndarray
    boxes: pd.DataFrame

    def lessons(self, rows):
        """The films `rows` as something to learn from: `Lessons`."""
        return Lessons(
            self.pixels[rows],
            self.labels[rows],
            self.counts[rows].astype(np.float32),
            demographics(self.table.iloc[rows]),
            [self.places(row) for row in rows],
            share_of_patients(self.table["PatientId"].iloc[rows])
            * np.where(self.table["Folder"].iloc[rows] == 0, FIRST, 1),
        )

    def places(self, row):
        """Where the boxes of film `row` lie, bool (size / 8, size / 8, 14), or None where it has none."""
        boxes = self.boxes[self.boxes["Image"] == self.table["Image"].iloc[row]] if len(self.boxes) else ()
        if not len(boxes):
            return None
        side = self.pixels.shape[1] // PLACE
        places = np.zeros((side, side, len(FINDINGS)), bool)
        for finding, mine in boxes.groupby("finding"):
            corner, extent = mine[["x", "y"]].to_numpy(), mine[["w", "h"]].to_numpy()
            wide = np.maximum(extent, 1 / side)  # a box holds at least one place
            mask = box_mask(np.hstack([corner + (extent - wide) / 2, wide]) * side, (side, side))
            places[..., FINDINGS.index(finding)] = mask
        return places

    @property
    def labels(self):
        """float32 (films, 14), 0 or 1."""
        return self.table[list(FINDINGS)].to_numpy(np.float32)


def read_real_films(roots, size, leave_out=()):
    """All films of the folders `roots`, shrunk to size x size pixels; those named in `leave_out` are not read.

    With None for a size the tables are read and no film; `pixels` is then empty.
    """
    tables, counts, pixels, boxes = [], [], [], []
    for number, root in enumerate(map(Path, roots)):
        cohort = load_cohort("nih", root)
        films = cohort.films[~cohort.films["Image"].isin(leave_out)].reset_index(drop=True)
        named = films["Image"]
        if size is not None:
            shown = progress(named, f"reading {root.name}")
            pixels += [resize(cohort.read(image), size).round().astype(np.uint8) for image in shown]
        tables.append(films.assign(Folder=number, Source=sources(films, root)))
        counts.append(learnable(films, root))
        boxes.append(box_shares(cohort, named))
    table = pd.concat(tables, ignore_index=True)
    if table["Image"].duplicated().any():
        raise CourseError(f"{table['Image'][table['Image'].duplicated()].iloc[0]} lies in two folders: name one only.")
    return RealFilms(
        table,
        np.concatenate(counts),
        np.stack(pixels) if pixels else np.empty((0, 0, 0), np.uint8),
        pd.concat(boxes, ignore_index=True),
    )


def sources(films, root):
    """Where each film of a folder comes from, as its manifest.csv says (column repo or source); else the folder's name."""
    root = Path(root)
    manifest = root / "manifest.csv"
    listed = pd.read_csv(manifest, dtype=str) if manifest.is_file() else pd.DataFrame()
    column = next((name for name in ("repo", "source") if name in listed and "Image Index" in listed), None)
    if column is None:
        return pd.Series(root.name, films.index)
    return films["Image"].map(listed.drop_duplicates("Image Index").set_index("Image Index")[column]).fillna(root.name)


def learnable(films, root):
    """bool (films, 14): False where a label would teach the film's source; True everywhere without a manifest.csv."""
    counts = np.ones((len(films), len(FINDINGS)), bool)
    manifest = Path(root) / "manifest.csv"
    if not manifest.is_file():
        return counts
    listed = pd.read_csv(manifest)
    if "repo" not in listed:
        return counts
    source = films["Image"].map(listed.set_index("Image Index")["repo"])
    for column, finding in enumerate(FINDINGS):
        positives = source[films[finding] == 1].value_counts(normalize=True)
        if len(positives) and positives.iloc[0] > LEAST_SHARE and (source == positives.index[0]).mean() < RARE_SOURCE:
            here = source == positives.index[0]
            counts[:, column] = here & (films.loc[here, finding].mean() <= SELECTED)
    return counts


def folds(table, number, seed=0):
    """int (films,): the fold of each film. All films of a patient share one; findings are spread evenly."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = table[list(FINDINGS)].to_numpy()
    rarity = labels.mean(axis=0)
    rarest = np.where(labels.any(axis=1), np.where(labels == 1, rarity, 2).argmin(axis=1), len(FINDINGS))
    strata = rarest + 20 * table["Folder"].to_numpy()
    few = np.bincount(strata)[strata] < number  # too few to be spread: they go where they may
    strata[few] = -1 if few.sum() >= number else strata[~few][0]
    fold = np.zeros(len(table), int)
    splitter = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    for k, (_, held_out) in enumerate(splitter.split(strata, strata, table["PatientId"])):
        fold[held_out] = k
    return fold


def simulated_films(folder, films, seed, size):
    """Simulated films, drawn into `folder` where an earlier call has not done so: `Lessons` with true labels and places.

    Findings are subtle ones (`util.phantom.subtle`), each on at least a tenth of the films.
    """
    from util.phantom.shards import open_shards, render_shards

    render_shards(folder, films, seed, size, enriched=0.1, subtle=True)
    chunks, truth, _, places = open_shards(folder)
    table = pd.read_csv(Path(folder) / "table.csv")
    labels = (truth > 0).astype(np.float32)
    return Lessons(
        np.concatenate(chunks), labels, np.ones_like(labels), demographics(table), list(places), np.ones(films)
    )
