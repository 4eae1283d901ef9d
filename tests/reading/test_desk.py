"""From the command to the report with scripted students; what is secret never comes into the readers' folder."""

import json
import re
from dataclasses import replace

import pytest

from util.metrics.mrmc import ANALYSES
from util.reading import advice, desk
from util.reading.files import write_answers
from util.reading.report import report
from util.reading.room import draw_room, read_room
from util.reading.scripted import scripted_class
from util.seal import read_secret


@pytest.fixture
def quick(monkeypatch):
    """The model's part without a network: the truth, with some of it turned round."""
    monkeypatch.setattr(
        advice, "advised", lambda room, pixels: room.with_scores(room.truth + 0.1 * (room.films.index % 14), 0.95)
    )


def make(out, *more):
    return desk.main(["make", "--out", str(out), "--films", "16", "--size", "64", *more])


def test_a_class_from_start_to_the_report(quick, tmp_path, capsys):
    secret, out = tmp_path / "secret.txt", tmp_path / "room"
    assert make(out, "--name", "spring", "--secret-file", str(secret), "--rehearse", "3") == 0
    assert "open" not in capsys.readouterr().out
    room = read_room(out / "for-the-instructor" / "room.json")
    answers, results = tmp_path / "answers", tmp_path / "results"
    answers.mkdir()
    results.mkdir()
    for reader in scripted_class(4, seed=2):
        for reading in ("alone", "advice"):
            write_answers(reader.read(room, reading), room, answers)
    arguments = [
        "analyze",
        str(answers),
        "--room",
        str(out / "for-the-instructor" / "room.json"),
        "--out",
        str(results),
    ]
    assert desk.main(arguments) == 0
    said = capsys.readouterr().out
    assert (results / "report.md").read_text(encoding="utf-8") in said
    assert all(part in said for part in (*ANALYSES, "# Reading room: spring", "A larger study", "kappa"))
    assert len((results / "readers.csv").read_text(encoding="utf-8").splitlines()) == 9
    assert (results / "curves.png").read_bytes().startswith(b"\x89PNG")
    rehearsed = [*desk.Path(out / "for-the-instructor" / "rehearsal").glob("*.csv")]
    assert len(rehearsed) == 6


def test_nothing_secret_is_in_the_readers_folder(quick, tmp_path):
    secret, out = tmp_path / "secret.txt", tmp_path / "room"
    assert make(out, "--secret-file", str(secret)) == 0
    kept = json.loads((out / "for-the-instructor" / "room.json").read_text(encoding="utf-8"))
    given = sorted((out / "for-readers").rglob("*"))
    assert [path.name for path in given] == ["read-advice.html", "read-alone.html"]
    code = read_secret(secret).decode()
    assert code not in json.dumps(kept)
    for path in given:
        text = path.read_text(encoding="utf-8")
        words = re.sub(r"base64,[^\"]*", "", text)
        assert code not in text and not any(packed[2] in text for packed in kept["outlines"].values())
        assert not re.search(r"truth|severity|score", words, re.IGNORECASE)
        assert ('"advice":' in words) == (path.name == "read-advice.html")


def test_the_same_secret_draws_the_same_room_and_another_one_does_not(tmp_path):
    pages = []
    for k, secret in enumerate(("one", "one", "two")):
        assert make(tmp_path / str(k), "--secret-file", str(tmp_path / secret), "--no-model") == 0
        pages.append((tmp_path / str(k) / "for-readers" / "read-alone.html").read_bytes())
    assert pages[0] == pages[1] != pages[2]


def test_mistakes_end_in_one_sentence(quick, tmp_path, capsys):
    full = tmp_path / "full"
    full.mkdir()
    (full / "a.txt").write_text("x", encoding="utf-8")
    for arguments, words in [
        ((full,), "not an empty folder"),
        ((tmp_path / "a", "--films", "3"), "out of range"),
        ((tmp_path / "b", "--secret-file", str(tmp_path / "b" / "for-readers" / "s.txt")), "give to readers"),
        ((tmp_path / "c", "--secret-file", str(full / "a.txt")), "16 are needed"),
    ]:
        assert make(*arguments) == 2
        error = capsys.readouterr().err
        assert words in error and "Traceback" not in error
    assert not any((tmp_path / name).exists() for name in "abc")
    assert desk.main(["analyze", str(full), "--room", str(full / "a.txt")]) == 2


def test_without_a_secret_the_room_is_said_to_be_open_and_has_one_page(tmp_path, capsys):
    assert make(tmp_path / "room", "--no-model") == 0
    assert "open, for self-study" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "room" / "for-readers").iterdir()] == ["read-alone.html"]


def test_a_report_of_one_reader_and_of_one_reading_says_what_is_missing(room):
    both = [reader.read(room, reading) for reader in scripted_class(1) for reading in ("alone", "advice")]
    text = report(both, room)
    assert "One reader says nothing of other readers" in text and "A larger study" not in text and "kappa" not in text
    assert "nan" not in text.lower().replace("finance", "")
    half = report(both[:1], room)
    assert "No reader has answered every film in every reading" in half and "beside the model" in half


def test_a_broken_file_is_named_and_the_class_is_analyzed(quick, tmp_path, capsys):
    out, answers = tmp_path / "room", tmp_path / "answers"
    assert make(out, "--rehearse", "2") == 0
    (out / "for-the-instructor" / "rehearsal").rename(answers)
    (answers / "reader-zed-alone.csv").write_text("no table")
    capsys.readouterr()
    assert desk.main(["analyze", str(answers), "--room", str(out / "for-the-instructor" / "room.json")]) == 0
    said = capsys.readouterr().out
    assert "Left out: " in said and "reader-zed-alone.csv begins with" in said
    assert "Not in here: 1 file that could not be read." in said and "2 readers" in said


def test_readers_who_always_say_the_same_plan_no_study(room):
    """Nothing varies, so a study of two films would seem to be enough."""
    always = [
        replace(one, table=one.table.assign(Finding=True, Confidence=3))
        for one in (reader.read(room, reading) for reader in scripted_class(3) for reading in ("alone", "advice"))
    ]
    text = report(always, room)
    assert "these answers cannot say how large a study has to be" in text and "readings |" not in text
    assert "| reader 01 | alone | 24 | 1.00 (" in text and "nan" not in text


def test_a_name_of_the_room_is_never_markdown_or_markup():
    room, _ = draw_room("<b>[x](y)</b> | *a*", films=8, size=64)
    text = report([scripted_class(1)[0].read(room)], room)
    assert not set("<>[]*`") & set(text.splitlines()[0][2:]) and "|" not in text.splitlines()[0]
