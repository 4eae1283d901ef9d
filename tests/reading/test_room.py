"""A room's films follow from the secret and the name, in every process; without the secret nothing follows."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from util.data.cohort import HOME
from util.errors import CourseError
from util.reading.room import OTHER_SHARE, PLAINEST, draw_room, plan_room, read_room, write_room
from util.reading.scripted import scripted_class
from util.seal import OPEN

DRAW = """
import hashlib
from util.reading.room import draw_room
from util.reading.scripted import ScriptedReader
room, pixels = draw_room("test", films=8, secret=b"a secret of some length", size=64)
print(ScriptedReader("ann").read(room).table.to_csv())
print(room.films.to_json(), hashlib.sha256(b"".join(pixels[n].tobytes() for n in room.names)).hexdigest(), room.fingerprint)
"""


def test_half_of_the_films_have_the_finding_in_all_severities(room):
    ill = room.films[room.films["Truth"]]
    assert len(ill) == 12 and sorted(ill["Severity"])[-1] == PLAINEST and ill["Severity"].is_unique
    well = room.films[~room.films["Truth"]]
    assert (well["Severity"] == 0).all() and (well["Other"] != "").sum() == round(12 * OTHER_SHARE)
    assert (ill["Other"] == "").all() and sorted(room.films["Second"]) == list(range(24))
    assert set(room.outlines) == set(ill["Film"]) and all(mask.any() for mask in room.outlines.values())


def test_names_say_nothing_of_the_truth_and_all_bodies_differ(drawn):
    room, pixels = drawn
    assert len({film.tobytes() for film in pixels.values()}) == 24
    names = room.films.sort_values("Film")
    assert 0 < names["Truth"].head(12).sum() < 12 and names["Film"].is_unique
    assert room.films["Second"].corr(room.films.index.to_series()) < 0.9


def test_two_processes_with_other_hash_seeds_and_locales_draw_the_same():
    told = []
    for seed, locale in (("1", "C"), ("2", "tr_TR.UTF-8")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": locale, "LANG": locale, "COURSE_BATCH": "1"}
        run = subprocess.run([sys.executable, "-c", DRAW], cwd=HOME, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        told.append(run.stdout)
    assert told[0] == told[1] and len(told[0]) > 500


def test_another_secret_or_name_is_another_room():
    plans = [plan_room(name, films=20, secret=secret) for name in ("a", "b") for secret in (OPEN, b"one", b"two")]
    assert len({plan.to_json() for plan in plans}) == 6
    assert len({tuple(plan["Truth"]) for plan in plans}) > 3 and len({film for p in plans for film in p["Film"]}) == 120


def test_a_click_is_inside_or_near(room):
    name = next(iter(room.outlines))
    rows, columns = np.nonzero(room.outlines[name])
    x, y = (columns[0] + 0.5) / 64, (rows[0] + 0.5) / 64
    assert room.inside(name, x, y) and not room.inside(name, x, y + 0.4 if y < 0.5 else y - 0.4)
    edge = (columns.max() + 0.5) / 64
    row = (rows[columns.argmax()] + 0.5) / 64
    assert room.inside(name, edge + 0.019, row) and not room.inside(name, edge + 0.021, row)
    healthy = room.films.loc[~room.films["Truth"], "Film"].iloc[0]
    assert not room.inside(healthy, 0.5, 0.5)


def test_an_outline_of_no_pixel_is_never_hit(room):
    """The faintest findings may cover no pixel of a small film; readers mark films with them all the same."""
    name = next(iter(room.outlines))
    faint = replace(room, outlines={**room.outlines, name: np.zeros((64, 64), bool)})
    assert not faint.inside(name, 0.5, 0.5)
    for reader in scripted_class(6):
        assert len(reader.read(faint).table) == len(room.names)


def test_the_instructors_file_brings_everything_back(room, tmp_path):
    write_room(room, tmp_path / "room.json")
    again = read_room(tmp_path / "room.json")
    assert again.films[room.films.columns].to_dict("list") == room.films.to_dict("list")
    assert (again.name, again.finding, again.fingerprint) == (room.name, room.finding, room.fingerprint)
    assert all((again.outlines[name] == mask).all() for name, mask in room.outlines.items())
    write_room(again, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "room.json").read_bytes()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: kept.pop("films"),
        lambda kept: kept.update(format=2),
        lambda kept: kept["outlines"].popitem(),
        lambda kept: kept["films"].append(kept["films"][0]),
        lambda kept: kept["films"][0].update(Severity="high"),
        lambda kept: kept["outlines"].update({next(iter(kept["outlines"])): [9, 9, "!"]}),
        lambda kept: kept["outlines"].update({next(iter(kept["outlines"])): [10**6, 10**6, "eJwDAAAAAAE="]}),
        lambda kept: kept.update(finding="Bone"),
    ],
)
def test_a_damaged_file_is_said(room, tmp_path, spoil):
    path = tmp_path / "room.json"
    write_room(room, path)
    kept = json.loads(path.read_text(encoding="utf-8"))
    spoil(kept)
    path.write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(CourseError):
        read_room(path)


@pytest.mark.parametrize("text", ["", "[]", "7", "[" * 100_000, '{"format": 1, "films": 3}'])
def test_what_is_no_room_is_said(tmp_path, text):
    (tmp_path / "room.json").write_text(text, encoding="utf-8")
    with pytest.raises(CourseError):
        read_room(tmp_path / "room.json")


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"name": " a"},
        {"name": 61 * "a"},
        {"finding": "Bone"},
        {"films": 7},
        {"films": 201},
        {"films": 8.5},
    ],
)
def test_arguments_out_of_range_are_said(change):
    with pytest.raises(CourseError):
        draw_room(**({"name": "a", "films": 8, "size": 64} | change))


def test_scores_must_fit(room):
    with pytest.raises(CourseError, match="one number for each"):
        room.with_scores(np.ones(3), 0.5)
