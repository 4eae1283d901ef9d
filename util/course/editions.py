"""Editions of the notebooks, all made from the one source in notebooks/.

    python -m util learn                 the learner's copy, into build/learn

In a learner's copy the exercises are open, each solution lies in a folded cell, and 'Run All' reaches the end whether or
not they are solved. What a cell shows when all goes well stays under it until it is run. Making the copy again after an
update of the course keeps the learner's answers.
"""

import ast
import copy
import hashlib
import itertools
import os
import re
from pathlib import Path

from util.command import argument_parser, command
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import write_text
from util.markup import with_alt

NOTEBOOKS = HOME / "notebooks"
LEARN = HOME / "build" / "learn"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
REGION = re.compile(rf"^(?P<indent>[ ]*){BEGIN}\n.*?^[ ]*{END}(?:\n|\Z)", re.DOTALL | re.MULTILINE)
OPEN = "# Write your answer here, in place of the next line.\n{indent}raise NotImplementedError\n"
LINK = re.compile(r"(\]\()([^)\s]+)(\))")


# --- One notebook ----------------------------------------------------------------------------------


def learners_copy(notebook, folder, target):
    """A notebook with its exercises open.

    Parameters
    ----------
    notebook : nbformat notebook, version 4, as it lies in notebooks/
    folder, target : Path, where it lies and where the copy will lie; links to files are turned accordingly

    Returns
    -------
    nbformat notebook. An exercise is followed by a folded cell with its solution, and its check by no traceback.
    """
    made = copy.deepcopy(notebook)
    cells, name = [], None
    for cell in made.cells:
        flags = cell.metadata.pop("nbgrader", {})
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(lambda link: link[1] + _turned(link[2], folder, target) + link[3], cell.source)
        if cell.cell_type == "code":
            cell.outputs = [with_alt(output) for output in cell.outputs]
        if flags.get("solution"):
            name = exercise_name(cell.source)
            cells += [_open(cell, flags["grade_id"]), _folded_solution(cell.source, name, cell.id)]
        elif flags.get("grade"):
            cells.append(_forgiving(cell, name))
        else:
            cells.append(cell)
    made.cells = cells
    made.metadata["course"] = {"source": fingerprint(notebook), "untouched": beside_answers(made)}
    return made


def beside_answers(made):
    """SHA-256 of all sources of a learner's copy but the answers: it tells whether anything else was changed."""
    texts = [cell.source for cell in made.cells if "exercise" not in cell.metadata.get("course", {})]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def fingerprint(notebook):
    """SHA-256 of all that a learner's copy takes from a notebook."""
    texts = [f"{cell.cell_type}\n{cell.source}\n{cell.get('outputs', '')}" for cell in notebook.cells]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def exercise_name(source):
    """The name of the one function that an exercise asks for."""
    names = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    if len(names) != 1 or not REGION.search(source):
        raise CourseError(
            f"An exercise defines one function with one pair of solution marks; this one defines {names}."
        )
    return names[0]


def stub(source):
    """An exercise without its solution: the function raises NotImplementedError."""
    return REGION.sub(lambda region: region["indent"] + OPEN.format(indent=region["indent"]), source).rstrip("\n")


def _open(cell, grade_id):
    made = copy.deepcopy(cell)
    made.source, made.outputs, made.execution_count = stub(cell.source), [], None
    made.metadata["course"] = {"exercise": grade_id, "stub": _hash(made.source)}
    return made


def _folded_solution(source, name, cell_id):
    """The course's own function under a name of its own, so that running it changes nothing of the learner's."""
    from nbformat.v4 import new_code_cell

    lines = [line for line in source.splitlines() if line.strip() not in (BEGIN, END)]
    text = re.sub(rf"^def {name}\(", f"def {name}_solution(", "\n".join(lines), flags=re.MULTILINE)
    cell = new_code_cell(f"# The solution: one of the ways to write it.\n{text}")
    cell.id = f"{cell_id}-solved"
    cell.metadata = {"jupyter": {"source_hidden": True}, "tags": ["solution", "hide-input"]}
    return cell


def _forgiving(cell, name):
    """A check that prints its hint and goes on with the course's own function."""
    made = copy.deepcopy(cell)
    call = re.compile(rf"^(?P<check>check_\w+)\({name}\)$", re.MULTILINE)
    if not call.search(cell.source):
        raise CourseError(
            f"The check {cell.id} does not call its check with {name}: write check_...({name}) on a line."
        )
    text = call.sub(rf"{name} = checked(\g<check>, {name}, {name}_solution)", cell.source)
    imports, rest = _after_imports(text)
    made.source = "\n".join([*imports, "from util.checks.exercises import checked, hint", *rest])
    made.outputs, made.execution_count = [], None
    return made


def _after_imports(text):
    """Lines of a cell up to its last leading import, and those after it."""
    lines = text.splitlines()
    nodes = ast.parse(text).body
    last = 0
    for node in nodes:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            break
        last = node.end_lineno
    return lines[:last], lines[last:]


def _turned(link, folder, target):
    """A link to a file of the course as it is written from another folder."""
    path, mark, anchor = link.partition("#")
    if not path or "://" in path or path.startswith("mailto:") or (folder / path).parent == folder:
        return link
    return Path(os.path.relpath(folder / path, target)).as_posix() + mark + anchor


def _hash(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- All of them, and again after an update --------------------------------------------------------


def write_learners_copies(target=LEARN, folder=NOTEBOOKS):
    """Write or renew the learner's copies of all notebooks, each whole or not at all.

    Parameters
    ----------
    target, folder : Path, where the copies go, and where the notebooks lie

    Returns
    -------
    dict, file name -> 'new', 'kept' (nothing changed in the course) or 'renewed, N answers kept'. A copy that was changed
    elsewhere than in its answers is set aside under a name that is said, and not lost.
    """
    import nbformat

    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(f"{target} cannot be made ({error.strerror}): name another folder with --out.") from None
    said = {}
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        made = learners_copy(nbformat.read(path, as_version=4), folder, target)
        place = target / path.name
        said[path.name] = _renew(place, made)
    if not said:
        raise CourseError(f"There are no notebooks in {folder}: restore them from the repository.")
    return said


def _renew(place, made):
    """Put one copy in its place with the answers that are there; what was done, in words."""
    import nbformat

    try:
        done = "new"
        if place.exists():
            old = _read(place)
            marks = {} if old is None else old.metadata.get("course", {})
            if marks.get("source") == made.metadata["course"]["source"]:
                return "kept"
            count = 0 if old is None else carry_answers(old, made)
            done = f"renewed, {count} answer{'' if count == 1 else 's'} kept"
            if old is None or beside_answers(old) != marks.get("untouched"):
                aside = _free_name(place)
                place.replace(aside)
                done += f"; you had changed more, which lies in {aside.name}"
        write_text(place, nbformat.writes(made) + "\n")
    except OSError as error:
        raise CourseError(f"{place} cannot be written ({error.strerror}): name another folder with --out.") from None
    return done


def _free_name(place):
    """A name beside a file that nothing has yet: a second update does not lose what the first set aside."""
    names = (place.with_name(f"{place.stem}.before-update-{number}.ipynb") for number in itertools.count(1))
    return next(name for name in names if not name.exists())


def _read(path):
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except Exception:  # whatever a half-written or foreign file does to the reader: it is set aside, not used
        return None


def carry_answers(old, made):
    """Put the answers of an older copy into a new one; how many there were."""
    answers = {}
    for cell in old.cells:
        marks = cell.metadata.get("course", {})
        if marks.get("exercise") and _hash(cell.source) != marks.get("stub"):
            answers[marks["exercise"]] = cell.source
    for cell in made.cells:
        if answer := answers.get(cell.metadata.get("course", {}).get("exercise")):
            cell.source = answer
    return len(answers)


@command()
def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argument_parser("learn", __doc__)
    parser.add_argument("--out", type=Path, default=LEARN, help="folder for the learner's copies (build/learn)")
    options = parser.parse_args(arguments)
    for name, done in write_learners_copies(options.out.expanduser()).items():
        print(f"{name:32} {done}")
