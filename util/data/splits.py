"""Divide films among splits, whole patients at a time, so that all splits are alike. Taught in lesson 3."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.findings import FINDINGS


def stratify(
    patients: ArrayLike, traits: ArrayLike, sizes: Sequence[int], rng: np.random.Generator
) -> np.ndarray | None:
    """Assign every patient to one split, such that each trait is equally frequent in all splits.

    A greedy variant of iterative stratification (Sechidis et al. 2011, doi 10.1007/978-3-642-23808-6_10): patients are
    assigned one by one, those with most films first, each to the split with room in which the sum over traits of
    (films - wanted)^2 / wanted stays smallest. The many patients with one film come last and even things out.

    Parameters
    ----------
    patients : int (films,), the patient of each film
    traits : 0/1 (films, traits), what should be equally frequent
    sizes : sequence of int, numbers of films of the splits, which add up to the number of films
    rng : numpy.random.Generator, orders patients with equally many films

    Returns
    -------
    int (films,), number of the split of each film, or None if the last patients fit nowhere

    See Also
    --------
    split_by_patient : the same for a table of films and any shares

    Examples
    --------
    >>> split = stratify([1, 1, 2, 3], [[1], [1], [0], [0]], [2, 2], np.random.default_rng(0))
    >>> bool(split[0] == split[1]), np.bincount(split).tolist()
    (True, [2, 2])
    """
    sizes = np.asarray(sizes)
    _, of_patient = np.unique(patients, return_inverse=True)
    marks = np.column_stack([np.ones(len(patients)), traits])
    counts = np.zeros((of_patient.max() + 1, marks.shape[1]))
    np.add.at(counts, of_patient, marks)
    wanted = np.maximum(np.outer(sizes / sizes.sum(), counts.sum(axis=0)), 1)  # a trait of no film asks for nothing
    split = _greedy(counts, wanted, rng, sizes)
    return None if split is None else split[of_patient]


OTHER_TRAITS = {"View": "AP", "Sex": "M"}  # which split_by_patient balances as well as the findings


def split_by_patient(films: pd.DataFrame, fractions: Mapping[str, float], seed: int) -> pd.Series:
    """Random split in which all films of a patient are on the same side and every finding is equally frequent.

    Parameters
    ----------
    films : DataFrame with a column PatientId, one row per film, any index; the columns that it has of the 14 findings
        (0/1), View and Sex are balanced
    fractions : dict name of split -> share of the films, from 0 to 1; the shares add up to 1
    seed : int; the same patients, films and seed give the same split in any order of the rows

    Returns
    -------
    Series of split names with the index of `films`, called Split. Each split holds its share of the films, give or
    take the films of one patient, and its share of each finding as far as whole patients allow.

    Raises
    ------
    CourseError : PatientId is absent or empty somewhere, the fractions do not add up to 1, or there are too few
        patients to give every split one.

    Patients are assigned one by one, those with most films first, each where the sum over films and findings of
    (number - wanted)^2 / wanted grows least: iterative stratification (Sechidis et al. 2011,
    doi 10.1007/978-3-642-23808-6_10) for whole patients.

    See Also
    --------
    util.leaks.overlap : finds patients on both sides
    util.data.nih.assign_splits : the split of the real cohort

    Examples
    --------
    >>> films = pd.DataFrame({"PatientId": [1, 1, 2, 3, 4]})
    >>> split = split_by_patient(films, {"train": 0.6, "test": 0.4}, seed=0)
    >>> int(split.groupby(films["PatientId"]).nunique().max())
    1

    Taught in lesson 3.
    """
    patients = patients_of(films, "the table of films")
    shares = np.array(list(fractions.values()), dtype=float)
    if not (len(shares) and (shares >= 0).all() and np.isclose(shares.sum(), 1)):
        raise CourseError(f"The fractions are {fractions}; give each split a share from 0 to 1, together 1.")
    counts = _marks(films).groupby(patients).sum()
    counted = counts.to_numpy(float)
    wanted = np.maximum(np.outer(shares, counted.sum(axis=0)), 1e-9)  # no film is wanted where the share is 0
    side = _greedy(counted, wanted, np.random.default_rng(seed))
    names = np.array(list(fractions), dtype=object)[side]
    empty = [name for name, share in fractions.items() if share > 0 and name not in names]
    if empty:
        raise CourseError(
            f"{len(counts)} patients are too few: no film is left for the split {empty[0]!r}; "
            "give more films or fewer splits."
        )
    return patients.map(dict(zip(counts.index, names, strict=True))).rename("Split")


def _marks(films):
    """What is balanced, one column each: films, findings, view, sex."""
    marks = {"films": np.ones(len(films))} | {finding: films[finding] for finding in FINDINGS if finding in films}
    marks |= {column: films[column].eq(one) for column, one in OTHER_TRAITS.items() if column in films}
    return pd.DataFrame(marks, index=films.index).astype(float)


def _greedy(counts, wanted, rng, sizes=None):
    """Number of the split of each patient, int (patients,), those with most films first; None where one fits nowhere.

    counts : float (patients, marks), the first column their films; wanted : float (splits, marks); sizes : most films of
    each split, or None
    """
    held, side = np.zeros_like(wanted), np.zeros(len(counts), int)
    for patient in np.lexsort((rng.permutation(len(counts)), -counts[:, 0])):
        marks = counts[patient]
        growth = ((2 * (held - wanted) + marks) * marks / wanted).sum(axis=1)  # of the sum of squares
        if sizes is not None:
            room = sizes - held[:, 0] >= marks[0]
            if not room.any():
                return None
            growth = np.where(room, growth, np.inf)
        side[patient] = np.argmin(growth)
        held[side[patient]] += marks
    return side


def patients_of(films: pd.DataFrame, where: str) -> pd.Series:
    """The column PatientId; a CourseError if it is absent or incomplete.

    See Also
    --------
    split_by_patient : uses it

    Examples
    --------
    >>> patients_of(pd.DataFrame({"PatientId": [7, 7, 9]}), "my table").tolist()
    [7, 7, 9]
    """
    if "PatientId" not in films:
        raise CourseError(f"There is no column PatientId in {where}; its columns are {list(films)}.")
    if films["PatientId"].isna().any():
        raise CourseError(f"{films['PatientId'].isna().sum()} films of {where} have no PatientId; name their patient.")
    return films["PatientId"]
