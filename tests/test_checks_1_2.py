"""Exercises of notebooks 1 and 2: every plausible wrong answer meets its own hint, right answers pass however they are
written, and what a notebook teaches equals its twin in util."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_expit

from util.checks import explore as check1
from util.checks import weighted_loss as check2
from util.checks.answers import CheckFailed
from util.data.cohort import HOME
from util.data.splits import split_by_patient
from util.findings import FINDINGS
from util.leaks.overlap import learns_from_test, patient_overlap
from util.losses.weighted import class_weights, undo_weighting, weighted_cross_entropy, weighted_loss


def taught(notebook, cell_id):
    """What a cell of a notebook defines, executed by itself with numpy, pandas and keras' operations at hand."""
    cells = json.loads((HOME / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = "".join(next(cell["source"] for cell in cells if cell["id"] == cell_id))
    names = {"np": np, "pd": pd, "FINDINGS": FINDINGS}
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
SLOPE = {
    "sum": lambda y, z, p, n: slopes(y, z, p, n) * y.size,
    "per film": lambda y, z, p, n: slopes(y, z, p, n) * y.shape[1],
    "sign": lambda y, z, p, n: -slopes(y, z, p, n),
    "plain": lambda y, z, p, n: (expit(z) - y) / y.size,
    "swapped": lambda y, z, p, n: slopes(y, z, n, p),
    "same": lambda y, z, p, n: np.where(y == 1, p, n) * expit(z) / y.size,
    "twice": lambda y, z, p, n: slopes(y, z, p, n) * expit(z) * (1 - expit(z)),
    "logit": lambda y, z, p, n: np.where(y == 1, p * (z - 1), n * z) / y.size,
    "loss": lambda y, z, p, n: parts(y, z, p, n) / y.size,
    "one": lambda y, z, p, n: slopes(y, z, p, n).mean(),
}


def slopes(y, z, positive, negative):
    """Slope of the mean loss along each logit."""
    return (positive * y * (expit(z) - 1) + negative * (1 - y) * expit(z)) / y.size


def other(values, training, change):
    """A copy whose rows outside training are changed."""
    values = values.copy()
    values[~training] = change(values[~training])
    return values


def changes(fit, training, *pairs):
    """Whether fit learns something else from any later pair of films and labels than from the first."""
    first, *later = (fit(x, y, training) for x, y in pairs)
    return not all(np.array_equal(first, learned) for learned in later)


def negative(x, training):
    return other(x, training, lambda part: 3 - part)


def turned(y, training):
    return other(y, training, lambda part: 1 - part)


def in_place(fit, x, y, training):
    first = fit(x, y, training)
    x[~training], y[~training] = 0, 0
    return not np.array_equal(first, fit(x, y, training))


LEARNS = {
    "always": lambda fit, x, y, t: changes(fit, t, (x, y), (3 - x, 1 - y)),
    "never": lambda fit, x, y, t: changes(fit, t, (x, y), (x, y)),
    "swapped": lambda fit, x, y, t: not changes(fit, t, (x, y), (negative(x, t), turned(y, t))),
    "labels only": lambda fit, x, y, t: changes(fit, t, (x, y), (x, turned(y, t))),
    "films only": lambda fit, x, y, t: changes(fit, t, (x, y), (negative(x, t), y)),
    "in place": in_place,
    "part": lambda fit, x, y, t: fit(x, y, t)[0] != fit(negative(x, t), turned(y, t), t)[0],
    "loose": lambda fit, x, y, t: not np.allclose(fit(x, y, t), fit(negative(x, t), turned(y, t), t), atol=1e-3),
    "number": lambda fit, x, y, t: fit(x, y, t) != fit(negative(x, t), turned(y, t), t),
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
        (check1.check_learns_from_test, check1.LEARNS_HINTS, LEARNS),
        (check2.check_class_weights, check2.WEIGHT_HINTS, WEIGHTS),
        (check2.check_weighted_cross_entropy, check2.LOSS_HINTS, LOSS),
        (check2.check_slope, check2.SLOPE_HINTS, SLOPE),
    ],
    ids=["view_ratio", "standardise", "patient_overlap", "learns_from_test", "class_weights", "loss", "slope"],
)
def test_each_misconception_meets_its_own_hint(check, hints, answers):
    unseen = set(hints) - set(answers)
    assert unseen <= {"infinite", "epsilon", "flat", "not zero"}  # seen below
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
    ("answer", "hint"),
    [
        (lambda y, z, p, n: (p * y * (np.exp(z) / (1 + np.exp(z)) - 1) + n * (1 - y) * np.exp(z) / (1 + np.exp(z))) / y.size,
         "exp overflows"),
        (lambda y, z, p, n: slopes(y, np.clip(z, -5, 5), p, n), "full weight"),
        (lambda y, z, p, n: slopes(y, z, p, n) * (abs(z) < 100), "full weight"),
        (lambda y, z, p, n: slopes(y, z, p, n) + 0.01 * (abs(z) > 100) * (slopes(y, z, p, n) == 0), "no slope"),
        (lambda y, z, p, n: slopes(y, z, p, n) * 1.5, "Finite differences"),
    ],
)  # fmt: skip
def test_slopes_that_fail_far_out(answer, hint):
    assert hint in wrong(check2.check_slope, answer)


def numerical(y, z, p, n, h=1e-3):
    """The slope by differences of each film's own cost."""
    return (parts(y, z + h, p, n) - parts(y, z - h, p, n)) / (2 * h * y.size)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (check1.check_learns_from_test, learns_from_test),
        (check1.check_learns_from_test, lambda fit, x, y, t: changes(fit, t, (x, y), (negative(x, t), turned(y, t)))),
        (
            check1.check_learns_from_test,
            lambda fit, x, y, t: int(
                not np.array_equal(fit(x, y, t), fit(other(x, t, np.zeros_like), turned(y, t), t))
            ),
        ),
        (check2.check_slope, slopes),
        (check2.check_slope, numerical),
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
        check1.check_learns_from_test,
        check2.check_class_weights,
        check2.check_scale,
        check2.check_weighted_cross_entropy,
        check2.check_slope,
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
        ("01_explore_and_leaks", "learns-from-test-solution", check1.check_learns_from_test),
        ("02_weighted_loss", "slope-solution", check2.check_slope),
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
    fractions = {"train": 0.6, "valid": 0.15, "test": 0.25}
    for seed in range(10):
        films = pd.DataFrame({finding: random.integers(0, 2, 200) for finding in FINDINGS})
        films["View"], films["Sex"] = random.choice(["PA", "AP"], 200), random.choice(["M", "F"], 200)
        films = films.assign(PatientId=random.integers(100, 160, 200)).sample(frac=1, random_state=seed)
        pd.testing.assert_series_equal(split(films, fractions, seed), split_by_patient(films, fractions, seed))
        a, b = films.iloc[:50], films.iloc[50:90]
        assert np.array_equal(overlap(a, b), patient_overlap(a, b))


def test_taught_hash_is_the_library_s_and_taught_steps_their_twin(phantom_cohort):

    difference_hash = taught("01_explore_and_leaks", "difference-hash")["difference_hash"]
    # str(imagehash.dhash(Image.fromarray(film))) of imagehash 4.3.2
    known = ["f0ccb6b3b3b3e0c8", "70dcb63233f0c0c8", "e0c4b43330fcc8c8", "f0cc92333938f8e8", "cc96b2b33331e0e8"]
    for image, bits in zip(phantom_cohort.films["Image"][:5], known, strict=True):
        assert np.packbits(difference_hash(phantom_cohort.read(image))).tobytes().hex() == bits
    here = taught("01_explore_and_leaks", "learns-from-test-solution")["learns_from_test"]
    x, y = np.random.default_rng(0).normal(size=(12, 3)), np.tile([[0, 1], [1, 1], [1, 0]], (4, 1))
    training = np.arange(12) < 7
    for fit in (lambda x, y, t: x[t].mean(axis=0), lambda x, y, t: x.mean(axis=0), lambda x, y, t: y.mean(axis=0)):
        assert here(fit, x, y, training) == learns_from_test(fit, x, y, training)


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
    assert np.isclose(np.mean(keras_loss(y.astype("float32"), z)), float(weighted_loss(*weights)(y, z)), rtol=1e-6)
