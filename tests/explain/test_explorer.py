"""The explorer of lesson 9: its pictures, its static twin, its widgets without a browser."""

import base64
import re
from io import BytesIO
from threading import Event

import numpy as np
import pytest
from PIL import Image

from tests.helpers.networks import tiny_network
from tests.helpers.uploads import uploaded
from util.data.own_film import as_dicom
from util.errors import CourseError
from util.explain.explorer import OWN, Explorer, _Panel, explore, static_twin
from util.explain.heat_maps import METHODS
from util.findings import FINDINGS
from util.models.input_gate import fit_gate
from util.models.preprocessing import Preprocessing
from util.models.weights import Pretrained

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
    assert fig.get_suptitle() == "a film (simulated)" and len(titles) == 2 * 3
    assert {title.split("\n")[0] for title in titles} == {"Grad-CAM", "HiResCAM", "Grad-CAM++"}
    assert titles[0] == "Grad-CAM\npool4_relu, 4 x 4"


def test_each_choice_makes_its_own_picture(explorer):
    image = next(iter(explorer.films))
    pictures = {
        choice: explorer.picture(image, *choice)[0]
        for choice in [("Mass", "pool4_relu", name) for name in METHODS] + [("Edema", "pool4_relu", "Grad-CAM")]
    }
    assert len(set(pictures.values())) == len(METHODS) + 1
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


def test_no_widgets_in_batch_mode(explorer):
    assert explore(explorer) is None  # the tests set COURSE_BATCH


@pytest.fixture
def panel(explorer, monkeypatch):
    """The widgets: menus of film, finding, layer and method, upload, words, picture."""
    monkeypatch.setenv("COURSE_BATCH", "0")
    box = explore(explorer)
    menus, upload, _wait, text, picture = box.children
    assert menus.layout.flex_flow == "row wrap"  # in a narrow window the menus go below each other
    return *menus.children, upload, text, picture


def shown(picture):
    """(pixels, alt text) of what a picture widget shows, or None."""
    if not picture.value:
        return None
    found = re.fullmatch(
        r'<img alt="([^"<>]+)" width="\d+" style="[^"]+" src="data:image/png;base64,([^"]+)">', picture.value
    )
    return np.asarray(Image.open(BytesIO(base64.b64decode(found[2])))), found[1]


def test_widgets_follow_the_menus(panel):
    _film, finding, layer, method, _, text, picture = panel
    assert layer.options == ("relu", "pool4_relu", "pool3_relu") and tuple(method.options) == tuple(METHODS)
    before = shown(picture)[0]
    finding.value = "Edema"
    assert (shown(picture)[0] != before).any() and "Edema" in text.value
    assert shown(picture)[1] in text.value  # the words are the picture's text too
    assert 'role="status"' in text.value


@pytest.fixture
def slow(explorer, monkeypatch):
    """A panel whose occlusion waits for a signal after its first batch: (panel, go on, begun)."""
    go, begun, real = Event(), Event(), METHODS["occlusion"]

    def waiting(model, films, layer, watch):
        assert panel.bar.value == 0

        def after(done, of):
            begun.set()
            assert go.wait(60)
            watch(done, of)

        return real(model, films, layer, watch=after)

    monkeypatch.setenv("COURSE_BATCH", "0")
    monkeypatch.setitem(METHODS, "occlusion", waiting)
    panel = _Panel(explorer)
    return panel, go, begun


def test_occlusion_shows_its_progress_and_then_its_picture(slow):
    panel, go, begun = slow
    panel.menus["layer"].value, panel.menus["method"].value = "pool4_relu", "occlusion"
    assert begun.wait(60) and panel.wait.layout.display == ""
    assert not shown(panel.picture) and "Computing occlusion" in panel.text.value  # no picture of something else
    go.set()
    panel.worker.join(60)
    assert panel.bar.value == panel.bar.max == 16 and panel.wait.layout.display == "none"
    assert shown(panel.picture)[1].startswith("occlusion of ")
    worker = panel.worker
    panel.menus["finding"].value = "Hernia"  # known by now: at once, without another thread
    assert panel.worker is worker and "occlusion of Hernia" in panel.text.value


@pytest.mark.parametrize("by", ["button", "menu", "upload"])
def test_occlusion_can_be_stopped(slow, by, phantom_cohort):
    panel, go, begun = slow
    panel.menus["layer"].value, panel.menus["method"].value = "pool4_relu", "occlusion"
    assert begun.wait(60)
    if by == "button":
        panel.cancel.click()
        assert "Canceled" in panel.text.value
    elif by == "menu":
        panel.menus["method"].value = "HiResCAM"
    else:
        panel.upload.value = (uploaded("b", b"hello"),)
    go.set()
    panel.worker.join(60)
    assert panel.wait.layout.display == "none" and not any("occlusion" in key for key in panel.explorer._answers)
    assert bool(shown(panel.picture)) == (by == "menu") and "occlusion of" not in panel.text.value


def test_it_opens_on_a_finding_of_the_film(explorer, panel, phantom_cohort):
    film, finding = panel[:2]
    truth = phantom_cohort.truth.set_index("Image").loc[list(explorer.films)]
    for label, name in film.options:
        has = [f for f in FINDINGS if truth.loc[name, f] == 1]
        assert label == ", ".join([name, *has])
        film.value = name
        assert not has or finding.value in has
    assert (truth[list(FINDINGS)] == 1).any().any()


def test_a_finding_with_an_outline_comes_first(explorer, monkeypatch):
    monkeypatch.setenv("COURSE_BATCH", "0")
    name = next(iter(explorer.films))
    explorer.masks = {(name, "Hernia"): np.eye(224, dtype=bool)}
    assert explore(explorer).children[0].children[1].value == "Hernia"


def test_what_is_said_of_an_own_film_stays(panel, phantom_cohort):
    film, finding, _, _, upload, text, _picture = panel
    upload.value = (uploaded("a.dcm", as_dicom(phantom_cohort.read(phantom_cohort.split("test")["Image"][7]))),)
    assert film.value == OWN and "A frontal chest film" in text.value and upload.value == ()
    for choice in ("Edema", "Mass"):
        finding.value = choice
        assert "only ever seen simulated films" in text.value and choice in text.value
    film.value = film.options[0][1]
    assert "only ever seen" not in text.value


@pytest.mark.parametrize("refused", ["text", "upside down"])
def test_a_refused_film_leaves_no_picture(explorer, panel, phantom_cohort, refused):
    film, finding, _, _, upload, text, picture = panel
    right = phantom_cohort.read(phantom_cohort.split("test")["Image"][7])
    upload.value = (uploaded("a.png", png(right)),)
    assert film.value == OWN and shown(picture)
    data = b"hello" if refused == "text" else png(np.ascontiguousarray(right[::-1]))
    upload.value = (uploaded("b", data),)
    assert ("PNG, JPEG or DICOM" if refused == "text" else "no answer is given") in text.value
    assert not shown(picture) and film.value is None and OWN not in [name for _, name in film.options]
    assert OWN not in explorer.films
    finding.value = "Mass"  # no film, no picture
    assert not shown(picture)
    film.value = film.options[1][1]
    assert shown(picture)


def test_text_of_errors_is_no_markup(panel, monkeypatch):
    _film, _, _, _, upload, text, _picture = panel
    evil = "<img src=x onerror=alert(1)>"

    def refuse(_):
        raise CourseError(evil)

    monkeypatch.setattr("util.explain.explorer.read_own_film", refuse)
    upload.value = (uploaded("b", b"hello"),)
    assert "<img" not in text.value and "&lt;img" in text.value
