"""Write a simulated cohort to disk: films, mined labels, truth, boxes and masks."""

import contextlib
import io
import json
import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom import disease, films, masks
from util.phantom.render import boxes
from util.phantom.studies import MINED, image_names, sample_studies

GENERATOR_VERSION = "2"
SIZES = {"train": 1000, "valid": 200, "test": 420}
# An enriched split of at least so many films holds at least so many positives of each finding, mined and true.
ENOUGH = {"valid": (200, 5), "test": (420, 20)}
MOST_DRAWS = 1000
PERSON = ["Image", "PatientId", "FollowUp", "Age", "Sex", "View", "Split"]


def root_seed(seed, use):
    """Seed from which all bodies and films of one use follow: even for "cohort", odd for "shards".

    So no patient drawn for training on shards is a patient of any embedded cohort, whatever the two seeds.
    """
    if seed < 0:
        raise CourseError(f"the seed is {seed}; it must not be negative")
    return 2 * seed + {"cohort": 0, "shards": 1}[use]


def sample_cohort(sizes, seed, enriched=True, confounding=1.0):
    """Table of a whole cohort: ``sample_studies`` for each split, with a column Split, sorted by Image.

    ``sizes`` is a dict split -> number of films, met exactly. Splits are drawn from different patients, so no
    patient is on two sides. Patient numbers are shuffled: they say nothing about the split.
    """
    if sum(sizes.values()) < 1 or min(sizes.values()) < 0:
        raise CourseError(f"sizes are {sizes}; give no negative number of films, and at least one film in all")
    root = root_seed(seed, "cohort")
    parts, patients = [], 0
    for number, (split, n_films) in enumerate(sizes.items()):
        if n_films:
            part = _sample_split(split, n_films, [root, number], enriched, confounding)
            part["PatientId"] += patients
            patients = int(part["PatientId"].max())
            parts.append(part.assign(Split=split))
    table = pd.concat(parts, ignore_index=True)
    shuffled = 1 + np.random.default_rng([root, len(sizes)]).permutation(patients)
    table["PatientId"] = shuffled[table["PatientId"] - 1]
    table["Image"] = image_names(table["PatientId"], table["FollowUp"])
    return table.sort_values("Image", ignore_index=True)


def _sample_split(split, n_films, seed, enriched, confounding):
    """One split; an enriched one is drawn again until it holds enough positives of each finding."""
    films_from, positives = ENOUGH.get(split, (0, 0))
    if not enriched or n_films < films_from:
        positives = 0
    for attempt in range(MOST_DRAWS):
        table = sample_studies(n_films, [*seed, attempt], enriched, confounding)
        if min(table[MINED].sum().min(), (table[list(FINDINGS)] > 0).sum().min()) >= positives:
            return table
    raise CourseError(f"no {split} split with {positives} positives of each finding; try another seed")


def write_cohort(out, sizes, seed, size=320, quality=80, workers=None, enriched=True, confounding=1.0):
    """Draw a cohort and write it to the folder ``out``, whole or not at all.

    Parameters
    ----------
    out : path of a folder that does not exist yet or is empty
    sizes : dict split -> number of films, such as ``SIZES``
    seed : int, not negative
    size : int, pixels a side; quality : int, JPEG quality 1 to 95
    workers : int or None, number of processes (default: one per core); the result is the same for all
    enriched, confounding : see ``studies.sample_studies``

    Writes films/*.jpg (8-bit grey), films.csv (mined labels 0/1), truth.csv (severities, 0 absent), boxes.csv
    (pixels), masks.csv (run lengths, see ``masks``) and cohort.json. Raises CourseError when ``out`` holds
    anything, or an argument is out of range.
    """
    check_film_arguments(size, quality)
    table = sample_cohort(sizes, seed, enriched, confounding)
    work = partial(_draw_and_encode, seed=root_seed(seed, "cohort"), size=size, quality=quality)
    found, coded = [], []
    with whole_folder(out) as folder:
        (folder / "films").mkdir()
        for name, jpeg, boxed, masked in films.for_each_row(work, table, "Drawing films", workers):
            (folder / "films" / name).write_bytes(jpeg)
            found += boxed
            coded += masked
        labels = table[PERSON].join(table[MINED].set_axis(list(FINDINGS), axis=1))
        labels.to_csv(folder / "films.csv", index=False)
        table[["Image", *FINDINGS]].to_csv(folder / "truth.csv", index=False)
        columns = ["Image", "finding", "x", "y", "w", "h"]
        pd.DataFrame(found, columns=columns).to_csv(folder / "boxes.csv", index=False)
        pd.DataFrame(coded, columns=["Image", "finding", "rle"]).to_csv(folder / "masks.csv", index=False)
        recipe = {"seed": seed, "sizes": sizes, "size": size, "quality": quality, "enriched": enriched,
                  "confounding": confounding}  # fmt: skip
        write_json(folder / "cohort.json", passport(recipe, table))


def _draw_and_encode(row, seed, size, quality):
    """Image name, JPEG bytes, rows of boxes.csv and rows of masks.csv of one film."""
    film = films.draw(row, seed, size)
    buffer = io.BytesIO()
    Image.fromarray(film.pixels).save(buffer, format="JPEG", quality=quality, optimize=True)
    name = row["Image"]
    shown = [(finding, film.masks[finding]) for finding in FINDINGS
             if finding in film.masks and film.masks[finding].any()]  # fmt: skip
    found = [(name, finding, *box) for finding, mask in shown for box in boxes(mask)]
    return name, buffer.getvalue(), found, [(name, finding, masks.encode(mask)) for finding, mask in shown]


def passport(recipe, table):
    """What cohort.json says: recipe, prevalences, label errors and the counts of the table."""
    truth = (table[list(FINDINGS)] > 0).assign(Split=table["Split"]).groupby("Split").sum()
    mined = table[MINED].set_axis(list(FINDINGS), axis=1).assign(Split=table["Split"]).groupby("Split").sum()
    in_order = partial(zip, FINDINGS)
    return {
        "what": "Simulated chest radiographs. Not for clinical use.",
        "generator_version": GENERATOR_VERSION,
        **recipe,
        "natural_prevalence": disease.NATURAL_PREVALENCE,
        "sampling_prevalence": dict(in_order(disease.mined_prevalence(recipe["enriched"]).tolist())),
        "label_sensitivity": disease.SENSITIVITY,
        "label_ppv": disease.PPV,
        "patients": int(table["PatientId"].nunique()),
        "mined_positives": {split: row.to_dict() for split, row in mined.iterrows()},
        "true_positives": {split: row.to_dict() for split, row in truth.iterrows()},
    }


def check_film_arguments(size, quality=80):
    """Raise CourseError unless films of this size and JPEG quality make sense."""
    if not 32 <= size <= 2048:
        raise CourseError(f"size is {size}; films are 32 to 2048 pixels a side")
    if not 1 <= quality <= 95:
        raise CourseError(f"quality is {quality}; JPEG quality runs from 1 to 95")


def write_json(path, content):
    """Write a dict as indented JSON that ends in a newline."""
    Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def whole_folder(out):
    """A temporary folder beside ``out`` that becomes ``out`` when the block ends well, else is removed."""
    out = Path(out).resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CourseError(f"{out} exists and is not an empty folder; choose another place or remove it first")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        folder.chmod(0o755)
        yield folder
        if out.exists():
            out.rmdir()
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
