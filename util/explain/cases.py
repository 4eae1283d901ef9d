"""Which films are maps judged on, and what would an atlas answer that never saw them? Lesson 10."""

import numpy as np

from util.data.outlines import box_shares, outlines
from util.explain.localisation import constant_box, constant_point

OUTLINED = (  # the findings that radiologists outlined in ChestX-ray14; others, such as emphysema, have no one place
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
)


def boxed_cases(cohort, most=8):
    """Test films to judge maps on, picked by a rule and not by their scores.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    most : int, films of each finding

    Returns
    -------
    DataFrame, a row for each pair of a test film on disk and one of the findings OUTLINED that has a box on it: Image,
    PatientId, finding. Of each finding the first `most` films in the order of the table, each of a different patient; a
    finding with a single patient is left out, since the map of a different patient's film is its rival.

    See Also
    --------
    fit_constants : rivals that never look at these films

    Examples
    --------
    >>> from util.data.cohort import load_cohort
    >>> cases = boxed_cases(load_cohort("phantom"), most=1)
    >>> len(cases), int(cases["finding"].nunique())
    (8, 8)

    Taught in lesson 10.
    """
    films = cohort.split("test")[["Image", "PatientId"]]
    boxes = cohort.boxes.loc[cohort.boxes["finding"].isin(OUTLINED), ["Image", "finding"]].drop_duplicates()
    cases = films[films["Image"].isin(cohort.paths)].merge(boxes).drop_duplicates(["finding", "PatientId"])
    cases = cases[cases.duplicated("finding", keep=False)].groupby("finding").head(most)
    return cases.sort_values("finding", kind="stable").reset_index(drop=True)


def fit_constants(cohort, grid=(64, 64)):
    """The best point and the best box of each finding, from the outlines of training films: what an atlas would answer.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    grid : (rows, columns) on which the outlines are compared

    Returns
    -------
    dict finding -> (point, box), (x, y) and array (x, y, w, h), as shares of a film. A finding of OUTLINED without an
    outline on a training film gets the middle of the film and the whole film.

    See Also
    --------
    util.explain.localisation.constant_point : the point
    util.explain.localisation.constant_box : the box

    Examples
    --------
    Not run by the tests, since it reads the outlines of all training films.

    >>> point, box = fit_constants(cohort)["Cardiomegaly"]  # doctest: +SKIP

    Taught in lesson 10.
    """
    images = cohort.split("train")["Image"]
    shapes, boxes = outlines(cohort, images, size=grid), box_shares(cohort, images)
    constants = {}
    for finding in OUTLINED:
        masks = np.array([mask for (_, name), mask in shapes.items() if name == finding])
        constants[finding] = (0.5, 0.5), np.array([0.0, 0.0, 1.0, 1.0])
        if len(masks):
            constants[finding] = constant_point(masks), constant_box(boxes[boxes["finding"] == finding], masks)
    return constants
