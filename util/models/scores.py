"""Logits of a cohort's films, ready as a table: evaluation needs labels and scores, not the network."""

import hashlib
import secrets
from pathlib import Path

import numpy as np

from util.data.cohort import HOME, PHANTOM
from util.data.tables import read_table
from util.errors import CourseError
from util.findings import FINDINGS
from util.models.weights import WEIGHTS, read_passport, scope, weights_for

CACHE = HOME / "build" / "scores"
RECORDED = (
    WEIGHTS / "phantom_scores.csv"
)  # the embedded model on the embedded films, written by util.training.simulated


def origin(cohort):
    """Sentences on where the scores of a cohort come from and what they can mean."""
    passport = read_passport(weights_for(cohort))
    return f"Scores: logits of the weights '{passport['name']}', {passport['origin']}.\n{scope(passport, cohort)}"


def cohort_scores(cohort, split="test"):
    """Logits of the films of one split.

    The embedded cohort's are recorded in data/weights; others are computed once with the model (TensorFlow) and
    kept under build/scores for as long as weights and films stay the same.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    split : 'train', 'valid' or 'test'

    Returns
    -------
    DataFrame float, index Image in the order of ``cohort.split(split)``, one column of logits for each finding

    Raises
    ------
    CourseError : films of the split are not on disk or cannot be read, or the weights cannot be loaded. What could be
    scored is kept: without the films that are named, the same call is quick.
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
            f"{len(unreadable)} films of the split {split} cannot be read: fetch {', '.join(list(unreadable)[:5])} again, or "
            "remove them from the folder, and run this again; the others' scores are kept."
        )
    return scores


def _kept(path, images):
    """Scores kept from last time; None where there are none, or a table that is damaged: they are computed again."""
    scores = _scores_in(path, "float32") if path.is_file() else None
    return scores if scores is not None and list(scores.index) == images else None


def _scores_in(path, dtype):
    """A table of scores of whole films, or None where the file holds another thing."""
    try:
        table = read_table(path, {name: name for name in ("Image", *FINDINGS)}, "a table of scores")
        scores = table.set_index("Image").astype(dtype)
    except ValueError:
        return None
    return scores if np.isfinite(scores).all(axis=None) and scores.index.is_unique else None


def _cache_of(cohort, split, images):
    return CACHE / f"{cohort.name}-{split}-{_digest(cohort, images)}.csv"


def _digest(cohort, images):
    """Names the weights and the very films: other weights or other files are another table."""
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
    """Write a table whole or not at all; where nothing can be written, say so and go on."""
    partial = Path(f"{path}.{secrets.token_hex(4)}.part")  # two commands may write the same table
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            scores.to_csv(partial, float_format="%.9g")  # nine digits hold a float32 exactly
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        print(f"The scores are not kept for next time: {path.parent.name} cannot be written ({error.strerror}).")
