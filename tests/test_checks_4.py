"""The checks of notebook 4: every right way passes, every known wrong answer meets its own hint."""

import ast

import nbformat
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from util.checks.answers import CheckFailed
from util.checks.roc import check_auc, check_draw, check_ppv, check_threshold
from util.data.cohort import HOME
from util.metrics import bootstrap, roc, thresholds


def pairs(y, score, tie=0.5):
    positive, negative = score[y == 1], score[y == 0]
    return [1 if p > n else tie if p == n else 0 for p in positive for n in negative]


def midpoint(y, score, wanted):
    """Halfway between the best threshold and the next score below it: calls the same films."""
    best = thresholds.threshold_for_sensitivity(y, score, wanted)
    below = score[score < best]
    return (best + below.max()) / 2 if len(below) else best - 1


def from_curve(y, score, wanted):
    _, tpr, thresholds = roc.roc_curve(y, score)
    return thresholds[tpr >= wanted].max()


def by_odds(sensitivity, specificity, prevalence):
    odds = prevalence / (1 - prevalence) * sensitivity / (1 - specificity)
    return odds / (1 + odds)


def by_table(sensitivity, specificity, prevalence):
    ill, healthy = 1e6 * prevalence, 1e6 * (1 - prevalence)
    return ill * sensitivity / (ill * sensitivity + healthy * (1 - specificity))


def area_by_grid(y, score):
    """Right for probabilities, blind to logits: thresholds from 0 to 1."""
    grid = np.linspace(1.005, -0.005, 102)
    points = [((score[y == 0] >= t).mean(), (score[y == 1] >= t).mean()) for t in grid]
    fpr, tpr = np.transpose(points)
    return np.trapezoid(tpr, fpr)


def by_integers(patients, rng):
    names = np.unique(patients)
    return np.concatenate([np.nonzero(patients == names[i])[0] for i in rng.integers(0, len(names), len(names))])


def by_weights(patients, rng):
    """As the course does it: how often each patient counts."""
    _, who = np.unique(patients, return_inverse=True)
    return np.repeat(np.arange(len(patients)), bootstrap.draw_patients(who.max() + 1, 1, rng)[who, 0].astype(int))


def by_groups(patients, rng):
    groups = pd.Series(range(len(patients))).groupby(patients).apply(list)
    return [row for drawn in rng.choice(len(groups), len(groups)) for row in groups.iloc[drawn]]


def rows_of(names, patients):
    return np.concatenate([np.flatnonzero(patients == name) for name in names])


def pick(patients, rng, many=None, replace=True):
    names = np.unique(patients)
    return rng.choice(names, many or len(names), replace=replace)


RIGHT = [
    (check_draw, by_integers),
    (check_draw, by_weights),
    (check_draw, by_groups),
    (check_auc, roc.auc),
    (check_auc, lambda y, s: np.mean(pairs(y, s))),
    (check_auc, roc_auc_score),
    (check_auc, lambda y, s: np.trapezoid(*roc.roc_curve(y, s)[1::-1])),
    (check_threshold, thresholds.threshold_for_sensitivity),
    (check_threshold, midpoint),
    (check_threshold, from_curve),
    (check_threshold, lambda y, s, w: np.sort(s[y == 1])[::-1][int(np.ceil(np.round(w * sum(y), 9))) - 1]),
    (check_threshold, lambda y, s, w: np.quantile(s[y == 1], 1 - w, method="inverted_cdf") - 1e-9 if w == 1
     else from_curve(y, s, w)),
    (check_ppv, thresholds.ppv_at_prevalence),
    (check_ppv, by_odds),
    (check_ppv, by_table),
]  # fmt: skip

WRONG = [
    (check_auc, lambda y, s: np.mean(pairs(y, s, tie=0)), "here nothing"),
    (check_auc, lambda y, s: np.mean(pairs(y, s, tie=1)), "here one"),
    (check_auc, lambda y, s: np.sum(pairs(y, s, tie=0)) / np.sum(np.array(pairs(y, s)) != 0.5), "left out"),
    (check_auc, lambda y, s: 1 - roc.auc(y, s), "NEGATIVE film scores higher"),
    (check_auc, lambda y, s: np.sum(pairs(y, s)), "divide by how many pairs"),
    (check_auc, lambda y, s: np.sum(pairs(y, s, tie=0)), "divide by how many there are"),
    (check_auc, lambda y, s: np.sum(pairs(y, s)) / len(y) ** 2, "all pairs of films"),
    (check_auc, lambda y, s: np.sum(pairs(y, s)) / (len(y) * (len(y) - 1) / 2), "all pairs of films"),
    (check_auc, lambda y, s: np.sum(pairs(y, s)) / len(y), "number of films"),
    (check_auc, lambda y, s: np.mean((s >= 0.5) == y), "accuracy"),
    (check_auc, lambda y, s: roc.placements(y, s)[0], "for each positive film"),
    (check_auc, lambda y, s: s[y == 1].mean() - s[y == 0].mean(), "difference of the mean scores"),
    (check_auc, lambda y, s: 0.99, "each positive film with each negative one"),
    (check_auc, area_by_grid, "stretched"),
    (check_auc, lambda y, s: None, "returns nothing"),
    (check_auc, ..., "A function is asked for"),
    (check_draw, lambda p, rng: rng.integers(0, len(p), len(p)), "You draw films"),
    (check_draw, lambda p, rng: rng.choice(len(p), 3), "You draw films"),
    (check_draw, lambda p, rng: pick(p, rng), "These are patients"),
    (check_draw, lambda p, rng: np.isin(p, pick(p, rng)), "mask"),
    (check_draw, lambda p, rng: np.flatnonzero(np.isin(p, pick(p, rng))), "comes once"),
    (check_draw, lambda p, rng: rows_of(set(pick(p, rng)), p), "comes once"),
    (check_draw, lambda p, rng: rows_of(pick(p, rng, replace=False), p), "WITH replacement"),
    (check_draw, lambda p, rng: rng.permutation(len(p)), "WITH replacement"),
    (check_draw, lambda p, rng: np.arange(len(p)), "WITH replacement"),
    (check_draw, lambda p, rng: rows_of(pick(p, rng, many=len(p)), p), "You draw 12 patients"),
    (check_draw, lambda p, rng: rows_of(rng.choice(p, len(np.unique(p))), p), "DIFFERENT patients"),
    (check_draw, lambda p, rng: rows_of(rng.choice(p, len(p)), p), "You draw 12 patients"),
    (check_draw, lambda p, rng: np.array([np.flatnonzero(p == n)[0] for n in pick(p, rng)]), "ALL films"),
    (check_draw, lambda p, rng: by_integers(p, np.random.default_rng(0)), "rng"),
    (check_draw, lambda p, rng: rows_of(np.unique(p)[rng.integers(0, 3, 4)], p), "never drawn"),
    (check_draw, lambda p, rng: [np.flatnonzero(p == n) for n in pick(p, rng)], "flat array"),
    (check_draw, lambda p, rng: 3, "flat array"),
    (check_draw, lambda p, rng: None, "returns nothing"),
    (check_threshold, lambda y, s, w: np.quantile(s[y == 1], w), "wrong end"),
    (check_threshold, lambda y, s, w: np.quantile(s[y == 0], w), "specificity"),
    (check_threshold, lambda y, s, w: np.quantile(s, 1 - w), "quantile of all films"),
    (check_threshold, lambda y, s, w: np.quantile(s, w), "quantile of all films"),
    (check_threshold, lambda y, s, w: w, "wanted share itself"),
    (check_threshold, lambda y, s, w: np.nan, "stop ON"),
    (check_threshold, lambda y, s, w: 1 - w, "wanted share itself"),
    (check_threshold, lambda y, s, w: np.sort(s[y == 1])[::-1][int(w * sum(y)) - 2], "stop ON"),
    (check_threshold, lambda y, s, w: s[y == 1].max() + 1, "stop ON"),
    (check_threshold, lambda y, s, w: s.min(), "HIGHEST"),
    (check_threshold, lambda y, s, w: s[y == 1].min(), "more than needed"),
    (check_threshold, lambda y, s, w: roc.roc_curve(y, s), "One threshold is asked for"),
    (check_threshold, lambda y, s, w: s, "One threshold is asked for"),
    (check_ppv, lambda se, sp, p: se, "sensitivity, the share of positives among the ILL"),
    (check_ppv, lambda se, sp, p: sp, "This is the specificity"),
    (check_ppv, lambda se, sp, p: se / (se + 1 - sp), "one half only"),
    (check_ppv, lambda se, sp, p: se * p, "share of ALL films"),
    (check_ppv, lambda se, sp, p: se * p / (se * p + 1 - sp), "from the healthy only"),
    (check_ppv, lambda se, sp, p: 0.5 * se / (0.5 * se + 0.5 * (1 - sp)), "one half only"),
    (check_ppv, lambda se, sp, p: se * p / (se * p + sp * (1 - p)), "false alarms are 1 - specificity"),
    (check_ppv, lambda se, sp, p: sp * (1 - p) / (sp * (1 - p) + (1 - se) * p), "NPV"),
    (check_ppv, lambda se, sp, p: se * p + sp * (1 - p), "accuracy"),
    (check_ppv, lambda se, sp, p: 1 - by_odds(se, sp, p), "FALSE alarms"),
    (check_ppv, lambda se, sp, p: se * p + (1 - sp) * (1 - p), "share of films called positive"),
    (check_ppv, lambda se, sp, p: by_odds(se, sp, p) / (1 - by_odds(se, sp, p)), "odds"),
    (check_ppv, lambda se, sp, p: 0.123, "Which share of the alarms is true"),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT)
def test_right_answers_pass(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right: ")


@pytest.mark.parametrize(("check", "answer", "hint"), WRONG)
def test_wrong_answers_meet_their_hint(check, answer, hint):
    with pytest.raises(CheckFailed, match=hint):
        check(answer)


@pytest.mark.parametrize("check", [check_auc, check_draw, check_threshold, check_ppv])
def test_an_open_exercise_is_said_to_be_open(check):
    def unsolved(*_):
        raise NotImplementedError

    with pytest.raises(CheckFailed, match="still open"):
        check(unsolved)


def test_the_examples_are_exact():
    """The threshold check rounds (1 - wanted) * 20 positives: its shares must be whole films."""
    for wanted in (0.8, 0.55, 1.0):
        assert (1 - wanted) * 20 == pytest.approx(round((1 - wanted) * 20), abs=1e-9)


# --- What notebook 4 teaches is what util does -----------------------------------------------------


def taught(name):
    """A function as notebook 4 defines it, or its solution of an exercise."""
    nb = nbformat.read(HOME / "notebooks" / "04_roc_evaluation.ipynb", as_version=4)
    trees = [ast.parse(cell.source) for cell in nb.cells if cell.cell_type == "code"]
    (node,) = [node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    scope = {"np": np}
    exec(compile(ast.unparse(node), name, "exec"), scope)
    return scope[name]


def drawn(seed):
    """Labels of both classes and scores with ties."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1], [60, 40]))
    return y, np.round(rng.normal(y), 1)


@pytest.mark.parametrize("seed", range(5))
def test_taught_functions_are_those_of_util(seed):
    y, score = drawn(seed)
    np.testing.assert_allclose(taught("roc_curve")(y, score), roc.roc_curve(y, score)[:2], atol=1e-12)
    assert taught("auc_by_pairs")(y, score) == pytest.approx(roc.auc(y, score), abs=1e-12)
    for wanted in (0.01, 0.5, 0.8, 0.975, 1.0):
        expected = thresholds.threshold_for_sensitivity(y, score, wanted)
        assert taught("threshold_for")(y, score, wanted) == expected
    rates = np.random.default_rng(seed).uniform(0.05, 0.95, 3)
    assert taught("ppv_at")(*rates) == pytest.approx(thresholds.ppv_at_prevalence(*rates), abs=1e-12)


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (check_auc, "auc_by_pairs"),
        (check_draw, "draw_films"),
        (check_threshold, "threshold_for"),
        (check_ppv, "ppv_at"),
    ],
)
def test_the_solutions_pass_their_checks(check, name, capsys):
    check(taught(name))
    assert capsys.readouterr().out.startswith("Right: ")
