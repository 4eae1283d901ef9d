"""The input gate: how often it refuses simulated and real films, and pictures that are no frontal chest film."""

import numpy as np
import pytest
from PIL import Image
from scipy.stats import rankdata
from sklearn.datasets import load_sample_images

from util.errors import CourseError
from util.gate import SIDE, coarse_ranks, fit_gate, not_frontal, provenance
from util.images import read_film


@pytest.fixture(scope="module")
def gate(phantom_cohort):
    return fit_gate([phantom_cohort.read(image) for image in phantom_cohort.split("train")["Image"][:150]])


def refused(gate, films):
    return np.mean([not gate(film).frontal for film in films])


def test_ranks_do_not_see_window_or_gamma():
    film = np.random.default_rng(0).integers(0, 120, (64, 48), dtype=np.uint8)
    small = np.asarray(Image.fromarray(film).resize((SIDE, SIDE), Image.Resampling.BILINEAR), float).ravel()
    ranks = coarse_ranks(film)
    assert ranks.min() >= -1 and ranks.max() <= 1 and abs(ranks.sum()) < 1e-9
    np.testing.assert_allclose(ranks.ravel(), (rankdata(small) - 128.5) / 127.5)
    np.testing.assert_allclose(ranks, coarse_ranks(2 * film), atol=0.1)  # Pillow rounds
    assert not coarse_ranks(np.full((64, 64), 9, np.uint8)).any()
    with pytest.raises(CourseError, match="uint8"):
        coarse_ranks(film.astype(float))


def test_simulated_films_pass(gate, phantom_cohort):
    verdicts = [gate(phantom_cohort.read(image)) for image in phantom_cohort.split("test")["Image"][:200]]
    assert sum(not v.frontal for v in verdicts) <= 2
    assert sum(v.frontal and not v.familiar for v in verdicts) <= 10


def test_what_is_no_frontal_film_is_refused(gate, phantom_cohort):
    rng = np.random.default_rng(1)
    films = [phantom_cohort.read(image) for image in phantom_cohort.split("test")["Image"][:40]]
    made = [not_frontal(film, rng) for film in films]
    for kind in made[0]:
        assert refused(gate, [np.ascontiguousarray(pictures[kind]) for pictures in made]) >= 0.95, kind
    assert not gate(np.full((200, 200), 90, np.uint8)).frontal


def test_photographs_are_refused(gate):
    rng, cuts = np.random.default_rng(2), []
    for photograph in load_sample_images().images:
        gray = np.asarray(Image.fromarray(photograph).convert("L"))
        for side in rng.integers(120, 420, 40):
            top, left = (int(rng.integers(0, pixels - side + 1)) for pixels in gray.shape)
            cuts.append(np.ascontiguousarray(gray[top : top + side, left : left + side]))
    assert refused(gate, cuts) >= 0.93


def test_a_kind_of_picture_it_never_learnt_from_is_refused(gate, phantom_cohort):
    """Checkerboards, slopes and a bright disc are none of the pictures that the gate was fitted on."""
    rows, columns = np.mgrid[:128, :128]
    strange = [
        (rows // 32 + columns // 32) % 2 * 255,
        2 * rows,
        2 * columns,
        np.hypot(rows - 64, columns - 64) * 2,
        np.where(np.hypot(rows - 64, columns - 64) < 40, 240, 10),
    ]
    assert refused(gate, [picture.clip(0, 255).astype(np.uint8) for picture in strange]) >= 0.8


def test_verdicts_say_what_they_mean(gate, phantom_cohort):
    film = phantom_cohort.read(phantom_cohort.split("test")["Image"][0])
    assert gate(film).familiar and "A frontal chest film" in gate(film).sentence
    upside_down = gate(np.ascontiguousarray(film[::-1]))
    assert not upside_down.frontal and not upside_down.familiar and "no answer" in upside_down.sentence
    assert "only ever seen simulated" in provenance({"films": "simulated"})
    assert "other hospitals" in provenance({"films": "real"})
    with pytest.raises(CourseError, match="at least 40"):
        fit_gate([film] * 3)


def test_most_real_films_pass_the_simulated_gate(gate, nih_cohort):
    films = [nih_cohort.read(image) for image in nih_cohort.films["Image"][::6]]
    assert refused(gate, films) < 0.12
    assert refused(gate, [np.ascontiguousarray(film[::-1]) for film in films]) > 0.97
    assert refused(gate, [255 - film for film in films]) > 0.97


def test_known_odd_real_films(gate, nih_root):
    more = nih_root.parent / "nih-more" / "images"
    odd = [more / "00003490_011.png", more / "00018175_002.png"]  # upside down, inverted
    if not all(path.is_file() for path in odd):
        pytest.skip("the two odd films are not here")
    assert refused(gate, [read_film(path) for path in odd]) == 1
