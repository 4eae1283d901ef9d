"""The drawings of the course: one palette, one way to show a figure, one way to draw a film."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from util import settings
from util.markup import picture_html

PALETTE = sns.color_palette("colorblind")
BOX_COLOUR = "#f0e442"  # the yellow of Okabe and Ito's palette, visible on gray


def show(fig, alt):
    """Show a figure in the notebook with a text for those who cannot see it, and close it.

    Parameters
    ----------
    fig : matplotlib Figure
    alt : str, one sentence that says what is to be seen

    Where somebody is looking the picture is HTML with its text, since JupyterLab does not read the metadata. Where nobody
    is (COURSE_BATCH=1) it is a PNG with the text in its metadata (``image/png``, ``alt``), which is half as large in a file
    that is committed, and from which nbconvert takes it.
    """
    from IPython.core.pylabtools import print_figure
    from IPython.display import HTML, display

    if settings.batch():
        display(fig, metadata={"image/png": {"alt": alt}})
    else:
        display(HTML(picture_html(print_figure(fig, base64=True), alt)))
    plt.close(fig)


def film_title(cohort, text):
    """`text`, with the word 'simulated' where the films are."""
    return f"{text} (simulated)" if cohort.simulated else text


def draw_film(ax, film, title=""):
    """Draw one film, uint8 or float (h, w), in gray on the axes `ax`, in pixels of the film."""
    ax.imshow(
        film, cmap="gray", vmin=0 if film.dtype == np.uint8 else None, vmax=255 if film.dtype == np.uint8 else None
    )
    ax.set(title=title, xlabel="x (pixels)", ylabel="y (pixels)")
    ax.title.set_parse_math(False)  # the name of a file may hold a dollar sign
    return ax


def draw_boxes(ax, boxes, label=True):
    """Draw the rows of a box table (finding, x, y, w, h in pixels) on the axes `ax`."""
    for box in boxes.itertuples():
        ax.add_patch(plt.Rectangle((box.x, box.y), box.w, box.h, fill=False, edgecolor=BOX_COLOUR, lw=1.5))
        if label:
            at_right = box.x + box.w / 2 > sum(ax.get_xlim()) / 2  # then the name grows leftwards, into the film
            x, side = (box.x + box.w, "right") if at_right else (box.x, "left")
            ax.text(x, box.y - 4, box.finding, color=BOX_COLOUR, fontsize="small", va="bottom", ha=side)
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
    fig, axes = plt.subplots(rows, columns, figsize=(2.6 * columns, 2.9 * rows), squeeze=False, dpi=72)
    for ax in axes.flat[len(images) :]:
        ax.axis("off")
    for ax, image, title in zip(axes.flat, images, titles, strict=False):
        draw_film(ax, cohort.read(image), film_title(cohort, title))
        ax.title.set_fontsize("small")
        if boxes:
            draw_boxes(ax, cohort.boxes[cohort.boxes["Image"] == image])
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    for ax in axes[:-1].flat:
        ax.set_xlabel("")
    fig.tight_layout()
    show(fig, alt or "A grid of chest films: " + ", ".join(titles))


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


def draw_map(ax, film, cam, highest, opacity=0.4):
    """Lay an enlarged map over its film on the axes `ax`: colours from 0 to `highest`, the same opacity everywhere.

    film : uint8 (h, w); cam : float (h, w), 0 and above; highest : float, one number for all maps to be compared
    Returns the image of the map, for a colour bar.
    """
    draw_film(ax, film)
    return ax.imshow(cam, cmap="viridis", vmin=0, vmax=highest, alpha=opacity)


def draw_outline(ax, mask):
    """Draw the outline of a mask, bool (h, w), on the axes `ax`, in the colour of the boxes."""
    ax.contour(np.pad(mask, 1).astype(float), levels=[0.5], colors=[BOX_COLOUR], linewidths=1.3,
               extent=(-1.5, mask.shape[1] + 0.5, -1.5, mask.shape[0] + 0.5))  # fmt: skip
    return ax


def draw_roc(ax, fpr, tpr, title="", marker=None):
    """Draw a ROC curve, arrays (k,) from 0 to 1, over the diagonal of chance on the axes `ax`."""
    ax.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--")
    ax.plot(fpr, tpr, color=PALETTE[0], marker=marker)
    ax.set(title=title, xlabel="FPR (1 - specificity)", ylabel="TPR (sensitivity)", aspect="equal")
    ax.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
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
