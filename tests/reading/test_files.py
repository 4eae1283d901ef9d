"""Answers are read strictly: what was written comes back, and each nonsense has one clear sentence."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from util.errors import CourseError
from util.reading.files import COLUMNS, Answers, _file_name, read_answers, read_class, write_answers
from util.reading.room import draw_room
from util.reading.scripted import ScriptedReader

HEAD = ",".join(COLUMNS)


def line(room, film=None, reader="ann", reading="alone", finding="yes", confidence="4", x="0.5", y="0.25", of=None):
    return ",".join([of or room.fingerprint, reader, reading, film or room.names[0], finding, confidence, x, y])


def written(tmp_path, *lines, name="reader-ann-alone.csv", head=HEAD):
    path = tmp_path / name
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def test_what_a_reader_writes_comes_back(room, tmp_path):
    answers = ScriptedReader("Zoë b").read(room)
    path = write_answers(answers, room, tmp_path)
    again = read_answers(path, room)
    assert path.name == "reader-Zoë_b-alone.csv" and (again.reader, again.reading, again.missing) == (
        "Zoë b",
        "alone",
        [],
    )
    pd.testing.assert_frame_equal(again.table, answers.table.round({"X": 4, "Y": 4}))
    assert (np.sign(again.ratings) == np.where(answers.table["Finding"], 1, -1)).all()


def test_a_reader_who_left_films_out_is_read_and_said(room, tmp_path):
    found = read_answers(
        written(tmp_path, line(room, room.names[3]), line(room, room.names[1], finding="no", x="", y="")), room
    )
    assert found.table.index.tolist() == [room.names[1], room.names[3]]
    assert len(found.missing) == 22 and found.ratings.tolist() == [-4, 4]
    assert found.table["X"].isna().tolist() == [True, False]


def test_line_ends_and_a_byte_order_mark_of_a_spreadsheet_do_not_matter(room, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([HEAD, line(room), ""]).encode())
    assert len(read_answers(path, room).table) == 1


@pytest.mark.parametrize(
    "change, words",
    [
        ({"of": "0123456789ab"}, "this room is"),
        ({"reader": "<b>"}, "not a reader's name"),
        ({"reader": "=1+1"}, "not a reader's name"),
        ({"reader": 41 * "a"}, "not a reader's name"),
        ({"reading": "third"}, "not 'alone' or 'advice'"),
        ({"film": "zzzzzz"}, "no film 'zzzzzz'"),
        ({"finding": "maybe"}, "not 'yes' or 'no'"),
        ({"confidence": "0"}, "whole number from 1 to 5"),
        ({"confidence": "4.0"}, "whole number from 1 to 5"),
        ({"confidence": "²"}, "whole number from 1 to 5"),
        ({"x": "1.5"}, "between 0 and 1"),
        ({"x": ""}, "between 0 and 1"),
        ({"y": "nan"}, "between 0 and 1"),
        ({"y": "-0.1"}, "between 0 and 1"),
        ({"y": "0.5,1"}, "9 cells"),
    ],
)
def test_each_nonsense_has_its_sentence(room, tmp_path, change, words):
    with pytest.raises(CourseError, match="line 3.*" + words):
        read_answers(written(tmp_path, line(room), line(room, **({"film": room.names[1]} | change))), room)


def test_nonsense_of_a_whole_file_has_its_sentence(room, tmp_path):
    for lines, head, words in [
        ([line(room)], "room;reader", "begins with"),
        ([], HEAD, "no answers"),
        ([line(room), line(room)], HEAD, "for the second time"),
        ([line(room), line(room, room.names[1], reader="bob")], HEAD, "a different reader"),
        ([line(room), line(room, room.names[1], reading="advice")], HEAD, "a different reader or reading"),
        ([line(room) + '"'], HEAD, "line 2"),
        (['"'], HEAD, "not a table"),
        (100 * [1100 * "a"], HEAD, "larger than|more than|MB|kB|bytes"),
    ]:
        with pytest.raises(CourseError, match=words):
            read_answers(written(tmp_path, *lines, head=head), room)
    with pytest.raises(CourseError):
        read_answers(tmp_path / "none.csv", room)


def test_advice_that_nobody_gave_is_said(tmp_path):
    plain, _ = draw_room("plain", films=8, size=64)
    with pytest.raises(CourseError, match="no model has read"):
        read_answers(written(tmp_path, line(plain, reading="advice")), plain)


def test_a_class_is_sorted_and_two_files_of_one_reading_are_said(room, tmp_path):
    for name in ("bob", "ann"):
        for reading in ("advice", "alone"):
            write_answers(ScriptedReader(name).read(room, reading), room, tmp_path)
    found = read_class([tmp_path], room)
    assert [(one.reader, one.reading) for one in found] == [(n, r) for n in ("ann", "bob") for r in ("alone", "advice")]
    assert len(read_class([tmp_path / _file_name("ann", "alone")], room)) == 1
    written(tmp_path, line(room), name="copy.csv")
    with pytest.raises(CourseError, match="both of ann, alone"):
        read_class([tmp_path], room)


def test_one_broken_file_leaves_the_class_to_be_read(room, tmp_path):
    """Nonsense, a second file of one reading and a folder with the name of a table are each named; the others are read."""
    for name in ("ann", "bob"):
        write_answers(ScriptedReader(name).read(room), room, tmp_path)
    written(tmp_path, line(room, confidence="NaN"), name="nonsense.csv")
    written(tmp_path, line(room), name="twice.csv")
    (tmp_path / "folder.csv").mkdir()
    left_out = []
    assert [one.reader for one in read_class([tmp_path], room, left_out)] == ["ann", "bob"]
    assert [next(word for word in ("nonsense", "twice", "folder") if word in said) for said in left_out] == [
        "folder", "nonsense", "twice"
    ]  # fmt: skip
    with pytest.raises(CourseError, match="a folder, a device"):
        read_class([tmp_path], room)


def test_a_class_of_broken_files_alone_is_said(room, tmp_path):
    for name in ("a.csv", "b.csv"):
        written(tmp_path, line(room, of="another room"), name=name)
    left_out = []
    with pytest.raises(CourseError, match=r"None of 2 files makes sense; the first: .*a.csv, line 2: it is of room"):
        read_class([tmp_path], room, left_out)
    assert left_out == []
    with pytest.raises(CourseError, match=r"^[^;]*line 2: it is of room"):
        read_class([tmp_path / "a.csv"], room, left_out)


def test_a_file_that_is_too_large_is_said_with_its_size(room, tmp_path):
    with pytest.raises(CourseError, match="more than 100 kB"):
        read_answers(written(tmp_path, 100_001 * "x"), room)


def test_no_file_and_too_many_are_said(room, tmp_path):
    with pytest.raises(CourseError, match="no answers"):
        read_class([tmp_path], room)
    with pytest.raises(CourseError, match="401 files"):
        read_class(401 * ["a.csv"], room)


def test_a_hostile_name_is_not_written(room, tmp_path):
    answers = ScriptedReader("ann").read(room)
    with pytest.raises(CourseError, match="not a reader's name"):
        write_answers(Answers("../x", "alone", answers.table), room, tmp_path)


@settings(max_examples=40)
@given(st.text(max_size=200))
def test_any_text_is_read_or_said(room_of_session, text):
    room, path = room_of_session
    path.write_text(HEAD + "\n" + text, encoding="utf-8", errors="replace")
    with contextlib.suppress(CourseError):
        read_answers(path, room)


@pytest.fixture(scope="module")
def room_of_session(drawn, tmp_path_factory):
    return drawn[0], tmp_path_factory.mktemp("any") / "a.csv"
