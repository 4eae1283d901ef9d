"""Simulated readers do what they are made for: skill, boldness and trust show in what they answer, and luck is repeatable."""

import numpy as np
import pytest

from util.errors import CourseError
from util.metrics.roc import auc
from util.reading.room import draw_room
from util.reading.scripted import ScriptedReader, scripted_class
from util.reading.study import places_share


def mean_auc(room, **how):
    readers = [ScriptedReader(f"r{k}", **how) for k in range(30)]
    return np.mean([auc(room.truth, reader.read(room, how.get("reading", "alone")).ratings) for reader in readers])


def test_skill_decides_how_right_a_reader_is(room):
    none, some, much = (mean_auc(room, skill=skill) for skill in (0.0, 1.0, 3.0))
    assert abs(none - 0.5) < 0.15 and none + 0.15 < some < much - 0.05


def test_a_bold_reader_says_yes_more_often(room):
    shy, bold = (
        np.mean([ScriptedReader(f"r{k}", bias=b).read(room).table["Finding"].mean() for k in range(20)])
        for b in (-0.6, 0.6)
    )
    assert shy + 0.2 < bold


def test_trust_moves_answers_towards_the_advice(room):
    advice = room.films["Advice"].to_numpy(bool)
    shares = [
        np.mean(
            [
                np.mean(ScriptedReader(f"r{k}", trust=t).read(room, "advice").table["Finding"] == advice)
                for k in range(20)
            ]
        )
        for t in (0.0, 0.5, 5.0)
    ]
    assert shares[0] < shares[1] < shares[2] == 1


def test_clicks_are_in_the_outline_more_often_where_skill_is(room):
    shares = [
        np.nanmean([places_share(ScriptedReader(f"r{k}", skill=s).read(room), room) for k in range(20)])
        for s in (0.2, 2.0)
    ]
    assert shares[0] < shares[1]
    table = ScriptedReader("r", skill=1).read(room).table
    assert (table["X"].isna() == ~table["Finding"]).all() and table["Confidence"].between(1, 5).all()


def test_the_same_reader_reads_alike_again_and_two_readings_differ(room):
    """In another process, too: tests/reading/test_room.py."""
    assert ScriptedReader("ann").read(room).table.equals(ScriptedReader("ann").read(room).table)
    alone, advised = (ScriptedReader("ann").read(room, reading).ratings for reading in ("alone", "advice"))
    assert (alone != advised).any() and np.corrcoef(alone, advised)[0, 1] > 0.5


def test_a_class_differs_and_mistakes_are_said(room):
    readers = scripted_class(60, seed=3)
    assert len({reader.name for reader in readers}) == 60 and len({reader.skill for reader in readers}) == 60
    assert scripted_class(2, seed=3) != scripted_class(2, seed=4)
    with pytest.raises(CourseError, match="at least one"):
        scripted_class(0)
    with pytest.raises(CourseError, match="no reading"):
        readers[0].read(room, "third")
    with pytest.raises(CourseError, match="No model"):
        readers[0].read(draw_room("plain", films=8, size=64)[0], "advice")
