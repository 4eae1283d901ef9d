"""The contract of all notebooks, as rules: each is a function of a notebook that returns what is wrong with it, in words."""

import ast
import re

import nbformat

from util.course.minutes import folded, minutes_of, words_of
from util.data.cohort import HOME
from util.markup import picture_of

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
    "12_what_if",
    "13_i_dont_know",
    "14_a_year_in_the_clinic",
    "15_audit_a_hospital",
    "16_reading_room",
    "17_appendix",
]


APPENDIX = 17  # collects what the lessons left out: no exercises are asked of it


WITHOUT_TENSORFLOW = (2, 3, 6, 7, 8, 11, 13, 14, 15, 16)


SETUP = (HOME / "util" / "course" / "setup_cell.py").read_text(encoding="utf-8").strip()


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
        problems.append("the second cell is not util/course/setup_cell.py")
    if second.metadata.get("tags") != ["setup", "hide-input"] or not folded(second):
        problems.append("the set-up cell is not tagged 'setup', 'hide-input' and folded")
    return problems


def short(nb, number):
    """No more than a learner can finish in an hour; the minutes in the title are those of the rule in util/course/minutes.py."""
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
        picture, about = picture_of(output)
        if picture and len(about.get("alt", "")) < SHORTEST_ALT:
            problems.append(f"{name} has a picture with the alt text {about.get('alt', '')!r}")
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
