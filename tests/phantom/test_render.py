"""The simulated films: determinism, what each finding does to film and mask, measures, frozen statistics, bad input."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom.acquisition import make_acquisition
from util.phantom.anatomy import make_anatomy
from util.phantom.projection import Camera
from util.phantom.render import boxes, render

SEED = 5
SPREAD = {"Emphysema", "Edema", "Cardiomegaly"}  # findings that change the whole chest
# Area of the mask grows with severity for these; for the others the density does.
GROWING = (
    "Cardiomegaly",
    "Consolidation",
    "Effusion",
    "Hernia",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumothorax",
)


def patient(number):
    return make_anatomy(SEED, number, 30.0 + 5 * (number % 10), "FM"[number % 2])


def film(number, severities, view="PA", size=160, **options):
    return render(patient(number), make_acquisition(SEED, number, 0, view), severities, SEED, size=size, **options)


@cache
def kept(number, finding=None, severity=0.0, view="PA"):
    """A film with at most one finding, rendered once for all tests."""
    return film(number, {finding: severity} if finding else {}, view)


def difference(number, finding, severity):
    """Absolute change of the film against the same film without findings."""
    return np.abs(kept(number, finding, severity).pixels.astype(float) - kept(number).pixels)


@pytest.mark.parametrize("view", ["PA", "AP"])
def test_same_arguments_give_the_same_film(view):
    first, second = (film(3, {"Mass": 0.5, "Edema": 0.4}, view) for _ in range(2))
    make_anatomy.cache_clear()
    third = film(3, {"Mass": 0.5, "Edema": 0.4}, view)
    for other in (second, third):
        assert np.array_equal(first.pixels, other.pixels)
        assert first.measures == other.measures
        assert all(np.array_equal(first.masks[k], other.masks[k]) for k in first.masks)


def test_patients_follow_ups_seeds_and_grain_give_other_films():
    base = film(3, {}).pixels
    taken = make_acquisition(SEED, 3, 0, "PA")
    others = [
        film(4, {}).pixels,
        render(patient(3), make_acquisition(SEED, 3, 1, "PA"), {}, SEED, size=160).pixels,
        render(patient(3), dataclasses.replace(taken, grain=1), {}, SEED, size=160).pixels,
    ]
    assert all(not np.array_equal(base, other) for other in others)
    assert np.abs(base.astype(float) - others[2]).mean() < 6  # grain changes the noise alone


@pytest.mark.parametrize("severities", [{}, {"Mass": 0.7}, {"Effusion": 0.6}, {"Consolidation": 0.6}])
def test_a_smaller_film_shows_the_same_geometry(severities):
    large, small = film(6, severities, size=320), film(6, severities, size=160)
    shrunk = large.pixels.reshape(160, 2, 160, 2).mean((1, 3))
    assert np.corrcoef(shrunk.ravel(), small.pixels.ravel())[0, 1] > 0.98
    assert large.measures["cardiothoracic_ratio"] == pytest.approx(small.measures["cardiothoracic_ratio"], abs=0.02)
    for finding, mask in large.masks.items():
        coarse = mask.reshape(160, 2, 160, 2).mean((1, 3)) >= 0.5
        overlap = (coarse & small.masks[finding]).sum() / (coarse | small.masks[finding]).sum()
        assert overlap > 0.85


@pytest.mark.parametrize("finding", FINDINGS)
@pytest.mark.parametrize("severity", [0.05, 1.0])
def test_every_finding_has_a_mask_at_every_severity(finding, severity):
    for number, view in ((1, "PA"), (8, "AP")):
        mask = kept(number, finding, severity, view).masks[finding]
        assert mask.dtype == bool and mask.shape == (160, 160)
        assert 3 <= mask.sum() < 0.6 * mask.size


@pytest.mark.parametrize("finding", [f for f in FINDINGS if f not in SPREAD])
def test_a_finding_changes_the_film_mainly_inside_its_mask(finding):
    ratios = []
    for number in (1, 2, 7):
        change = difference(number, finding, 0.5)
        mask = kept(number, finding, 0.5).masks[finding]
        ratios.append(change[mask].mean() / max(change[~mask].mean(), 1e-6))
    assert np.median(ratios) > 2


@pytest.mark.parametrize("finding", FINDINGS)
def test_severity_grows_from_subtle_to_gross(finding):
    levels = (0.1, 0.5, 1.0)
    changes = np.array([[difference(n, finding, s).mean() for s in levels] for n in (1, 7)]).mean(0)
    assert changes[0] < changes[1] < changes[2]
    assert changes[2] > 1.8 * changes[0]
    if finding in GROWING:
        areas = [kept(1, finding, s).masks[finding].sum() for s in levels]
        assert areas[0] < areas[1] < areas[2]


def test_measured_cardiothoracic_ratio_is_above_half_only_with_cardiomegaly_on_pa_films():
    normal = [kept(n).measures["cardiothoracic_ratio"] for n in range(1, 9)]
    large = [kept(n, "Cardiomegaly", 0.02 + 0.1 * n).measures["cardiothoracic_ratio"] for n in range(1, 9)]
    assert min(normal) > 0.3 and max(normal) < 0.5
    assert min(large) > 0.5


def test_a_mass_is_more_than_30_mm_and_a_nodule_at_most_30_mm():
    for number in range(1, 5):
        for severity in (0.02, 1.0):
            measures = film(number, {"Mass": severity, "Nodule": severity}, size=320).measures
            assert 30 < measures["mass_mm"] < 100
            assert 3 < measures["nodule_mm"] <= 30


def test_boxes_bound_the_components_of_the_mask():
    mask = np.zeros((40, 50), bool)
    mask[5:10, 7:20] = True
    mask[30:33, 40:44] = True
    mask[20, 20:31] = True  # 11 pixels: too small
    assert boxes(mask) == [(7, 5, 13, 5), (40, 30, 4, 3)]
    assert boxes(np.zeros((9, 9), bool)) == []
    drawn = film(2, {"Nodule": 0.9}, size=320).masks["Nodule"]
    covered = np.zeros_like(drawn)
    for x, y, w, h in boxes(drawn):
        covered[y : y + h, x : x + w] = True
    assert boxes(drawn) and drawn[covered].sum() >= drawn.sum() - 11 * 4


def test_both_foci_of_pneumonia_stay_in_the_mask():
    counts = [len(boxes(kept(n, "Pneumonia", 0.5).masks["Pneumonia"])) for n in range(1, 10)]
    assert max(counts) >= 2


def test_an_episode_keeps_its_place_and_a_new_one_moves():
    anatomy = patient(9)

    def centre(follow_up, episode):
        taken = make_acquisition(SEED, 9, follow_up, "PA", dx=0.0, dy=0.0, roll=0.0, frame=1.35)
        mask = render(anatomy, taken, {"Mass": 0.5}, SEED, size=160, episodes={"Mass": episode}).masks["Mass"]
        return np.argwhere(mask).mean(0)

    same = np.linalg.norm(centre(0, 0) - centre(1, 0))
    moved = [np.linalg.norm(centre(0, 0) - centre(0, episode)) for episode in (1, 2, 3)]
    assert same < 8 and max(moved) > 12


def test_planted_confounders_show_on_the_film():
    plain = {"portable": False, "chest_tube": False, "leads": False, "marker": False}
    base = render(patient(2), make_acquisition(SEED, 2, 0, "AP", **plain), {}, SEED, size=160).pixels.astype(int)
    for name in plain:
        taken = make_acquisition(SEED, 2, 0, "AP", **(plain | {name: True}))
        changed = render(patient(2), taken, {}, SEED, size=160).pixels
        assert (changed - base).max() > 20, name


def test_projection_of_the_isocentre_and_of_a_shifted_point():
    camera = Camera(size=100, fov=40.0, centre=(0.0, 10.0), roll=0.0, yaw=0.0, pitch=0.0, source=180.0, anterior=True)
    column, row = camera.project(np.array([[0.0, 10.0, 0.0], [4.0, 14.0, 0.0], [4.0, 10.0, -8.0]]))
    assert column[:2] == pytest.approx([49.5, 59.5]) and row[:2] == pytest.approx([49.5, 59.5])
    assert column[2] == pytest.approx(49.5 + 10 * 169 / (180 - 19))  # similar triangles: 19 cm off the detector
    cloud = np.array([[0.0, 10.0, 0.0], [3.0, 12.0, 1.0]], np.float32)
    assert camera.splat(cloud, np.array([2.0, 3.0], np.float32)).sum() * camera.cm**2 == pytest.approx(5.0)


@pytest.mark.parametrize(
    "part", [np.s_[:, :], np.s_[:9, :], np.s_[-9:, :], np.s_[:, :9], np.s_[:, -9:], np.s_[40:60, 40:60]]
)
def test_a_mask_is_moved_like_an_image_up_to_each_edge(part):
    camera = Camera(size=100, fov=40.0, centre=(0.0, 10.0), roll=0.0, yaw=0.0, pitch=0.0, source=180.0, anterior=True)
    move, mask = camera.wander(np.random.default_rng(0)), np.zeros((100, 100), bool)
    mask[part] = True
    assert np.array_equal(move(mask), move(mask.astype(np.float32)) > 0.5) and move(mask).any()


GOLDEN = {1: (155.7, 66.2), 2: (101.8, 45.3), 3: (115.9, 63.0)}


@pytest.mark.parametrize(
    "number, view, severities", [(1, "PA", {}), (2, "AP", {}), (3, "PA", {"Effusion": 0.7, "Mass": 0.5})]
)
def test_golden_statistics(number, view, severities):
    """Mean and standard deviation frozen from this code; a change of look must change them on purpose."""
    pixels = film(number, severities, view).pixels
    assert [pixels.mean(), pixels.std()] == pytest.approx(GOLDEN[number], abs=1.0)


def test_films_use_the_grey_scale():
    for number in range(1, 9):
        pixels = kept(number, view="AP" if number == 8 else "PA").pixels
        assert pixels.dtype == np.uint8 and pixels.shape == (160, 160)
        assert 50 < pixels.mean() < 215 and pixels.std() > 15


@pytest.mark.parametrize(
    "call",
    [
        lambda: film(1, {"Pneumonitis": 0.5}),
        lambda: film(1, {"Mass": 0.0}),
        lambda: film(1, {"Mass": 1.01}),
        lambda: film(1, {"Mass": float("nan")}),
        lambda: film(1, {}, episodes={"Cold": 1}),
        lambda: film(1, {}, view="LL"),
        lambda: film(1, {}, size=20),
        lambda: make_acquisition(SEED, 1, 0, "PA", tube=True),
        lambda: make_anatomy(SEED, 1, 40.0, "X"),
        lambda: make_anatomy(SEED, 1, -1.0, "F"),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(CourseError):
        call()


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_beyond_the_film_leaves_no_mask(finding):
    anatomy = make_anatomy(5, 1, 50, "F")
    acquisition = make_acquisition(5, 1, 0, "PA", dx=60.0, frame=1.15)
    film = render(anatomy, acquisition, {finding: 0.8}, 5, size=64)
    assert film.pixels.shape == (64, 64)
    assert not film.masks[finding].any()


def test_a_skin_fold_fades_over_some_centimeters():
    """Half of its brightness is left on a strip of some nine columns, 2 cm."""
    widths = []
    for number in range(1, 6):
        taken = make_acquisition(SEED, number, 0, "AP")
        plain, folded = (
            render(patient(number), dataclasses.replace(taken, skin_fold=fold), {}, SEED, size=160).pixels.astype(float)
            for fold in (False, True)
        )
        change = np.abs(folded - plain)
        row = (change - np.median(change))[60:100].mean(axis=0)
        widths.append((row > row.max() / 2).sum())
    assert 8 <= np.mean(widths) <= 11
