"""What every check says of the form of an answer, whatever the exercise."""

import numpy as np
import pandas as pd
import pytest

from tests.helpers.bank import told
from util.checks.answers import Check, text_in, wrong_by

HALF = Check(
    "half",
    lambda x: x / 2,
    lambda: [(np.array([1.0, 4.0, 7.0]),), (np.array([2.0, 0.5]),)],
    returns="half of each number",
    idea="Divide.",
    right="half.",
)
FORMS = {
    "array": lambda x: (x / 2).astype(str),
    "objects": lambda x: np.array([str(value) for value in x / 2], dtype=object),
    "list": lambda x: [str(value) for value in x / 2],
    "tuple": lambda x: tuple(str(value) for value in x / 2),
    "bytes": lambda x: (x / 2).astype("S"),
    "series": lambda x: pd.Series(x / 2).astype(str),
    "string dtype": lambda x: pd.Series(x / 2).astype("string"),
    "index": lambda x: pd.Index((x / 2).astype(str)),
    "table": lambda x: pd.DataFrame({"half": (x / 2).astype(str)}),
    "one among numbers": lambda x: [str(x[0] / 2), *(x[1:] / 2)],
    "one text": lambda x: " ".join(map(str, x / 2)),
}


@pytest.mark.parametrize("form", FORMS)
def test_numbers_given_as_texts_are_named_as_texts(form):
    hint = told(HALF, FORMS[form])
    assert "half of each number" in hint
    assert "returns text (" in hint


@pytest.mark.parametrize("right", [list, tuple, pd.Series, lambda x: x.astype(object), lambda x: x.astype(np.float32)])
def test_numbers_in_any_container_pass(right):
    assert told(HALF, lambda x: right(x / 2)) == ""


def test_the_hint_shows_the_text_and_stays_short():
    assert "('0.5')" in told(HALF, lambda x: (x / 2).astype(str))
    assert len(told(HALF, lambda x: "0.5 " * 1000)) < 200


def test_text_in_finds_the_first_text_or_none():
    assert text_in([1, (2, np.array(["a", "b"]))]) == "a"
    assert text_in(np.array("deep")) == "deep"
    assert text_in((1.0, [np.float32(2), True], {"a": "b"})) is None


VALUES = [np.array([0.1234, 0.5671, 0.9018]), np.array([0.3337, 0.2229])]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda b: -b, "The sign is wrong"),
        (lambda b: 1 - b, "1 minus the right value"),
        (lambda b: 100 * b, "in percent"),
        (np.round, "rounded to whole numbers"),
        (lambda b: np.round(b, 2), "The values are rounded; return them"),
        (np.flip, "in reverse order"),
        (lambda b: np.full(b.shape, 0.4), "Your answer is 0.4 for every table"),
        (lambda b: 3.5 * b, "Every value is 3.5 times the right one"),
        (lambda b: -0.25 * b, "Every value is -0.25 times the right one"),
    ],
)
def test_a_simple_relation_to_the_right_values_is_named(wrong, words):
    assert words in wrong_by([wrong(b) for b in VALUES], VALUES)


@pytest.mark.parametrize(
    "wrong",
    [lambda b: b**2, lambda b: b + 0.1, lambda b: np.round(b, 3), lambda b: b * np.arange(1, 1 + len(b)), lambda b: 0 * b + b.max() / 9],
)  # fmt: skip
def test_no_relation_is_made_up(wrong):
    assert wrong_by([wrong(b) for b in VALUES], VALUES) is None


def test_a_factor_is_told_of_two_values_or_more_and_where_zeros_stay_zero():
    assert wrong_by([np.array([6.0])], [np.array([2.0])]) is None
    assert "3 times" in wrong_by([np.array([6.0, 9.0])], [np.array([2.0, 3.0])])
    assert "3 times" in wrong_by([np.array([6.0, 0.0, 9.0])], [np.array([2.0, 0.0, 3.0])])
    assert wrong_by([np.array([6.0, 1.0, 9.0])], [np.array([2.0, 0.0, 3.0])]) is None
    assert wrong_by([np.array([0.0, 9.0])], [np.array([2.0, 3.0])]) is None
