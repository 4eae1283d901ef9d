"""What is reported of a model on real films: calibration, AUCs by part, reliability, domain shift, pointing game.

Plain functions of labels, logits, features and maps, without a network. Taught in notebook 11.
"""

import numpy as np
import pandas as pd

from util.data.chestxray14 import NATURAL_PREVALENCE
from util.data.outlines import box_mask
from util.explain.localisation import constant_point, difference_interval, hit
from util.findings import FINDINGS
from util.metrics.auc_tables import auc_table

LARGE = 60  # films of a source that gets AUCs of its own
GRID = 100  # boxes are drawn on so many rows and columns for the pointing game


def calibration(labels, logits, counts, natural=True):
    """Slope and intercept of each finding (Platt 1999) that turn logits into those of ChestX-ray14's prevalences.

    The films are weighed so that the positives of each finding have the share that they have among all 112,120;
    without `natural` they are taken as they are.
    """
    from scipy.optimize import minimize

    slopes, intercepts = [], []
    for k, finding in enumerate(FINDINGS):
        y, z = labels[counts[:, k], k], logits[counts[:, k], k].astype(float)
        share = NATURAL_PREVALENCE[finding] if natural else y.mean()
        weight = np.where(y == 1, share / y.mean(), (1 - share) / (1 - y.mean()))

        def loss(line, y=y, z=z, weight=weight):
            t = line[0] * z + line[1]
            return np.mean(weight * (np.logaddexp(0, t) - y * t))

        slope, intercept = minimize(loss, [1.0, np.log(share / (1 - share))], method="Nelder-Mead").x
        slopes.append(round(float(max(slope, 0.01)), 4))  # a slope below 0 would turn the ranking round
        intercepts.append(round(float(intercept), 4))
    return {
        "slope": slopes,
        "intercept": intercepts,
        "prevalence": "the prevalences of ChestX-ray14",
        "fitted_on": "films of patients held out from the models that scored them, weighed to those prevalences",
    }


def auc_tables(table, scores):
    """AUC with interval by patient: rows model, part of the films ('all', 'PA', 'folder 1', 'source ...'), finding."""
    parts = {"all": np.ones(len(table), bool), "PA": table["View"] == "PA", "AP": table["View"] == "AP"}
    parts |= {f"folder {n + 1}": table["Folder"] == n for n in sorted(table["Folder"].unique())}
    if "Source" in table:
        large = table["Source"].value_counts()
        parts |= {f"source {name}": table["Source"] == name for name in large.index[large >= LARGE]}
    rows = []
    for model, logits in scores.items():
        for part, mask in parts.items():
            mask = np.asarray(mask)
            found = auc_table(table[mask], _framed(table[mask], logits[mask]), by_patient=True, rounds=0)
            found = found[["films", "positives", "positive_patients", "auc", "low", "high"]].round(4).reset_index()
            rows.append(found.assign(model=model, part=part))
    columns = ["model", "part", "finding", "films", "positives", "positive_patients", "auc", "low", "high"]
    return pd.concat(rows)[columns]


def _framed(table, logits):
    return pd.DataFrame(logits, index=table["Image"], columns=list(FINDINGS))


def reliability_table(labels, probabilities, counts):
    """All findings together: model, mean probability and share of positives in ten equally filled bins of the probability.

    labels, counts and each of the probabilities: arrays (films, 14); a label that does not count is left out
    """
    rows, y = [], labels[counts]
    for model, table in probabilities.items():
        p = table[counts]
        for part in np.array_split(np.argsort(p, kind="stable"), 10):
            rows.append((model, len(part), round(p[part].mean(), 5), round(y[part].mean(), 5)))
    return pd.DataFrame(rows, columns=["model", "labels", "said", "observed"])


def shift_table(kinds, views):
    """Two principal components of features: rows weights, films (simulated, real), View, x, y.

    kinds: {weights: (features of simulated films, features of real films)}; views: the views of both, in that order
    """
    rows = []
    for weights, pair in kinds.items():
        both = np.concatenate(pair)
        z = (both - both.mean(axis=0)) / np.maximum(both.std(axis=0), 1e-6)
        u, s, _ = np.linalg.svd(z, full_matrices=False)
        x, y = (u[:, k] * s[k] * np.sign(u[np.abs(u[:, k]).argmax(), k]) for k in (0, 1))
        kind = np.repeat(["simulated", "real"], [len(part) for part in pair])
        frame = pd.DataFrame({"weights": weights, "films": kind, "View": np.concatenate(views), "x": x, "y": y})
        rows.append(frame.round(2))
    return pd.concat(rows, ignore_index=True)


def pointing_table(films, fold_of, maps):
    """The pointing game on boxed real films: maps of the model that has not met the patient beside a constant point.

    Parameters
    ----------
    films : util.training.real_films.RealFilms
    fold_of : int array (films,)
    maps : dict row -> float array (14, h, w), of every film with a box

    Returns
    -------
    DataFrame: finding, films, map, constant (shares of hits), gain, low, high (their difference, 95 % by patient). The
    constant point is fitted on the boxes of the other folds.
    """
    row_of = {image: row for row, image in enumerate(films.table["Image"])}
    pairs = films.boxes[films.boxes["finding"].isin(FINDINGS)].groupby(["finding", "Image"])
    masks = {pair: box_mask(boxes[["x", "y", "w", "h"]].to_numpy() * GRID, (GRID, GRID)) for pair, boxes in pairs}
    rows = []
    for finding in dict.fromkeys(finding for finding, _ in masks):
        mine = {row_of[image]: mask for (name, image), mask in masks.items() if name == finding}
        points = {}
        for fold in np.unique(fold_of[list(mine)]):
            others = [mask for row, mask in mine.items() if fold_of[row] != fold]
            points[fold] = np.array(constant_point(np.stack(others)))
        looked = [hit(maps[row][FINDINGS.index(finding)], mask) for row, mask in mine.items()]
        blind = [bool(mask[tuple((points[fold_of[row]][::-1] * GRID).astype(int))]) for row, mask in mine.items()]
        patients = films.table["PatientId"].to_numpy()[list(mine)]
        gain = difference_interval(looked, blind, patients)
        rows.append((finding, len(mine), np.mean(looked), np.mean(blind), *gain))
    return pd.DataFrame(rows, columns=["finding", "films", "map", "constant", "gain", "low", "high"]).round(4)
