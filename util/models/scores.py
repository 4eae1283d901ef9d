"""Logits of a cohort's films, kept as a table: evaluation needs labels and scores, not the network."""

import hashlib

import numpy as np
import pandas as pd

from util.data.cohort import HOME, PHANTOM, Cohort
from util.data.tables import read_table
from util.errors import CourseError
from util.files import whole
from util.findings import FINDINGS
from util.models.weights import WEIGHTS, read_passport, scope, weights_for
from util.notes import note

CACHE = HOME / "build" / "scores"
RECORDED = WEIGHTS / "phantom_scores.csv"  # embedded model on embedded films, written by util.training.simulated


def origin(cohort: Cohort) -> str:
    """Sentences on where the scores of a cohort come from and what they can mean."""
    passport = read_passport(weights_for(cohort))
    return f"Scores: logits of the weights '{passport['name']}', {passport['origin']}.\n{scope(passport, cohort)}"


def cohort_scores(cohort: Cohort, split: str = "test") -> pd.DataFrame:
    """Logits of the films of one split.

    Those of the embedded cohort are recorded in data/weights. Others are computed once with the model (TensorFlow) and
    kept under build/scores as long as weights and films stay the same.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    split : 'train', 'valid' or 'test'

    Returns
    -------
    DataFrame float, index Image in the order of ``cohort.split(split)``, one column of logits for each finding

    Raises
    ------
    CourseError : films of the split are not on disk or cannot be read, or the weights cannot be loaded. The scores of
        the other films are kept, so the same call is quick once the films that are named have been removed.
    """
    images = list(cohort.split(split)["Image"])
    if cohort.simulated and RECORDED.is_file():
        recorded = _scores_in(RECORDED, "float64")
        if (
            recorded is not None
            and set(images) <= set(recorded.index)
            and all(cohort.paths[i].parent == PHANTOM / "films" for i in images)
        ):
            return recorded.loc[images, list(FINDINGS)]
    kept = _kept(_cache_of(cohort, split, images), images)
    if kept is not None:
        return kept
    from util.models.predict import predict
    from util.models.weights import load_pretrained

    scores = predict(load_pretrained(weights_for(cohort)), cohort, images)
    unreadable = scores.attrs["unreadable"]
    _keep(scores, _cache_of(cohort, split, [image for image in images if image not in unreadable]))
    if unreadable:
        raise CourseError(
            f"{len(unreadable)} films of the split {split} cannot be read: fetch {', '.join(list(unreadable)[:5])} "
            "again, or remove them from the folder, and run this again; the others' scores are kept."
        )
    return scores


def _kept(path, images):
    """Scores kept from last time; None if there are none or the table is damaged, so that they are computed again."""
    scores = _scores_in(path, "float32") if path.is_file() else None
    return scores if scores is not None and list(scores.index) == images else None


def _scores_in(path, dtype):
    """A table of scores, or None if the file is not one."""
    try:
        table = read_table(path, {name: name for name in ("Image", *FINDINGS)}, "a table of scores")
        scores = table.set_index("Image").astype(dtype)
    except ValueError:
        return None
    return scores if np.isfinite(scores).all(axis=None) and scores.index.is_unique else None


def _cache_of(cohort, split, images):
    return CACHE / f"{cohort.name}-{split}-{_digest(cohort, images)}.csv"


def _digest(cohort, images):
    """A hash of the weights and the films: different weights or files give a different table."""
    text = [read_passport(weights_for(cohort))["sha256"]]
    absent = [image for image in images if image not in cohort.paths]
    if absent:
        raise CourseError(
            f"{len(absent)} films of this cohort are not on disk, such as {absent[0]}: no model can score them."
        )
    for image in images:
        status = cohort.paths[image].stat()
        text.append(f"{cohort.paths[image]} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]


def _keep(scores, path):
    """Write a table whole or not at all; if that is impossible, say so and go on."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            scores.to_csv(part, float_format="%.9g")  # nine digits hold a float32 exactly
    except (CourseError, OSError) as error:
        reason = getattr(error if isinstance(error, OSError) else error.__context__, "strerror", "no file can be there")
        note(f"The scores are not kept for next time: {path.parent.name} cannot be written ({reason}).")
