"""The contract of all notebooks: same opening, clean outputs, alt texts, checked exercises, same end.

Each rule is a function of a notebook that returns what is wrong with it, in words. Every rule is also shown a
notebook that breaks it, so that no rule can pass by looking away.
"""

import ast
import copy
import os
import re
import subprocess
import sys

import nbformat
import pytest

from util.cohort import HOME
from util.minutes import folded, minutes_of, words_of

FOLDER = HOME / "notebooks"
NAMES = [
    "01_films_and_networks",
    "02_explore",
    "03_leaks",
    "04_weighted_loss",
    "05_predict",
    "06_roc",
    "07_decisions",
    "08_for_whom",
    "09_gradcam",
    "10_is_the_map_right",
    "11_price_of_a_real_film",
    "12_appendix",
]
APPENDIX = 12  # collects what the lessons left out: no exercises are asked of it
WITHOUT_TENSORFLOW = (2, 3, 6, 7, 8, 11)
SETUP = (HOME / "util" / "setup_cell.py").read_text(encoding="utf-8").strip()
LONGEST_CELL, LARGEST_OUTPUT, LARGEST_FILE, SHORTEST_ALT = 20, 1_000_000, 5_000_000, 20
MOST_CELLS, MOST_WORDS, MOST_MINUTES = 60, 2000, 60
PLOTTING = re.compile(r"\b(?:plt|ax|axes|axis|fig|left|right|sns)\b[\w\[\], .-]*\.\w+\(|\bplt\.subplots\(")
MOST_PLOTTING = 3  # lines of a cell that is not folded

# Folders of somebody's machine: at the start of a word, so that addresses on the web do not count.
MACHINE = re.compile(r"(?<![\w./:~-])/(?:home|root|work|tmp|Users|mnt|opt|content|var|private)/|\b[A-Za-z]:\\\w")
VOLATILE = {
    "a duration": re.compile(
        r"\b\d+(?:\.\d+)?\s?(?:ms|µs|us|ns|s)/(?:step|epoch|it|film)\b|\b\d{1,3}(?:\.\d+)?(?:ms|µs|s)\b"
    ),
    "a rate": re.compile(r"\d\s?it/s\b"),
    "a timer": re.compile(r"\b(?:Wall time|CPU times|ETA):"),
    "a memory address": re.compile(r"\b0x[0-9a-fA-F]{6,}"),
    "a date": re.compile(r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d"),
    "a warning": re.compile(r"\b\w*Warning\b|\bWARNING\b"),
}


# --- The rules -------------------------------------------------------------------------------------


def code_cells(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def prose(nb):
    return [cell for cell in nb.cells if cell.cell_type == "markdown"]


def outputs(nb):
    """Pairs of (cell id, output)."""
    return [(cell.id, output) for cell in code_cells(nb) for output in cell.outputs]


def text_of(output):
    """All text of an output, without its pictures."""
    parts = [output.get("text", "")]
    parts += [value for kind, value in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join("".join(part) for part in parts)


def opening(nb, number):
    first, second = nb.cells[:2]
    wanted = {
        f"a first line '# {number}. A question?'": rf"\A# {number}\. [^\n]+\?\n",
        "a bold line 'You will be able to'": r"^\*\*You will be able to\*\*$",
        "times and needs": r"^\*\*Time\*\*: about \d+ minutes with the exercises, about \d+ seconds to compute\. \*\*Needs\*\*: \S",
        "its part of the path": r"^\*\*Path\*\*: (?:core|further)\.$",
        "'Not for clinical use.'": r"^Not for clinical use\.$",
    }
    problems = [f"no {name}" for name, pattern in wanted.items() if not re.search(pattern, first.source, re.MULTILINE)]
    bullets = len(re.findall(r"^- ", first.source, re.MULTILINE))
    if not 3 <= bullets <= 5:
        problems.append(f"{bullets} goals, not 3 to 5")
    if second.source.strip() != SETUP:
        problems.append("the second cell is not util/setup_cell.py")
    if second.metadata.get("tags") != ["setup", "hide-input"] or not folded(second):
        problems.append("the set-up cell is not tagged 'setup', 'hide-input' and folded")
    return problems


def short(nb, number):
    """No more than a learner can finish in an hour; the minutes in the title are those of the rule in util/minutes.py."""
    problems = [f"{len(nb.cells)} cells"] if len(nb.cells) > MOST_CELLS else []
    if (words := words_of(nb)) > MOST_WORDS:
        problems.append(f"{words} words")
    if (minutes := minutes_of(nb)) > MOST_MINUTES:
        problems.append(f"{minutes} minutes")
    if f"about {minutes} minutes with the exercises" not in nb.cells[0].source:
        problems.append(f"the title does not say {minutes} minutes")
    return problems


def out_of_the_way(nb, number):
    """Asserts, plotting code and marks for tests do not stand between a learner and the lesson."""
    problems = []
    for cell in code_cells(nb):
        if "NBVAL_" in cell.source:
            problems.append(f"{cell.id} has a mark of nbval in its code: use the tag nbval-check-output")
        if folded(cell) != ("hide-input" in cell.metadata.get("tags", [])):
            problems.append(f"{cell.id} is folded in JupyterLab or on the pages, but not in both")
        if folded(cell) or "nbgrader" in cell.metadata:
            continue
        if re.search(r"^\s*assert\b", cell.source, re.MULTILINE):
            problems.append(f"{cell.id} has an assert and is not folded")
        plotting = sum(bool(PLOTTING.search(line)) for line in cell.source.splitlines())
        if plotting > MOST_PLOTTING:
            problems.append(f"{cell.id} has {plotting} lines of plotting and is not folded")
    return problems


def ending(nb, number):
    headings = re.findall(r"^## (.+)$", "\n".join(cell.source for cell in prose(nb)), re.MULTILINE)
    wanted = ["What to take away", "What would break this in a hospital", "Sources"]
    problems = [] if headings[-3:] == wanted else [f"the last headings are {headings[-3:]}"]
    return problems + ([] if nb.cells[-1].cell_type == "markdown" else ["the last cell is code"])


def small_cells(nb, number):
    lines = {cell.id: len(cell.source.strip().splitlines()) for cell in code_cells(nb)[1:]}
    return [f"{name} has {count} lines" for name, count in lines.items() if not 1 <= count <= LONGEST_CELL]


def plain_python(nb, number):
    problems = []
    for cell in code_cells(nb):
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            problems.append(f"{cell.id} is no plain Python: {error}")
    return problems


def executed_in_order(nb, number):
    counts = [cell.execution_count for cell in code_cells(nb)]
    return [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts are {counts}"]


def no_errors(nb, number):
    return [
        f"{name}: {output.get('ename', 'stderr')}"
        for name, output in outputs(nb)
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


def nothing_volatile(nb, number):
    return [
        f"{name} shows {what}: {match.group()!r}"
        for name, output in outputs(nb)
        for what, pattern in VOLATILE.items()
        if (match := pattern.search(text_of(output)))
    ]


def no_machine_paths(nb, number):
    texts = [(cell.id, cell.source) for cell in nb.cells] + [(name, text_of(output)) for name, output in outputs(nb)]
    return [f"{name}: {text[m.start() : m.end() + 30]!r}" for name, text in texts if (m := MACHINE.search(text))]


def alt_texts(nb, number):
    problems = []
    for name, output in outputs(nb):
        if "image/png" in output.get("data", {}):
            alt = output.metadata.get("image/png", {}).get("alt", "")
            if len(alt) < SHORTEST_ALT:
                problems.append(f"{name} has a picture with the alt text {alt!r}")
    return problems


def small_outputs(nb, number):
    sizes = [(name, len(str(output))) for name, output in outputs(nb)]
    return [f"{name} has an output of {size} bytes" for name, size in sizes if size > LARGEST_OUTPUT]


def simulated_outputs(nb, number):
    shown = "".join(text_of(output) for output in code_cells(nb)[0].outputs)
    return [] if "simulated" in shown else ["the saved outputs are not those of the phantom cohort"]


def exercises(nb, number):
    problems, solutions, grades = [], [], []
    for place, cell in enumerate(nb.cells):
        flags = cell.metadata.get("nbgrader", {})
        begins, ends = cell.source.count("### BEGIN SOLUTION"), cell.source.count("### END SOLUTION")
        if flags.get("solution"):
            solutions.append(cell.id)
            problems += _exercise(nb, place, begins, ends)
        elif begins or ends:
            problems.append(f"{cell.id} has solution marks and is no exercise")
        if flags:
            grades.append(flags.get("grade_id"))
            if not isinstance(flags.get("grade"), bool) or flags.get("schema_version") != 3 or flags.get("task"):
                problems.append(f"{cell.id} has unknown nbgrader flags")
    if not 3 <= len(solutions) <= 5 and number != APPENDIX:
        problems.append(f"{len(solutions)} exercises, not 3 to 5")
    if len(set(grades)) != len(grades) or None in grades:
        problems.append(f"grade_ids are not unique: {grades}")
    return problems


def _exercise(nb, place, begins, ends):
    """What is wrong with the exercise at one place, its task before it, and its check after it."""
    task, cell, check = nb.cells[place - 1], nb.cells[place], nb.cells[place + 1]
    flags, graded = cell.metadata["nbgrader"], check.metadata.get("nbgrader", {})
    problems = []
    if task.cell_type != "markdown" or "### Exercise" not in task.source:
        problems.append(f"{cell.id} has no task before it")
    if not (begins == ends == 1 and cell.source.index("### BEGIN SOLUTION") < cell.source.index("### END SOLUTION")):
        problems.append(f"{cell.id} has no pair of solution marks")
    if flags.get("grade") or flags.get("locked"):
        problems.append(f"{cell.id} is graded or locked")
    right = graded.get("grade") is True and graded.get("locked") is True and graded.get("solution") is False
    if not (check.cell_type == "code" and right and graded.get("points", 0) >= 1 and "check_" in check.source):
        problems.append(f"{cell.id} has no check after it")
    return problems


def cell_ids(nb, number):
    ids = [cell.id for cell in nb.cells]
    problems = [f"{name} is not readable" for name in ids if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)]
    problems += [f"{name} looks drawn at random" for name in ids if re.fullmatch(r"(?=.*\d)[0-9a-f]{8}", name)]
    return problems + ([] if len(set(ids)) == len(ids) else ["ids are not unique"])


def a_cell_whose_output_is_checked(nb, number):
    marked = [cell for cell in code_cells(nb) if "nbval-check-output" in cell.metadata.get("tags", [])]
    problems = [] if marked else ["no cell is tagged nbval-check-output"]
    return problems + [f"{cell.id} is to be checked and prints nothing" for cell in marked if not cell.outputs]


def links(nb, number):
    problems = []
    for cell in prose(nb):
        text = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`\n]*`", "", cell.source, flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)]*)\)?", text):
            web = re.fullmatch(r"https://[\w.-]+\.[a-z]{2,}(/[^\s()<>]*)?", target)
            if not web and not (target and (FOLDER / target.split("#")[0]).exists()):
                problems.append(f"{cell.id}: {target!r}")
    return problems


def metadata(nb, number):
    nbformat.validate(nb)
    problems = [] if nb.metadata.kernelspec.name == "python3" else ["the kernel is not python3"]
    if "widgets" in nb.metadata:
        problems.append("the state of widgets is saved")
    return problems + [f"{cell.id} has times of execution" for cell in nb.cells if "execution" in cell.metadata]


RULES = [
    opening,
    short,
    out_of_the_way,
    ending,
    small_cells,
    plain_python,
    executed_in_order,
    no_errors,
    nothing_volatile,
    no_machine_paths,
    alt_texts,
    small_outputs,
    simulated_outputs,
    exercises,
    cell_ids,
    a_cell_whose_output_is_checked,
    links,
    metadata,
]


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


@pytest.mark.parametrize("name", [NAMES[number - 1] for number in WITHOUT_TENSORFLOW])
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


@pytest.fixture
def good():
    """A small notebook that keeps all rules."""
    new = nbformat.v4
    flags = {"schema_version": 3, "task": False}
    solution = {**flags, "grade": False, "grade_id": "sum", "locked": False, "solution": True}
    graded = {**flags, "grade": True, "grade_id": "sum-check", "locked": True, "points": 1, "solution": False}
    again = [{**solution, "grade_id": "sum-again"}, {**graded, "grade_id": "sum-again-check"}]
    third = [{**solution, "grade_id": "sum-third"}, {**graded, "grade_id": "sum-third-check"}]
    title = (
        "# 4. Is it good?\n\n**You will be able to**\n\n- a;\n- b;\n- c.\n\n"
        "**Time**: about 20 minutes with the exercises, about 5 seconds to compute. **Needs**: nothing.\n\n"
        "**Path**: core.\n\nNot for clinical use."
    )
    picture = new.new_output(
        "display_data",
        {"image/png": "/tmp/AA", "text/plain": "<Figure size 640x480 with 1 Axes>"},
        metadata={"image/png": {"alt": "A line that rises from left to right."}},
    )
    answer = "def total(a, b):\n    ### BEGIN SOLUTION\n    return a + b\n    ### END SOLUTION"
    end = (
        "## What to take away\n\n- a [paper](https://doi.org/10.1148/radiology.143.1.7063747), $f[x](y)$\n\n"
        "## What would break this in a hospital\n\n- much\n\n## Sources\n\n- [here](02_explore.ipynb)"
    )
    nb = new.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    rows = [
        ("title", new.new_markdown_cell(title)),
        ("setup", new.new_code_cell(SETUP, outputs=[new.new_output("stream", text="3 simulated films\n")])),
        (
            "shown",
            new.new_code_cell("print(80)", outputs=[new.new_output("stream", text="80\n")]),
        ),
        ("figure", new.new_code_cell("draw()", outputs=[picture])),
        ("sum-task", new.new_markdown_cell("### Exercise 1: a sum")),
        ("sum", new.new_code_cell(answer, metadata={"nbgrader": solution})),
        ("sum-check", new.new_code_cell("check_sum(total)", metadata={"nbgrader": graded})),
        ("again-task", new.new_markdown_cell("### Exercise 2: once more")),
        ("again", new.new_code_cell(answer, metadata={"nbgrader": again[0]})),
        ("again-check", new.new_code_cell("check_sum(total)", metadata={"nbgrader": again[1]})),
        ("third-task", new.new_markdown_cell("### Exercise 3: and again")),
        ("third", new.new_code_cell(answer, metadata={"nbgrader": third[0]})),
        ("third-check", new.new_code_cell("check_sum(total)", metadata={"nbgrader": third[1]})),
        ("end", new.new_markdown_cell(end)),
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
    (opening, replace("title", "about 20 minutes with the exercises, ", "")),
    (opening, replace("title", "**Path**: core.", "")),
    (opening, lambda nb: cell(nb, "setup").metadata.pop("jupyter")),
    (short, lambda nb: nb.cells.extend(nbformat.v4.new_markdown_cell("more") for _ in range(60))),
    (short, replace("again-task", "once more", "once more " * 1000)),
    (short, replace("figure", "draw()", "draw()\n" * 500)),
    (short, replace("title", "about 20 minutes", "about 15 minutes")),
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
