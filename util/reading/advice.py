"""What a model says of a room's films: the course's network of simulated films, with a threshold from its tuning films."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from util.data.cohort import HOME, load_cohort
from util.data.tables import read_table
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.thresholds import youden_threshold
from util.reading.room import Room, draw_room

if TYPE_CHECKING:
    from util.models.weights import Pretrained

LESSON_ROOM = "lesson"  # an open room, whose scores come with the course
SCORES = HOME / "data" / "reading_room.csv"


def _model_scores(room: Room, pixels: dict[str, np.ndarray], pretrained: Pretrained | None = None) -> np.ndarray:
    """Logits of the room's finding, float (films,), by the network that was trained on other simulated patients (TensorFlow).

    Parameters
    ----------
    room : Room; pixels : dict of a film's name -> uint8 (h, w)
    pretrained : util.models.weights.Pretrained, by default the course's `phantom`
    """
    from util.models.predict import BATCH_SIZE, predict_films
    from util.models.weights import load_pretrained

    pretrained = pretrained or load_pretrained("phantom")
    films = [pretrained.preprocessing(pixels[name]) for name in room.names]
    starts = range(0, len(films), BATCH_SIZE)
    logits = [predict_films(pretrained.model, np.stack(films[start : start + BATCH_SIZE])) for start in starts]
    return np.concatenate(logits)[:, FINDINGS.index(room.finding)].astype(float)


def _threshold_of(finding: str) -> float:
    """The logit from which the model says yes: Youden's on the embedded tuning films, which no room shows."""
    from util.models.study import load_study

    study = load_study(load_cohort("phantom"))
    return float(youden_threshold(study.tuning[finding].to_numpy(), study.tuning_scores[finding].to_numpy()))


def advised(room: Room, pixels: dict[str, np.ndarray]) -> Room:
    """The room, read by the model.

    See Also
    --------
    lesson_room : one that has been read already

    Examples
    --------
    Not run by the tests, since it needs TensorFlow.

    >>> advised(room, pixels).advised  # doctest: +SKIP
    """
    return room.with_scores(_model_scores(room, pixels).round(4), _threshold_of(room.finding))


def lesson_room(size: int = 320) -> tuple[Room, dict[str, np.ndarray]]:
    """The open room of lesson 16 with its advice, for which no network is needed: (Room, pixels).

    Parameters
    ----------
    size : int, pixels of a side; the model has read the films at 320

    Raises
    ------
    CourseError : the table of scores is missing or of other films.

    See Also
    --------
    write_lesson_scores : makes the table of scores

    Examples
    --------
    >>> room, pixels = lesson_room(size=64)
    >>> room.advised, len(pixels)
    (True, 48)
    """
    room, pixels = draw_room(LESSON_ROOM, size=size)
    table = read_table(SCORES, {name: name for name in ("Film", "Score", "Threshold")}, "a room's scores")
    if table["Film"].tolist() != room.names:
        raise CourseError(f"{SCORES} is of other films: write it again with `python -m util reading-room scores`.")
    return room.with_scores(table["Score"].to_numpy(float), float(table["Threshold"].iloc[0])), pixels


def write_lesson_scores() -> pd.DataFrame:
    """Score the lesson's room and write data/reading_room.csv; for maintainers.

    See Also
    --------
    lesson_room : reads it

    Examples
    --------
    Not run by the tests, since it needs TensorFlow and writes a file.

    >>> write_lesson_scores()  # doctest: +SKIP
    """
    from util.files import whole

    room, pixels = draw_room(LESSON_ROOM, size=320)
    scores, threshold = _model_scores(room, pixels), _threshold_of(room.finding)
    table = pd.DataFrame({"Film": room.names, "Score": scores.round(4), "Threshold": round(threshold, 5)})
    with whole(SCORES) as part:
        table.to_csv(part, index=False, lineterminator="\n")
    return table
