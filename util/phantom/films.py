"""Draw the films of a table, on as many cores as wanted, always with the same result."""

import multiprocessing
import os

import cv2
import numpy as np

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom.anatomy import make_anatomy
from util.phantom.nuisance import make_acquisition
from util.phantom.render import Film, render
from util.progress import progress


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
    rows = table.to_dict("records")
    workers = min(workers, len(rows))
    if workers <= 1:
        yield from progress(map(function, rows), label, total=len(rows))
        return
    # 'spawn', because a forked process deadlocks when the parent has already started TensorFlow's threads.
    with multiprocessing.get_context("spawn").Pool(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from progress(pool.imap(function, rows, chunksize=4), label, total=len(rows))


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
