"""The drawings: films without ticks, heat maps whose opacity rises with the shared scale, outlines on any ground."""

import base64
from io import BytesIO

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from util import plots
from util.markup import picture_html, picture_of, with_alt

FILM = np.random.default_rng(0).integers(0, 256, (37, 53)).astype(np.uint8)


@pytest.fixture
def ax():
    yield plt.subplots()[1]
    plt.close("all")


def test_one_place_sets_the_style():
    assert plt.rcParams["figure.dpi"] == plots.DPI == 144
    assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == list(plots.PALETTE)


def test_a_film_has_ticks_only_when_its_pixels_are_asked_for(ax):
    plots.draw_film(ax, FILM, "cost_$5$.png")
    assert not ax.get_xticks().size and not ax.get_ylabel() and ax.get_title() == "cost_$5$.png"
    assert not ax.title.get_parse_math() and ax.images[0].get_clim() == (0, 255)
    ax.clear()
    plots.draw_film(ax, FILM, pixels=True)
    assert ax.get_xticks().size and ax.get_ylabel() == "y (pixels)"


def test_the_opacity_of_a_map_rises_with_the_shared_scale(ax):
    drawn = plots.draw_map(ax, FILM, np.linspace(0, 4, FILM.size).reshape(FILM.shape), 8.0)
    clear, some, half, end = drawn.to_rgba(np.array([0.0, 2.0, 4.0, 8.0]))[:, 3]
    assert clear == 0 and end == pytest.approx(plots.OPACITY)
    assert some == pytest.approx(plots.OPACITY / 4, abs=0.01) and half == pytest.approx(plots.OPACITY / 2, abs=0.01)
    assert drawn.to_rgba(20.0)[3] == pytest.approx(plots.OPACITY)  # beyond the scale no more than at its end


def test_signed_maps_are_white_at_zero(ax):
    drawn = plots.draw_signed(ax, np.array([[-1.0, 0.0, 2.0]]), 2.0)
    below, zero, above = drawn.to_rgba(np.array([-2.0, 0.0, 2.0]))[:, :3]
    assert zero.min() > 0.95 and below[2] > below[0] and above[0] > above[2]


def test_an_outline_is_white_over_black(ax):
    mask = np.zeros((37, 53), bool)
    mask[0:20, 30:53] = True  # touches two borders
    plots.draw_outline(ax, mask)
    under, over = ax.collections
    assert under.get_linewidth()[0] > over.get_linewidth()[0]
    assert under.get_edgecolor()[0][:3].max() == 0 and over.get_edgecolor()[0][:3].min() == 1


def test_the_largest_box_of_a_finding_is_named_once(ax):
    rows = [("Mass", 2, 3, 4, 5), ("Mass", 20, 3, 14, 15), ("Effusion", 1, 30, 9, 5)]
    boxes = pd.DataFrame(rows, columns=["finding", "x", "y", "w", "h"])
    plots.draw_film(ax, FILM)
    plots.draw_boxes(ax, boxes)
    assert [text.get_text() for text in ax.texts] == ["Mass", "Effusion"] and len(ax.patches) == 3
    assert ax.texts[0].get_position()[0] == 34  # at the right edge of the larger one, towards the middle of the film
    ax.clear()
    plots.draw_boxes(ax, boxes, label=False)
    assert not ax.texts and len(ax.patches) == 3


def test_a_picture_has_a_width_for_pages(monkeypatch):
    shown = []
    monkeypatch.setenv("COURSE_BATCH", "1")
    monkeypatch.setattr("IPython.display.display", lambda data, **more: shown.append((data, more["metadata"])))
    plots.show(plt.subplots(figsize=(7, 3))[0], "An empty figure of seven inches.")
    ((data, about),) = shown
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG") and data["text/plain"].startswith("<Figure")
    assert 550 < about["image/png"]["width"] < 700
    assert 'width="640" style="max-width: 100%; height: auto"' in picture_html("iVBO", "x", 640)
    assert "width" not in picture_html("iVBO", "x")


@pytest.mark.parametrize(("content", "kind"), [("a drawing", "PNG"), ("a film", "JPEG")])
def test_a_drawing_is_kept_as_png_and_a_film_as_jpeg(content, kind, monkeypatch):
    """Whichever is smaller, near to what was drawn, and both become HTML with their alt text."""
    shown = []
    monkeypatch.setenv("COURSE_BATCH", "1")
    monkeypatch.setattr("IPython.display.display", lambda data, **more: shown.append((data, more["metadata"])))
    fig, ax = plt.subplots()
    if content == "a drawing":
        ax.plot([0, 1, 3, 2], label="a line with soft edges")
        ax.legend()
    else:
        noise = np.random.default_rng(0).normal(0, 6, (256, 256))
        ax.imshow(np.clip(np.linspace(30, 220, 256) + noise, 0, 255), cmap="gray", vmin=0, vmax=255)
    fig.canvas.draw()
    drawn = np.asarray(fig.canvas.buffer_rgba())[..., :3].astype(int)
    monkeypatch.setattr("IPython.core.pylabtools.print_figure", lambda fig: _png(drawn))
    plots.show(fig, "A picture of the test.")
    ((data, metadata),) = shown
    picture, about = picture_of({"data": data, "metadata": metadata})
    kept = Image.open(BytesIO(base64.b64decode(picture)))
    assert kept.format == kind and about["alt"] == "A picture of the test."
    assert np.abs(np.asarray(kept.convert("RGB")).astype(int) - drawn).mean() < 3
    output = nbformat.v4.new_output("display_data", data, metadata=metadata)
    assert f'src="data:image/{kind.lower()};base64,' in with_alt(output)["data"]["text/html"]


def _png(pixels):
    buffer = BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_dense_block_piles_up_its_channels(ax):
    plots.draw_dense_block(ax, 64, 3, 32)
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["64", "96", "128", "160"]
    assert sum(bar.get_height() for bar in ax.patches[-4:]) == 160 and ax.get_ylim()[1] > 160


def test_a_roc_curve_has_its_points_and_the_diagonal(ax):
    plots.draw_roc(ax, [0, 0.2, 1], [0, 0.9, 1], "Mass")
    diagonal, curve = ax.lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_array_equal(curve.get_xydata(), [[0, 0], [0.2, 0.9], [1, 1]])
    assert ax.get_title() == "Mass" and ax.get_aspect() == 1


def test_a_note_takes_the_place_of_an_interval(ax):
    table = pd.DataFrame(
        {"auc": [0.8, np.nan], "low": [0.7, np.nan], "high": [0.9, np.nan], "note": ["", "too few $5"]}, ["a", "b_$c$"]
    )
    plots.draw_intervals(ax, table, "auc")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b_$c$"]
    assert [text.get_text() for text in ax.texts] == ["too few $5"] and ax.get_ylim() == (1.5, -0.5)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0.8, np.nan])


def test_two_numbers_lie_on_one_line(ax):
    plots.dumbbells(ax, pd.DataFrame({"one": [1, 4], "two": [3, 2]}, ["a", "b"]), "number")
    assert [line.get_xdata().tolist() for line in ax.lines] == [[1, 4], [3, 2]]
    assert [segment.tolist() for segment in ax.collections[0].get_segments()] == [[[1, 0], [3, 0]], [[2, 1], [4, 1]]]
    assert ax.yaxis_inverted() and [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]


def test_a_grid_of_films_is_shown_with_its_text(phantom_cohort, monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "show", lambda fig, alt: shown.append((fig, alt)))
    images = list(phantom_cohort.boxes["Image"].unique()[:3])
    plots.show_films(phantom_cohort, images, columns=2, boxes=True)
    (fig, alt), *rest = shown
    assert not rest and all(image in alt for image in images)
    assert [len(ax.images) for ax in fig.axes] == [1, 1, 1, 0]  # the last place of the grid is empty
    assert all(ax.patches for ax in fig.axes[:3])
    plt.close(fig)
