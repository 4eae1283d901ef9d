"""Does anything leak? Patients on two sides of a split, a split that cannot leak them, what was learned from test films.

Taught in lesson 3. `util.leaks.audit` looks for everything at once.
"""

import numpy as np
import pandas as pd

from util.data.splits import patients_of
from util.errors import CourseError


def patient_overlap(films_a, films_b):
    """Patients with films in both tables.

    Parameters
    ----------
    films_a, films_b : DataFrame with a column PatientId, one row per film

    Returns
    -------
    array (patients,), the shared PatientIds, each once, in ascending order; empty when nothing leaks

    Raises
    ------
    CourseError if PatientId is absent or empty somewhere, or a number in one table and a text in the other
    (then 3 and "00000003" would pass for two people, and a leak for none).
    """
    a, b = patients_of(films_a, "the first table"), patients_of(films_b, "the second table")
    if len(a) and len(b) and pd.api.types.is_numeric_dtype(a) != pd.api.types.is_numeric_dtype(b):
        raise CourseError(
            f"PatientId is {a.dtype} in the first table and {b.dtype} in the second, so no patient could be found "
            "in both; read it the same way in both tables."
        )
    return np.intersect1d(a, b)


def learns_from_test(fit, x, y, training):
    """Whether a step of a pipeline learns anything from films it must not know: the definition of a leak, run.

    Parameters
    ----------
    fit : function of x, y, training that returns what it has learned, an array or a tuple of arrays
    x : array (films, features) or (films, h, w)
    y : array (films, findings) of 0 and 1
    training : bool array (films,), True where a film may be learned from

    Returns
    -------
    bool : True where other test films, or other labels of theirs, change what is learned

    The films outside `training` are replaced by their negatives and by darker ones, their labels by 0 and by 1.
    """
    x, y, training = np.asarray(x), np.asarray(y), np.asarray(training, dtype=bool)
    if training.all() or len(x) != len(y) or len(x) != len(training):
        raise CourseError(
            f"There are {len(x)} films, {len(y)} rows of labels and {len(training)} marks, {(~training).sum()} of them "
            "False: give one of each for every film, and some film that is not for training."
        )
    learned = _learned(fit(x.copy(), y.copy(), training.copy()))
    tests = ~training
    films = [_replaced(x, tests, other) for other in (x.max() - x[tests], x[tests] / 2)]
    labels = [_replaced(y, tests, other) for other in (0, 1)]
    changed = [(other, y.copy()) for other in films] + [(x.copy(), other) for other in labels]
    return any(not _same(learned, _learned(fit(*pair, training.copy()))) for pair in changed)


def _replaced(values, rows, other):
    """A copy with other values in some rows."""
    values = values.copy()
    values[rows] = other
    return values


def _learned(answer):
    """What a step has learned, as a list of arrays."""
    return [np.asarray(part) for part in (answer if isinstance(answer, tuple | list) else [answer])]


def _same(first, second):
    return len(first) == len(second) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(first, second, strict=True)
    )
