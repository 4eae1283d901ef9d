"""The contract of all notebooks: same opening, clean outputs, alt texts, checked exercises, same end.

Each rule is a function of a notebook that returns what is wrong with it, in words. Every rule is also shown a
notebook that breaks it, so that no rule can pass by looking away.
"""

import ast
import copy
import os
import subprocess
import sys

import nbformat
import pytest

from tests.helpers.notebook_rules import (
    FOLDER,
    LARGEST_FILE,
    NAMES,
    RULES,
    SETUP,
    WITHOUT_TENSORFLOW,
    a_cell_whose_output_is_checked,
    alt_texts,
    cell_ids,
    code_cells,
    ending,
    executed_in_order,
    exercises,
    links,
    metadata,
    no_errors,
    no_machine_paths,
    nothing_volatile,
    opening,
    out_of_the_way,
    plain_python,
    short,
    simulated_outputs,
    small_cells,
    small_outputs,
)
from util.data.cohort import HOME

# --- The rules -------------------------------------------------------------------------------------


# --- The notebooks ---------------------------------------------------------------------------------


def read(name):
    path = FOLDER / f"{name}.ipynb"
    if not path.is_file():
        pytest.fail(f"notebooks/{path.name} is missing")
    return nbformat.read(path, as_version=4)


def test_there_are_these_notebooks():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_file_is_small(name):
    assert (FOLDER / f"{name}.ipynb").stat().st_size < LARGEST_FILE


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_notebook_keeps_the_rule(name, rule):
    assert rule(read(name), int(name[:2])) == []


@pytest.mark.parametrize("name", [name for name in NAMES if int(name[:2]) in WITHOUT_TENSORFLOW])
def test_notebook_imports_no_tensorflow(name):
    """Evaluation needs labels and scores: TensorFlow would only cost memory and seconds."""
    nodes = [node for cell in code_cells(read(name))[1:] for node in ast.walk(ast.parse(cell.source))]
    imports = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports
    script = "\n".join([*imports, "import sys", "assert not {'tensorflow', 'keras', 'torch'} & set(sys.modules)"])
    env = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run([sys.executable, "-c", script], cwd=HOME, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- The rules themselves --------------------------------------------------------------------------


def exercise(name, number):
    """Task, solution and check of an exercise as pairs of a name and a cell."""
    new, flags = nbformat.v4, {"schema_version": 3, "task": False}
    solution = {**flags, "grade": False, "grade_id": name, "locked": False, "solution": True}
    graded = {**flags, "grade": True, "grade_id": f"{name}-check", "locked": True, "points": 1, "solution": False}
    answer = "def total(a, b):\n    ### BEGIN SOLUTION\n    return a + b\n    ### END SOLUTION"
    return [
        (f"{name}-task", new.new_markdown_cell(f"### Exercise {number}: a sum, once more")),
        (name, new.new_code_cell(answer, metadata={"nbgrader": solution})),
        (f"{name}-check", new.new_code_cell("check_sum(total)", metadata={"nbgrader": graded})),
    ]


TITLE = (
    "# 4. Is it good?\n\n**You will be able to**\n\n- a;\n- b;\n- c.\n\n"
    "**Time**: about 25 minutes with the exercises, about 5 seconds to compute. **Needs**: nothing.\n\n"
    "**Path**: core.\n\nNot for clinical use."
)
END = (
    "## What to take away\n\n- a [paper](https://doi.org/10.1148/radiology.143.1.7063747), $f[x](y)$\n\n"
    "## What would break this in a hospital\n\n- much\n\n## Sources\n\n- [here](02_explore.ipynb)"
)


@pytest.fixture
def good():
    """A small notebook that keeps all rules."""
    new = nbformat.v4
    picture = new.new_output(
        "display_data",
        {"image/png": "/tmp/AA", "text/plain": "<Figure size 640x480 with 1 Axes>"},
        metadata={"image/png": {"alt": "A line that rises from left to right."}},
    )
    nb = new.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    rows = [
        ("title", new.new_markdown_cell(TITLE)),
        ("setup", new.new_code_cell(SETUP, outputs=[new.new_output("stream", text="3 simulated films\n")])),
        ("shown", new.new_code_cell("print(80)", outputs=[new.new_output("stream", text="80\n")])),
        ("figure", new.new_code_cell("draw()", outputs=[picture])),
        *exercise("sum", 1),
        *exercise("again", 2),
        *exercise("third", 3),
        ("end", new.new_markdown_cell(END)),
    ]
    for name, cell in rows:
        cell.id = name
        nb.cells.append(cell)
    nb.cells[1].metadata.update(tags=["setup", "hide-input"], jupyter={"source_hidden": True})
    nb.cells[2].metadata["tags"] = ["nbval-check-output"]
    for count, cell in enumerate(code_cells(nb), start=1):
        cell.execution_count = count
    return nb


def cell(nb, name):
    return next(cell for cell in nb.cells if cell.id == name)


def replace(name, old, new):
    """A change of the source of a cell."""

    def change(nb):
        assert old in cell(nb, name).source
        cell(nb, name).source = cell(nb, name).source.replace(old, new)

    return change


def show(text, name="shown"):
    """A change of what a cell has printed."""

    def change(nb):
        cell(nb, name).outputs[0].text = text

    return change


def flag(name, **flags):
    """A change of the nbgrader flags of a cell."""
    return lambda nb: cell(nb, name).metadata["nbgrader"].update(flags)


def stderr(nb):
    cell(nb, "shown").outputs.append(nbformat.v4.new_output("stream", name="stderr", text="hm"))


def error(nb):
    cell(nb, "shown").outputs.append(nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[]))


def drop(name):
    return lambda nb: nb.cells.remove(cell(nb, name))


BROKEN = [
    (opening, replace("title", "# 4. Is it good?", "# 5. Is it good?")),
    (opening, replace("title", "good?", "good.")),
    (opening, replace("title", "**You will be able to**", "You will learn")),
    (opening, replace("title", "- c.\n", "")),
    (opening, replace("title", "about 25 minutes with the exercises, ", "")),
    (opening, replace("title", "**Path**: core.", "")),
    (opening, lambda nb: cell(nb, "setup").metadata.pop("jupyter")),
    (short, lambda nb: nb.cells.extend(nbformat.v4.new_markdown_cell("more") for _ in range(60))),
    (short, replace("again-task", "once more", "once more " * 1000)),
    (short, replace("figure", "draw()", "draw()\n" * 500)),
    (short, replace("title", "about 25 minutes", "about 10 minutes")),
    (out_of_the_way, replace("shown", "print(80)", "# NBVAL_CHECK_OUTPUT\nprint(80)")),
    (out_of_the_way, replace("shown", "print(80)", "assert True\nprint(80)")),
    (out_of_the_way, replace("figure", "draw()", "ax.plot(a)\nax.set_title(b)\nax.legend()\nfig.savefig(c)")),
    (out_of_the_way, lambda nb: cell(nb, "figure").metadata.update(jupyter={"source_hidden": True})),
    (opening, replace("title", "Not for clinical use.", "")),
    (opening, replace("setup", "install_missing()", "install()")),
    (opening, lambda nb: cell(nb, "setup").metadata.pop("tags")),
    (ending, replace("end", "## Sources", "## Literature")),
    (ending, replace("end", "## What to take away", "## What you learnt")),
    (ending, lambda nb: nb.cells.append(nbformat.v4.new_code_cell("1"))),
    (small_cells, replace("figure", "draw()", "draw()\n" * 21)),
    (small_cells, replace("figure", "draw()", "")),
    (plain_python, replace("figure", "draw()", "%matplotlib inline")),
    (plain_python, replace("figure", "draw()", "!ls")),
    (executed_in_order, lambda nb: cell(nb, "shown").update(execution_count=None)),
    (executed_in_order, lambda nb: [c.update(execution_count=c.execution_count + 1) for c in code_cells(nb)]),
    (executed_in_order, lambda nb: cell(nb, "shown").update(execution_count=7)),
    (no_errors, stderr),
    (no_errors, error),
    (nothing_volatile, show("took 3.2s")),
    (nothing_volatile, show("27/27 12ms/step")),
    (nothing_volatile, show("27/27 3 s/step")),
    (nothing_volatile, show("100%, 12.1 it/s")),
    (nothing_volatile, show("Wall time: 3")),
    (nothing_volatile, show("<function f at 0x7f0a12345678>")),
    (nothing_volatile, show("written 2024-05-01 10:11")),
    (nothing_volatile, show("FutureWarning: gone soon")),
    (no_machine_paths, show("read /home/ada/films")),
    (no_machine_paths, show("read '/tmp/x'")),
    (no_machine_paths, show("read C:\\films")),
    (no_machine_paths, replace("figure", "draw()", "draw('/Users/ada/a.png')")),
    (no_machine_paths, replace("again-task", "once more", "open /root/films")),
    (alt_texts, lambda nb: cell(nb, "figure").outputs[0].metadata.clear()),
    (alt_texts, lambda nb: cell(nb, "figure").outputs[0].metadata["image/png"].update(alt="A figure.")),
    (small_outputs, show("x" * 1_000_001)),
    (simulated_outputs, show("608 real films", name="setup")),
    (exercises, replace("sum", "    ### END SOLUTION", "")),
    (exercises, replace("shown", "print(80)", "### BEGIN SOLUTION\n### END SOLUTION")),
    (exercises, flag("sum", locked=True)),
    (exercises, flag("sum", grade=True)),
    (exercises, flag("sum", grade_id="sum-check")),
    (exercises, flag("sum", schema_version=1)),
    (exercises, flag("sum-check", grade=False)),
    (exercises, flag("sum-check", points=0)),
    (exercises, flag("sum-check", locked=False)),
    (exercises, replace("sum-check", "check_sum(total)", "print(total)")),
    (exercises, replace("sum-task", "### Exercise", "Task")),
    (exercises, drop("sum-check")),
    (exercises, lambda nb: cell(nb, "again").metadata.clear()),
    (exercises, lambda nb: [drop(name)(nb) for name in ("third-task", "third", "third-check")]),
    (cell_ids, lambda nb: cell(nb, "sum").update(id="3f2a91bc")),
    (cell_ids, lambda nb: cell(nb, "sum").update(id="a3f2b91c")),
    (cell_ids, lambda nb: cell(nb, "sum").update(id="Sum_of_two")),
    (cell_ids, lambda nb: cell(nb, "sum").update(id="shown")),
    (a_cell_whose_output_is_checked, lambda nb: cell(nb, "shown").metadata.clear()),
    (a_cell_whose_output_is_checked, lambda nb: cell(nb, "shown").outputs.clear()),
    (links, replace("end", "https://doi.org/", "http://doi.org/")),
    (links, replace("end", "https://doi.org/", "https:/doi.org/")),
    (links, replace("end", "https://doi.org/10.1148/", "https://doi.org/10.1148/ ")),
    (links, replace("end", "https://doi.org/10.1148/", "https://doi.org/S0(1")),
    (links, replace("end", "(02_explore.ipynb)", "(06_missing.ipynb)")),
    (links, replace("end", "(02_explore.ipynb)", "()")),
    (metadata, lambda nb: nb.metadata.kernelspec.update(name="conda-env-cxr")),
    (metadata, lambda nb: nb.metadata.update(widgets={})),
    (metadata, lambda nb: cell(nb, "sum").metadata.update(execution={"iopub.execute_input": "now"})),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_notebook_keeps_the_rule(rule, good):
    assert rule(good, 4) == []


@pytest.mark.parametrize(("rule", "change"), BROKEN)
def test_a_broken_notebook_is_noticed(rule, change, good):
    nb = copy.deepcopy(good)
    change(nb)
    assert rule(nb, 4)


def test_every_rule_is_seen_to_fail():
    assert {rule for rule, _ in BROKEN} == set(RULES)


@pytest.mark.parametrize(
    "harmless",
    [
        "80 s of films",
        "a 640x480 figure",
        "https://host.org/tmp/x",
        "the 1990s",
        "0.5 and 3 steps",
        "data/tmp/x",
        "a: b",
    ],
)
def test_harmless_text_is_left_alone(harmless, good):
    show(harmless)(good)
    assert nothing_volatile(good, 4) == no_machine_paths(good, 4) == []
