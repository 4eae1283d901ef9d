import gc
import json
import shutil

import numpy as np
import pytest

from util.errors import CourseError
from util.hospital.folder import OTHERS, TABLES, open_hospital
from util.hospital.tables import fingerprint
from util.leaks.overlap import patient_overlap


@pytest.fixture
def copied(small_folder, tmp_path):
    """A copy of the small hospital that a test may change; its films are links."""
    copy = tmp_path / "copy"
    shutil.copytree(small_folder, copy, ignore=shutil.ignore_patterns("films"))
    (copy / "films").symlink_to(small_folder / "films")
    return copy


def refused(folder, sentence):
    with pytest.raises(CourseError, match=sentence) as caught:
        open_hospital(folder)
    assert "\n" not in str(caught.value)


def test_a_hospital_is_read_as_it_was_planned(small, small_plan):
    assert small.student == "small"
    assert small.fingerprint == fingerprint(small_plan)
    assert small.films.equals(small_plan.films)
    assert np.array_equal(small.scores.iloc[:, 1:], small_plan.scores.iloc[:, 1:])
    assert small.reread.equals(small_plan.reread)
    assert small.claims["claimed"].tolist() == small_plan.claims["claimed"].tolist()
    assert set(small.maps) == set(small_plan.films.loc[small_plan.people["Hit"] >= 0, "Image"])
    assert all(heat.shape == (80, 80) and heat.dtype == np.uint8 for heat in small.maps.values())
    assert set(small.boxes["Image"]) == set(small.maps)


def test_films_can_be_read_and_the_functions_of_leaks_take_the_cohort(small):
    film = small.read(small.films["Image"][0])
    assert film.shape == (64, 64)
    assert film.dtype == np.uint8
    assert len(small.split("train")) + len(small.split("valid")) + len(small.split("test")) == 400
    assert len(patient_overlap(small.split("valid"), small.split("test"))) == 0
    films, scores = small.scored("test")
    assert films["Image"].equals(scores["Image"])
    assert scores.notna().all(axis=None)


def test_a_folder_that_is_none_is_refused(tmp_path):
    refused(tmp_path / "none", "There is no folder .*none: name one that python -m util hospital wrote")
    refused(tmp_path, "is not a hospital .hospital.json is missing.")


@pytest.mark.parametrize("name", [*TABLES, *(name for name in OTHERS if name != "hospital.json")])
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    refused(copied, f"lacks {name}: draw the hospital again")


def test_missing_films_are_counted(copied):
    (copied / "films").unlink()
    refused(copied, "lacks 400 of 400 films, such as films/[0-9a-f]{16}.png")


@pytest.mark.parametrize("name", TABLES)
def test_a_changed_table_is_refused(copied, name):
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content.replace(b"1", b"2", 1))
    refused(copied, "A table in .* is not the one that was drawn")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 3}', "[" * 100_000])
def test_a_damaged_passport_is_refused(copied, text):
    (copied / "hospital.json").write_text(text)
    refused(copied, "hospital.json is damaged")


def test_another_format_is_refused(copied):
    note = json.loads((copied / "hospital.json").read_text())
    (copied / "hospital.json").write_text(json.dumps(note | {"format": "hospital-9"}))
    refused(copied, "is of the format 'hospital-9', and this version of the course reads 'hospital-1'")


@pytest.mark.parametrize("kept", [0, 100, -50])
def test_damaged_maps_are_refused(copied, kept):
    content = (copied / "maps.npz").read_bytes()
    (copied / "maps.npz").write_bytes(content[:kept])
    refused(copied, "maps.npz is damaged")
    gc.collect()  # a file that was left open would be told now


def test_maps_of_another_kind_are_refused(copied):
    np.savez(copied / "maps.npz", names=np.array(["a.png"]), maps=np.zeros((1, 80, 80)))
    refused(copied, "maps.npz is damaged")
