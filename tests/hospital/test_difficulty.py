import numpy as np
import pandas as pd
import pytest

from util.hospital import difficulty
from util.hospital.auditors import _answer
from util.hospital.claims import Truth
from util.hospital.difficulty import COLUMNS, TABLE, _balance, _judged, _measure, _summary, main
from util.hospital.estimates import Estimate

FILMS = frozenset(f"{letter}.png" for letter in "abcdefghij")


def supported(key, given, truth):
    table = _judged({key: given}, {key: truth})
    return bool(table.loc[key, "right"]), bool(table.loc[key, "supported"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (_answer("copies", True, Estimate(5), FILMS), (True, True)),
        (_answer("copies", True, Estimate(6), FILMS), (True, False)),
        (_answer("copies", True, Estimate(5), sorted(FILMS)[:7]), (True, True)),  # F1 14/17 = .82
        (_answer("copies", True, Estimate(5), sorted(FILMS)[:6]), (True, False)),  # F1 12/16 = .75
        (_answer("copies", True, Estimate(5)), (True, False)),
        (_answer("copies", False, Estimate(5), FILMS), (False, False)),
    ],
)
def test_answers_about_films_are_judged(given, expected):
    assert supported("copies", given, Truth("copies", False, 5, 0.5, FILMS)) == expected


@pytest.mark.parametrize(
    ("fails", "estimate", "group", "expected"),
    [
        (True, Estimate(0.3, 0.2, 0.4), "women", (True, True)),
        (
            True,
            Estimate(-0.3, -0.4, -0.2),
            "men",
            (True, False),
        ),  # the number is right, the group is not the one missed
        (True, Estimate(0.3, 0.31, 0.4), "women", (True, False)),
        (True, Estimate(0.4, 0.2, 0.5), "women", (True, False)),
        (False, Estimate(0.3, 0.2, 0.4), "women", (False, False)),
    ],
)
def test_answers_about_groups_are_judged(fails, estimate, group, expected):
    given = _answer("labels", fails, estimate, group=group)
    assert supported("labels", given, Truth("labels", False, 0.3, 0.03, group="women")) == expected


def test_where_groups_are_alike_either_may_be_named():
    truth = Truth("labels", True, 0.02, 0.03, group="women")
    assert supported("labels", _answer("labels", False, Estimate(-0.02, -0.1, 0.1), group="men"), truth) == (True, True)


def test_accepting_and_accusing_everything_balance_at_zero():
    holds = np.array([True] * 6 + [False] * 5)
    assert _balance(pd.DataFrame({"holds": holds, "right": holds})) == 0
    assert _balance(pd.DataFrame({"holds": holds, "right": ~holds})) == 0
    assert _balance(pd.DataFrame({"holds": holds, "right": True})) == 1
    assert _balance(pd.DataFrame({"holds": holds, "right": False})) == -1
    assert _balance(pd.DataFrame({"holds": [True], "right": [True]})) == 1


def test_a_measured_hospital_is_the_one_in_the_table():
    table = pd.read_csv(TABLE, keep_default_na=False)
    last = table.iloc[-1]
    assert last["drawn"] == 0
    assert _measure(len(table) - 1, drawn=False) == last.to_dict()


def test_the_measured_table_keeps_what_the_lesson_promises():
    """At least nine faults of ten found and at most one true claim of twenty accused; guessing and believing earn nothing."""
    table = pd.read_csv(TABLE, keep_default_na=False)
    assert len(table) == 200
    assert table["drawn"].sum() >= 9
    for part in (table, table[table["drawn"] == 1]):
        assert part["found"].sum() >= 0.9 * part["faults"].sum()
        assert part["accused"].sum() <= 0.05 * part["sound"].sum()
    assert (table[["careless", "paranoid"]] == 0).all(axis=None)
    assert abs(table["lucky"].mean()) < 0.1


def test_the_command_writes_the_table_and_says_what_is_in_it(tmp_path, monkeypatch, capsys):
    row = dict(zip(COLUMNS, ["a", 1, 4, 3, 7, 1, "mark", "maps", "", 0.5, 0.0, 0.0, 0.1], strict=True))
    monkeypatch.setattr(difficulty, "_measure", lambda number, drawn: row | {"drawn": int(drawn)})
    assert main(["--hospitals", "3", "--drawn", "1", "--out", str(tmp_path / "t.csv")]) == 0
    assert pd.read_csv(tmp_path / "t.csv")["drawn"].tolist() == [1, 0, 0]
    told = capsys.readouterr().out
    assert "3 hospitals, 1 of them with films." in told
    assert "finds 9 of 12 faults (0.750" in told
    assert "Missed: mark 3." in told


def test_a_table_without_drawn_hospitals_is_summed_up_too():
    row = dict(zip(COLUMNS, ["a", 0, 4, 4, 7, 0, "", "", "", 0.5, 0.0, 0.0, 0.1], strict=True))
    said = _summary(pd.DataFrame([row, row]))
    assert not [line for line in said if "with films, all claims" in line]
    assert "Missed: none." in said
