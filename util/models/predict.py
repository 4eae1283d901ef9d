"""Logits of a cohort's films, batch by batch. Taught in lesson 5.

Huang et al., Densely connected convolutional networks, CVPR 2017 (arXiv 1608.06993); on chest films: Rajpurkar
et al., CheXNet (arXiv 1711.05225).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.findings import FINDINGS
from util.notes import note
from util.progress import progress
from util.threads import workers

if TYPE_CHECKING:
    import keras

    from util.data.cohort import Cohort
    from util.models.preprocessing import Preprocessing
    from util.models.weights import Pretrained

BATCH_SIZE = 8  # a larger batch takes more memory and is not faster on a CPU


def batches(
    cohort: Cohort,
    images: Iterable[str],
    preprocessing: Preprocessing,
    batch_size: int = BATCH_SIZE,
    unreadable: dict[str, str] | None = None,
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield (names, float32 (n, size, size, 3)) batch by batch, while the next batch is decoded on all cores.

    Only two batches are in memory at a time, however many films there are. A film that cannot be read raises a
    CourseError; with a dict `unreadable`, it is left out instead, and its name and the reason are recorded there.
    """

    def ready(image):
        return preprocessing(cohort.read(image))

    images, waiting = list(images), deque()
    chunks = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    with workers() as pool:
        for chunk in [*chunks, []]:
            waiting.append([(image, pool.submit(ready, image)) for image in chunk])
            if len(waiting) == 2 and (films := _decoded(waiting.popleft(), unreadable)):
                yield list(films), np.stack(list(films.values()))


def _decoded(chunk, unreadable):
    """Films of one batch by name, once all are decoded."""
    films = {}
    for image, film in chunk:
        try:
            films[image] = film.result()
        except CourseError as error:
            if unreadable is None:
                raise
            unreadable[image] = str(error)
    return films


def predict(
    pretrained: Pretrained, cohort: Cohort, images: Iterable[str], batch_size: int = BATCH_SIZE
) -> pd.DataFrame:
    """Logits of films of a cohort, with a progress bar. A film that cannot be read is named, and the others are scored.

    Parameters
    ----------
    pretrained : util.models.weights.Pretrained
    cohort : util.data.cohort.Cohort
    images : film names
    batch_size : int

    Returns
    -------
    DataFrame float32, index Image in the order given, one column of logits for each finding; films that could not be
    read have no row, and ``table.attrs["unreadable"]`` is a dict of their names and reasons

    Raises
    ------
    CourseError : none of the films can be read.
    """
    images, unreadable, names, logits = list(images), {}, [], [np.zeros((0, len(FINDINGS)), np.float32)]
    films_by_batch = batches(cohort, images, pretrained.preprocessing, batch_size, unreadable)
    for some, films in progress(films_by_batch, "predicting films", total=-(-len(images) // batch_size)):
        names += some
        logits.append(predict_films(pretrained.model, films, batch_size))
    if images and not names:
        raise CourseError(f"None of the {len(images)} films can be read. {next(iter(unreadable.values()))}")
    if unreadable:
        told = "\n".join(unreadable.values())
        note(f"{len(unreadable)} of {len(images)} films cannot be read and have no scores:\n{told}")
    table = pd.DataFrame(np.concatenate(logits), pd.Index(names, name="Image"), list(pretrained.findings))
    table.attrs["unreadable"] = unreadable
    return table


def predict_films(model: keras.Model, films: np.ndarray, batch_size: int = BATCH_SIZE) -> np.ndarray:
    """Logits (n, 14) of one batch of at most `batch_size` standardized films (n, size, size, 3).

    A short batch is padded with zeros, so that the network is compiled for one shape only.
    """
    filled = np.zeros((batch_size, *films.shape[1:]), np.float32)
    filled[: len(films)] = films
    return np.asarray(model.predict_on_batch(filled))[: len(films)]
