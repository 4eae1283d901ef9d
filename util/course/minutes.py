"""How long a lesson takes, by one rule: reading, visible code, and exercises. The title of a notebook states the result.

A technical text is read at about 130 words a minute, code at about 12 lines a minute; an exercise takes 6 minutes. Folded
cells and outputs are not counted. The sum is rounded up to 5 minutes.
"""

WORDS, LINES, EXERCISE, STEP = 130, 12, 6, 5  # words and lines a minute, minutes an exercise, minutes to round up to


def words_of(notebook):
    """Words of a notebook's prose: an int."""
    return sum(len(cell.source.split()) for cell in notebook.cells if cell.cell_type == "markdown")


def minutes_of(notebook):
    """Minutes that a learner needs for a notebook, with its exercises: an int, a multiple of 5."""
    exercises = sum(bool(cell.metadata.get("nbgrader", {}).get("solution")) for cell in notebook.cells)
    shown = [cell for cell in notebook.cells if cell.cell_type == "code" and not folded(cell)]
    lines = sum(len([line for line in cell.source.splitlines() if line.strip()]) for cell in shown)
    minutes = words_of(notebook) / WORDS + lines / LINES + EXERCISE * exercises
    return STEP * -int(-minutes // STEP)


def folded(cell):
    """Whether the code of a cell is folded: it opens with a click, in JupyterLab and on the pages."""
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))
