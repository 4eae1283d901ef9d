"""The explorer of notebook 5: its pictures, its static twin, its widgets without a browser."""

from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.conftest import tiny_network
from util.errors import CourseError
from util.explorer import OWN, Explorer, explore, static_twin
from util.findings import FINDINGS
from util.gate import fit_gate
from util.gradcam import METHODS
from util.images import Preprocessing
from util.own_film import as_dicom
from util.weights import Pretrained

PASSPORT = {"films": "simulated"}


@pytest.fixture(scope="module")
def pretrained():
    return Pretrained(tiny_network(64), FINDINGS, Preprocessing(64, 120.0, 60.0), PASSPORT)


@pytest.fixture(scope="module")
def gate(phantom_cohort):
    return fit_gate([phantom_cohort.read(image) for image in phantom_cohort.split("train")["Image"][:60]])


@pytest.fixture
def explorer(pretrained, phantom_cohort, gate):
    return Explorer(pretrained, phantom_cohort, phantom_cohort.split("test")["Image"][:3], gate)


def png(film):
    buffer = BytesIO()
    Image.fromarray(film).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_twin_shows_every_layer_and_method(pretrained, phantom_cohort):
    film = phantom_cohort.read(phantom_cohort.split("test")["Image"][0])
    mask = np.zeros(film.shape, bool)
    mask[50:90, 60:99] = True
    fig = static_twin(pretrained, film, "Mass", "a film (simulated)", mask, layers=("pool4_relu", "pool3_relu"))
    titles = [ax.get_title() for ax in fig.axes if ax.get_title()]
    assert titles[0] == "a film (simulated)" and len(titles) == 1 + 2 * 3
    assert {title.split("\n")[0] for title in titles[1:]} == {"Grad-CAM", "HiResCAM", "Grad-CAM++"}
    assert titles[1] == "Grad-CAM\npool4_relu, 4 x 4"


def test_each_choice_makes_its_own_picture(explorer):
    image = next(iter(explorer.films))
    pictures = {
        choice: explorer.picture(image, *choice)[0]
        for choice in [("Mass", "pool4_relu", name) for name in METHODS] + [("Edema", "pool4_relu", "Grad-CAM")]
    }
    assert len(set(pictures.values())) == 5
    assert all(Image.open(BytesIO(data)).format == "PNG" for data in pictures.values())
    text = explorer.picture(image, "Mass", "pool4_relu", "Grad-CAM")[1]
    assert text.startswith("Grad-CAM of Mass: ") and text.endswith("Not for clinical use.")
    with pytest.raises(CourseError, match="not on the explorer's list"):
        explorer.picture("other.jpg", "Mass", "relu", "Grad-CAM")


def test_a_film_is_read_by_the_network_once_for_all_findings(explorer, monkeypatch):
    calls = []
    real = METHODS["Grad-CAM"]
    monkeypatch.setitem(METHODS, "Grad-CAM", lambda *a, **k: calls.append(1) or real(*a, **k))
    for finding in FINDINGS[:4]:
        explorer.picture(next(iter(explorer.films)), finding, "relu", "Grad-CAM")
    assert len(calls) == 1


def test_an_own_film_passes_the_gate_or_is_told_why_not(explorer, phantom_cohort):
    film = phantom_cohort.read(phantom_cohort.split("test")["Image"][5])
    taken, said = explorer.add_own(png(np.ascontiguousarray(film[::-1])))
    assert not taken and "no answer" in said and OWN not in explorer.films
    taken, said = explorer.add_own(as_dicom(film))
    assert taken and "only ever seen simulated" in said
    first = explorer.picture(OWN, "Mass", "relu", "Grad-CAM")[0]
    explorer.add_own(png(phantom_cohort.read(phantom_cohort.split("test")["Image"][6])))
    assert explorer.picture(OWN, "Mass", "relu", "Grad-CAM")[0] != first  # no answer of the film before
    with pytest.raises(CourseError, match="PNG, JPEG or DICOM"):
        explorer.add_own(b"hello")


def uploaded(name, data):
    """A file as ipywidgets hands it over."""
    day = datetime(2020, 1, 1, tzinfo=UTC)
    return {"name": name, "type": "", "size": len(data), "content": memoryview(data), "last_modified": day}


def test_no_widgets_in_batch_mode(explorer):
    assert explore(explorer) is None  # the tests set COURSE_BATCH


def test_widgets_follow_the_menus_and_the_upload(explorer, phantom_cohort, monkeypatch):
    monkeypatch.setenv("COURSE_BATCH", "0")
    panel = explore(explorer)
    menus, upload, text, picture = panel.children
    film, finding, layer, method = menus.children
    assert layer.options == ("relu", "pool4_relu", "pool3_relu") and tuple(method.options) == tuple(METHODS)
    before = picture.value
    assert Image.open(BytesIO(before)).format == "PNG"
    finding.value = "Edema"
    assert picture.value != before and "Edema" in text.value
    own = as_dicom(phantom_cohort.read(phantom_cohort.split("test")["Image"][7]))
    upload.value = (uploaded("a.dcm", own),)
    assert film.value == OWN and "A frontal chest film" in text.value
    shown = picture.value
    upload.value = (uploaded("b", b"hello"),)
    assert "PNG, JPEG or DICOM" in text.value and picture.value == shown
