"""DenseNet-121 on 14 findings, and how it reads a cohort film by film.

Huang et al., Densely connected convolutional networks, CVPR 2017 (arXiv 1608.06993); on chest films: Rajpurkar
et al., CheXNet (arXiv 1711.05225).
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pandas as pd

from util.errors import CourseError
from util.findings import FINDINGS
from util.progress import progress

BATCH_SIZE = 8  # memory grows with it, speed on a CPU does not


def batches(cohort, images, preprocessing, batch_size=BATCH_SIZE, unreadable=None):
    """Yield (names, float32 (n, size, size, 3)) batch by batch; the next batch is decoded meanwhile, on all cores.

    Only two batches are in memory at a time, however many films there are. A film that cannot be read raises its
    CourseError; with a dict `unreadable` it is left out instead, and its name and reason are put there.
    """

    def ready(image):
        return preprocessing(cohort.read(image))

    images, waiting = list(images), deque()
    chunks = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
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


def predict(pretrained, cohort, images, batch_size=BATCH_SIZE):
    """Logits of films of a cohort, with a progress bar. A film that cannot be read is named, and the rest is scored.

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
    CourseError : not one of the films can be read.
    """
    images, unreadable, names, logits = list(images), {}, [], [np.zeros((0, len(FINDINGS)), np.float32)]
    films_by_batch = batches(cohort, images, pretrained.preprocessing, batch_size, unreadable)
    for some, films in progress(films_by_batch, "predicting films", total=-(-len(images) // batch_size)):
        names += some
        logits.append(predict_films(pretrained.model, films, batch_size))
    if images and not names:
        raise CourseError(f"None of the {len(images)} films can be read. {next(iter(unreadable.values()))}")
    if unreadable:
        print(
            f"{len(unreadable)} of {len(images)} films cannot be read and have no scores:",
            *unreadable.values(),
            sep="\n",
        )
    table = pd.DataFrame(np.concatenate(logits), pd.Index(names, name="Image"), list(pretrained.findings))
    table.attrs["unreadable"] = unreadable
    return table


def predict_films(model, films, batch_size=BATCH_SIZE):
    """Logits (n, 14) of one batch of at most `batch_size` standardised films (n, size, size, 3).

    A short batch is filled up with zeros, so that the network is compiled for one shape only.
    """
    filled = np.zeros((batch_size, *films.shape[1:]), np.float32)
    filled[: len(films)] = films
    return np.asarray(keras.ops.convert_to_numpy(model.predict_on_batch(filled)))[: len(films)]
