"""util.needs: what a small folder leaves out, in a kernel as learners run it and without one."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from util.course.run import run_notebook
from util.data.cohort import HOME
from util.errors import CourseError
from util.needs import TooFew, claim, names_made, needs

START = f"import sys; sys.path.insert(0, {str(HOME)!r})\nfrom util.needs import needs\nfilm = 'old'"


@pytest.mark.parametrize(
    ("least", "have", "said"),
    [
        (10, 0, "This section needs at least 10 films; this folder has none."),
        (1_000, 999, "This section needs at least 1,000 films; this folder has 999."),
        (1, 0, "This section needs films; this folder has none."),
    ],
)
def test_the_sentence(least, have, said):
    with pytest.raises(TooFew) as error:
        needs(least, "films", have)
    assert str(error.value) == said


def test_enough_is_enough():
    assert needs(10, "films", 10) is None
    assert needs(1, "films", 5) is None


class Kind:
    def __init__(self, simulated):
        self.simulated = simulated


def test_a_claim_is_asserted_of_simulated_films_and_told_of_real_ones(capsys):
    claim(Kind(True), True, "it grows")
    claim(Kind(False), True, "it grows")
    assert capsys.readouterr().out == ""
    claim(Kind(False), False, "it grows")
    assert capsys.readouterr().out == "Not so in this folder: it grows.\n"
    with pytest.raises(AssertionError, match=r"Not so on the simulated films: it grows\."):
        claim(Kind(True), False, "it grows")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (1, {"np", "a", "b", "c", "f", "row", "K", "w", "rest", "used"}),
        (3, {"b", "c", "f", "row", "K", "w", "rest", "used"}),
        (5, {"f", "row", "K", "w", "rest", "used"}),
        (9, {"K", "w", "rest", "used"}),
    ],
)
def test_names_that_the_rest_of_a_cell_makes(line, names):
    source = (
        "import numpy as np\na = 1\nb, *_ = c = [k for k in range(3)]\n"
        "a.x = b[0] = 2\ndef f(local):\n    other = local\n"
        "for row in b:\n    print(row)\nclass K:\n    inner = 1\nwith open(a) as w:\n    rest = (used := 2)\n"
    )
    assert names_made(source, line) - {"_"} == names


def run(tmp_path, *cells):
    """What each cell printed in a kernel of the course, without the first two."""
    notebook = new_notebook(cells=[new_markdown_cell("# 1. Any?"), *map(new_code_cell, (START, *cells))])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (tmp_path / "out").mkdir()
    nbformat.write(notebook, tmp_path / "01_any.ipynb")
    run_notebook(tmp_path / "01_any.ipynb", tmp_path / "out", {})
    executed = nbformat.read(tmp_path / "out" / "01_any.ipynb", as_version=4)
    assert not any(o.output_type != "stream" for cell in executed.cells[1:] for o in cell.outputs)
    return ["".join(o.text for o in cell.outputs) for cell in executed.cells[2:]]


def test_what_builds_on_a_stopped_cell_stops_too_and_the_rest_runs(tmp_path):
    said = "This section needs at least 2 films; this folder has 1.\n"
    outputs = run(
        tmp_path,
        "import math\nkept = 7\nneeds(2, 'films', 1)\nfilm = 'new'\nmean = 3",
        "print(math.pi > 3, kept)",
        "print(film)",  # not the older film of that name: in a richer folder it would be the new one
        "before = 1\nafter = mean + 1",
        "print(before)",
        "def look():\n    return after\nprint(look())",
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nprint(mean)",  # no half-drawn figure
        "film = 'another'\nprint(film)",
        "needs(1, 'boxes', 0)",
        "%config InlineBackend.figure_format\nprint(mean)",
    )
    too = f"Left out, too. {said}"
    assert outputs == [
        said, "True 7\n", too, too, "1\n", too, too, "another\n", "This section needs boxes; this folder has none.\n", too
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", ["print(typo)", "1 / 0", "needs(2, 'films', unknown)"])
def test_a_mistake_of_ones_own_is_still_an_error(tmp_path, wrong):
    with pytest.raises(CourseError, match=r"NameError|ZeroDivisionError"):
        run(tmp_path, "needs(2, 'films', 1)\nmean = 3", wrong)
