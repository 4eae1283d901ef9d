"""Fixed features of films for quick linear models: edge directions, or those of a network. Lessons 3, 4 and 11."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from util.data.cohort import HOME, Cohort
from util.files import whole
from util.progress import progress

SIZE, CELLS, DIRECTIONS = 64, 8, 8


PENALTY = 1000.0  # of the ridge regression; chosen on splits of the embedded cohort by patient


CACHE = HOME / "build" / "features"


def quick_features(cohort: Cohort, images: Iterable[str], known: pd.DataFrame | None = None) -> pd.DataFrame:
    """Edge directions of films.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    images : film names
    known : DataFrame of an earlier call, or None; films in its index are not read again

    Returns
    -------
    DataFrame float32, index Image, 512 columns: how strong the edges (square root of the gray-level gradient) of each
    of 8 x 8 cells are in each of 8 directions
    """
    images = list(images)
    known = pd.DataFrame(index=pd.Index([], name="Image")) if known is None else known
    unread = [image for image in images if image not in known.index]
    if unread:
        rows = [_edges(cohort.read(image)) for image in progress(unread, "reading films")]
        new = pd.DataFrame(np.stack(rows), index=pd.Index(unread, name="Image"))
        known = pd.concat([known, new]) if len(known) else new
    return known.loc[images]


def _edges(film):
    """Histogram of edge directions of one film: float32 (512,)."""
    import cv2

    small = cv2.resize(film, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
    slope, angle = cv2.cartToPolar(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
    direction = (angle * (DIRECTIONS / np.pi)).astype(int) % DIRECTIONS  # from dark to bright or back is one direction
    parts = np.where(direction == np.arange(DIRECTIONS)[:, None, None], slope, 0)
    cells = parts.reshape(DIRECTIONS, CELLS, SIZE // CELLS, CELLS, SIZE // CELLS).mean(axis=(2, 4))
    return np.sqrt(cells).ravel().astype(np.float32)


def quick_scores(x: np.ndarray, y: np.ndarray, training: np.ndarray, scaled_on: np.ndarray | None = None) -> np.ndarray:
    """Scores of all films, by a ridge regression fitted on the training films.

    Parameters
    ----------
    x : array (films, features)
    y : array (films, findings) of 0 and 1
    training : bool array (films,)
    scaled_on : bool array (films,), the films that give mean and SD of each feature; the training films by default

    Returns
    -------
    float array (films, findings)
    """
    from sklearn.linear_model import Ridge

    z = standardised(x, training if scaled_on is None else scaled_on)
    return np.asarray(Ridge(alpha=PENALTY).fit(z[training], y[training]).predict(z)).reshape(len(x), -1)


def standardised(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Features (films, features) minus their mean over the films `rows` (bool), divided by their SD over the same."""
    return (x - x[rows].mean(axis=0)) / np.maximum(x[rows].std(axis=0), 1e-6)


def label_frequencies(films: pd.DataFrame, findings: Sequence[str], counted: np.ndarray) -> np.ndarray:
    """How often the patient of each film has each finding among the films `counted` (bool): float (films, findings).

    A patient without a film among these gets their overall mean.
    """
    seen = films[counted]
    of_patient = seen.groupby("PatientId")[findings].mean()
    return of_patient.reindex(films["PatientId"]).fillna(seen[findings].mean()).to_numpy(float)


def network_features(cohort: Cohort, images: Iterable[str]) -> pd.DataFrame:
    """Inputs of the last layer of the course's DenseNet-121: DataFrame float32, index Image, 1,024 columns.

    It needs TensorFlow and about a tenth of a second for each film on two cores. The result is kept under
    build/features for the same weights and the same films on disk.
    """
    import keras

    from util.models.predict import batches, predict_films
    from util.models.weights import load_pretrained, read_passport, weights_for

    images, changed = list(images), getattr(cohort, "changed", {})
    name = "\n".join([read_passport(weights_for(cohort))["sha256"], *(str(cohort.paths.get(i)) for i in images)])
    kept = CACHE / f"{cohort.name}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.npy"
    if kept.is_file():
        return pd.DataFrame(np.load(kept), index=pd.Index(images, name="Image"))
    pretrained = load_pretrained(weights_for(cohort))
    network = keras.Model(pretrained.model.input, pretrained.model.get_layer("pool").output)
    work = batches(cohort, images, pretrained.preprocessing)
    parts = [predict_films(network, films) for _, films in progress(work, "reading films", total=-(-len(images) // 8))]
    features = np.concatenate(parts)
    if not set(images) & set(changed):
        CACHE.mkdir(parents=True, exist_ok=True)
        with whole(kept) as part, part.open("wb") as stream:
            np.save(stream, features)
    return pd.DataFrame(features, index=pd.Index(images, name="Image"))
