"""Drawing many films: batches for the processes, and room on the disk."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from util.data.cohort import HOME
from util.errors import CourseError
from util.files import alone
from util.phantom import films, shards


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 20))
def test_batches_keep_the_order_and_part_no_patient(counts, least):
    rows = [{"PatientId": patient, "FollowUp": k} for patient, count in enumerate(counts) for k in range(count)]
    batches = list(films._batches(iter(rows), least))
    assert [row for batch in batches for row in batch] == rows
    assert all(len(batch) >= least for batch in batches[:-1])
    assert all(before[-1]["PatientId"] != after[0]["PatientId"] for before, after in pairwise(batches))


def test_rows_are_made_as_they_are_needed():
    table = pd.DataFrame({"PatientId": np.arange(2500), "View": "PA"})
    rows = films._rows(table)
    assert next(rows) == {"PatientId": 0, "View": "PA"}
    assert [row["PatientId"] for row in rows] == list(range(1, 2500))


def test_a_disk_that_is_too_full_is_told_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "draw", None)  # nothing is drawn
    monkeypatch.setattr(shards.shutil, "disk_usage", lambda path: SimpleNamespace(free=17_999_999))
    # 1,000 films of 128 x 128 bytes, and 16 x 16 places for 14 findings
    with pytest.raises(CourseError, match=r"1,000 films of 128 x 128 pixels take 20 MB.*18 MB left; make room"):
        shards.render_shards(tmp_path / "shards", 1000, seed=3, size=128, workers=1)
    monkeypatch.setattr(shards.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000 * (128**2 + 256 * 14)))
    with pytest.raises(TypeError):  # now there is room, and drawing begins
        shards.render_shards(tmp_path / "shards", 1000, seed=3, size=128, workers=1)


# ---- interruptions ----------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Films that cost nothing, in chunks of four; the list of those drawn."""
    drawn = []

    def draw(row, seed, size):
        drawn.append(row["Image"])
        pixels = np.full((size, size), len(row["Image"]) + row["PatientId"] % 200, np.uint8)
        return SimpleNamespace(pixels=pixels, masks={})

    monkeypatch.setattr(films, "draw", draw)
    monkeypatch.setattr(shards, "CHUNK", 4)
    return drawn


def render(out, n=10):
    shards.render_shards(out, n, seed=3, size=32, workers=1)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("after", [0, 1, 5, 9])
def test_an_interruption_leaves_whole_files_and_costs_at_most_a_chunk(tmp_path, quick, monkeypatch, after):
    render(tmp_path / "whole")
    expected = content(tmp_path / "whole")
    plain = films.draw

    def stop(row, seed, size):
        if len(quick) == after:
            raise KeyboardInterrupt
        return plain(row, seed, size)

    quick.clear()
    with monkeypatch.context() as patch:
        patch.setattr(films, "draw", stop)
        with pytest.raises(KeyboardInterrupt):
            render(tmp_path / "again")
    assert content(tmp_path / "again").items() <= expected.items()
    quick.clear()
    render(tmp_path / "again")
    assert content(tmp_path / "again") == expected
    assert len(quick) == 10 - after // 4 * 4


@pytest.mark.parametrize("name", ["films-0001.npy", "places-0001.npy", "truth.npy", "mined.npy", "table.csv"])
def test_what_is_missing_is_made_again_and_nothing_else(tmp_path, quick, name):
    render(tmp_path / "out")
    expected = content(tmp_path / "out")
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    quick.clear()
    render(tmp_path / "out")
    assert quick == [] and times == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / name).unlink()
    render(tmp_path / "out")
    assert content(tmp_path / "out") == expected
    assert len(quick) == (4 if "-" in name else 0)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY half"])
@pytest.mark.parametrize("name", ["films-0001.npy", "places-0000.npy", "truth.npy", "mined.npy"])
def test_a_damaged_file_gets_one_sentence(tmp_path, quick, name, damage):
    render(tmp_path / "out")
    (tmp_path / "out" / name).write_bytes(damage)
    with pytest.raises(CourseError, match=rf"{name} is missing or damaged; remove it and call render_shards again"):
        shards.open_shards(tmp_path / "out")
    (tmp_path / "out" / name).unlink()
    render(tmp_path / "out")
    assert len(shards.open_shards(tmp_path / "out")[1]) == 10


@pytest.mark.parametrize("damage", ["", '{"generator_ver', "[" * 100_000, "\xff"])
def test_a_damaged_recipe_gets_one_sentence(tmp_path, quick, damage):
    render(tmp_path / "out")
    (tmp_path / "out" / "recipe.json").write_text(damage, encoding="latin-1")
    with pytest.raises(CourseError, match=r"recipe\.json is damaged, so nobody knows which films .*out holds; remove"):
        render(tmp_path / "out")


def test_the_recipe_is_of_all_that_makes_the_films(tmp_path, quick):
    render(tmp_path / "out")
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert set(recipe) == {"generator_version", "n", "seed", "size", "enriched", "confounding", "subtle"}
    for changed in ({"n": 11}, {"seed": 4}, {"size": 64}, {"enriched": 0.3}, {"confounding": 0.5}, {"subtle": True}):
        with pytest.raises(CourseError, match="begun with other arguments"):
            shards.render_shards(tmp_path / "out", **({"n": 10, "seed": 3, "size": 32, "workers": 1} | changed))


def test_two_drawings_into_one_folder(tmp_path, quick):
    render(tmp_path / "out")
    (tmp_path / "out" / "films-0000.npy").unlink()
    with alone(tmp_path / "out"), pytest.raises(CourseError, match="Another command is at work in"):
        render(tmp_path / "out")
    render(tmp_path / "out")
    with alone(tmp_path / "out"):
        render(tmp_path / "out")  # all is there: nothing is written, so nobody is in the way


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_drawing_leaves_nothing_for_long(tmp_path, how):
    code = "import sys; from util.phantom import shards; shards.CHUNK = 40; shards.render_shards(sys.argv[1], 80, 3, 128, 1)"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out")], cwd=HOME, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while not list(tmp_path.glob("out/.films-*.part")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate(timeout=60)
    left = list(tmp_path.glob("out/.*.part"))
    assert len(left) == (how == signal.SIGKILL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "CHUNK", 40)
        patch.setattr(films, "draw", lambda row, seed, size: SimpleNamespace(pixels=np.zeros((size, size)), masks={}))
        shards.render_shards(tmp_path / "out", 80, 3, 128, 1)
    assert not list(tmp_path.glob("out/.*")) and len(shards.open_shards(tmp_path / "out")[1]) == 80
