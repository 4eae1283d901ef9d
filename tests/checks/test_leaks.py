"""Answers to the exercises of lesson 3: right ones in several styles, wrong ones and what they are told."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.bank import Bank, judge, told
from tests.helpers.taught import taught
from util.checks import leaks as checks
from util.leaks.overlap import learns_from_test, patient_overlap

OVERLAP = Bank(
    checks.check_patient_overlap,
    right=[
        lambda a, b: set(a["PatientId"]) & set(b["PatientId"]),
        lambda a, b: np.intersect1d(a["PatientId"], b["PatientId"]),
        lambda a, b: a["PatientId"][a["PatientId"].isin(b["PatientId"])].unique(),
        lambda a, b: [p for p in a["PatientId"].unique() if p in b["PatientId"].values],
        lambda a, b: np.intersect1d(a["PatientId"], b["PatientId"]).astype(np.float32),
        lambda a, b: a.merge(b, on="PatientId")["PatientId"].drop_duplicates(),
        lambda a, b: pd.Index(a["PatientId"]).intersection(pd.Index(b["PatientId"])).unique(),
        patient_overlap,
    ],
    wrong={
        "names": (lambda a, b: a["Image"][a["Image"].isin(b["Image"])], "PatientId does not"),
        "index": (lambda a, b: sorted({p for p in a["PatientId"] if p in b["PatientId"]}), "index of a pandas Series"),
        "mask": (lambda a, b: a["PatientId"].isin(b["PatientId"]), "mask"),
        "union": (lambda a, b: set(a["PatientId"]) | set(b["PatientId"]), "union"),
        "one only": (lambda a, b: set(a["PatientId"]) ^ set(b["PatientId"]), "exactly one"),
        "first only": (lambda a, b: set(a["PatientId"]) - set(b["PatientId"]), "first table only"),
        "rows": (lambda a, b: a[a["PatientId"].isin(b["PatientId"])], "rows of the table"),
        "repeats": (lambda a, b: a["PatientId"][a["PatientId"].isin(b["PatientId"])], "several times"),
        "number": (lambda a, b: len(set(a["PatientId"]) & set(b["PatientId"])), "PatientIds themselves"),
        "merged": (lambda a, b: a.merge(b, on="PatientId")["PatientId"], "merge"),
        "films": (lambda a, b: a["Image"][a["PatientId"].isin(b["PatientId"])], "names of films"),
        "row numbers": (lambda a, b: set(a.index) & set(b.index), "numbers of the rows"),
        "all of a": (lambda a, b: a["PatientId"].unique(), "all patients of the first"),
        "half": (lambda a, b: np.intersect1d(a["PatientId"], b["PatientId"])[:1], "missing"),
        "truth": (lambda a, b: bool(set(a["PatientId"]) & set(b["PatientId"])), "PatientIds themselves"),
        "nothing": (lambda a, b: [], "find no patient"),
    },
)

BITS = Bank(
    checks.check_difference_bits,
    right=[
        lambda s: s[:, 1:] > s[:, :-1],
        lambda s: np.diff(s.astype(int) if s.dtype == np.uint8 else s, axis=1) > 0,
        lambda s: [[bool(row[i + 1] > row[i]) for i in range(len(row) - 1)] for row in s],
        lambda s: (np.diff(s.astype(np.float32), axis=1) > 0).astype(np.float32),
        lambda s: np.where(s[:, :-1] < s[:, 1:], 1, 0),
        lambda s: np.greater(s[:, 1:], s[:, :-1]).astype(np.uint8),
        lambda s: ~(s[:, 1:] <= s[:, :-1]),
    ],
    wrong={
        "wraps": (lambda s: np.diff(s, axis=1) > 0, "wraps around"),
        "darker": (lambda s: s[:, 1:] < s[:, :-1], "brighter"),
        "ties": (lambda s: s[:, 1:] >= s[:, :-1], "Equal pixels"),
        "below": (lambda s: s[1:] > s[:-1], "below"),
        "mean": (lambda s: s > s.mean(), "average hash"),
        "mean cut": (lambda s: s[:, 1:] > s.mean(), "average hash"),
        "median": (lambda s: s > np.median(s), "median"),
        "differences": (lambda s: np.diff(s.astype(float), axis=1), "one bit for each"),
        "differ": (lambda s: s[:, 1:] != s[:, :-1], "which one is brighter"),
        "opposite": (lambda s: s[:, 1:] <= s[:, :-1], "opposite"),
        "flat": (lambda s: (s[:, 1:] > s[:, :-1]).ravel(), "one long row"),
        "count": (lambda s: (s[:, 1:] > s[:, :-1]).sum(), "number of brighter"),
        "rolled": (lambda s: s > np.roll(s, 1, axis=1), "none on its left"),
        "by more than one": (lambda s: np.diff(s.astype(float), axis=1) > 1, "difference of 1"),
        "left to right": (lambda s: (s[:, 1:] > s[:, :-1])[:, ::-1], "reverse"),
        "text": (lambda s: "0110", "returns text"),
        "bits as texts": (lambda s: (s[:, 1:] > s[:, :-1]).astype(int).astype(str), "returns text"),
        "lists of texts": (lambda s: [[str(int(bit)) for bit in row] for row in s[:, 1:] > s[:, :-1]], "returns text"),
    },
)


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


def one_by_one(fit, x, y, training):
    learned = fit(x, y, training)
    for new_x, new_y in [(negative(x, training), y), (x, turned(y, training))]:
        again = fit(new_x, new_y, training)
        if any(a != b for a, b in zip(np.ravel(learned), np.ravel(again), strict=True)):
            return True
    return False


def with_noise(fit, x, y, training):
    rng = np.random.default_rng(5)
    new_x, new_y = x.copy(), y.copy()
    new_x[~training] = rng.normal(size=new_x[~training].shape).astype(np.float32)
    new_y[~training] = 1 - new_y[~training]
    return bool((fit(x, y, training) != fit(new_x, new_y, training)).any())


LEARNS = Bank(
    checks.check_learns_from_test,
    right=[
        learns_from_test,
        one_by_one,
        with_noise,
        lambda fit, x, y, t: changes(fit, t, (x, y), (negative(x, t), turned(y, t))),
        lambda fit, x, y, t: changes(fit, t, (x, y), (x + 7 * ~t[:, None], turned(y, t))),
        lambda fit, x, y, t: int(changes(fit, t, (x, y), (negative(x, t), y), (x, turned(y, t)))),
        lambda fit, x, y, t: np.bool_(
            changes(fit, t, (x, y), (0 * x + x * t[:, None], 3 * y - 2 * y * t[:, None] + ~t[:, None]))
        ),
    ],
    wrong={
        "always": (lambda fit, x, y, t: changes(fit, t, (x, y), (3 - x, 1 - y)), "reads only training films"),
        "all films": (lambda fit, x, y, t: changes(fit, t, (x, y), (x[::-1], y)), "reads only training films"),
        "never": (lambda fit, x, y, t: changes(fit, t, (x, y), (x, y)), "No step is ever"),
        "false": (lambda fit, x, y, t: False, "No step is ever"),
        "true": (lambda fit, x, y, t: True, "reads only training films"),
        "swapped": (
            lambda fit, x, y, t: not changes(fit, t, (x, y), (negative(x, t), turned(y, t))),
            "exchanged",
        ),
        "labels only": (lambda fit, x, y, t: changes(fit, t, (x, y), (x, turned(y, t))), "but not their pixels"),
        "films only": (lambda fit, x, y, t: changes(fit, t, (x, y), (negative(x, t), y)), "but not their labels"),
        "in place": (in_place, "copy"),
        "part": (
            lambda fit, x, y, t: fit(x, y, t)[0] != fit(negative(x, t), turned(y, t), t)[0],
            "only one number",
        ),
        "loose": (
            lambda fit, x, y, t: not np.allclose(fit(x, y, t), fit(negative(x, t), turned(y, t), t), atol=1e-3),
            "small leak",
        ),
        "number": (lambda fit, x, y, t: fit(x, y, t) != fit(negative(x, t), turned(y, t), t), "one True or False"),
        "all ones": (
            lambda fit, x, y, t: changes(fit, t, (x, y), (negative(x, t), other(y, t, lambda part: 0 * part + 1))),
            "leave them so",
        ),
        "training changed": (
            lambda fit, x, y, t: changes(fit, t, (x, y), (negative(x, ~t), turned(y, ~t))),
            "reads only training films",
        ),
        "what was learned": (lambda fit, x, y, t: fit(x, y, t), "one True or False"),
        "open": (lambda fit, x, y, t: ..., "returns nothing"),
    },
)

BANKS = {
    "patient-overlap-solution": OVERLAP,
    "difference-bits": BITS,
    "learns-from-test-solution": LEARNS,
}


@pytest.mark.parametrize("name", BANKS)
def test_answers_are_judged(name):
    assert judge(BANKS[name]) == []


@pytest.mark.parametrize("name", BANKS)
def test_the_notebook_s_solution_passes(name):
    names = taught("03_leaks", name)
    solution = next(function for key, function in names.items() if f"check_{key}" == BANKS[name].check.__name__)
    assert told(BANKS[name].check, solution) == ""


def test_the_taught_bits_are_a_hash_of_the_slopes():
    small = np.array([[3, 5, 5, 4]], np.uint8)
    assert taught("03_leaks", "difference-bits")["difference_bits"](small).tolist() == [[True, False, False]]


def test_the_taught_bits_are_the_library_s_hash(phantom_cohort):
    difference_bits = taught("03_leaks", "difference-bits")["difference_bits"]
    # str(imagehash.dhash(Image.fromarray(film))) of imagehash 4.3.2
    known = ["f0ccb6b3b3b3e0c8", "70dcb63233f0c0c8", "e0c4b43330fcc8c8", "f0cc92333938f8e8", "cc96b2b33331e0e8"]
    for image, bits in zip(phantom_cohort.films["Image"][:5], known, strict=True):
        film = Image.fromarray(phantom_cohort.read(image)).resize((9, 8), Image.Resampling.LANCZOS)
        assert np.packbits(difference_bits(np.asarray(film))).tobytes().hex() == bits


def test_the_taught_steps_are_the_library_s():
    here = taught("03_leaks", "learns-from-test-solution")["learns_from_test"]
    x, y = np.random.default_rng(0).normal(size=(12, 3)), np.tile([[0, 1], [1, 1], [1, 0]], (4, 1))
    training = np.arange(12) < 7
    for fit in (lambda x, y, t: x[t].mean(axis=0), lambda x, y, t: x.mean(axis=0), lambda x, y, t: y.mean(axis=0)):
        assert here(fit, x, y, training) == learns_from_test(fit, x, y, training)
