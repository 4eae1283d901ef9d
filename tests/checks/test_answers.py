"""What every check says of the form of an answer, whatever the exercise."""

import numpy as np
import pandas as pd
import pytest

from tests.helpers.bank import told
from util.checks.answers import Check, text_in

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
