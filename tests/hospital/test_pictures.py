import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from util.hospital.auditors import _carries_word
from util.hospital.cohort import CORNERS, WORDS
from util.hospital.estimates import inside_any, peak_of
from util.hospital.pictures import _heat_map, _outlines, _plate, _set_gray, picture
from util.leaks.near_duplicates import likeness


def pictured(plan, row, size=320, **changes):
    name, content, found, heat = picture(
        row | changes, plan.seed, size, plan.roles.findings["maps"], plan.roles.word, plan.roles.corner
    )
    return name, np.asarray(Image.open(io.BytesIO(content))), found, heat


@pytest.mark.parametrize("level", [60, 97.31, 150.5])
@pytest.mark.parametrize("seed", range(3))
def test_a_film_gets_its_mean_gray_level(level, seed):
    rng = np.random.default_rng(seed)
    film = np.clip(rng.normal(rng.uniform(60, 190), 45, (160, 160)), 0, 255).astype(np.uint8)
    printed = _plate("ICU 2", "lower left", 160)
    for layer in (printed, np.full_like(printed, -1)):
        made = _set_gray(film, layer, level)
        assert made.mean() == pytest.approx(level, abs=0.4)
        assert np.array_equal(made[layer >= 0], layer[layer >= 0])
        order = np.argsort(film[layer < 0], kind="stable")
        assert (np.diff(made[layer < 0][order].astype(int)) >= 0).all()  # brighter stays brighter


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("corner", CORNERS)
def test_a_word_is_on_the_film_and_can_be_found_on_any_ground(word, corner):
    layer = _plate(word, corner, 320)
    rows, columns = np.nonzero(layer >= 0)
    assert rows.min() > 290
    assert (columns.max() < 160) == (corner == "lower left")
    assert columns.max() < 319
    rng = np.random.default_rng(0)
    for ground in (0, 60, 128, 200, 255):
        film = np.clip(rng.normal(ground, 3, (320, 320)), 0, 255).astype(np.uint8)
        assert _carries_word(np.where(layer >= 0, layer, film).astype(np.uint8))
        assert not _carries_word(film)


def test_words_are_found_on_drawn_films_that_carry_them_and_on_no_other(plans):
    plan = plans[0]
    for row in plan.people.iloc[::60].to_dict("records"):
        assert not _carries_word(pictured(plan, row, Word=False)[1])
        assert _carries_word(pictured(plan, row, Word=True)[1])


def test_a_film_is_as_bright_as_the_plan_says(plans):
    for row in plans[1].people.iloc[:3].to_dict("records"):
        name, film, _, _ = pictured(plans[1], row, size=96)
        assert name == row["Image"]
        assert film.mean() == pytest.approx(row["Gray"], abs=0.1)


def test_a_copy_is_like_its_exposure_and_not_the_same(plans):
    plan = next(plan for plan in plans if "copies" in plan.roles.false)
    rows = {row["Image"]: row for row in plan.people.to_dict("records")}
    for row in [row for row in rows.values() if row["Source"] != row["Image"]][:2]:
        copy, exposure = pictured(plan, row)[1], pictured(plan, rows[row["Source"]])[1]
        assert likeness(copy, exposure) > 0.7
        assert not np.array_equal(copy, exposure)


def test_maps_peak_where_the_plan_says(plans):
    for plan in plans[:2]:
        mapped = plan.people[plan.people["Hit"] >= 0].drop_duplicates("Hit")
        for row in mapped.to_dict("records"):
            _, _, found, heat = pictured(plan, row)
            boxes = pd.DataFrame(found, columns=["x", "y", "w", "h"])
            assert inside_any(peak_of(heat, 320), boxes) == bool(row["Hit"])
            assert (heat == 255).sum() == 1
        assert pictured(plan, plan.people[plan.people["Hit"] < 0].iloc[0].to_dict(), size=64)[2:] == ([], None)


@pytest.mark.parametrize("found", [[(0, 0, 300, 300)], [(1, 1, 3, 3), (100, 200, 40, 30)], [(0, 290, 320, 30)]])
def test_maps_hit_and_miss_any_boxes(found):
    boxes = pd.DataFrame(found, columns=["x", "y", "w", "h"])
    for hit in (True, False):
        heat = _heat_map(found, hit, (0.03, 0.965), 320, np.random.default_rng(0))
        assert inside_any(peak_of(heat, 320), boxes) == hit


def test_outlines_are_boxes_of_the_parts_and_there_is_always_one():
    mask = np.zeros((64, 64), bool)
    mask[10:20, 5:9] = mask[40:50, 30:50] = True
    assert _outlines(mask, 64) == [(5, 10, 4, 10), (30, 40, 20, 10)]
    tiny = np.zeros((64, 64), bool)
    tiny[3, 4] = tiny[6, 10] = True
    assert _outlines(tiny, 64) == [(4, 3, 7, 4)]
    assert _outlines(None, 64) == _outlines(~np.ones((64, 64), bool), 64) == [(21, 21, 21, 21)]
