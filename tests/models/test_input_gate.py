"""The input gate: how often it refuses simulated and real films, and pictures that are no frontal chest film."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.stats import rankdata
from sklearn.datasets import load_sample_images

from util.data.images import read_film
from util.errors import CourseError
from util.models.input_gate import AXES, FINE, SIDE, coarse_ranks, detail, fit_gate, not_frontal, provenance


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
    assert refused(gate, [picture.clip(0, 255).astype(np.uint8) for picture in strange]) == 1


def slopes(count):
    """Smooth pictures without anything in them, many of them brighter in the middle as a film is."""
    y, x = np.mgrid[:224, :224] / 223 - 0.5
    for a in np.random.default_rng(3).random((count, 5)):
        slope = (
            -6 * a[0] * np.abs(x)
            + 4 * (a[1] - 0.5) * y
            + 2 * (a[2] - 0.5) * x
            - 4 * a[3] * x * x
            + 4 * (a[4] - 0.3) * y * y
        )
        yield ((slope - slope.min()) / np.ptp(slope) * 255).astype(np.uint8)


def test_smooth_slopes_are_refused_for_what_they_lack(gate):
    pictures = list(slopes(60))
    assert refused(gate, pictures) == 1
    assert refused(replace(gate, plainest=0.0), pictures) < 0.6  # their coarse grays alone would pass


def test_detail_in_closed_form():
    """A checkerboard of 4 pixels in blocks of a slope; a film and its window; nothing."""
    assert detail(np.full((64, 64), 9, np.uint8)) == 0
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert detail(board) == pytest.approx(0.25 * FINE**2 / (FINE**2 - 1), rel=1e-6)  # ranks at 1/4 and 3/4
    film = np.random.default_rng(0).integers(0, 120, (64, 64), dtype=np.uint8)
    assert detail(film) == detail(2 * film) == detail(film + np.uint8(30))
    blocks = np.kron(np.random.default_rng(1).integers(0, 256, (16, 16)), np.ones((4, 4))).astype(np.uint8)
    assert 0.1 < detail(blocks) < 0.2  # the edges of blocks are finer than the slope drawn through them


def test_the_plainest_film_is_the_measure(phantom_cohort):
    films = [phantom_cohort.read(image) for image in phantom_cohort.split("train")["Image"][:40]]
    gate = fit_gate(films)
    assert gate.plainest == pytest.approx(min(map(detail, films)) / 2)
    film = films[0]
    assert gate(film).frontal
    assert not replace(gate, plainest=np.nextafter(detail(film), 1))(film).frontal
    assert replace(gate, plainest=detail(film))(film).frontal


def test_the_measures_of_the_gate(phantom_cohort):
    """Principal axes, spread and limit, by their definitions."""
    films = [phantom_cohort.read(image) for image in phantom_cohort.split("train")["Image"][:100]]
    gate = fit_gate(films)
    ranks = np.stack([coarse_ranks(film).ravel() for film in films])
    deviation = ranks - ranks.mean(axis=0)
    assert gate.axes.shape == (AXES, SIDE**2) == (10, 256)
    variance = np.sort(np.linalg.eigvalsh(deviation.T @ deviation / 100))[::-1]
    np.testing.assert_allclose(gate.spread[:10] ** 2, variance[:10], rtol=1e-6)
    assert gate.spread[10] ** 2 == pytest.approx(variance[10:].sum(), rel=1e-6)
    distance = (np.square(deviation @ gate.axes.T / gate.spread[:10]).sum(axis=1)
                + (np.square(deviation).sum(axis=1) - np.square(deviation @ gate.axes.T).sum(axis=1)) / gate.spread[10] ** 2) / 11  # fmt: skip
    assert gate.limit == pytest.approx(np.quantile(distance, 0.99))
    assert sum(gate(film).familiar for film in films) == 99  # one in a hundred lies beyond
    near = films[int(np.argmin(distance))]
    ranks_of_it = coarse_ranks(near).ravel()[None]
    assert replace(gate, limit=gate._distance(ranks_of_it)[0])(near).familiar  # at the limit is within it
    beyond = replace(gate, limit=np.nextafter(gate._distance(ranks_of_it)[0], 0))(near)
    assert beyond.frontal and not beyond.familiar and "outside what the model has seen" in beyond.sentence
    line = gate.weights @ ranks[0] + gate.bias
    assert not replace(gate, bias=gate.bias - line)(films[0]).frontal  # on the line is not beyond it


def test_the_least_that_a_gate_needs(phantom_cohort):
    films = [phantom_cohort.read(image) for image in phantom_cohort.split("train")["Image"][:40]]
    assert fit_gate(films)(films[0]).frontal
    with pytest.raises(CourseError, match="give at least 40 training films, not 39"):
        fit_gate(films[:39])
    for side in ((15, 99), (99, 15)):
        with pytest.raises(CourseError, match="at least 16 pixels a side"):
            coarse_ranks(np.zeros(side, np.uint8))
    assert coarse_ranks(np.zeros((16, 16), np.uint8)).shape == (16, 16)
    with pytest.raises(CourseError, match="uint8"):
        coarse_ranks(np.zeros((16, 16, 3), np.uint8))


def test_the_same_seed_gives_the_same_gate(phantom_cohort):
    films = [phantom_cohort.read(image) for image in phantom_cohort.split("train")["Image"][:40]]
    first, again, other = fit_gate(films), fit_gate(films, seed=0), fit_gate(films, seed=1)
    np.testing.assert_array_equal(first.weights, again.weights)
    assert (first.weights != other.weights).any()


def test_what_is_made_of_a_film():
    film = np.arange(64 * 48).reshape(64, 48).astype(np.uint8)
    made = not_frontal(film, np.random.default_rng(0))
    assert len(made) == 11
    for kind, right in {
        "inverted": 255 - film, "upside down": film[::-1], "turned left": np.rot90(film), "turned right": np.rot90(film, -1),
        "one half": film[:, :24], "other half": film[:, 24:], "a corner": film[:32, :24], "another corner": film[32:, 24:],
    }.items():  # fmt: skip
        np.testing.assert_array_equal(made[kind], right)
    tiles = {film[r : r + 16, c : c + 12].tobytes() for r in range(0, 64, 16) for c in range(0, 48, 12)}
    shuffled = made["shuffled"]
    assert {shuffled[r : r + 16, c : c + 12].tobytes() for r in range(0, 64, 16) for c in range(0, 48, 12)} == tiles
    assert (shuffled != film).any()
    noise, blobs = made["noise"], made["blobs"]
    assert noise.shape == blobs.shape == film.shape and noise.min() < 5 and noise.max() == 255
    assert np.abs(np.diff(blobs.astype(int))).mean() < np.abs(np.diff(noise.astype(int))).mean() / 3


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
