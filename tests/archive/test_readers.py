"""Reading in processes apart: films in order, and one that hangs, ends its process or eats memory costs only itself."""

import sys

import numpy as np
import pytest
from PIL import Image

from tests.helpers.traps import EATS, ENDS, HANGS, Trap
from util.archive import readers
from util.archive.reader import Setting
from util.archive.readers import Readers
from util.archive.sources import find_films
from util.errors import CourseError

RULES = Trap(32, 120.0, 60.0)


def films(folder, *heights):
    for k, height in enumerate(heights):
        pixels = np.random.default_rng(k).integers(0, 256, (height, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k:03}.png")


def test_a_bad_film_costs_itself_alone(tmp_path):
    films(tmp_path, 40, HANGS, 41, ENDS, 42, EATS, 43, 44)
    with Readers(Setting(RULES, memory=2_000_000_000), count=2, seconds=4) as reading:
        answers = list(reading.in_order(find_films(tmp_path)))
    assert [ref.name for ref, _, _ in answers] == [f"{k:03}.png" for k in range(8)]
    refused = {k: facts["refused"] for k, (_, facts, _) in enumerate(answers) if "refused" in facts}
    assert "takes more than 4 seconds" in refused[1]
    assert "ended the process that read it" in refused[3]
    assert set(refused) == ({1, 3, 5} if sys.platform == "linux" else {1, 3, *refused})
    if sys.platform == "linux":
        assert "memory" in refused[5] or "ended the process" in refused[5]
    for k, (_, _, film) in enumerate(answers):
        assert (film is None) == (k in refused)
    assert [facts["height"] for _, facts, film in answers if film is not None][:1] == [40]
    assert all(process.process.poll() is not None for process in reading.all)


def test_only_a_few_films_are_read_ahead(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "AHEAD", 3)
    films(tmp_path, *[40] * 12)
    taken = []

    def refs():
        for ref in find_films(tmp_path):
            taken.append(ref)
            yield ref

    with Readers(Setting(RULES), count=1) as reading:
        answers = reading.in_order(refs())
        for count in range(1, 5):
            next(answers)
            assert len(taken) <= count + 3
        answers.close()


def test_a_reader_that_was_stopped_is_not_started_again(tmp_path):
    films(tmp_path, 40)
    reading = Readers(Setting(RULES), count=1)
    reading.close()
    process = reading.all[0].process
    facts, film = reading.all[0].read(next(find_films(tmp_path)), 5)
    assert film is None and facts["refused"] == "the command was stopped"
    assert reading.all[0].process is process


@pytest.mark.parametrize("count", [None, 3])
def test_as_many_as_there_are_cores(count, monkeypatch):
    started = []
    monkeypatch.setattr(readers, "_Process", lambda setting: started.append(setting))
    Readers(Setting(RULES), count)
    assert len(started) == (count or readers.os.cpu_count())


def test_processes_that_cannot_be_started_are_no_fault_of_the_films(tmp_path, monkeypatch):
    films(tmp_path, 40)
    monkeypatch.setattr(readers, "HOME", tmp_path)  # there is no `util`
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    with (
        Readers(Setting(RULES), count=1) as reading,
        pytest.raises(CourseError, match="The processes that read films cannot be started here"),
    ):
        list(reading.in_order(find_films(tmp_path)))
