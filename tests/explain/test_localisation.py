"""Localisation: each measure by hand and against a library, its nulls, and intervals that cover as they promise."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import binom, ttest_1samp
from sklearn.metrics import jaccard_score

from util.data.cohort import HOME
from util.data.outlines import box_mask, box_shares, outlines
from util.errors import CourseError
from util.explain.cases import OUTLINED, boxed_cases, fit_constants
from util.explain.heat_maps import upsample
from util.explain.localisation import (
    MEASURES,
    constant_box,
    constant_point,
    difference_interval,
    difference_p,
    energy,
    hit,
    iou,
    judge_constant,
    judge_map,
    judge_nothing,
    localisation_table,
    peak,
    region,
)
from util.metrics.proportions import share_interval, wilson_interval

NOTEBOOK = HOME / "notebooks" / "09_gradcam.ipynb"
SIZE = (48, 64)
finite = st.floats(-10, 10, width=32)
maps_2d = arrays.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=finite)
masks = arrays.arrays(bool, SIZE)


@given(maps_2d)
def test_the_peak_is_where_the_enlarged_map_is_highest(cam):
    size = (cam.shape[0] * 4 + 4, cam.shape[1] * 4 + 4)
    point = peak(cam, size)
    if cam.max() <= 0:
        assert point is None
        return
    row, column = int(point[1] * cam.shape[0] / size[0]), int(point[0] * cam.shape[1] / size[1])
    assert cam[row, column] == cam.max()


def test_pointing_game_by_hand():
    cam = np.array([[0, 0, 0], [0, 0, 2.0], [0, 1, 0]])
    assert peak(cam, (30, 60)) == (50, 15)  # last column, middle row: x is the column
    assert hit(cam, box_mask([(45, 10, 10, 10)], (30, 60)))
    assert not hit(cam, box_mask([(10, 45, 10, 10)], (60, 60))[:30])  # x and y exchanged
    assert not hit(cam, box_mask([(0, 0, 20, 10)], (30, 60)))
    assert hit(cam, box_mask([(0, 0, 20, 10), (50, 15, 1, 1)], (30, 60)))  # any box will do
    assert not hit(-cam, np.ones((30, 60), bool))  # a map that points nowhere misses even the whole film
    with pytest.raises(CourseError, match="finite"):
        peak(np.array([[np.nan, 1]]), (30, 60))
    with pytest.raises(CourseError, match="No box"):
        box_mask([], (30, 60))


def test_boxes_as_a_table_in_any_order_of_columns():
    boxes = pd.DataFrame({"h": [2.0], "w": [4.0], "finding": ["Mass"], "y": [1.0], "x": [10.0]})
    assert np.array_equal(np.argwhere(box_mask(boxes, (9, 30))), [(y, x) for y in (1, 2) for x in (10, 11, 12, 13)])


def test_a_random_point_hits_in_proportion_to_the_outline():
    mask = box_mask([(10, 20, 30, 40), (30, 50, 40, 20)], (80, 100))  # they overlap by 10 x 10
    assert judge_nothing(mask)["pointing"] == (30 * 40 + 40 * 20 - 100) / 8000
    rng = np.random.default_rng(3)
    drawn = np.mean([hit(rng.random((8, 10)), mask) for _ in range(4000)])  # the peak of noise is a random cell
    assert abs(drawn - mask.mean()) < 4 * np.sqrt(mask.mean() / 4000)


@given(masks, masks)
def test_iou_equals_scikit_learn(a, b):
    assert iou(a, b) == pytest.approx(jaccard_score(a.ravel(), b.ravel(), zero_division=0.0))


@given(maps_2d, masks)
def test_energy_and_region_follow_the_enlarged_map(cam, mask):
    large = upsample(np.maximum(cam, 0), SIZE)
    if cam.max() <= 0:
        assert energy(cam, mask) == 0 and not region(cam, SIZE).any()
        return
    assert energy(cam, mask) == pytest.approx(large[mask].sum(dtype=float) / large.sum(dtype=float), abs=1e-5)
    if cam.max() > 1e-20:  # a share, however faint the map; still fainter ones vanish in float32
        assert energy(1e-6 * cam, mask) == pytest.approx(energy(cam, mask), abs=1e-4)
    assert energy(cam, mask) + energy(cam, ~mask) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(region(3 * cam, SIZE), region(cam, SIZE)) or cam.max() < 1e-30
    assert region(cam, SIZE)[large == large.max()].all()


def test_a_perfect_map_and_an_even_one():
    mask = box_mask([(16, 16, 16, 16)], SIZE)
    cam = np.zeros((48, 64))
    cam[16:32, 16:32] = 3
    assert judge_map(cam, mask) == dict.fromkeys(MEASURES, 1.0)
    even = judge_map(np.ones((3, 4)), mask)
    assert even["energy"] == pytest.approx(mask.mean()) == judge_nothing(mask)["energy"]
    assert even["IoU >= 0.1"] == judge_nothing(mask)["IoU >= 0.1"] == 0.0  # 1/12 of the film


def test_the_constant_player_by_hand():
    mask = box_mask([(16, 16, 16, 16)], SIZE)
    right = judge_constant((0.4, 0.5), (0.25, 1 / 3, 0.25, 1 / 3), mask)
    assert right == dict.fromkeys(MEASURES, 1.0)
    half = judge_constant((0.9, 0.5), (0.25, 1 / 3, 0.5, 1 / 3), mask)  # twice as wide
    assert half == {"pointing": 0, "energy": 0.5, "IoU >= 0.1": 1, "IoU >= 0.3": 1, "IoU >= 0.5": 1}


@given(arrays.arrays(bool, st.tuples(st.integers(1, 8), st.just(5), st.just(7))))
def test_no_point_lies_on_more_outlines_than_the_constant_point(shapes):
    x, y = constant_point(shapes)
    assert shapes[:, int(y * 5), int(x * 7)].sum() == shapes.sum(axis=0).max()


def test_constant_point_of_two_lungs_lies_in_one_of_them_not_between():
    lungs = [(0.1, 0.2, 0.2, 0.4), (0.1, 0.2, 0.2, 0.4), (0.7, 0.2, 0.2, 0.4)]
    grid = np.stack([box_mask([np.array(box) * 100], (100, 100)) for box in lungs])
    assert constant_point(grid) == pytest.approx((0.2, 0.4), abs=0.01)
    assert constant_box(lungs, grid) == pytest.approx(lungs[0])
    with pytest.raises(CourseError, match="No outline"):
        constant_point(grid[:0])


def test_constant_box_overlaps_most():
    rng = np.random.default_rng(4)
    boxes, masks = rng.uniform(0.1, 0.5, (12, 4)), rng.random((9, 40, 40)) < 0.3
    overlaps = [np.mean([iou(box_mask([box * 40], (40, 40)), mask) for mask in masks]) for box in boxes]
    assert np.array_equal(constant_box(boxes, masks), boxes[np.argmax(overlaps)])


def test_box_shares(nih_files):
    nih_files.labels(("00000001_000.png", "Mass"))
    nih_files.boxes(("00000001_000.png", "Mass", 256, 512, 128, 64))
    nih_files.film("00000001_000.png", (64, 64))
    cohort = nih_files.load()
    shares = box_shares(cohort, cohort.films["Image"])
    assert shares[["x", "y", "w", "h"]].to_numpy() == pytest.approx(np.array([[0.25, 0.5, 0.125, 0.0625]]))
    assert box_shares(cohort, []).empty


def test_share_of_single_films_is_wilsons_interval_nearly():
    hits = np.repeat([1, 0], [30, 50])
    mean, low, high = share_interval(hits)
    assert mean == 30 / 80
    assert (low, high) == pytest.approx(wilson_interval(30, 80), abs=4e-3)  # n - 1 in place of n, Student's quantile
    assert low < wilson_interval(30, 80)[0] and high > wilson_interval(30, 80)[1]
    for all_alike in (np.zeros(12), np.ones(12)):
        assert share_interval(all_alike)[1:] == pytest.approx(wilson_interval(all_alike.sum(), 12))


def test_films_of_one_patient_are_no_new_patients():
    hits = np.random.default_rng(5).integers(0, 2, 40)
    once, four = share_interval(hits), share_interval(np.repeat(hits, 4), np.repeat(np.arange(40), 4))
    assert once == pytest.approx(four)
    assert share_interval(np.ones(9), np.repeat([1, 2, 3], 3))[1] == pytest.approx(wilson_interval(3, 3)[0])
    assert np.isnan(share_interval(np.ones(3), [1, 1, 1])[1:]).all() and np.isnan(share_interval([])).all()
    with pytest.raises(CourseError, match="between 0 and 1"):
        share_interval([2.0])


@pytest.mark.parametrize("kind", ["hits", "energies"])
def test_the_interval_covers_as_often_as_it_promises(kind):
    """60 patients with 1 to 4 films each, alike within a patient; 1,500 studies."""
    rng, covered = np.random.default_rng(6), []
    films = np.arange(60) % 4 + 1
    patients = np.repeat(np.arange(60), films)
    for _ in range(1500):
        own = np.repeat(rng.beta(2, 3, 60), films)  # mean 0.4
        values = rng.random(len(own)) < own if kind == "hits" else np.clip(own + rng.normal(0, 0.02, len(own)), 0, 1)
        _, low, high = share_interval(values, patients)
        covered.append(low <= 0.4 <= high)
    assert binom.cdf(sum(covered), 1500, 0.93) > 0.01  # at least about 93 of 100
    assert np.mean(covered) < 0.98


def test_difference_of_two_players():
    rng = np.random.default_rng(7)
    patients = np.repeat(np.arange(50), 2)
    mine, other = rng.random(100) < 0.8, rng.random(100) < 0.4
    difference, low, high = difference_interval(mine, other, patients)
    assert difference == pytest.approx(mine.mean() - other.mean()) and 0 < low < difference < high
    assert difference_interval(mine, mine) == (0, 0, 0)
    means = (mine * 1.0 - other).reshape(50, 2).mean(axis=1)
    assert (low, high) == pytest.approx(ttest_1samp(means, 0).confidence_interval(), rel=1e-9)
    assert np.isnan(difference_interval([1.0, 0.5], [0.2, 0.1], [7, 7])[1:]).all()


def test_table_by_finding_and_player():
    rows = [
        {"player": player, "finding": finding, "PatientId": k, "cells": cells} | dict.fromkeys(MEASURES, value)
        for finding, cells in (("Mass", 4), ("Nodule", 0.5))
        for player, value in (("this map", 1.0), ("random", 0.2))
        for k in range(6)
    ]
    table = localisation_table(pd.DataFrame(rows), "pointing")
    assert list(table.index.get_level_values("finding").unique()) == ["Mass", "Nodule", "all"]
    assert table.loc[("all", "random"), "value"] == pytest.approx(0.2) and table.loc[("all", "random"), "films"] == 12
    assert table.loc[("all", "random"), "patients"] == 6
    assert table.loc["Nodule", "note"].eq("smaller than one cell").all() and table.loc["Mass", "note"].eq("").all()
    with pytest.raises(CourseError, match="no measure 'dice'"):
        localisation_table(pd.DataFrame(rows), "dice")


def test_a_higher_level_is_a_wider_interval_of_a_measure():
    values = np.random.default_rng(0).random(20)
    rows = [
        {"player": "this map", "finding": "Mass", "PatientId": k, "cells": 4} | dict.fromkeys(MEASURES, value)
        for k, value in enumerate(values)
    ]
    half, most = (localisation_table(pd.DataFrame(rows), "energy", level=level) for level in (0.5, 0.95))
    assert (most["low"] < half["low"]).all() and (half["high"] < most["high"]).all()


def test_outlines_of_the_phantom_lie_in_their_boxes(phantom_cohort):
    images = phantom_cohort.split("test")["Image"][:25]
    found = outlines(phantom_cohort, images)
    boxes = phantom_cohort.boxes[phantom_cohort.boxes["Image"].isin(images)]
    assert set(found) == set(zip(boxes["Image"], boxes["finding"], strict=True))
    for (image, finding), mask in found.items():
        own = boxes[(boxes["Image"] == image) & (boxes["finding"] == finding)]
        assert mask.shape == (320, 320) and mask.any()
        around = box_mask(own, mask.shape)
        assert np.count_nonzero(mask & ~around) < 12 * 3  # parts below 12 pixels have no box
        assert np.count_nonzero(mask) < np.count_nonzero(around)  # an outline is no rectangle
    small = outlines(phantom_cohort, images, size=(64, 64))
    for pair, mask in found.items():
        assert np.array_equal(small[pair], mask[2::5, 2::5])


def test_masks_lie_in_the_cohorts_folder_wherever_its_films_are(phantom_cohort, tmp_path):
    boxed = phantom_cohort.boxes.iloc[:1]
    image, finding = boxed.iloc[0][["Image", "finding"]]
    film = tmp_path / "elsewhere" / image
    film.parent.mkdir()
    film.write_bytes(phantom_cohort.paths[image].read_bytes())
    exact = outlines(phantom_cohort, [image])[image, finding]
    moved = replace(phantom_cohort, paths={image: film})
    np.testing.assert_array_equal(outlines(moved, [image])[image, finding], exact)
    by_hand = outlines(replace(moved, root=None), [image])[image, finding]
    assert by_hand.sum() > exact.sum() and by_hand[exact].all()  # without a folder, the box


def test_outlines_of_real_films_are_their_boxes(nih_files):
    nih_files.labels(("00000001_000.png", "Mass"), ("00000002_000.png", "Mass", 0, 2))
    nih_files.boxes(("00000001_000.png", "Mass", 256, 512, 128, 64))
    for name in ("00000001_000.png", "00000002_000.png"):
        nih_files.film(name, (64, 64))
    found = outlines(nih_files.load(), ["00000001_000.png", "00000002_000.png"])
    assert list(found) == [("00000001_000.png", "Mass")]
    assert np.array_equal(found["00000001_000.png", "Mass"], box_mask([(16, 32, 8, 4)], (64, 64)))


def test_a_constant_point_hits_nearly_all_real_hearts(nih_cohort):
    """One point hits nearly all boxes of large hearts, so a map that hits nine in ten of them has located nothing."""
    hearts = nih_cohort.boxes[nih_cohort.boxes["finding"] == "Cardiomegaly"]
    shapes = outlines(nih_cohort, hearts["Image"], size=(64, 64))
    shapes = np.stack([mask for (_, finding), mask in shapes.items() if finding == "Cardiomegaly"])
    half = len(shapes) // 2
    hits = [
        judge_constant(constant_point(fitted), (0, 0, 1, 1), mask)["pointing"]
        for fitted, held_out in ((shapes[:half], shapes[half:]), (shapes[half:], shapes[:half]))
        for mask in held_out
    ]
    assert np.mean(hits) > 0.97


def test_cases_are_picked_by_a_rule_and_each_has_a_rival(phantom_cohort):
    for most in (1, 3, 8):
        cases = boxed_cases(phantom_cohort, most)
        assert list(cases.columns) == ["Image", "PatientId", "finding"] and cases["finding"].is_monotonic_increasing
        assert set(cases["finding"]) <= set(OUTLINED) and cases.groupby("finding").size().max() <= most
        assert not cases.duplicated(["finding", "PatientId"]).any()
    pairs = set(zip(phantom_cohort.boxes["Image"], phantom_cohort.boxes["finding"], strict=True))
    assert all((case.Image, case.finding) in pairs for case in cases.itertuples())
    assert set(cases["Image"]) <= set(phantom_cohort.split("test")["Image"])
    lonely = replace(phantom_cohort, boxes=phantom_cohort.boxes[phantom_cohort.boxes["Image"] == cases["Image"][0]])
    assert boxed_cases(lonely).empty  # no second patient, no rival


def test_constants_are_those_of_the_training_films(phantom_cohort):
    constants = fit_constants(phantom_cohort, grid=(32, 32))
    assert list(constants) == list(OUTLINED)
    train = phantom_cohort.split("train")["Image"]
    masks = [mask for (_, name), mask in outlines(phantom_cohort, train, (32, 32)).items() if name == "Cardiomegaly"]
    assert constants["Cardiomegaly"][0] == constant_point(np.array(masks))
    none = fit_constants(replace(phantom_cohort, boxes=phantom_cohort.boxes.iloc[:0]))
    assert none["Mass"][0] == (0.5, 0.5) and list(none["Mass"][1]) == [0, 0, 1, 1]


def test_the_p_value_agrees_with_the_interval():
    rng = np.random.default_rng(8)
    own, rival, patients = rng.normal(0.4, 1, 30), rng.normal(size=30), rng.integers(0, 9, 30)
    p = difference_p(own, rival, patients)
    for level in (p - 1e-6, p + 1e-6):
        _, low, high = difference_interval(own, rival, patients, level=1 - level)
        assert (low > 0 or high < 0) == (level > p)
    assert difference_p(own, rival) == pytest.approx(ttest_1samp(own - rival, 0).pvalue)
    assert difference_p(own, own) == 1 and np.isnan(difference_p(own, rival, np.zeros(30)))
    assert difference_p([1, 1, 1], [0, 0, 0]) == 0


@given(maps_2d, st.lists(st.tuples(*[st.integers(0, 40)] * 4), min_size=1, max_size=3))
def test_the_notebook_hits_as_the_package_does(cam, boxes):
    mask = box_mask(boxes, SIZE)
    assert notebook_hit()(cam, mask) == hit(cam, mask)


@cache
def notebook_hit():
    """The function `hit` as lesson 9 writes it."""
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"]}
    names = {"np": np}
    for cell, start in (("peak", "def peak_pixel("), ("hit", "def hit(")):
        exec(next(part for part in cells[cell].split("\n\n\n") if part.startswith(start)), names)
    return names["hit"]
