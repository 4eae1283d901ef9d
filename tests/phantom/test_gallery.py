"""Films to look at: one patient whose exposure is kept, names of what is where, and a reading test."""

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom import gallery as module
from util.phantom.chest import Chest, make_camera, resting_shape
from util.phantom.reading import ReadingTest
from util.phantom.render import boxes, render
from util.plots import BOX_COLOUR


@pytest.fixture(autouse=True)
def small_films(monkeypatch):
    monkeypatch.setattr(module, "SIZE", 128)
    monkeypatch.setattr(module, "FINE", 128)
    yield
    plt.close("all")


def yellow(ax):
    return [patch for patch in ax.patches if patch.get_edgecolor() == plt.matplotlib.colors.to_rgba(BOX_COLOUR)]


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_block_shows_normal_film_finding_box_and_a_part(finding):
    fig = module.gallery(finding)
    assert module.SEEN[finding] in fig.subfigs[0].get_suptitle().replace("\n", " ")
    normal, film, boxed, part = fig.axes
    assert [ax.get_title() for ax in fig.axes] == ["normal", "with the finding", "boxed", "enlarged"]
    assert not yellow(normal) and not yellow(film) and not yellow(part)
    drawn = [(patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height()) for patch in yellow(boxed)]
    shown = module.patient_film(finding, module.MILDER.get(finding, module.MARKED))
    found = boxes(shown.masks[finding])
    assert drawn and set(drawn) <= set(found)
    assert all(w * h < 0.01 * drawn[0][2] * drawn[0][3] for *_, w, h in set(found) - set(drawn))
    (left, right), (bottom, top) = part.get_xlim(), part.get_ylim()
    assert 0 <= left < right <= 128 and 0 <= top < bottom <= 128 and right - left == pytest.approx(bottom - top)
    assert np.array_equal(film.images[0].get_array(), shown.pixels)
    assert np.array_equal(normal.images[0].get_array(), module.patient_film().pixels)


def test_a_gallery_of_several():
    fig = module.gallery("Mass", "Nodule")
    assert len(fig.axes) == 8 and len(fig.subfigs) == 2


def test_septal_lines_are_short_thin_level_and_at_the_bases():
    """Kerley B: measured as what they add to a film, on the side of the lung next to the wall."""
    body, taken = module._person("PA", module.PATIENT, "M")
    chest = Chest(body, taken, make_camera(body, taken, 400), resting_shape(body, taken))
    before = chest.extra.copy()
    module.septal_lines(chest, 0.8)
    added = chest.extra - before
    drawn = added > 0.3 * added.max()
    lines = cv2.connectedComponentsWithStats(drawn.astype(np.uint8))[2][1:]
    wide, high = (lines[:, k] / chest.camera.magnification(0) * np.ptp(chest.x) / 400 for k in (2, 3))
    assert 10 <= len(lines) <= 20
    assert (wide < 2.2).all() and (high < 0.6).all() and np.median(wide) > 0.7 and (wide > high).all()
    assert (chest.y[drawn] > 0.7 * chest.dome).all() and (chest.y[drawn] < 1.15 * chest.dome).all()
    to_the_wall = [abs(np.abs(chest.x[y, x : x + w]).max() - body.border(chest.y[y, x])) for x, y, w, *_ in lines]
    assert np.median(to_the_wall) < 0.4


def test_the_lines_are_of_the_gallery_alone():
    """A film that is drawn without touches is as it was: the released films do not know of the lines."""
    body, taken = module._person("PA", module.PATIENT, "M")
    plain = render(body, taken, {"Edema": 0.8}, module.SEED, 128, {"Edema": 0}, module.patient_film().window)
    lined = module.patient_film("Edema", 0.8)
    assert np.array_equal(plain.masks["Edema"], lined.masks["Edema"])
    assert not np.array_equal(plain.pixels, lined.pixels)
    again = render(body, taken, {"Edema": 0.8}, module.SEED, 128, {"Edema": 0}, module.patient_film().window, ())
    assert np.array_equal(plain.pixels, again.pixels)


@pytest.mark.parametrize("finding", ["Pneumonia", "Infiltration"])
def test_the_gallery_s_patches_do_not_outshine_bone(finding):
    film, normal = module.patient_film(finding, module.MILDER[finding]), module.patient_film()
    assert np.quantile(film.pixels[film.masks[finding]], 0.95) < np.quantile(normal.pixels, 0.95)


@pytest.mark.parametrize("finding", ["Edema", "Emphysema", "Effusion", "Mass"])
def test_the_exposure_is_the_normal_film_s(finding):
    normal = module.patient_film().pixels.astype(float)

    def change(automatic):
        film = module.patient_film(finding, 1.0, automatic=automatic)
        return abs((film.pixels - normal)[~film.masks[finding]].mean())

    assert change(False) < 7
    assert change(False) <= change(True) + 1 or finding == "Mass"
    if finding in ("Edema", "Emphysema"):
        assert change(True) > 10


@pytest.mark.parametrize("finding", ["Mass", "Effusion", "Consolidation"])
def test_same_pose_only_the_finding_grows(finding):
    films = [module.patient_film(finding, severity) for severity in (0.2, 0.6, 1.0)]
    areas = [film.masks[finding].sum() for film in films]
    assert areas[0] < areas[1] < areas[2]
    normal, far = module.patient_film().pixels.astype(float), ~films[-1].masks[finding]
    assert np.corrcoef(films[0].pixels[far], normal[far])[0, 1] > 0.99


def test_landmarks_are_where_they_are_named():
    """Right is on the left of the film, and gray levels are those of what is named there."""
    places, film = module.landmarks(), module.patient_film().pixels.astype(float)
    assert places["right hilum"][0] < places["left hilum"][0]
    assert places["right costophrenic angle"][0] < 64 < places["left costophrenic angle"][0]
    assert all(0 < x < 128 and 0 < y < 128 for x, y in places.values())
    x, y = places["air in the stomach"]
    around = film[int(y) + 14, int(x)]
    assert film[int(y), int(x)] < around - 20, "air is darker than the liver and spleen below it"
    x, y = places["heart, left border"]
    assert film[int(y), int(x) - 8] > film[int(y), int(x) + 8] + 20, "the heart is whiter than the lung"
    x, y = places["diaphragm, right dome"]
    assert film[int(y) + 8, int(x)] > film[int(y) - 8, int(x)] + 20


def test_the_heart_is_wider_on_ap():
    """By the cone beam alone: 2.5 cm before the middle, 180 - 11 and 110 - 11 cm from the tube."""
    ratios = {view: module.patient_film(view=view).measures["cardiothoracic_ratio"] for view in ("PA", "AP")}
    expected = (1 + 2.5 / (180 - 11)) / (1 - 2.5 / (110 - 11))
    assert ratios["AP"] / ratios["PA"] == pytest.approx(expected, abs=0.02)


def test_labels_name_every_landmark():
    texts = [text.get_text().replace("\n", " ") for text in module.labeled_normal().axes[0].texts]
    assert sorted(texts) == sorted(module.landmarks())


def test_reading_test_scores_the_reader(capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("util.phantom.reading.show", lambda fig, alt: shown.append(alt))
    test = ReadingTest("Pneumothorax", films=7, seed=3)
    ill = test.with_finding
    assert 3 <= len(ill) <= 5 and list(test.severities) == list(range(1, 8))
    test.show()
    assert "Pneumothorax" in shown[-1] and str(ill) not in shown[-1]
    well = next(number for number in test.severities if number not in ill)
    test.score([ill[0], well])
    said = capsys.readouterr().out
    assert f"found: 1 of {len(ill)} films" in said and f"false alarms: 1 of {7 - len(ill)} films" in said
    assert f"sensitivity: {1 / len(ill):.0%}" in said and "severities missed" in said
    assert str(ill) in shown[-1]
    test.score(ill)
    assert "missed" not in capsys.readouterr().out


def test_reading_test_reveals_nothing_before_the_answer(capsys, monkeypatch):
    monkeypatch.setattr("util.phantom.reading.show", lambda fig, alt: pytest.fail("shown too early"))
    ReadingTest("Mass", films=6).score(None)
    assert "Write down" in capsys.readouterr().out


def test_the_same_reading_test_again():
    assert ReadingTest("Edema", 6, 1).severities == ReadingTest("Edema", 6, 1).severities
    assert any(ReadingTest("Edema", 9, 0).severities != ReadingTest("Edema", 9, seed).severities for seed in (1, 2))


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda: module.gallery("Cold"), "no finding 'Cold'"),
        (lambda: module.gallery(), "at least one"),
        (lambda: module.patient_film("Mass", 0), "out of range"),
        (lambda: module.patient_film("Mass", 1.2), "out of range"),
        (lambda: module.patient_film("Cold", 0.5), "Cold"),
        (lambda: module.patient_film("Mass", 0.5, patient=0), "The patient is 0"),
        (lambda: module.patient_film("Mass", 0.5, view="lateral"), "lateral"),
        (lambda: ReadingTest("Cold"), "no finding 'Cold'"),
        (lambda: ReadingTest("Mass", 3), "too short"),
        (lambda: ReadingTest("Mass", 6).score([7]), "no film 7"),
        (lambda: ReadingTest("Mass", 6).score(["two"]), "no film 'two'"),
    ],
)
def test_wrong_arguments_are_told(wrong, words):
    with pytest.raises(CourseError, match=words):
        wrong()
