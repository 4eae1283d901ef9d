"""Exercises of notebooks 1 and 2: every plausible wrong answer meets its own hint, right answers pass however they are
written, and what a notebook teaches equals its twin in util."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit

from util.checks import CheckFailed
from util.checks import explore as check1
from util.checks import loss as check2
from util.cohort import HOME
from util.leakage import patient_overlap, split_by_patient
from util.loss import class_weights, undo_weighting, weighted_cross_entropy, weighted_loss


def taught(notebook, cell_id):
    """What a cell of a notebook defines, executed by itself with numpy, pandas and keras' operations at hand."""
    cells = json.loads((HOME / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = "".join(next(cell["source"] for cell in cells if cell["id"] == cell_id))
    names = {"np": np, "pd": pd}
    exec(source, names)
    return names


def wrong(check, answer):
    """The hint that an answer meets."""
    with pytest.raises(CheckFailed) as failed:
        check(answer)
    return str(failed.value)


def share(films, finding, view):
    return films.loc[films["View"] == view, finding].mean()


VIEW = {
    "counts": lambda films, f: films[films["View"] == "AP"][f].sum() / films[films["View"] == "PA"][f].sum(),
    "inverse": lambda films, f: share(films, f, "PA") / share(films, f, "AP"),
    "given finding": lambda films, f: (films[films[f] == 1]["View"] == "AP").mean(),
    "difference": lambda films, f: share(films, f, "AP") - share(films, f, "PA"),
    "all films": lambda films, f: share(films, f, "AP") / films[f].mean(),
    "AP only": lambda films, f: share(films, f, "AP"),
    "name": lambda films, f: share(films, "Edema", "AP") / share(films, "Edema", "PA"),
}
SCALE = {
    "each": lambda x, t: (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True),
    "own": lambda x, t: (x - x.mean()) / x.std(),
    "pixelwise": lambda x, t: (x - t.mean(0)) / t.std(0),
    "variance": lambda x, t: (x - t.mean()) / t.var(),
    "no SD": lambda x, t: x - t.mean(),
    "no mean": lambda x, t: x / t.std(),
    "255": lambda x, t: x / 255,
    "mean SD": lambda x, t: (x - t.mean()) / np.mean([film.std() for film in t]),
}
OVERLAP = {
    "nobody": lambda a, b: a["Image"][a["Image"].isin(b["Image"])],
    "index": lambda a, b: sorted({p for p in a["PatientId"] if p in b["PatientId"]}),
    "mask": lambda a, b: a["PatientId"].isin(b["PatientId"]),
    "union": lambda a, b: np.union1d(a["PatientId"], b["PatientId"]),
    "difference": lambda a, b: np.setxor1d(a["PatientId"], b["PatientId"]),
    "rows": lambda a, b: a[a["PatientId"].isin(b["PatientId"])],
    "repeats": lambda a, b: a["PatientId"][a["PatientId"].isin(b["PatientId"])],
    "number": lambda a, b: len(set(a["PatientId"]) & set(b["PatientId"])),
}
WEIGHTS = {
    "pair": lambda y: 1 - y.mean(),
    "one": lambda y: (1 - y.to_numpy().mean(), y.to_numpy().mean()),
    "per film": lambda y: (1 - y.mean(axis=1), y.mean(axis=1)),
    "swapped": lambda y: (y.mean(), 1 - y.mean()),
    "counts": lambda y: ((y == 0).sum(), (y == 1).sum()),
    "equal": lambda y: (1 - y.mean(), 1 - y.mean()),
    "scaled": lambda y: (1 / (2 * y.mean()), 1 / (2 - 2 * y.mean())),
}
LOSS = {
    "sum": lambda y, z, p, n: parts(y, z, p, n).sum(),
    "sum over findings": lambda y, z, p, n: parts(y, z, p, n).sum(axis=1).mean(),
    "per finding": lambda y, z, p, n: parts(y, z, p, n).mean(axis=0),
    "per film": lambda y, z, p, n: parts(y, z, p, n).mean(axis=1),
    "each": lambda y, z, p, n: parts(y, z, p, n),
    "sign": lambda y, z, p, n: (p * y * log_expit(z) + n * (1 - y) * log_expit(-z)).mean(),
    "softplus": lambda y, z, p, n: parts(y, -z, p, n).mean(),
    "swapped": lambda y, z, p, n: parts(y, z, n, p).mean(),
    "plain": lambda y, z, p, n: parts(y, z, 1, 1).mean(),
    "no negatives": lambda y, z, p, n: parts(y, z, p, 0).mean(),
    "sigmoid": lambda y, z, p, n: parts(y, expit(z), p, n).mean(),
}


def parts(y, z, positive, negative):
    """Cost of each film and finding, by scipy."""
    return -(positive * y * log_expit(z) + negative * (1 - y) * log_expit(-z))


@pytest.mark.parametrize(
    ("check", "hints", "answers"),
    [
        (check1.check_view_ratio, check1.VIEW_HINTS, VIEW),
        (check1.check_standardise, check1.SCALE_HINTS, SCALE),
        (check1.check_patient_overlap, check1.OVERLAP_HINTS, OVERLAP),
        (check2.check_class_weights, check2.WEIGHT_HINTS, WEIGHTS),
        (check2.check_weighted_cross_entropy, check2.LOSS_HINTS, LOSS),
    ],
    ids=["view_ratio", "standardise", "patient_overlap", "class_weights", "loss"],
)
def test_each_misconception_meets_its_own_hint(check, hints, answers):
    unseen = set(hints) - set(answers)
    assert unseen <= {"infinite", "epsilon", "not zero"}  # seen below
    assert {name: wrong(check, answer) for name, answer in answers.items()} == {name: hints[name] for name in answers}


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda p: p * (1 - p), "add both sides"),
        (lambda p: p / p, "took nothing away"),
        (lambda p: 1.0, "took nothing away"),
        (lambda p: p, "weight it with w[+]"),
        (lambda p: 2 * p, "rare findings only"),
        (lambda p: 2 * p * (1 - p) * np.log(2), "divide by the plain loss"),
        (lambda p: p * p + (1 - p) * (1 - p), "exchanged"),
        (lambda p: 1 / (2 * p * (1 - p)), "other way round"),
        (lambda p: p**3, "Add the two sides"),
    ],
)
def test_scale_misconceptions(answer, hint):
    with pytest.raises(CheckFailed, match=hint):
        check2.check_scale(answer)


def clip(z):
    return np.clip(1 / (1 + np.exp(-z)), 1e-7, 1 - 1e-7)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda y, z, p, n: -(p * y * np.log(expit(z)) + n * (1 - y) * np.log(1 - expit(z))).mean(), "infinite"),
        (lambda y, z, p, n: (p * y * np.log1p(np.exp(-z)) + n * (1 - y) * np.log1p(np.exp(z))).mean(), "overflows"),
        (lambda y, z, p, n: -(p * y * np.log(clip(z)) + n * (1 - y) * np.log(1 - clip(z))).mean(), "ceiling"),
        (lambda y, z, p, n: parts(y, np.clip(z, -30, 30), p, n).mean(), "ceiling"),
        (lambda y, z, p, n: parts(y, z, p, n).mean() + 0.01 * (abs(z) >= 1000).any() * (parts(y, z, p, n).mean() < 1),
         "must cost nothing"),
    ],
)  # fmt: skip
def test_losses_that_fail_only_far_out(answer, hint):
    assert hint in wrong(check2.check_weighted_cross_entropy, answer)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check1.check_view_ratio, lambda films, f: films.pivot_table(f, columns="View").eval("AP / PA").iloc[0]),
        (check1.check_view_ratio, lambda films, f: share(films, f, "AP") / share(films, f, "PA")),
        (check1.check_standardise, lambda x, t: (np.asarray(x, np.float32) - t.mean(dtype=float)) / t.std()),
        (check1.check_patient_overlap, lambda a, b: set(a["PatientId"]) & set(b["PatientId"])),
        (check1.check_patient_overlap, lambda a, b: a.merge(b, on="PatientId")["PatientId"].unique()),
        (check1.check_patient_overlap, lambda a, b: pd.Index(b["PatientId"]).intersection(a["PatientId"].unique())),
        (check1.check_patient_overlap, patient_overlap),
        (check2.check_class_weights, class_weights),
        (check2.check_class_weights, lambda y: [(y == 0).mean(), (y == 1).mean()]),
        (check2.check_scale, lambda p: 2 * p - 2 * p**2),
        (check2.check_weighted_cross_entropy, weighted_cross_entropy),
        (check2.check_weighted_cross_entropy, lambda *a: parts(*a).mean()),
        (check2.check_weighted_cross_entropy, lambda *a: np.mean(weighted_loss(*a[2:])(*a[:2]))),
    ],
)
def test_right_answers_pass_however_written(check, answer, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith("Right: ")


@pytest.mark.parametrize(
    "check",
    [
        check1.check_view_ratio,
        check1.check_standardise,
        check1.check_patient_overlap,
        check2.check_class_weights,
        check2.check_scale,
        check2.check_weighted_cross_entropy,
    ],
)
def test_open_and_broken_answers_are_told_apart(check):
    def still_open(*arguments):
        raise NotImplementedError

    def broken(*arguments):
        return arguments[0]["Edemo"]

    assert "still open" in wrong(check, still_open)
    assert "returns nothing" in wrong(check, lambda *arguments: None)
    assert "broken stopped with" in wrong(check, broken)
    assert "A function is asked for" in wrong(check, 0.5)


def test_a_hint_is_shown_without_the_traceback():
    assert CheckFailed("Divide.")._render_traceback_() == ["Not yet. Divide."]


@pytest.mark.parametrize(
    ("notebook", "cell_id", "check"),
    [
        ("01_explore_and_leaks", "view-ratio-solution", check1.check_view_ratio),
        ("01_explore_and_leaks", "standardise-solution", check1.check_standardise),
        ("01_explore_and_leaks", "patient-overlap-solution", check1.check_patient_overlap),
        ("02_weighted_loss", "class-weights-solution", check2.check_class_weights),
        ("02_weighted_loss", "scale-solution", check2.check_scale),
        ("02_weighted_loss", "weighted-cross-entropy-solution", check2.check_weighted_cross_entropy),
    ],
)
def test_solutions_pass_their_checks(notebook, cell_id, check):
    check(taught(notebook, cell_id)[check.__name__.removeprefix("check_")])


def test_taught_overlap_and_split_are_their_twins():
    overlap = taught("01_explore_and_leaks", "patient-overlap-solution")["patient_overlap"]
    split = taught("01_explore_and_leaks", "split-by-patient")["split_by_patient"]
    random = np.random.default_rng(0)
    for seed in range(20):
        films = pd.DataFrame({"PatientId": random.integers(100, 160, 200)}).sample(frac=1, random_state=seed)
        sides = split(films, {"train": 0.6, "valid": 0.15, "test": 0.25}, seed)
        pd.testing.assert_series_equal(
            sides, split_by_patient(films, {"train": 0.6, "valid": 0.15, "test": 0.25}, seed)
        )
        a, b = films.iloc[:50], films.iloc[50:90]
        assert np.array_equal(overlap(a, b), patient_overlap(a, b))


def test_taught_loss_is_its_twin():
    random = np.random.default_rng(0)
    y = (random.random((30, 4)) < 0.3).astype(int)
    y[0], y[1] = 1, 0
    z = (20 * random.normal(size=y.shape)).astype("float32")
    name = "02_weighted_loss"
    weights = taught(name, "class-weights-solution")["class_weights"](y)
    assert np.array_equal(weights, class_weights(y))
    loss = taught(name, "weighted-cross-entropy-solution")["weighted_cross_entropy"](y, z, *weights)
    assert np.isclose(loss, weighted_cross_entropy(y, z, *weights), rtol=1e-12)
    undone = taught(name, "undo-weighting")["undo_weighting"](z, y.mean(axis=0))
    assert np.allclose(undone, undo_weighting(z, y.mean(axis=0)), rtol=1e-6)
    keras_loss = taught(name, "weighted-loss")["weighted_loss"](*weights)
    assert np.allclose(keras_loss(y.astype("float32"), z), weighted_loss(*weights)(y, z), rtol=1e-6)
