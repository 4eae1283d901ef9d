"""What the model says of a room: its scores are the network's, and the lesson's table is of the lesson's films."""

import numpy as np
import pytest

from util.errors import CourseError
from util.metrics.roc import auc
from util.reading import advice
from util.reading.room import draw_room


def test_the_lessons_room_has_the_scores_of_its_films():
    room, pixels = advice.lesson_room(size=64)
    assert len(pixels) == len(room.films) == 48 and room.advised
    assert 0.75 < auc(room.truth, room.films["Score"]) < 0.95
    assert 0.7 < (room.films["Advice"] == room.films["Truth"]).mean() < 1


def test_the_table_is_what_the_network_says_of_two_films(pretrained):
    room, pixels = draw_room(advice.LESSON_ROOM, size=320)
    known = advice.lesson_room(size=64)[0].films["Score"].to_numpy()
    some = type(room)(room.name, room.finding, room.fingerprint, room.films.iloc[[0, 2]], room.outlines)
    np.testing.assert_allclose(advice._model_scores(some, pixels, pretrained), known[[0, 2]], atol=0.02)


def test_the_threshold_comes_from_tuning_films_only():
    table = advice.SCORES.read_text(encoding="utf-8").splitlines()[1]
    assert advice._threshold_of("Nodule") == pytest.approx(float(table.split(",")[2]), abs=1e-4)


def test_a_table_of_other_films_is_said(tmp_path, monkeypatch):
    path = tmp_path / "scores.csv"
    path.write_text("Film,Score,Threshold\nabcdef,0.1,0.2\n", encoding="utf-8")
    monkeypatch.setattr(advice, "SCORES", path)
    with pytest.raises(CourseError, match="other films"):
        advice.lesson_room(size=64)
