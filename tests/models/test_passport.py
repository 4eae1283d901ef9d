"""The passport of weights: each of its entries, absent, right, on both sides of its limits, and of a wrong kind."""

import base64
import json

import pytest

from util.errors import CourseError
from util.findings import FINDINGS
from util.models.passport import LARGEST, Passport, load_passport
from util.models.preprocessing import Preprocessing

RULES = {"size": 320, "mean": 120.0, "std": [60.0, 61.5, 62], "aspect": "crop"}
REQUIRED = {
    "name": "w", "sha256": "0123456789abcdef" * 4, "bytes": 1000, "origin": "a test", "films": "real", "training": "few films",
    "findings": list(FINDINGS), "preprocessing": RULES, "output": "logits", "licence": "MIT",
}  # fmt: skip
LINES = {"slope": [1.0] * 14, "intercept": [0] * 14, "prevalence": "NIH's", "fitted_on": "films"}
OPTIONAL = {
    "known_film": {"image": "00000001_000.jpg", "logits": [0.5] * 14},
    "training_films": ["a.png", "b.png"],
    "training_hashes": base64.b64encode(bytes(range(64))).decode(),
    "prevalence": dict.fromkeys(FINDINGS, 0.1),
    "calibration": LINES,
    "labels": ["Fracture", *FINDINGS],
}
OTHERS = {finding: 0.1 for finding in FINDINGS[1:]}
RIGHT = [
    ("name", "x" * 2000),
    ("bytes", 1),
    ("bytes", 2**40 - 1),
    ("films", "simulated"),
    ("known_film", {"image": "-a b".replace(" ", "."), "logits": [float("nan")] * 14}),
    ("known_film", {"image": "a", "logits": [2**63 - 1] * 14}),
    ("prevalence", {finding: 1e-9 for finding in FINDINGS}),
    ("prevalence", {finding: 1 - 1e-9 for finding in FINDINGS} | {"more": "x"}),
    ("preprocessing", RULES | {"size": 32}),
    ("preprocessing", RULES | {"size": 2048, "mean": -999_999, "std": 999_999.5}),
    ("preprocessing", {name: RULES[name] for name in ("size", "mean", "std")}),
    ("preprocessing", RULES | {"mean": [120.0], "std": [1, 2, 3]}),
]
WRONG = [
    *[(entry, value) for entry in ("name", "origin", "training", "output", "licence")
      for value in ("", "x" * 2001, "two\nlines", 7, None, ["w"])],
    *[("sha256", value) for value in ("0" * 63, "0" * 65, "A" * 64, "g" * 64, 7)],
    *[("bytes", value) for value in (0, -1, 2**40, 1000.0, True, "1000")],
    *[("films", value) for value in ("phantom", "", None)],
    *[(entry, value) for entry in ("findings", "training_films", "labels")
      for value in ("Mass", {"Mass": 1}, ["Mass", ""], ["Mass", 7])],
    *[("known_film", value) for value in (
        "a.png", {"image": "a.png"}, {"logits": [0.5] * 14}, {"image": "", "logits": [0.5] * 14}, {"image": 7, "logits": [0.5] * 14},
        {"image": "../a.png", "logits": [0.5] * 14}, {"image": ".a", "logits": [0.5] * 14}, {"image": "a/b", "logits": [0.5] * 14},
        {"image": "a", "logits": [0.5] * 13}, {"image": "a", "logits": [0.5] * 15}, {"image": "a", "logits": ["0.5"] * 14},
        {"image": "a", "logits": [True] * 14}, {"image": "a", "logits": [2**63] * 14}, {"image": "a", "logits": [-(2**63)] * 14},
        {"image": "a", "logits": 0.5})],
    *[("prevalence", value) for value in (
        0.1, [0.1] * 14, OTHERS, *(OTHERS | {FINDINGS[0]: p} for p in (0, 1, 0.0, 1.0, -0.1, 1.5, float("nan"), "0.1", None)))],
    *[("calibration", value) for value in (
        [1.0], *({k: v for k, v in LINES.items() if k != part} for part in LINES), LINES | {"slope": [1.0] * 13},
        LINES | {"intercept": [0.0] * 13 + [float("inf")]}, LINES | {"slope": [float("nan")] + [1.0] * 13},
        LINES | {"prevalence": 0.1}, LINES | {"fitted_on": ""})],
    *[("preprocessing", RULES | change) for change in (
        {"size": 31}, {"size": 2049}, {"size": 320.0}, {"size": True}, {"size": "320"}, {"mean": [1.0, 2.0]}, {"mean": []},
        {"std": [1.0] * 4}, {"mean": 1e6}, {"mean": -1e6}, {"std": [60.0, 60.0, 1e6]}, {"mean": "120"}, {"mean": None}, {"std": 0},
        {"std": -1.0}, {"std": float("nan")}, {"aspect": "square"}, {"more": 1})],
    *[("preprocessing", {name: RULES[name] for name in RULES if name != part}) for part in ("size", "mean", "std")],
    ("preprocessing", [320, 120, 60]),
    *[("training_hashes", value) for value in (
        "A" * 43, "!" * 88, 7, "", base64.b64encode(bytes(63)).decode(), base64.b64encode(bytes(96)).decode())],
]  # fmt: skip


@pytest.fixture
def read(tmp_path):
    """`load_passport` on a passport with these entries."""

    def read(entries):
        (tmp_path / "w.json").write_text(json.dumps(entries))
        return load_passport(tmp_path / "w.json")

    return read


def test_what_is_required_is_enough_and_all_of_it_is_needed(read):
    assert read(REQUIRED) == REQUIRED
    for entry in REQUIRED:
        rest = {name: value for name, value in REQUIRED.items() if name != entry}
        with pytest.raises(CourseError, match=rf"w\.json has no {entry}: restore data/weights from the repository"):
            read(rest)
    with pytest.raises(CourseError, match="has no name, films: restore"):
        read({name: value for name, value in REQUIRED.items() if name not in ("name", "films")})


def test_each_further_entry_may_be_there_and_others_are_left_alone(read):
    assert read(REQUIRED | OPTIONAL) == REQUIRED | OPTIONAL
    for entry, value in OPTIONAL.items():
        if entry != "training_hashes":  # they belong to films
            assert read(REQUIRED | {entry: value})[entry] == value
    assert read(REQUIRED | {"anything": [1]})["anything"] == [1]
    assert read(REQUIRED | {"training_hashes": ""})["training_hashes"] == ""  # of no film


@pytest.mark.parametrize(("entry", "value"), RIGHT)
def test_entries_at_their_limits(entry, value, read):
    assert set(read(REQUIRED | {entry: value})) >= {entry}


@pytest.mark.parametrize(("entry", "value"), WRONG)
def test_an_entry_that_cannot_be_used_is_named(entry, value, read):
    told = "has not one hash for each training film" if entry == "training_hashes" else f"has a {entry} that cannot be"
    with pytest.raises(CourseError, match=told):
        read(REQUIRED | OPTIONAL | {entry: value})


def test_a_file_that_is_no_passport(read, tmp_path):
    for value in ([1], "name", None, 7):
        with pytest.raises(CourseError, match=r"The passport .*w\.json is damaged"):
            read(value)
    for data in (b"", b"{", b"\xff\xfe{}", b"[" * 100_000):
        (tmp_path / "w.json").write_bytes(data)
        with pytest.raises(CourseError, match=r"The passport .*w\.json is damaged"):
            load_passport(tmp_path / "w.json")


def test_length_of_a_passport_on_both_sides(tmp_path):
    text = json.dumps(REQUIRED)
    (tmp_path / "w.json").write_text(text + " " * (8_000_000 - len(text)))
    assert LARGEST == 8_000_000 and load_passport(tmp_path / "w.json") == REQUIRED
    (tmp_path / "w.json").write_text(text + " " * (8_000_001 - len(text)))
    with pytest.raises(CourseError, match="no DenseNet-121 needs so many"):
        load_passport(tmp_path / "w.json")


def test_what_is_written_is_what_is_read(tmp_path):
    """Entries that are None are left out, tuples become lists, and two spaces indent."""
    rules = Preprocessing(320, 120.0, (60.0, 61.0, 62.0), aspect="crop")
    some = {name: REQUIRED[name] for name in ("name", "sha256", "bytes", "origin", "films", "training")}
    passport = Passport(**some, preprocessing=rules, labels=("A", "B"))
    passport.write(tmp_path / "w.json")
    found = load_passport(tmp_path / "w.json")
    assert found == json.loads(json.dumps(passport.entries())) and (tmp_path / "w.json").read_text()[:4] == "{\n  "
    assert found["findings"] == list(FINDINGS) and found["labels"] == ["A", "B"] and found["licence"] == "MIT"
    assert found["output"].startswith("logits") and "known_film" not in found
    assert Preprocessing(**found["preprocessing"]).std == [60.0, 61.0, 62.0]
    with pytest.raises(AttributeError):
        passport.name = "other"
    with pytest.raises(TypeError):
        Passport("w")
