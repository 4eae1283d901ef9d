"""Reports: what a student writes comes back, and whatever a file holds is refused in one sentence or read."""

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.audited import report_of, sealed
from util.errors import CourseError
from util.hospital.claims import CLAIMS
from util.hospital.report import BYTES, FILMS, answer, new_report, problems, read_report, write_report


@pytest.fixture
def report():
    return report_of("ada", sealed(0))


def test_a_complete_report_comes_back_as_it_was(report, tmp_path):
    report["model_card"] = {"Use": {"for": "teaching", "films": 90}}
    write_report(tmp_path / "report.json", report)
    assert read_report(tmp_path / "report.json") == report and problems(report, "ada", "fingerprint-0") == []


def test_numbers_of_numpy_become_numbers(tmp_path):
    report = new_report("ada", "x")
    answer(report, "mark", "fails", np.float32(0.25), np.array([0.1, 0.4]), films=np.array(["a.png"]))
    answer(report, "patients", "fails", np.int64(3), films={"a.png"})
    write_report(tmp_path / "report.json", report)
    given = read_report(tmp_path / "report.json")["claims"]
    assert given["mark"]["estimate"] == 0.25 and given["mark"]["high"] == 0.4 and given["patients"]["estimate"] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("marks", "fails", 1), "There is no claim 'marks'"),
        (("mark", "wrong", 1, (0, 2)), 'write "holds" or "fails"'),
        (("mark", True, 1, (0, 2)), 'write "holds" or "fails"'),
        (("mark", "fails", "0.4", (0, 2)), "a text, not a finite number"),
        (("mark", "fails", np.nan, (0, 2)), "not a finite number"),
        (("mark", "fails", True, (0, 2)), "true or false, not a finite number"),
        (("mark", "fails", 1), "needs a 95 % interval"),
        (("mark", "fails", 1, (2, 0)), "low is not above high"),
        (("mark", "fails", 1, (0, np.inf)), "two finite numbers"),
        (("mark", "fails", 1, (0, 2), "a.png"), "a text, not a list"),
        (("mark", "fails", 1, (0, 2), [""]), "not a list of at most"),
        (("mark", "fails", 1, (0, 2), ["a"] * (FILMS + 1)), "not a list of at most 2,000 names"),
        (("mark", "fails", 1, (0, 2), [], "g" * 601), "The group of 'mark'"),
        (("mark", "fails", 1, (0, 2), [], "", None), "The action of 'mark' is missing"),
    ],
)
def test_an_answer_that_is_nonsense_is_refused_and_changes_nothing(arguments, words):
    report = new_report("ada", "x")
    with pytest.raises(CourseError, match=words):
        answer(report, *arguments)
    assert report["claims"] == {}


def changed(report, where, value):
    """The report with one part replaced; `where` is a path such as 'claims.mark.films'."""
    *path, last = where.split(".")
    part = report
    for name in path:
        part = part[name]
    part[last] = value
    return report


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("format", "hospital-report-9", "\"format\" is 'hospital-report-9'"),
        ("format", None, '"format" is missing'),
        ("student", "bob", "names the student 'bob', not 'ada'"),
        ("student", 7, '"student" is missing'),
        ("hospital", "other", "a different hospital"),
        ("hospital", "", '"hospital" is missing'),
        ("claims", [], '"claims" is a list'),
        ("claims", None, '"claims" is missing'),
        ("claims.mark", [1], "The answer to 'mark' is a list"),
        ("claims.marks", {}, "not on the sheet, 'marks'"),
        ("claims.mark.films", "a.png", "The films of 'mark' are a text"),
        ("claims.mark.films", [1], "not a list of at most"),
        ("claims.mark.estimate", "0.4", "The estimate of 'mark' is a text"),
        ("claims.mark.estimate", 1e30, "not a finite number"),
        ("claims.mark.low", None, "two finite numbers"),
        ("claims.mark.certainty", 1, "a key that it should not have, 'certainty'"),
        ("claims.patients.low", 1, "The interval of 'patients'"),
        ("claims.mark.action", ["x"], "The action of 'mark' is a list"),
        ("model_card", "fine", '"model_card" is not an object'),
        ("model_card", {"Use": "all"}, "The section 'Use'"),
        ("model_card", {"Use": {"x": [1]}}, "The section 'Use'"),
        ("extra", 1, "a key that it should not have, 'extra'"),
    ],
)
def test_each_fault_of_a_report_has_its_sentence(report, where, value, words):
    said = problems(changed(report, where, value), "ada", "fingerprint-0")
    assert len(said) == 1 and words in said[0]


def test_everything_that_is_missing_is_said_at_once():
    assert len(problems(new_report("ada", "x"))) == len(CLAIMS)


@pytest.mark.parametrize("value", [None, 1, "x", [], True])
def test_what_is_no_object_is_said_to_be_none(value):
    assert len(problems(value)) == 1


def test_sentences_are_short_whatever_a_report_says(report):
    report["claims"]["x" * 5000] = {}
    report["student"] = "\x1b[31m\u202e" * 400
    said = problems(report, "ada")
    assert all(len(sentence) < 250 and sentence.isprintable() for sentence in said) and len(said) == 2


FILES = {
    "empty": (b"", "empty"),
    "blank": (b" \n", "empty"),
    "a list": (b"[]", "a list"),
    "a number": (b"7", "a number"),
    "no JSON": (b"{'a': 1}", "not JSON"),
    "half": (b'{"format": "hospital-rep', "not JSON"),
    "NaN": (b'{"claims": {"mark": {"estimate": NaN}}}', "NaN is not a number"),
    "infinity": (b'{"a": -Infinity}', "-Infinity is not a number"),
    "beyond infinity": (b'{"a": 1e999}', "an infinite number"),
    "thousands of digits": (b'{"a": ' + b"9" * 9000 + b"}", "not JSON"),
    "deep": (b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}", "deep"),
    "very deep": (b"[" * 400_000, "deep"),
    "twice": (b'{"student": "a", "student": "b"}', "there twice"),
    "10 MB": (b'{"a": "' + b"x" * 10_000_000 + b'"}', "at most 1,000,000 bytes"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), "not JSON in UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "not JSON in UTF-8"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_report_is_refused_in_one_sentence(kind, tmp_path):
    contents, words = FILES[kind]
    (tmp_path / "report.json").write_bytes(contents)
    with pytest.raises(CourseError, match=words) as error:
        read_report(tmp_path / "report.json")
    assert "report.json" in str(error.value) and str(tmp_path) not in str(error.value)


def test_what_is_no_regular_file_is_refused(tmp_path):
    (tmp_path / "report.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("report.json", "pipe.json", "absent.json"):
        with pytest.raises(CourseError, match=name):
            read_report(tmp_path / name)


def test_a_byte_order_mark_is_no_harm(report, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8-sig")
    assert read_report(tmp_path / "report.json") == report


def test_half_a_character_is_refused(report, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(changed(report, "claims.mark.action", "\ud800")), encoding="utf-8")
    assert len(problems(read_report(tmp_path / "report.json"))) == 1


def test_a_report_that_could_not_be_read_back_is_not_written(report, tmp_path):
    for where, value in [
        ("claims.mark.estimate", np.nan),
        ("claims.mark.films", "a"),
        ("model_card", {"a": 1}),
        ("student", ""),
    ]:
        with pytest.raises(CourseError):
            write_report(tmp_path / "report.json", changed(report_of("ada", sealed(0)), where, value))
    report["claims"] = {key: {**given, "films": ["x" * 590] * 200} for key, given in report["claims"].items()}
    with pytest.raises(CourseError, match=f"{BYTES:,} bytes"):
        write_report(tmp_path / "report.json", report)
    assert not list(tmp_path.iterdir())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["claims", "mark", "films", "low"]) | st.text(max_size=4), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_a_report_is_its_problems_are_sentences(value):
    said = problems(value)
    assert said and all(isinstance(sentence, str) and sentence.endswith(".") for sentence in said)
