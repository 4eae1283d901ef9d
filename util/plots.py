"""The drawings of the course: one palette, one style, one way to show a figure, a film or a heat map."""

import base64
import textwrap
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.patheffects import withStroke

from util import settings
from util.markup import kind_of, picture_html

PALETTE = sns.color_palette("colorblind")
BOX_COLOUR = "#f0e442"  # the yellow of Okabe and Ito's palette, visible on gray
DPI = 144  # pixels an inch: sharp on a screen with two pixels for each of the page's
PAGE_DPI = 96  # an inch on a page, so a figure 7 inches wide takes 672 pixels of the page
JPEG_QUALITY = 90  # no halo around letters can be seen
OPACITY = 0.75  # of a heat map where it reaches the end of its scale

plt.rcParams.update(
    {
        "figure.dpi": DPI,
        "savefig.dpi": "figure",
        "font.size": 10,
        "axes.titlesize": "medium",
        "figure.titlesize": "large",
        "legend.fontsize": "small",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": plt.cycler(color=PALETTE),
    }
)


def _rising(name):
    """A colour map that is clear at its start and grows opaque towards its end."""
    colours = plt.get_cmap(name)(np.linspace(0, 1, 256))
    colours[:, 3] = np.linspace(0, OPACITY, 256)
    return ListedColormap(colours, f"{name}, rising")


OVERLAY = _rising("plasma")


def show(fig, alt):
    """Show a figure in the notebook with a text for those who cannot see it, and close it.

    Parameters
    ----------
    fig : matplotlib Figure
    alt : str, one sentence that says what is to be seen

    In a learner's notebook the picture is HTML with its text, since JupyterLab does not read the metadata. In a batch run
    (COURSE_BATCH=1) it is a PNG or JPEG with the text in its metadata (``alt``), which is half as large in a file that is
    committed, and from which nbconvert takes it.
    """
    from IPython.core.pylabtools import print_figure
    from IPython.display import HTML, display

    picture, width = compact(print_figure(fig), fig.dpi)
    if settings.batch():
        kind = kind_of(picture)
        data = {kind: picture, "text/plain": repr(fig)}
        display(data, raw=True, metadata={kind: {"alt": alt, "width": width}})
    else:
        display(HTML(picture_html(picture, alt, width)))
    plt.close(fig)


def compact(png, dpi=DPI):
    """The smaller of a PNG file with 256 colors, which suits drawings, and a JPEG file, which suits films.

    Parameters
    ----------
    png : bytes, a PNG file; dpi : float, its pixels an inch

    Returns
    -------
    tuple (str, the file in base64; int, its width in pixels of a page)
    """
    from PIL import Image

    picture, drawing, film = Image.open(BytesIO(png)).convert("RGB"), BytesIO(), BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(drawing, "PNG", optimize=True)
    picture.save(film, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    smaller = min(drawing.getvalue(), film.getvalue(), key=len)
    return base64.b64encode(smaller).decode(), round(picture.width * PAGE_DPI / dpi)


def film_title(cohort, text):
    """`text`, with the word 'simulated' where the films are."""
    return f"{text} (simulated)" if cohort.simulated else text


def draw_film(ax, film, title="", pixels=False):
    """Draw one film in gray on the axes `ax`.

    Parameters
    ----------
    ax : matplotlib Axes
    film : uint8 (h, w), drawn from 0 to 255, or float (h, w), drawn from its lowest to its highest value
    title : str
    pixels : bool, whether the axes show the pixels of the film; without them the film gets the room
    """
    limits = {"vmin": 0, "vmax": 255} if film.dtype == np.uint8 else {}
    ax.imshow(film, cmap="gray", **limits)
    ax.set_title(title, parse_math=False)  # the name of a file may hold a dollar sign
    if pixels:
        ax.set(xlabel="x (pixels)", ylabel="y (pixels)")
    else:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return ax


def draw_boxes(ax, boxes, label=True):
    """Draw the rows of a box table (finding, x, y, w, h in pixels) on the axes `ax`; the largest of a finding is named."""
    named = (boxes["w"] * boxes["h"]).groupby(boxes["finding"]).idxmax().tolist() if label else []
    for box in boxes.itertuples():
        edge = plt.Rectangle((box.x, box.y), box.w, box.h, fill=False, edgecolor=BOX_COLOUR, lw=1.5)
        edge.set_path_effects([withStroke(linewidth=3, foreground="black")])
        ax.add_patch(edge)
        if box.Index in named:
            at_right = box.x + box.w / 2 > sum(ax.get_xlim()) / 2  # then the name grows leftwards, into the film
            x, side = (box.x + box.w, "right") if at_right else (box.x, "left")
            name = ax.text(x, box.y - 4, box.finding, color=BOX_COLOUR, fontsize="small", va="bottom", ha=side)
            name.set_path_effects([withStroke(linewidth=2, foreground="black")])
    return ax


def show_films(cohort, images, titles=None, columns=4, boxes=False, alt=None):
    """Show films of a cohort by name in a grid, with their boxes if wanted.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort
    images : list of film names
    titles : list of str, one for each film, or None for the names
    columns : int, films in a row
    boxes : bool, draw the cohort's boxes
    alt : str, text for those who cannot see the figure
    """
    images = list(images)
    titles = images if titles is None else list(titles)
    rows = -(-len(images) // columns)
    width = min(2.25, 5.4 / columns)  # the whole figure stays legible on a telephone
    size = (width * columns, (width + 0.45) * rows)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for ax in axes.flat[len(images) :]:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        draw_film(ax, cohort.read(image), textwrap.fill(film_title(cohort, title), int(12 * width)))
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
        ax.title.set_fontsize(10)
        if boxes:
            draw_boxes(ax, cohort.boxes[cohort.boxes["Image"] == image])
    show(fig, alt or "A grid of chest films: " + ", ".join(titles))


def draw_labels(ax, points):
    """Name points of a film beside it, each with a line: those in its left half on the left, the others on the right.

    ax : axes with a film; points : dict name -> (column, row) in pixels of the film
    """
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    middle, height = (left + right) / 2, bottom - top
    for side in (-1, 1):
        names = sorted(
            (name for name in points if (points[name][0] > middle) == (side > 0)), key=lambda n: points[n][1]
        )
        levels = np.linspace(top + 0.08 * height, bottom - 0.08 * height, len(names))
        for name, level in zip(names, levels, strict=True):
            ax.annotate(
                textwrap.fill(name, 14),
                xy=points[name],
                xytext=((right if side > 0 else left) + side * 0.05 * height, level),
                ha="left" if side > 0 else "right",
                va="center",
                fontsize=10,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": BOX_COLOUR, "lw": 1.3, "shrinkB": 0},
            )
            ax.plot(*points[name], "o", color=BOX_COLOUR, ms=4)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    return ax


def draw_dense_block(ax, channels, layers, growth):
    """Draw the channels in a dense block as they pile up, one bar before and after each layer, on the axes `ax`."""
    heights = [channels, *[growth] * layers]
    for state in range(layers + 1):
        for source, height in enumerate(heights[: state + 1]):
            ax.bar(state, height, 0.42, sum(heights[:source]), color=PALETTE[source % 10], edgecolor="white")
        total = sum(heights[: state + 1])
        ax.text(state, total + growth / 5, total, ha="center", va="bottom")
        if state < layers:  # everything there is goes into the next layer, which adds one segment
            ax.annotate(
                "",
                xy=(state + 0.79, total + growth / 2),
                xytext=(state + 0.22, total / 2),
                arrowprops={"arrowstyle": "-|>", "color": "0.4", "connectionstyle": "arc3,rad=0.15"},
            )
    names = ["input", *(f"after\nlayer {layer}" for layer in range(1, layers + 1))]
    ax.set(xticks=range(layers + 1), xticklabels=names, ylabel="channels")
    ax.set_ylim(0, sum(heights) * 1.12)
    return ax


def draw_map(ax, film, cam, highest):
    """Lay an enlarged map over its film on the axes `ax`: color and opacity rise together, on one scale.

    Where the map is 0 the film is clear, so a film without evidence looks like a film.

    Parameters
    ----------
    ax : matplotlib Axes
    film : uint8 (h, w)
    cam : float (h, w), 0 and above
    highest : float, the end of the scale: one number for all maps that are compared

    Returns
    -------
    The image of the map, for a color bar.
    """
    draw_film(ax, film)
    return ax.imshow(cam, cmap=OVERLAY, vmin=0, vmax=highest)


def draw_signed(ax, evidence, limit):
    """Draw a map with a sign, float (rows, columns), on the axes `ax`: red above 0, white at 0, blue below, to +-`limit`.

    Returns the image of the map, for a color bar.
    """
    drawn = ax.imshow(evidence, cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set(xlabel="column of the map", ylabel="row of the map")
    return drawn


def draw_outline(ax, mask):
    """Draw the outline of a mask, bool (h, w), on the axes `ax`: white over black, visible on any film and any map."""
    extent = (-1.5, mask.shape[1] + 0.5, -1.5, mask.shape[0] + 0.5)
    for colour, width in (("black", 2.8), ("white", 1.3)):
        ax.contour(np.pad(mask, 1).astype(float), levels=[0.5], colors=[colour], linewidths=width, extent=extent)
    return ax


def draw_roc(ax, fpr, tpr, title="", marker=None):
    """Draw a ROC curve, arrays (k,) from 0 to 1, over the diagonal of chance on the axes `ax`."""
    ax.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--")
    ax.plot(fpr, tpr, color=PALETTE[0], marker=marker)
    ax.set(title=title, xlabel="FPR (1 - specificity)", ylabel="TPR (sensitivity)", aspect="equal")
    ax.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    return ax


def draw_reliability(ax, table, title="", floor=1e-3):
    """Draw a reliability diagram on the axes `ax`, both axes logarithmic, over the diagonal of perfect calibration.

    table : DataFrame of util.metrics.calibration.reliability
    floor : float, where shares of 0, which have no logarithm, are drawn
    """
    answer, share, low, high = (np.maximum(table[name], floor) for name in ("answer", "share", "low", "high"))
    ax.plot([floor, 1], [floor, 1], color="0.5", ls=":")
    ax.errorbar(answer, share, [share - low, high - share], fmt="o-", color=PALETTE[0], capsize=2)
    ax.set(xscale="log", yscale="log", xlim=(floor, 1), ylim=(floor, 1), aspect="equal")
    ax.set(title=title, xlabel="probability given")
    return ax


def draw_intervals(ax, table, value, label=None):
    """Draw one row for each row of a table, from the top: a point, its interval, or the note that replaces them.

    table : DataFrame with the column `value`, low, high (NaN where unknown) and note; label : str for a legend
    """
    rows = np.arange(len(table))
    ax.hlines(rows, table["low"], table["high"], color=PALETTE[0], lw=2)
    ax.plot(table[value], rows, "o", color=PALETTE[0], ms=5, label=label)
    for row, note in zip(rows, table["note"], strict=True):
        if note:
            place = {"transform": ax.get_yaxis_transform(), "va": "center", "bbox": {"fc": "w", "ec": "none", "pad": 1}}
            ax.text(0.01, row, note, fontsize="small", color="0.35", parse_math=False, **place)
    ax.set_yticks(rows, table.index, parse_math=False)  # names of groups come from a table
    ax.set_ylim(len(table) - 0.5, -0.5)
    return ax


def dumbbells(ax, table, xlabel):
    """Draw two numbers for each name as two dots on a line, on the axes `ax`.

    table : DataFrame, index the names from top to bottom, two columns of numbers
    """
    for (column, values), marker, colour in zip(table.items(), "os", PALETTE, strict=False):
        ax.plot(values, range(len(table)), marker, color=colour, label=column, zorder=2)
    ax.hlines(range(len(table)), table.min(axis=1), table.max(axis=1), color="0.7", zorder=1)
    ax.set_yticks(range(len(table)), table.index, parse_math=False)
    ax.set(xlabel=xlabel)
    ax.invert_yaxis()
    ax.legend()
    return ax
