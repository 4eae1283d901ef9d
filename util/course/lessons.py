"""The lessons as their titles describe them: question, minutes, needs, part of the path. README, index and picture read them here.

python -m util results --path data/path.png       the picture of the path
"""

import re
from dataclasses import dataclass
from pathlib import Path

from util.data.cohort import HOME

NOTEBOOKS = HOME / "notebooks"
TIME = re.compile(r"\*\*Time\*\*: about (\d+) minutes with the exercises, about (\d+) seconds to compute\.")
NEEDS = re.compile(r"\*\*Needs\*\*: (.*?)\n\n", re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
PLACES = {
    1: (0, 1),
    2: (1, 1),
    3: (2, 1),
    4: (3, 1),
    5: (4, 1),
    6: (5, 1),
    9: (6.1, 1),
}  # columns and rows of the picture
PLACES |= {11: (2.6, 0), 8: (3.8, 0), 7: (5, 0), 10: (6.1, 0), 17: (2.5, -0.9)}
PLACES |= {12: (6.1, -0.9), 13: (5, -0.9), 14: (3.8, -0.9)}
PLACES |= {15: (5, -1.8), 16: (2.6, -1.8)}


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Attributes
    ----------
    number : int; stem : str, the file's name without its ending; question : str
    minutes : int, with the exercises; seconds : int, to compute
    needs : str; before : tuple of int, lessons that come before; core : bool
    """

    number: int
    stem: str
    question: str
    minutes: int
    seconds: int
    needs: str
    before: tuple
    core: bool


def described(notebook, stem):
    """The Lesson that the first cell of a notebook describes, or None where it is no lesson's title."""
    text = "".join(notebook.cells[0].source) + "\n\n"
    title, time = re.match(r"# (\d+)\. (.*)", text), TIME.search(text)
    if not title or not time or not NEEDS.search(text):
        return None
    (number, question), (minutes, seconds) = title.groups(), time.groups()
    needs = LINK.sub(r"\1", " ".join(NEEDS.search(text)[1].split()))
    named = re.search(r"(?:lesson|notebook)s? (\d+(?:(?:, | and | to )\d+)*)", needs)
    before = _numbers(named[1]) if named else ()
    return Lesson(int(number), stem, question, int(minutes), int(seconds), needs, before, "**Path**: core." in text)


def _numbers(text):
    """Numbers of a list in words: '1, 4 and 5' -> (1, 4, 5), '4 to 7' -> (4, 5, 6, 7)."""
    if " to " in text:
        first, last = map(int, text.split(" to "))
        return tuple(range(first, last + 1))
    return tuple(map(int, re.findall(r"\d+", text)))


def all_lessons(folder=NOTEBOOKS):
    """Lessons of a folder of notebooks, in order: a list of Lesson."""
    import nbformat

    paths = sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))
    found = [described(nbformat.read(path, as_version=4), path.stem) for path in paths]
    return [lesson for lesson in found if lesson]


def path_table(lessons):
    """The lessons as a Markdown table."""
    lines = ["| | question | minutes | path | needs |", "|---|---|---|---|---|"]
    for lesson in lessons:
        link = f"[{lesson.number}](notebooks/{lesson.stem}.ipynb)"
        part = "**core**" if lesson.core else "further"
        lines.append(
            f"| {link} | {lesson.question} | {lesson.minutes} | {part} | {lesson.needs.split(' (')[0].rstrip('.')} |"
        )
    return "\n".join(lines)


def _not_implied(lesson, lessons):
    """Those lessons that a lesson needs and that none of the others among them needs already."""
    needs = {other.number: set(other.before) for other in lessons}
    for number in sorted(needs):
        needs[number] |= {far for near in needs[number] for far in needs.get(near, ())}
    return [n for n in lesson.before if not any(n in needs.get(other, ()) for other in lesson.before)]


def path_picture(lessons, file):
    """Draw the path as boxes with arrows from each lesson to those that need it, as a PNG file."""
    import matplotlib.pyplot as plt

    from util.plots import PALETTE

    fig, ax = plt.subplots(figsize=(9, 5.4), dpi=144)
    for lesson in lessons:
        x, y = PLACES[lesson.number]
        colour = PALETTE[0] if lesson.core else "white"
        box = {"boxstyle": "round,pad=0.5", "facecolor": colour, "edgecolor": PALETTE[0]}
        words = lesson.stem[3:].replace("_", " ").replace("price of a real film", "price of\na real film")
        words = (
            words.replace(" and ", "\nand ")
            .replace("is the map", "is the\nmap")
            .replace("weighted ", "weighted\n")
            .replace("year in", "year in\n")
        )
        words = words.replace("i dont know", "I don't\nknow").replace("roc", "ROC").replace("gradcam", "Grad-CAM")
        text = f"{lesson.number}\n{words}\n{lesson.minutes} min"
        ax.text(1.25 * x, 1.6 * y, text, ha="center", va="center", fontsize=9, bbox=box,
                color="white" if lesson.core else "black", zorder=3)  # fmt: skip
        for earlier in _not_implied(lesson, lessons):
            a, b = PLACES[earlier]
            arrow = {"arrowstyle": "->", "color": "0.45", "shrinkA": 24, "shrinkB": 24}
            ax.annotate("", (1.25 * x, 1.6 * y), (1.25 * a, 1.6 * b), arrowprops=arrow, zorder=1)
    ax.set(xlim=(-0.7, 8.3), ylim=(-3.5, 2.3))
    ax.axis("off")
    fig.savefig(file, bbox_inches="tight")
    plt.close(fig)
