"""Real films with their labels in memory, for fine-tuning: folders read as cohorts, split by patient."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from util.augment import PLACE
from util.cohort import load_cohort
from util.errors import CourseError
from util.findings import FINDINGS
from util.images import resize
from util.localisation import box_mask, box_shares
from util.progress import progress

# Where a finding comes almost only from one source, a network learns the source: its label counts in that source
# (against that source's own other films) and in folders without such a source, and is left out elsewhere.
# That is a finding whose positives come to LEAST_SHARE from one source of at most RARE_SOURCE of the films.
LEAST_SHARE, RARE_SOURCE = 0.8, 0.5


@dataclass(frozen=True, eq=False)
class RealFilms:
    """Films of one or more folders in NIH's format.

    Attributes
    ----------
    table : DataFrame, one row per film: Image, PatientId, Age, Sex, View, the 14 findings as 0/1, and Folder
    counts : bool (films, 14), whether the label may be learned from
    pixels : uint8 (films, size, size)
    boxes : DataFrame Image, finding, x, y, w, h as shares of the film, 0 to 1
    """

    table: pd.DataFrame
    counts: np.ndarray
    pixels: np.ndarray
    boxes: pd.DataFrame

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
    """All films of the folders `roots`, shrunk to size x size pixels; those named in `leave_out` are not read."""
    tables, counts, pixels, boxes = [], [], [], []
    for number, root in enumerate(map(Path, roots)):
        cohort = load_cohort("nih", root)
        films = cohort.films[~cohort.films["Image"].isin(leave_out)].reset_index(drop=True)
        named = films["Image"]
        pixels += [
            resize(cohort.read(image), size).round().astype(np.uint8)
            for image in progress(named, f"reading {root.name}")
        ]
        tables.append(films.assign(Folder=number))
        counts.append(learnable(films, root))
        boxes.append(box_shares(cohort, named))
    table = pd.concat(tables, ignore_index=True)
    if table["Image"].duplicated().any():
        raise CourseError(f"{table['Image'][table['Image'].duplicated()].iloc[0]} lies in two folders: name one only.")
    return RealFilms(table, np.concatenate(counts), np.stack(pixels), pd.concat(boxes, ignore_index=True))


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
            counts[:, column] = source == positives.index[0]
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
