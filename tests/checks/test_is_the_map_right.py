"""The checks of lesson 10: right answers in many styles, wrong ones with the hint that each must meet."""

import ast

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, rankdata, spearmanr
from sklearn.metrics import jaccard_score

from tests.helpers.bank import Bank, judge, told
from util.checks.is_the_map_right import check_energy_share, check_gain, check_likeness, check_overlap
from util.data.cohort import HOME


def relu(values):
    return np.maximum(values, 0)


def energy_by_loop(cam, mask):
    on = everything = 0
    for value, inside in zip(cam.ravel(), mask.ravel(), strict=True):
        everything += max(value, 0)
        on += max(value, 0) if inside else 0
    return on / everything if everything else 0


def energy_in_32_bits(cam, mask):
    positive = relu(cam).astype(np.float32)
    return positive[mask].sum() / max(positive.sum(), np.float32(1e-30))


ENERGY = Bank(
    check_energy_share,
    right=[
        lambda c, m: relu(c)[m].sum() / relu(c).sum() if (c > 0).any() else 0,
        lambda c, m: (relu(c) * m).sum() / (relu(c).sum() or 1),
        lambda c, m: c[m & (c > 0)].sum() / c[c > 0].sum() if c.max() > 0 else 0.0,
        lambda c, m: np.nan_to_num(np.where(m, c.clip(0), 0).sum() / c.clip(0).sum()),
        lambda c, m: np.average(m, weights=relu(c)) if c.max() > 0 else 0,
        energy_in_32_bits,
        energy_by_loop,
    ],
    wrong={
        "signed": (lambda c, m: c[m].sum() / c.sum(), "Negative cells were added"),
        "absolute": (lambda c, m: np.abs(c)[m].sum() / np.abs(c).sum(), "Absolute"),
        "squares": (lambda c, m: (c[m] ** 2).sum() / (c**2).sum(), "Squares"),
        "squares of the positive": (lambda c, m: (relu(c)[m] ** 2).sum() / (relu(c) ** 2).sum(), "was squared"),
        "area": (lambda c, m: m.mean(), "map was not used"),
        "positive share of the finding": (lambda c, m: (c > 0)[m].mean(), "share of the finding's pixels"),
        "positive pixels": (lambda c, m: ((c > 0) & m).sum() / (c > 0).sum(), "each alike"),
        "beside": (lambda c, m: relu(c)[~m].sum() / relu(c).sum(), "BESIDE"),
        "odds": (lambda c, m: relu(c)[m].sum() / relu(c)[~m].sum(), "over the evidence beside"),
        "sum": (lambda c, m: relu(c)[m].sum(), "a sum"),
        "two means": (lambda c, m: relu(c)[m].mean() / relu(c).mean(), "two means"),
        "mean": (lambda c, m: relu(c)[m].mean(), "mean evidence"),
        "signed below": (lambda c, m: relu(c)[m].sum() / c.sum(), "below it"),
        "signed above": (lambda c, m: c[m].sum() / relu(c).sum(), "above it"),
        "maxima": (lambda c, m: relu(c)[m].max() / relu(c).max(), "maxima"),
        "shifted": (lambda c, m: (c - c.min())[m].sum() / (c - c.min()).sum(), "shifted"),
        "still a map": (lambda c, m: relu(c) * m, "still a map"),
        "nan": (lambda c, m: relu(c)[m].sum() / relu(c).sum(), "yours is NaN"),
        "one where empty": (lambda c, m: relu(c)[m].sum() / relu(c).sum() if c.max() > 0 else 1, "yours is not"),
        "percent": (lambda c, m: 100 * relu(c)[m].sum() / max(relu(c).sum(), 1e-9), "percent"),
        "above half of the maximum": (lambda c, m: c[m & (c > c.max() / 2)].sum() / c[c > c.max() / 2].sum(), None),
    },
)


def marked(cam, share=0.5):
    return cam >= share * cam.max()


def iou(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def overlap_by_sets(cam, mask):
    one = {position for position in np.ndindex(cam.shape) if cam[position] >= cam.max() / 2}
    other = {position for position in np.ndindex(cam.shape) if mask[position]}
    return len(one & other) / len(one | other)


OVERLAP = Bank(
    check_overlap,
    right=[
        lambda c, m: iou(marked(c), m),
        lambda c, m: jaccard_score(m.ravel(), marked(c).ravel()),
        lambda c, m: (both := (marked(c) & m).sum()) / (marked(c).sum() + m.sum() - both),
        lambda c, m: np.logical_and(c / c.max() >= 0.5, m).sum() / np.logical_or(c / c.max() >= 0.5, m).sum(),
        lambda c, m: np.float32(iou(marked(c.astype(np.float32)), m)),
        lambda c, m: np.minimum(marked(c), m).sum() / np.maximum(marked(c), m).sum(),
        lambda c, m: iou(c > c.max() / 2, m),
        overlap_by_sets,
    ],
    wrong={
        "recall": (lambda c, m: marked(c)[m].mean(), "marks the whole film"),
        "precision": (lambda c, m: m[marked(c)].mean(), "marks one pixel"),
        "dice": (lambda c, m: 2 * (marked(c) & m).sum() / (marked(c).sum() + m.sum()), "Dice"),
        "sum below": (lambda c, m: (marked(c) & m).sum() / (marked(c).sum() + m.sum()), "counted twice"),
        "agreement": (lambda c, m: (marked(c) == m).mean(), "empty background"),
        "over the film": (lambda c, m: (marked(c) & m).mean(), "whole film"),
        "pixels": (lambda c, m: (marked(c) & m).sum(), "in pixels"),
        "turned round": (lambda c, m: 1 / iou(marked(c), m), "turn the ratio"),
        "distance": (lambda c, m: 1 - iou(marked(c), m), "1 - IoU"),
        "positive": (lambda c, m: iou(c > 0, m), "Every positive pixel"),
        "above 0.5": (lambda c, m: iou(c >= 0.5, m), "number 0.5"),
        "half of the pixels": (lambda c, m: iou(c >= np.median(c), m), "Half of the pixels"),
        "above the mean": (lambda c, m: iou(c >= c.mean(), m), "mean of the map"),
        "half-way": (lambda c, m: iou(c >= (c.max() + c.min()) / 2, m), "half-way"),
        "maximum on the finding": (lambda c, m: iou(c >= c[m].max() / 2, m), "on the finding only"),
        "below": (lambda c, m: iou(~marked(c), m), "BELOW"),
        "absolute": (lambda c, m: iou(np.abs(c) >= np.abs(c).max() / 2, m), "Absolute"),
        "over the larger": (lambda c, m: (marked(c) & m).sum() / max(marked(c).sum(), m.sum()), None),
        "over the smaller": (lambda c, m: (marked(c) & m).sum() / min(marked(c).sum(), m.sum()), None),
        "mask inverted": (lambda c, m: iou(marked(c), ~m), "inverted"),
        "area": (lambda c, m: m.mean(), "map was not used"),
        "marked part": (lambda c, m: marked(c), "How well does it cover"),
        "nothing": (lambda c, m: print(iou(marked(c), m)), "returns nothing"),
        "at 30 %": (lambda c, m: iou(marked(c, 0.3), m), None),
    },
)


def patient_means(values, patients):
    return np.array([values[patients == patient].mean() for patient in np.unique(patients)])


def gain_by_loop(own, rival, patients):
    found = {}
    for a, b, patient in zip(own, rival, patients, strict=True):
        found.setdefault(patient, []).append(a - b)
    return sum(sum(some) / len(some) for some in found.values()) / len(found)


def gain_by_weights(own, rival, patients):
    _, who, films = np.unique(patients, return_inverse=True, return_counts=True)
    return np.average(own - rival, weights=1 / films[who])


GAIN = Bank(
    check_gain,
    right=[
        lambda o, r, p: pd.Series(o - r).groupby(p).mean().mean(),
        lambda o, r, p: patient_means(o, p).mean() - patient_means(r, p).mean(),
        lambda o, r, p: np.mean(patient_means(o - r, p)),
        lambda o, r, p: np.float32(patient_means((o - r).astype(np.float32), p).mean()),
        lambda o, r, p: pd.DataFrame({"d": o - r, "p": p}).groupby("p")["d"].mean().mean(),
        gain_by_loop,
        gain_by_weights,
    ],
    wrong={
        "films": (lambda o, r, p: (o - r).mean(), "Each FILM counts once"),
        "turned": (lambda o, r, p: patient_means(r - o, p).mean(), "RIVAL"),
        "turned, films": (lambda o, r, p: (r - o).mean(), "sign is turned"),
        "sums": (lambda o, r, p: pd.Series(o - r).groupby(p).sum().mean(), "added up"),
        "first film": (lambda o, r, p: (o - r)[np.unique(p, return_index=True)[1]].mean(), "first film"),
        "last film": (lambda o, r, p: pd.Series(o - r).groupby(p).last().mean(), "last film"),
        "median film": (lambda o, r, p: pd.Series(o - r).groupby(p).median().mean(), "median of each patient"),
        "median patient": (lambda o, r, p: np.median(patient_means(o - r, p)), "median over the patients"),
        "best film": (lambda o, r, p: pd.Series(o - r).groupby(p).max().mean(), "flatters"),
        "patients won": (lambda o, r, p: (patient_means(o - r, p) > 0).mean(), "not by how much"),
        "films won": (lambda o, r, p: np.mean(o > r), "not by how much"),
        "own alone": (lambda o, r, p: patient_means(o, p).mean(), "map alone"),
        "ratio": (lambda o, r, p: patient_means(o, p).mean() / patient_means(r, p).mean(), "ratio"),
        "relative": (
            lambda o, r, p: patient_means(o - r, p).mean() / patient_means(r, p).mean(),
            "divided by the rival",
        ),
        "size": (lambda o, r, p: patient_means(np.abs(o - r), p).mean(), "Signs were lost"),
        "one a patient": (lambda o, r, p: patient_means(o - r, p), "one number for each patient"),
        "one a film": (lambda o, r, p: o - r, "one number for each film"),
        "zero": (lambda o, r, p: 0, "is 0 for every table"),
        "rival alone": (lambda o, r, p: patient_means(r, p).mean(), None),
        "trimmed": (lambda o, r, p: np.sort(patient_means(o - r, p))[1:-1].mean(), None),
    },
)


def each(compare):
    return lambda maps, others: np.mean([compare(a.ravel(), b.ravel()) for a, b in zip(maps, others, strict=True)])


def rho(a, b):
    return spearmanr(a, b).statistic


def likeness_at_once(maps, others):
    a, b = (rankdata(array.reshape(len(array), -1), axis=1) for array in (maps, others))
    a, b = (array - array.mean(axis=1, keepdims=True) for array in (a, b))
    return np.abs((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))).mean()


def likeness_by_pandas(maps, others):
    pairs = zip(maps, others, strict=True)
    return sum(abs(pd.Series(a.ravel()).corr(pd.Series(b.ravel()), method="spearman")) for a, b in pairs) / len(maps)


LIKENESS = Bank(
    check_likeness,
    right=[
        each(lambda a, b: abs(rho(a, b))),
        each(lambda a, b: abs(np.corrcoef(rankdata(a), rankdata(b))[0, 1])),
        each(lambda a, b: abs(np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1])),
        lambda m, o: float(np.float32(likeness_at_once(m.astype(np.float32), o.astype(np.float32)))),
        each(lambda a, b: abs(1 - 6 * ((rankdata(a) - rankdata(b)) ** 2).sum() / (len(a) ** 3 - len(a)))),
        likeness_at_once,
        likeness_by_pandas,
    ],
    wrong={
        "signed": (each(rho), "sign is still there"),
        "sign dropped late": (lambda m, o: abs(each(rho)(m, o)), "too late"),
        "pearson": (each(lambda a, b: abs(np.corrcoef(a, b)[0, 1])), "correlates the values"),
        "pearson, signed": (each(lambda a, b: np.corrcoef(a, b)[0, 1]), "not their ranks"),
        "argsort": (each(lambda a, b: abs(np.corrcoef(a.argsort(), b.argsort())[0, 1])), "argsort"),
        "squared": (each(lambda a, b: rho(a, b) ** 2), "squared"),
        "kendall": (each(lambda a, b: abs(kendalltau(a, b).statistic)), "Kendall"),
        "one row of cells": (lambda m, o: abs(rho(m.ravel(), o.ravel())), "one row of cells"),
        "mean map": (lambda m, o: abs(rho(m.mean(0).ravel(), o.mean(0).ravel())), "averaged before"),
        "largest": (lambda m, o: max(abs(rho(a.ravel(), b.ravel())) for a, b in zip(m, o, strict=True)), "largest"),
        "one a pair": (lambda m, o: [abs(rho(a.ravel(), b.ravel())) for a, b in zip(m, o, strict=True)], "each pair"),
        "distance": (lambda m, o: 1 - each(lambda a, b: abs(rho(a, b)))(m, o), "1 minus"),
        "cosine": (each(lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)), "cosine"),
        "equal ranks": (each(lambda a, b: (rankdata(a) == rankdata(b)).mean()), "equal ranks"),
        "rows": (
            lambda m, o: np.mean(
                [abs(rho(a, b)) for x, y in zip(m, o, strict=True) for a, b in zip(x, y, strict=True)]
            ),
            "within each row",
        ),
        "one": (lambda m, o: 1.0, "is 1 for every table"),
        "itself": (lambda m, o: each(lambda a, b: abs(rho(a, b)))(m, m), None),
        "root mean square": (lambda m, o: np.sqrt(each(lambda a, b: rho(a, b) ** 2)(m, o)), None),
    },
)
BANKS = {"energy_share": ENERGY, "overlap": OVERLAP, "gain": GAIN, "likeness": LIKENESS}


@pytest.mark.parametrize("name", BANKS)
def test_bank(name):
    assert judge(BANKS[name]) == []


@pytest.mark.parametrize("name", BANKS)
def test_the_solution_of_the_lesson_is_right(name):
    notebook = nbformat.read(HOME / "notebooks" / "10_is_the_map_right.ipynb", as_version=4)
    names = {"np": np, "pd": pd}
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            exec(compile(ast.parse(cell.source), cell.id, "exec"), names)
    assert told(BANKS[name].check, names[name]) == ""
