"""What a class's answers say: of each reader, of the class beside the model, of the advice, of agreement and of places."""

from __future__ import annotations

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.metrics.agreement import agreement_table
from util.metrics.auc_intervals import auc_interval
from util.metrics.mrmc import Mrmc, mrmc, readers_against
from util.metrics.proportions import share_interval
from util.metrics.roc import auc, roc_curve
from util.reading.files import READINGS, Answers
from util.reading.room import Room

GRID = np.linspace(0, 1, 101)  # false positive rates of a mean curve


def readers_table(answers: list[Answers], room: Room) -> pd.DataFrame:
    """Each reader's point and curve, with 95 % intervals by patient.

    Parameters
    ----------
    answers : list of Answers; room : Room

    Returns
    -------
    DataFrame (index: reader, reading): films (answered), tpr, tpr_low, tpr_high, fpr, fpr_low, fpr_high, auc, auc_low,
    auc_high, places (share of yes answers on films with the finding whose click is in the outline). NaN where a reader left
    no film of a class.

    See Also
    --------
    class_curve : their mean curve

    Examples
    --------
    Not run by the tests, since it needs a class's answers.

    >>> readers_table(answers, room)[["tpr", "fpr", "auc"]]  # doctest: +SKIP

    Taught in lesson 16, section 2.
    """
    rows = {}
    for one in answers:
        y, patients = _of(one, room)
        said, ratings = one.table["Finding"].to_numpy(bool), one.ratings
        row = {"films": len(y)}
        for name, group in (("tpr", y), ("fpr", ~y)):
            values = share_interval(said[group], patients[group]) if group.any() else [np.nan] * 3
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
        both = y.any() and not y.all()
        row["auc"] = auc(y, ratings) if both else np.nan
        row["auc_low"], row["auc_high"] = auc_interval(y, ratings, patients=patients) if both else (np.nan, np.nan)
        rows[one.reader, one.reading] = row | {"places": places_share(one, room)}
    return pd.DataFrame(rows).T.rename_axis(["reader", "reading"])


def _of(answers, room):
    """(truth, patients) of the films that a reader answered."""
    films = room.films.set_index("Film").loc[answers.table.index]
    return films["Truth"].to_numpy(bool), films["Patient"].to_numpy(int)


def places_share(answers: Answers, room: Room) -> float:
    """Of the films with the finding that the reader called, the share whose click is in the outline; NaN without any.

    See Also
    --------
    util.reading.room.Room : its method `inside` says what counts as in

    Examples
    --------
    Not run by the tests, since it needs a reader's answers.

    >>> places_share(answers, room)  # doctest: +SKIP
    0.75

    Taught in lesson 16, section 2.
    """
    called = answers.table[answers.table["Finding"] & answers.table.index.isin(list(room.outlines))]
    hits = [room.inside(row.Index, row.X, row.Y) for row in called.itertuples() if not np.isnan(row.X)]
    return sum(hits) / len(called) if len(called) else np.nan


def complete(answers: list[Answers], reading: str) -> dict[str, Answers]:
    """The readers who answered every film of a reading, by name.

    See Also
    --------
    ratings_of : their ratings

    Examples
    --------
    >>> complete([], "alone")
    {}
    """
    return {one.reader: one for one in answers if one.reading == reading and not one.missing}


def ratings_of(answers: list[Answers], readings: tuple[str, ...] = READINGS) -> tuple[list[str], np.ndarray]:
    """Ratings of the readers who answered every film in every one of some readings.

    Parameters
    ----------
    answers : list of Answers; readings : tuple of 'alone', 'advice'

    Returns
    -------
    (names, int (readings, readers, films)), films in the room's order

    Raises
    ------
    CourseError : no reader has answered everything.

    See Also
    --------
    advice_study : what is made of them

    Examples
    --------
    Not run by the tests, since it needs a class's answers.

    >>> names, ratings = ratings_of(answers)  # doctest: +SKIP

    Taught in lesson 16, section 4.
    """
    by_reading = [complete(answers, reading) for reading in readings]
    names = sorted(set.intersection(*(set(found) for found in by_reading)))
    if not names:
        raise CourseError(
            f"No reader has answered every film in every reading ({', '.join(readings)}): ask for the rest."
        )
    return names, np.array([[found[name].ratings for name in names] for found in by_reading])


def class_curve(room: Room, ratings: np.ndarray) -> np.ndarray:
    """Mean of the readers' sensitivities at each false positive rate of GRID: float (101,).

    Parameters
    ----------
    room : Room; ratings : (readers, films)

    See Also
    --------
    readers_table : each reader's own

    Examples
    --------
    Not run by the tests, since it needs a class's answers.

    >>> class_curve(room, ratings)[0]  # doctest: +SKIP

    Taught in lesson 16, section 2.
    """
    return np.mean([np.interp(GRID, *roc_curve(room.truth, rating)[:2]) for rating in ratings], axis=0)


def advice_study(answers: list[Answers], room: Room) -> tuple[list[str], Mrmc]:
    """Readers with advice (modality 0) beside the same readers alone (modality 1), by `util.metrics.mrmc.mrmc`.

    Returns
    -------
    (names of the readers who answered everything, Mrmc); a difference above 0 speaks for the advice

    Raises
    ------
    CourseError : no reader has answered everything.

    See Also
    --------
    changes_table : what became of single answers

    Examples
    --------
    Not run by the tests, since it needs a class's answers.

    >>> names, study = advice_study(answers, room)  # doctest: +SKIP

    Taught in lesson 16, section 4.
    """
    names, ratings = ratings_of(answers, ("advice", "alone"))
    return names, mrmc(room.truth, ratings, room.patients)


def model_against(answers: list[Answers], room: Room) -> pd.DataFrame:
    """The class beside the model that read alone, by `util.metrics.mrmc.readers_against`; readers less model.

    Raises
    ------
    CourseError : no model has read the room, or no reader has answered every film.

    See Also
    --------
    advice_study : with and without its advice

    Examples
    --------
    Not run by the tests, since it needs a class's answers.

    >>> model_against(answers, room)  # doctest: +SKIP

    Taught in lesson 16, section 3.
    """
    if not room.advised:
        raise CourseError("No model has read this room: make it without --no-model.")
    _, ratings = ratings_of(answers, ("alone",))
    return readers_against(room.truth, ratings[0], room.films["Score"].to_numpy(float), room.patients)


def class_agreement(answers: list[Answers], room: Room, reading: str = "alone") -> pd.DataFrame | None:
    """Agreement on yes or no of the readers who answered every film (`util.metrics.agreement`); None for a single reader.

    See Also
    --------
    readers_table : how right they are

    Examples
    --------
    Not run by the tests, since it needs a class's answers.

    >>> class_agreement(answers, room)  # doctest: +SKIP

    Taught in lesson 16, section 5.
    """
    readers = complete(answers, reading)
    if len(readers) < 2:
        return None
    said = np.array([one.table["Finding"].to_numpy(int) for one in readers.values()])
    return agreement_table(said, room.patients)


def changes_table(answers: list[Answers], room: Room) -> pd.DataFrame:
    """What became of the answers with advice: counts of readings, by whether the advice was right and the first answer was.

    Returns
    -------
    DataFrame (index: advice, alone; each 'right' or 'wrong'): readings, right (with advice), share

    Raises
    ------
    CourseError : no reader has answered everything.

    See Also
    --------
    advice_study : what it is worth

    Examples
    --------
    Not run by the tests, since it needs a class's answers.

    >>> changes_table(answers, room)  # doctest: +SKIP

    Taught in lesson 16, section 4.
    """
    _, ratings = ratings_of(answers, ("alone", "advice"))
    right = (ratings > 0) == room.truth
    advised = np.broadcast_to(room.films["Advice"].to_numpy(bool) == room.truth, right[0].shape)
    rows = {}
    for advice in (True, False):
        for alone in (True, False):
            some = (advised == advice) & (right[0] == alone)
            kept = int(right[1][some].sum())
            key = ("right" if advice else "wrong", "right" if alone else "wrong")
            rows[key] = {
                "readings": int(some.sum()),
                "right": kept,
                "share": kept / some.sum() if some.any() else np.nan,
            }
    return pd.DataFrame(rows).T.astype({"readings": int, "right": int}).rename_axis(["advice", "alone"])
