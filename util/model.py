"""DenseNet-121 on 14 findings, and how it reads a cohort film by film.

Huang et al., Densely connected convolutional networks, CVPR 2017 (arXiv 1608.06993); on chest films: Rajpurkar
et al., CheXNet (arXiv 1711.05225).
"""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pandas as pd

from util.findings import FINDINGS
from util.progress import progress

BATCH_SIZE = 8  # memory grows with it, speed on a CPU does not


def build_densenet(size=320, final_relu=True):
    """DenseNet-121, flat and functional: films in, one logit for each finding out.

    Parameters
    ----------
    size : int, pixels of the square input, a multiple of 32
    final_relu : bool, False for weights that were trained without the ReLU after the last batch norm

    Returns
    -------
    keras.Model, float32 (n, size, size, 3) -> float32 logits (n, 14) in the order of FINDINGS; random weights.
    Its last layers are 'relu' (n, size/32, size/32, 1024), the global average 'pool' and the dense layer 'logits'.
    """
    backbone = keras.applications.DenseNet121(weights=None, include_top=False, input_shape=(size, size, 3))
    features = backbone.output if final_relu else backbone.get_layer("bn").output
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    logits = keras.layers.Dense(len(FINDINGS), name="logits", dtype="float32")(pooled)
    return keras.Model(backbone.input, logits, name="densenet121")


def batches(cohort, images, preprocessing, batch_size=BATCH_SIZE):
    """Yield (names, float32 (n, size, size, 3)) batch by batch; the next batch is decoded meanwhile.

    Only two batches are in memory at a time, however many films there are.
    """
    images = list(images)
    chunks = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]

    def load(names):
        return np.stack([preprocessing(cohort.read(name)) for name in names])

    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(load, chunks[0]) if chunks else None
        for names, following in zip(chunks, [*chunks[1:], None], strict=False):  # no film, no chunk
            films = pending.result()
            pending = pool.submit(load, following) if following else None
            yield names, films


def predict(pretrained, cohort, images, batch_size=BATCH_SIZE):
    """Logits of films of a cohort, with a progress bar.

    Parameters
    ----------
    pretrained : util.weights.Pretrained
    cohort : util.cohort.Cohort
    images : film names
    batch_size : int

    Returns
    -------
    DataFrame float32, index Image in the order given, one column of logits for each finding

    Raises
    ------
    CourseError : a film cannot be read (its name is in the message).
    """
    images = list(images)
    logits = [
        predict_films(pretrained.model, films, batch_size)
        for _, films in progress(
            batches(cohort, images, pretrained.preprocessing, batch_size),
            "predicting films",
            total=-(-len(images) // batch_size),
        )
    ]
    table = np.concatenate(logits) if logits else np.zeros((0, len(FINDINGS)), np.float32)
    return pd.DataFrame(table, index=pd.Index(images, name="Image"), columns=list(pretrained.findings))


def predict_films(model, films, batch_size=BATCH_SIZE):
    """Logits (n, 14) of one batch of at most `batch_size` standardised films (n, size, size, 3).

    A short batch is filled up with zeros, so that the network is compiled for one shape only.
    """
    filled = np.zeros((batch_size, *films.shape[1:]), np.float32)
    filled[: len(films)] = films
    return np.asarray(keras.ops.convert_to_numpy(model.predict_on_batch(filled)))[: len(films)]
