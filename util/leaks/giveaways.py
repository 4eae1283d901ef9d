"""What gives a finding away without showing it: the place of a row, the name of a file, the view, a printed mark.

Each of these is a number per film, so each is judged as a network would be: by its AUC, with an interval clustered
by patient. A network can read the view and a mark off the film; a place or a name it must not even be told.
"""

import numpy as np
import pandas as pd

from util.data.cohort import film_by_film
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.auc_intervals import auc_interval
from util.metrics.roc import auc

BAND = 0.05  # an AUC between .5 - BAND and .5 + BAND gives nothing away that matters
FEWEST = 10  # films with and without a finding, for a judgement
SIZE, CELLS = 320, 10  # marks are sought in films of 320 x 320 pixels, in 10 x 10 cells
STROKE, BRIGHT = 7, 50  # pixels: a stroke of a letter is narrower; gray levels: and brighter than what is round it
FILE_COLUMNS = ("row", "file name")
MOST_FILMS = 2000  # are looked at for marks


def column_aucs(films, level=0.95):
    """How well each column that is no picture tells each finding.

    Parameters
    ----------
    films : DataFrame, one row per film, with Image, PatientId, the 14 findings as 0/1 and any of View, Sex, Age,
        FollowUp, Portable, ChestTube
    level : float in (0, 1); the intervals hold together for all rows of the table (Bonferroni)

    Returns
    -------
    DataFrame, one row per column and finding with at least 10 films with and without it: column ('row' is the place
    in the table, 'file name' the place of the name in alphabetical order), finding, auc (0 to 1), low, high (clustered
    by patient; NaN where the AUC is 0 or 1), strong (bool: the interval lies outside .45 to .55), the strongest first

    Raises
    ------
    CourseError : a column that is needed is absent.
    """
    _need(films, ["Image", "PatientId", *FINDINGS])
    values = _columns(films)
    findings = [f for f in FINDINGS if min(films[f].sum(), (1 - films[f]).sum()) >= FEWEST]
    level = 1 - (1 - level) / max(1, len(values) * len(findings))
    rows = [
        {"column": name, "finding": finding} | judge(films[finding], column, films["PatientId"], level)
        for name, column in values.items()
        for finding in findings
    ]
    return strongest(rows, ["column", "finding"])


def judge(y, score, patients, level):
    """AUC of a giveaway, its interval clustered by patient, and whether it is strong: outside .5 -+ BAND.

    Where there is no interval only an AUC of about 0 or 1 is strong, and only if it tells some people from others.
    """
    area = auc(y, score)
    low, high = auc_interval(y, score, level, patients)
    people = [patients[y == label].nunique() for label in (0, 1)]
    alike = area in (0, 1) or np.isnan(low)  # every film in order, or too few patients for an interval
    sure = (area <= BAND or area >= 1 - BAND) and min(people) > 1
    far = sure if alike else low > 0.5 + BAND or high < 0.5 - BAND
    return {"auc": area, "low": low, "high": high, "strong": bool(far)}


def strongest(rows, first):
    """Rows of `judge` as a table, the AUC farthest from .5 first; `first` are its first columns."""
    table = pd.DataFrame(rows, columns=[*first, "auc", "low", "high", "strong"])
    far = (table["auc"] - 0.5).abs()
    return table.iloc[np.lexsort((-far, ~table["strong"].astype(bool)))].reset_index(drop=True)


def _columns(films):
    """Numbers by which a finding might be told: dict name -> float (films,)."""
    values = {"row": np.arange(len(films)), "file name": films["Image"].astype(str).rank().to_numpy()}
    for column, one in (("View", "AP"), ("Sex", "M")):
        if column in films:
            values[column] = films[column].eq(one).to_numpy(float)
    for column in ("Age", "FollowUp", "Portable", "ChestTube"):
        if column in films and films[column].notna().any():
            values[column] = films[column].fillna(films[column].median()).to_numpy(float)
    return values


def _need(films, columns):
    absent = [column for column in columns if column not in films]
    if absent:
        raise CourseError(f"The table of films has no column {absent[0]}; its columns are {list(films)}.")


def mark_aucs(cohort, level=0.95, unreadable=None):
    """Where bright strokes, such as printed words, clips or lines, go with a finding.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort, of which at most 2,000 films, drawn with a fixed seed, are looked at
    level : float in (0, 1); the intervals hold together for all findings and places
    unreadable : dict that takes the names of films that cannot be read, and why; or None

    Returns
    -------
    DataFrame, one row per finding with at least 10 films with and without it, for the place where strokes tell it
    best: x, y (centre, as a share of the width and height of the film), finding, auc, low, high, strong as in
    `column_aucs`, the strongest first. Only the outer part of the film is searched, since findings have strokes of
    their own: two tenths from each side, one from above and below.

    A stroke is what a white top-hat finds (Serra 1982): brighter than its surroundings and narrower than 7 of 320 pixels.
    """
    films = cohort.films
    if len(films) > MOST_FILMS:
        films = films.sample(MOST_FILMS, random_state=0)
    strokes = film_by_film(cohort, list(films["Image"]), _strokes, "looking for marks", unreadable)
    films = films[films["Image"].isin(strokes)]
    strokes = np.array(list(strokes.values())).reshape(len(films), CELLS, CELLS)
    outer = np.ones((CELLS, CELLS), bool)
    outer[1:-1, 2:-2] = False
    places = np.argwhere(outer)
    findings = [f for f in FINDINGS if len(films) and min(films[f].sum(), (1 - films[f]).sum()) >= FEWEST]
    level = 1 - (1 - level) / max(1, len(places) * len(findings))
    rows = []
    for finding in findings:
        aucs = np.array([auc(films[finding], strokes[:, i, j]) for i, j in places])
        i, j = places[np.argmax(np.abs(aucs - 0.5))]
        told = judge(films[finding], strokes[:, i, j], films["PatientId"], level)
        rows.append({"x": (j + 0.5) / CELLS, "y": (i + 0.5) / CELLS, "finding": finding} | told)
    return strongest(rows, ["x", "y", "finding"])


def _strokes(film):
    """Share of stroke pixels in each cell of a film: float (CELLS, CELLS)."""
    import cv2

    small = cv2.resize(film, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    strokes = cv2.morphologyEx(small, cv2.MORPH_TOPHAT, np.ones((STROKE, STROKE), np.uint8)) > BRIGHT
    return strokes.reshape(CELLS, SIZE // CELLS, CELLS, SIZE // CELLS).mean(axis=(1, 3))
