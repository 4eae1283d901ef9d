"""Does anything leak? Patients on two sides of a split, a split that cannot leak them, what was learned from test films.

Taught in notebook 1. `util.audit` looks for everything at once.
"""

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.findings import FINDINGS

OTHER_TRAITS = {"View": "AP", "Sex": "M"}  # kept alike, besides the findings, by split_by_patient


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
    a, b = _patients(films_a, "the first table"), _patients(films_b, "the second table")
    if len(a) and len(b) and pd.api.types.is_numeric_dtype(a) != pd.api.types.is_numeric_dtype(b):
        raise CourseError(
            f"PatientId is {a.dtype} in the first table and {b.dtype} in the second, so no patient could be found "
            "in both; read it the same way in both tables."
        )
    return np.intersect1d(a, b)


def split_by_patient(films, fractions, seed):
    """Random split in which all films of a patient fall on the same side and every finding is as frequent on each.

    Parameters
    ----------
    films : DataFrame with a column PatientId, one row per film, any index; those of the 14 findings (0/1), View and
        Sex that are there are kept alike
    fractions : dict name of split -> share of the films, from 0 to 1, together 1
    seed : int; the same patients, films and seed give the same split, whatever the order of the rows

    Returns
    -------
    Series of split names with the index of `films`, called Split. A split holds its share of the films, give or
    take the films of one patient, and of each finding's, as far as whole patients allow.

    Raises
    ------
    CourseError if PatientId is absent or empty somewhere, the fractions are not shares of 1, or there are too few
    patients to give every split one.

    Patients are placed one by one, those with most films first, each where the sum over films and findings of
    (number - wanted)^2 / wanted grows least: iterative stratification (Sechidis et al. 2011,
    doi 10.1007/978-3-642-23808-6_10) for whole patients.
    """
    patients = _patients(films, "the table of films")
    shares = np.array(list(fractions.values()), dtype=float)
    if not (len(shares) and (shares >= 0).all() and np.isclose(shares.sum(), 1)):
        raise CourseError(f"The fractions are {fractions}; give each split a share from 0 to 1, together 1.")
    counts = _marks(films).groupby(patients).sum()
    side = _place(counts.to_numpy(float), shares, np.random.default_rng(seed))
    names = np.array(list(fractions), dtype=object)[side]
    empty = [name for name, share in fractions.items() if share > 0 and name not in names]
    if empty:
        raise CourseError(
            f"{len(counts)} patients are too few: no film is left for the split {empty[0]!r}; "
            "give more films or fewer splits."
        )
    return patients.map(dict(zip(counts.index, names, strict=True))).rename("Split")


def _marks(films):
    """What is kept alike, one column each: films, findings, views, sexes."""
    marks = {"films": np.ones(len(films))} | {finding: films[finding] for finding in FINDINGS if finding in films}
    marks |= {column: films[column].eq(one) for column, one in OTHER_TRAITS.items() if column in films}
    return pd.DataFrame(marks, index=films.index).astype(float)


def _place(counts, shares, rng):
    """Number of the split of each patient; `counts` (patients, marks), the first column their films."""
    wanted = np.maximum(np.outer(shares, counts.sum(axis=0)), 1e-9)  # no film is wanted where the share is 0
    held, side = np.zeros_like(wanted), np.zeros(len(counts), int)
    for patient in np.lexsort((rng.permutation(len(counts)), -counts[:, 0])):
        marks = counts[patient]
        growth = ((2 * (held - wanted) + marks) * marks / wanted).sum(axis=1)
        side[patient] = np.argmin(growth)
        held[side[patient]] += marks
    return side


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


def _patients(films, where):
    """The column PatientId, complete."""
    if "PatientId" not in films:
        raise CourseError(f"There is no column PatientId in {where}; its columns are {list(films)}.")
    if films["PatientId"].isna().any():
        raise CourseError(f"{films['PatientId'].isna().sum()} films of {where} have no PatientId; name their patient.")
    return films["PatientId"]
