"""The slider over twins, and its static picture."""

import numpy as np
import pytest

from util.explain.twin_viewer import MENU, Viewer, draw_twins, twin_slider
from util.phantom.twins import Patient, twins


@pytest.fixture
def viewer():
    return Viewer(Patient(3, seed=24), size=96)


def test_the_static_picture_shows_film_twin_and_difference(viewer):
    pair = twins(viewer.patient, {"Mass": 0.7}, size=96)
    axes = draw_twins(pair).axes
    for ax, shown in zip(axes, (pair.film.pixels, pair.twin.pixels, pair.difference), strict=False):
        assert np.array_equal(ax.images[0].get_array(), shown)
    assert [ax.get_title() for ax in axes[:3]] == ["film", "twin", "difference"]


def test_there_is_no_slider_in_batch(viewer, monkeypatch):
    monkeypatch.setenv("COURSE_BATCH", "1")
    assert twin_slider(viewer) is None


def test_the_slider_draws_what_is_chosen(viewer, monkeypatch):
    monkeypatch.delenv("COURSE_BATCH", raising=False)
    box = twin_slider(viewer)
    (menu, slider), text, place = box.children[0].children, *box.children[1:]
    assert "Effusion at severity 0.60" in text.value and "<img" in place.value
    before = place.value
    slider.value = 0.9
    assert "0.90" in text.value and place.value != before
    menu.value = "AP view alone"
    assert slider.disabled and "AP view alone, one simulated patient" in text.value
    assert viewer.pair("AP view alone", 0.3).change == MENU["AP view alone"]
