"""Match tables of labels and scores film by film, by name where there are names.

A row taken by position may belong to a different film, and an AUC of mismatched rows looks like that of a bad model.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.inputs import as_numbers


def matched(y: pd.DataFrame | ArrayLike, score: pd.DataFrame | ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of the 14 findings, film by film.

    Parameters
    ----------
    y : DataFrame with the 14 findings, or array (n, 14) in the order of FINDINGS
    score : the same, of scores

    Returns
    -------
    labels (n, 14), scores float (n, 14), in the order of `y`

    If `y` has a column Image, its films are looked up by name in the column Image or the index of `score`. Two tables
    without Image are matched by their index, which must name the same rows. An array has no names: its order counts.

    Raises
    ------
    CourseError : a finding is absent or appears twice, a film has no score or several, or the row names differ.

    See Also
    --------
    matched_patients : the patients in the same order
    util.metrics.auc_tables.auc_table : uses it

    Examples
    --------
    >>> y = pd.DataFrame(0, ["a.png", "b.png"], FINDINGS)
    >>> score = pd.DataFrame({name: [2.0, 1.0] for name in FINDINGS}, ["b.png", "a.png"])
    >>> matched(y, score)[1][:, 0].tolist()
    [1.0, 2.0]

    Taught in lesson 6, section 4.
    """
    y, score = _table(y, "labels"), _table(score, "scores")
    if "Image" in score:
        score = score.set_index("Image")
    if "Image" in y:
        order = _places(y["Image"], score.index, "have no score: take scores of the same split")
    elif y.attrs.get("unnamed") or score.attrs.get("unnamed") or y.index.equals(score.index):
        order = np.arange(len(score))
    else:
        order = _places(y.index, score.index, "are named in the labels only: give the labels a column Image")
    if len(y) != len(order) or len(y) > len(score):
        raise CourseError(f"{len(y)} rows of labels, {len(score)} of scores: both must be of the same films in order.")
    numbers = np.column_stack([as_numbers(score[finding], f"scores of {finding}") for finding in FINDINGS])
    return y[list(FINDINGS)].to_numpy(), numbers[order]


def matched_patients(
    y: pd.DataFrame | ArrayLike, patients: ArrayLike | None = None, by_patient: bool = False
) -> ArrayLike | None:
    """The patient of each film in the order of the labels `y`, or None; a pandas column is matched by its index.

    Parameters
    ----------
    y : as in `matched`
    patients : array (n,), pandas column, or None
    by_patient : bool, take the column PatientId of `y`

    Raises
    ------
    CourseError : `y` has no such column, or the rows of `patients` have other names than those of `y`.

    See Also
    --------
    matched : labels and scores in the same order
    util.metrics.inputs.patient_codes : numbers from 0 for the patients

    Examples
    --------
    >>> y = pd.DataFrame({"PatientId": [7, 7, 9]})
    >>> matched_patients(y, by_patient=True).tolist()
    [7, 7, 9]
    """
    if by_patient:
        if not isinstance(y, pd.DataFrame) or "PatientId" not in y:
            raise CourseError("by_patient=True needs labels with a column PatientId: or give the patients themselves.")
        return y["PatientId"]
    if not (isinstance(patients, pd.Series) and isinstance(y, pd.DataFrame)) or len(patients) != len(y):
        return patients
    for names in (y.index, pd.Index(y["Image"]) if "Image" in y else y.index):
        if patients.index.equals(names):
            return patients
        if patients.index.is_unique and names.isin(patients.index).all():
            return patients.loc[names]
    raise CourseError("The patients' rows are named otherwise than the labels': give them as an array if in order.")


def _table(table, what):
    """A DataFrame with each finding once; an array becomes one that is marked as having no row names."""
    if not isinstance(table, pd.DataFrame):
        array = np.asarray(table)
        if array.ndim != 2 or array.shape[1] != len(FINDINGS):
            raise CourseError(f"A table has shape {array.shape}: give films (rows) by the 14 findings (columns).")
        table = pd.DataFrame(array, columns=list(FINDINGS))
        table.attrs["unnamed"] = True
    twice = table.columns[table.columns.duplicated()]
    for name in (*FINDINGS, "Image"):
        if name in twice:
            raise CourseError(
                f"The column {name} stands twice in the {what}: drop one, else each is taken for another."
            )
    absent = [finding for finding in FINDINGS if finding not in table]
    if absent:
        raise CourseError(f"No {what} for {', '.join(absent)}: all 14 findings must be there.")
    return table


def _places(wanted, names, missing):
    """Position of each wanted name among `names`; both must be unique."""
    wanted = pd.Index(wanted)
    for index, what in ((wanted, "labels"), (names, "scores")):
        if not index.is_unique:
            raise CourseError(f"The film {index[index.duplicated()][0]} has more than one row of {what}.")
    places = names.get_indexer(wanted)
    if (places < 0).any():
        example = wanted[places < 0][0]
        raise CourseError(f"{np.sum(places < 0)} of {len(wanted)} films, {example} for one, {missing}.")
    return places
