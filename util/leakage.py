"""Does anything leak? Patients on two sides of a split, and a split that cannot leak them.

Taught in notebook 1.
"""

import numpy as np
import pandas as pd

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
    a, b = _patients(films_a, "the first table"), _patients(films_b, "the second table")
    if len(a) and len(b) and pd.api.types.is_numeric_dtype(a) != pd.api.types.is_numeric_dtype(b):
        raise CourseError(
            f"PatientId is {a.dtype} in the first table and {b.dtype} in the second, so no patient could be found "
            "in both; read it the same way in both tables."
        )
    return np.intersect1d(a, b)


def split_by_patient(films, fractions, seed):
    """Random split in which all films of a patient fall on the same side.

    Parameters
    ----------
    films : DataFrame with a column PatientId, one row per film, any index
    fractions : dict name of split -> share of the films, from 0 to 1, together 1
    seed : int; the same patients, films and seed give the same split, whatever the order of the rows

    Returns
    -------
    Series of split names with the index of `films`, called Split. A split holds its share of the films, give or
    take the films of one patient.

    Raises
    ------
    CourseError if PatientId is absent or empty somewhere, the fractions are not shares of 1, or there are too few
    patients to give every split one.

    Patients lie end to end in random order, each as long as their films; a patient belongs to the split in which
    their middle falls.
    """
    patients = _patients(films, "the table of films")
    shares = np.array(list(fractions.values()), dtype=float)
    if not (len(shares) and (shares >= 0).all() and np.isclose(shares.sum(), 1)):
        raise CourseError(f"The fractions are {fractions}; give each split a share from 0 to 1, together 1.")
    films_of = patients.value_counts(sort=False).sort_index()
    films_of = films_of.iloc[np.random.default_rng(seed).permutation(len(films_of))]
    middles = (films_of.cumsum() - films_of / 2) / len(films)
    ends = np.cumsum(shares) / shares.sum()
    names = np.array(list(fractions), dtype=object)[np.searchsorted(ends, middles)]
    empty = [name for name, share in fractions.items() if share > 0 and name not in names]
    if empty:
        raise CourseError(
            f"{len(films_of)} patients are too few: no film is left for the split {empty[0]!r}; "
            "give more films or fewer splits."
        )
    return patients.map(dict(zip(films_of.index, names, strict=True))).rename("Split")


def _patients(films, where):
    """The column PatientId, complete."""
    if "PatientId" not in films:
        raise CourseError(f"There is no column PatientId in {where}; its columns are {list(films)}.")
    if films["PatientId"].isna().any():
        raise CourseError(f"{films['PatientId'].isna().sum()} films of {where} have no PatientId; name their patient.")
    return films["PatientId"]
