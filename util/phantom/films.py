"""Draw the films of a table, on as many cores as wanted, always with the same result."""

import multiprocessing
import os
from functools import partial
from itertools import chain

import cv2
import numpy as np

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom.acquisition import make_acquisition
from util.phantom.anatomy import make_anatomy
from util.phantom.render import Film, render
from util.progress import progress

SUBTLE = {"Shoulders": "shoulders", "WallAir": "wall_air"}  # columns of `subtle_studies`, fields of Acquisition
BATCH = 16  # films that a process draws at a time, and the rest of the last patient's


def draw(row, seed, size):
    """Render the film of one row (a dict) of ``sample_studies``; returns ``render.Film`` with ``size`` pixels a side.

    The anatomy is that of the patient's first film, so follow-ups show the same body.
    """
    anatomy = make_anatomy(seed, row["PatientId"], row["BaseAge"], row["Sex"])
    acquisition = make_acquisition(
        seed,
        row["PatientId"],
        row["FollowUp"],
        row["View"],
        portable=row["Portable"],
        chest_tube=row["ChestTube"],
        **{name: row[column] for column, name in SUBTLE.items() if column in row},
    )
    severities = {finding: row[finding] for finding in FINDINGS if row[finding] > 0}
    episodes = {finding: row[f"{finding}_episode"] for finding in severities}
    return render(anatomy, acquisition, severities, seed, size=size, episodes=episodes)


def for_each_row(function, table, label, workers=None):
    """Yield ``function(row)`` for each row (a dict) of a DataFrame, in order, with a progress bar.

    ``function`` must be picklable. ``workers`` is the number of processes, by default one per core; with 1
    everything happens in this process.
    """
    workers = os.cpu_count() if workers is None else workers
    if workers < 1:
        raise CourseError(f"workers is {workers}; at least one process is needed")
    rows, films = _rows(table), len(table)
    workers = min(workers, films)
    if workers <= 1:
        yield from progress(map(function, rows), label, total=films)
        return
    batches = _batches(rows, min(BATCH, -(-films // (4 * workers))))
    # 'spawn', because a forked process deadlocks when the parent has already started TensorFlow's threads.
    with multiprocessing.get_context("spawn").Pool(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        done = pool.imap(partial(_each, function), batches)
        yield from progress(chain.from_iterable(done), label, total=films)


def _rows(table):
    """The rows of a DataFrame as dicts, made as they are needed: those of 100,000 films would fill 130 MB."""
    for start in range(0, len(table), 1000):
        yield from table.iloc[start : start + 1000].to_dict("records")


def _batches(rows, least):
    """Lists of at least `least` rows in order that never part a patient's, so that a body is worked out only once."""
    batch = []
    for row in rows:
        if len(batch) >= least and row["PatientId"] != batch[-1]["PatientId"]:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _each(function, rows):
    return [function(row) for row in rows]


def near_duplicate(film, rng):
    """The same exposure exported once more: cropped by 1 %, re-windowed and re-noised.

    ``film`` is a ``render.Film`` or pixels uint8 (h, w), ``rng`` a ``numpy.random.Generator``; returns its like, a
    Film with its masks cropped alike.
    """
    pixels = getattr(film, "pixels", film)
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise CourseError(f"a film must be uint8 (h, w), not {pixels.dtype} {pixels.shape}")
    height, width = pixels.shape
    cut_y, cut_x = max(1, round(height * 0.01)), max(1, round(width * 0.01))
    top, left = rng.integers(0, cut_y + 1), rng.integers(0, cut_x + 1)

    def crop(image):
        part = image[top : top + height - cut_y, left : left + width - cut_x].astype(np.float32)
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)

    grey = crop(pixels)
    grey = (grey - 128) * rng.uniform(0.9, 1.1) + 128 + rng.uniform(-10, 10)
    pixels = np.clip(grey + rng.normal(0, 2, grey.shape), 0, 255).round().astype(np.uint8)
    if isinstance(film, np.ndarray):
        return pixels
    masks = {finding: crop(mask) > 0.5 for finding, mask in film.masks.items()}
    return Film(pixels, masks, film.measures)
