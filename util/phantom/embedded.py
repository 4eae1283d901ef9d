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

from util.data import chestxray14, outlines
from util.data.splits import stratify
from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom import epidemiology, films
from util.phantom.render import boxes
from util.phantom.studies import MINED, image_names, sample_studies

GENERATOR_VERSION = "2"
REVERSED = "reversed"  # the split in which view, marker and chest tube go with the findings the other way round
SIZES = {"train": 1000, "valid": 200, "test": 420, REVERSED: 240}
# An enriched split of at least so many films holds at least so many positives of each finding, mined and true.
ENOUGH = {"valid": (200, 8), "test": (420, 20), REVERSED: (240, 10)}
NEAR_DUPLICATES = 0.04  # share of the training films that copy another one: 40, 2.5 % of train, valid and test
MOST_DRAWS = 1000
QUALITY = 80  # JPEG: 10 kB a film, gray levels change by about 1.4 on average
PERSON = ["Image", "PatientId", "FollowUp", "Age", "Sex", "View", "Split"]
DEVICES = ["Portable", "ChestTube"]  # seen on the film, no findings


def root_seed(seed, use):
    """Seed from which all bodies and films of one use follow: even for "cohort", odd for "shards".

    So no patient drawn for training on shards is a patient of any embedded cohort, whatever the two seeds.
    """
    if seed < 0:
        raise CourseError(f"the seed is {seed}; it must not be negative")
    return 2 * seed + {"cohort": 0, "shards": 1}[use]


def sample_cohort(sizes, seed, enriched=True, confounding=1.0):
    """Table of a whole cohort: ``sample_studies`` with the columns Split and Exposure, sorted by Image.

    ``sizes`` is a dict split -> number of films, met exactly; no patient is in two splits, and traits of films are
    as frequent in each (``splits.stratify``), save for the split 'reversed', whose patients are drawn with
    ``-confounding``. Exposure is the follow-up number of the exposure that a film shows: its own FollowUp, or,
    for a near-duplicate, that of the film it copies. Patient numbers are shuffled: they say nothing of the split.
    """
    if sum(sizes.values()) < 1 or min(sizes.values()) < 0:
        raise CourseError(f"sizes are {sizes}; give no negative number of films, and at least one film in all")
    root = root_seed(seed, "cohort")
    sides = ({split: n for split, n in sizes.items() if (split == REVERSED) == flip} for flip in (False, True))
    parts, patients = [], 0
    for number, (side, sign) in enumerate(zip(sides, (1, -1), strict=True)):
        if sum(side.values()):
            part = _sample_side(side, [root, number], enriched, sign * confounding)
            part["PatientId"] += patients
            patients = int(part["PatientId"].max())
            parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    shuffled = 1 + np.random.default_rng([root, len(parts)]).permutation(patients)
    table["PatientId"] = shuffled[table["PatientId"] - 1]
    table["Image"] = image_names(table["PatientId"], table["FollowUp"])
    return table.sort_values("Image", ignore_index=True)


def _sample_side(sizes, seed, enriched, confounding):
    """Films of some splits, drawn again until they can be divided with enough positives of each finding in each."""
    copies = round(NEAR_DUPLICATES * sizes.get("train", 0))
    distinct = {split: n - copies * (split == "train") for split, n in sizes.items()}
    names = np.array(list(sizes))
    for attempt in range(MOST_DRAWS):
        table = sample_studies(sum(distinct.values()), [*seed, attempt], enriched, confounding)
        rng = np.random.default_rng([*seed, attempt, 1])
        split = stratify(table["PatientId"], _traits(table), list(distinct.values()), rng)
        if split is None:
            continue
        table = _add_copies(table.assign(Split=names[split], Exposure=table["FollowUp"]), copies, rng)
        if table is not None and (not enriched or _is_enough(table, sizes)):
            return table
    raise CourseError(f"no films found for splits of {sizes} with positives of each finding in each; try another seed")


def _traits(table):
    """What splits shall have in common, bool (films, traits): patients, age, sex, view, devices, findings, labels."""
    person = [table["FollowUp"] == 0, table["Age"] >= 50, table["Sex"] == "M", table["View"] == "AP"]
    return np.column_stack([*person, table[DEVICES], table[list(FINDINGS)] > 0, table[MINED]]).astype(bool)


def _is_enough(table, sizes):
    """Whether each split holds its least number of positives of each finding, mined and true."""
    least = {split: ENOUGH[split][1] for split, n in sizes.items() if split in ENOUGH and n >= ENOUGH[split][0]}
    counts = pd.concat([table[MINED], table[list(FINDINGS)] > 0], axis=1).groupby(table["Split"]).sum().min(axis=1)
    return all(counts[split] >= number for split, number in least.items())


def _add_copies(table, number, rng):
    """Add near-duplicates: the last film of some training patients, filed once more as their next follow-up.

    Nothing else differs in the tables, for it is the same exposure and the same report. None when there are too
    few patients.
    """
    last = table[(table["Split"] == "train") & ~table["PatientId"].duplicated(keep="last")]
    if len(last) < number:
        return None
    copied = last.iloc[np.sort(rng.permutation(len(last))[:number])]
    return pd.concat([table, copied.assign(FollowUp=copied["FollowUp"] + 1)], ignore_index=True)


def write_cohort(out, sizes, seed, size=320, quality=QUALITY, workers=None, enriched=True, confounding=1.0):
    """Draw a cohort and write it to the folder ``out``, whole or not at all.

    Parameters
    ----------
    out : path of a folder that does not exist yet or is empty
    sizes : dict split -> number of films, such as ``SIZES``
    seed : int, not negative
    size : int, pixels a side; quality : int, JPEG quality 1 to 95
    workers : int or None, number of processes (default: one per core); the result is the same for all
    enriched, confounding : see ``studies.sample_studies``; the split 'reversed' is drawn with ``-confounding``

    Writes films/*.jpg (8-bit grey), films.csv (mined labels and devices 0/1), truth.csv (severities, 0 absent;
    NearDuplicateOf, the film that a near-duplicate copies), boxes.csv (pixels), outlines.csv.gz (run lengths, see
    ``masks``) and cohort.json. Raises CourseError when ``out`` holds anything, or an argument is out of range.
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
        _write_tables(folder, table, found, coded)
        recipe = {"seed": seed, "sizes": sizes, "size": size, "quality": quality, "enriched": enriched,
                  "confounding": confounding}  # fmt: skip
        write_json(folder / "cohort.json", passport(recipe, table))


def _write_tables(folder, table, found, coded):
    """films.csv, truth.csv, boxes.csv and outlines.csv.gz; the same bytes for the same films."""
    labels = table[PERSON].join(table[MINED].set_axis(list(FINDINGS), axis=1)).join(table[DEVICES].astype(int))
    labels.to_csv(folder / "films.csv", index=False)
    copied = pd.Series(image_names(table["PatientId"], table["Exposure"])).where(_is_copy(table), "")
    table[["Image", *FINDINGS]].assign(NearDuplicateOf=copied).to_csv(folder / "truth.csv", index=False)
    pd.DataFrame(found, columns=["Image", "finding", "x", "y", "w", "h"]).to_csv(folder / "boxes.csv", index=False)
    runs = pd.DataFrame(coded, columns=["Image", "finding", "rle"])
    runs.to_csv(folder / "masks.csv.gz", index=False, compression={"method": "gzip", "compresslevel": 9, "mtime": 1})


def _is_copy(films):
    """Whether the film of a row (or each film of a table) is a near-duplicate of another exposure."""
    return films["Exposure"] != films["FollowUp"]


def _draw_and_encode(row, seed, size, quality):
    """Image name, JPEG bytes, rows of boxes.csv and rows of outlines.csv.gz of one film."""
    film = films.draw(row | {"FollowUp": row["Exposure"]}, seed, size)
    if _is_copy(row):
        film = films.near_duplicate(film, np.random.default_rng([seed, row["PatientId"], row["FollowUp"]]))
    name = row["Image"]
    shown = [(finding, film.masks[finding]) for finding in FINDINGS
             if finding in film.masks and film.masks[finding].any()]  # fmt: skip
    found = [(name, finding, *box) for finding, mask in shown for box in boxes(mask)]
    return (
        name,
        encode(film.pixels, quality),
        found,
        [(name, finding, outlines.encode(mask)) for finding, mask in shown],
    )


def encode(pixels, quality=QUALITY):
    """Bytes of a JPEG file of ``pixels``, uint8 (h, w); progressive, a little smaller."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality, optimize=True, progressive=True)
    return buffer.getvalue()


def passport(recipe, table):
    """What cohort.json says: recipe, prevalences, label errors and the counts of the table."""
    truth = (table[list(FINDINGS)] > 0).assign(Split=table["Split"]).groupby("Split").sum()
    mined = table[MINED].set_axis(list(FINDINGS), axis=1).assign(Split=table["Split"]).groupby("Split").sum()
    in_order = partial(zip, FINDINGS)
    return {
        "what": "Simulated chest radiographs. Not for clinical use.",
        "generator_version": GENERATOR_VERSION,
        **recipe,
        "natural_prevalence": chestxray14.NATURAL_PREVALENCE,
        "sampling_prevalence": dict(in_order(epidemiology.mined_prevalence(recipe["enriched"]).tolist())),
        "label_sensitivity": epidemiology.SENSITIVITY,
        "label_ppv": epidemiology.PPV,
        "patients": int(table["PatientId"].nunique()),
        "mined_positives": {split: row.to_dict() for split, row in mined.iterrows()},
        "true_positives": {split: row.to_dict() for split, row in truth.iterrows()},
    }


def check_film_arguments(size, quality=QUALITY):
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
