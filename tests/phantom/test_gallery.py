"""Films to look at: what stands on them, and that only severity changes along the strip."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from util.errors import CourseError
from util.findings import DEFINITIONS, FINDINGS
from util.phantom import gallery as module
from util.phantom.render import boxes
from util.plots import BOX_COLOUR


@pytest.fixture(autouse=True)
def small_films(monkeypatch):
    monkeypatch.setattr(module, "SIZE", 128)
    yield
    plt.close("all")


def yellow(ax):
    return [patch for patch in ax.patches if patch.get_edgecolor() == plt.matplotlib.colors.to_rgba(BOX_COLOUR)]


def test_gallery_shows_all_findings_with_definition_and_boxes():
    fig = module.gallery()
    assert "simulated" in fig.get_suptitle()
    blocks = {block.get_suptitle().split(":")[0]: block for block in fig.subfigs if block.get_suptitle()}
    assert list(blocks) == ["Normal", *FINDINGS]
    for name, block in blocks.items():
        assert len(block.axes) == 3
        assert DEFINITIONS.get(name, "No finding") in " ".join(block.get_suptitle().split())
        for ax in block.axes[1:]:  # a mild nodule is too small for a box on so small a film
            assert bool(yellow(ax)) == (name != "Normal"), name
    words = [ax.get_title() for ax in blocks["Mass"].axes]
    assert words == ["mild, 0.2", "moderate, 0.6", "gross, 1.0"]


def test_strip_shows_what_it_says():
    fig = module.severity_strip("Effusion", [0.2, 0.9])
    assert all(word in fig.get_suptitle() for word in ("Effusion", "0.2 to 0.9", "simulated"))
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == ["normal", "0.2", "0.9"]
    assert [len(yellow(ax)) > 0 for ax in fig.axes] == [False, True, True]
    shown = fig.axes[2].images[0].get_array()
    film = module.patient_film("Effusion", 0.9)
    assert np.array_equal(shown, film.pixels)
    drawn = [(patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height()) for patch in yellow(fig.axes[2])]
    assert drawn == boxes(film.masks["Effusion"])
    assert len(module.severity_strip("Mass").axes) >= 11


@pytest.mark.parametrize("finding", ["Mass", "Effusion", "Consolidation"])
def test_same_pose_only_the_finding_grows(finding):
    films = [module.patient_film(finding, severity) for severity in (0.2, 0.6, 1.0)]
    normal = module.patient_film().pixels.astype(float)
    areas = [film.masks[finding].sum() for film in films]
    assert areas[0] < areas[1] < areas[2]
    difference = [np.abs(film.pixels - normal).mean() for film in films]
    assert difference[0] < difference[1] < difference[2]
    far = ~films[-1].masks[finding]
    far[:12] = False  # letters are printed there
    assert np.corrcoef(films[0].pixels[far], normal[far])[0, 1] > 0.99


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["Cold"], "no finding 'Cold'"),
        (["Mass", [0]], "severity 0 is out of range"),
        (["Mass", [0.5, 1.2]], "severity 1.2 is out of range"),
        (["Mass", [float("nan")]], "severity nan is out of range"),
        (["Mass", []], "no severities"),
        (["Mass", [0.5], "PA", 0], "The patient is 0"),
        (["Mass", [0.5], "lateral"], "lateral"),
    ],
)
def test_wrong_arguments_are_told(arguments, words):
    with pytest.raises(CourseError, match=words):
        module.severity_strip(*arguments)
