"""What an instructor needs, made from the one source in notebooks/.

    python -m util instructor                     into build/instructor

- source/NAME/NAME.ipynb: nbgrader's source tree, one assignment a lesson, in a slim form: set-up, tasks, exercises, checks and
  hidden tests. Grading it takes seconds, not the minutes that a whole lesson takes.
- nbgrader_config.py: run nbgrader in this folder (pip install nbgrader), for example
  `nbgrader generate_assignment 04_weighted_loss`.
- slides/NAME.html: the figures of each lesson, one a slide, with the question that each answers.
"""

import ast
import copy
import html
import re
from pathlib import Path

from util.command import argument_parser, command
from util.course.editions import BEGIN, END, NOTEBOOKS, exercise_name
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import write_text
from util.markup import picture_html, picture_of

INSTRUCTOR = HOME / "build" / "instructor"
CHECK = re.compile(r"^from util\.checks\.(?P<module>\w+) import (?P<check>check_\w+)$", re.MULTILINE)
LOCKED = {"schema_version": 3, "grade": False, "locked": True, "solution": False, "task": False}
CONFIG = '''"""nbgrader's settings for this course. Run nbgrader in the folder of this file."""

import os

os.environ["COURSE_HOME"] = {home!r}  # the grader's own course is used, whatever is handed in

c = get_config()  # noqa: F821 - nbgrader gives it
c.CourseDirectory.course_id = "chest-xray-course"
c.ClearSolutions.code_stub = {{"python": "# Write your answer here, in place of the next line.\\nraise NotImplementedError"}}
c.ExecutePreprocessor.timeout = 120
'''
HIDDEN = """
### BEGIN HIDDEN TESTS
import os
import sys

# Whatever the notebook did to the checks is undone, and the grader's own course is found before any other.
for _name in [name for name in sys.modules if name.split(".")[0] == "util"]:
    del sys.modules[_name]
sys.path.insert(0, os.environ.get("COURSE_HOME") or str(homes[0]))
from util.checks.grading import hold
{imports}

{solution}


{check}({name})
hold("{exercise}", {name}, {name}_solution)
### END HIDDEN TESTS"""


# --- nbgrader --------------------------------------------------------------------------------------


def graded_copy(notebook):
    """A lesson as nbgrader's source: set-up, tasks, exercises with solutions, checks with hidden tests.

    Parameters
    ----------
    notebook : nbformat notebook, version 4, as it lies in notebooks/

    Returns
    -------
    nbformat notebook without outputs
    """
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [_locked(notebook.cells[0], "title"), _locked(notebook.cells[1], "setup")]
    imports = new_code_cell("\n".join(_imports(notebook)))
    imports.id = "imports"
    cells.append(_locked(imports, "imports"))
    for place, cell in enumerate(notebook.cells):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            task, check = notebook.cells[place - 1], notebook.cells[place + 1]
            cells += [_locked(task, f"{cell.id}-task"), _bare(cell), _graded(check, cell.source)]
    made = new_notebook(cells=cells, metadata=copy.deepcopy(notebook.metadata))
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return made


def _bare(cell):
    made = copy.deepcopy(cell)
    made.metadata = {"nbgrader": cell.metadata["nbgrader"]}
    return made


def _locked(cell, grade_id):
    made = copy.deepcopy(cell)
    made.metadata = {"nbgrader": {**LOCKED, "grade_id": grade_id}}
    if cell.cell_type == "markdown":
        made.source = made.source.replace("](../", "](../../../../")
    return made


def _graded(cell, exercise):
    """The check of an exercise, followed by hidden tests."""
    made, name = _bare(cell), exercise_name(exercise)
    found = CHECK.search(cell.source)
    if not found:
        raise CourseError(f"The check {cell.id} does not begin with `from util.checks.MODULE import check_NAME`.")
    solution = "\n".join(line for line in exercise.splitlines() if line.strip() not in (BEGIN, END))
    solution = re.sub(rf"^def {name}\(", f"def {name}_solution(", solution, flags=re.MULTILINE)
    visible = f"{found[0]}\n\n{found['check']}({name})"
    hidden = HIDDEN.format(
        imports=found[0],
        solution=solution,
        check=found["check"],
        name=name,
        exercise=f"{found['module']}.{found['check'].removeprefix('check_')}",
    )
    made.source = visible + hidden
    return made


def _imports(notebook):
    """Import lines of a lesson that its answers may use: of libraries, never of the course or of TensorFlow."""
    lines = {"import numpy as np": None, "import pandas as pd": None}
    for cell in notebook.cells[2:]:
        if cell.cell_type != "code":
            continue
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = getattr(node, "module", None) or node.names[0].name
                if module.split(".")[0] in ("numpy", "pandas", "scipy"):
                    lines[ast.unparse(node)] = None
    lines["from scipy.special import expit as sigmoid"] = None
    return list(lines)


# --- Slides ----------------------------------------------------------------------------------------

SLIDES = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body {{ margin: 0; font: 22px/1.4 system-ui, sans-serif; color: #222; background: #fff; scroll-snap-type: y mandatory; }}
section {{ min-height: 100vh; box-sizing: border-box; padding: 3vh 5vw; scroll-snap-align: start; display: flex;
flex-direction: column; gap: 2vh; }}
h1, h2 {{ margin: 0; font-weight: 600; }} img {{ max-width: 100%; max-height: 72vh; object-fit: contain; margin: auto; }}
p {{ margin: 0; color: #555; font-size: 16px; }} @media print {{ section {{ break-after: page; }} }}
</style></head><body>{slides}</body></html>
"""


def slides(notebook):
    """A page of the figures of a lesson, one a screen: scroll or press Page Down; print it for a PDF.

    Each has the heading under which it stands in the lesson, and its alt text as a caption.
    """
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    parts, heading = [f"<section><h1>{html.escape(title)}</h1><p>Not for clinical use.</p></section>"], title
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found = re.findall(r"^#{2,3} (.+)$", cell.source, re.MULTILINE)
            heading = found[-1] if found else heading
        for output in cell.get("outputs", []):
            picture, about = picture_of(output)
            if picture:
                alt = about.get("alt", "")
                parts.append(
                    f"<section><h2>{html.escape(heading)}</h2>"
                    f"{picture_html(picture, alt)}"
                    f"<p>{html.escape(alt)}</p></section>"
                )
    return SLIDES.format(title=html.escape(title), slides="".join(parts))


# --- All of it -------------------------------------------------------------------------------------


def write_instructor(out=INSTRUCTOR):
    """Write nbgrader's source tree, its settings and the slides, each file whole or not at all; the lessons' names."""
    import nbformat

    lessons = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    if not lessons:
        raise CourseError(f"There are no notebooks in {NOTEBOOKS}: restore them from the repository.")
    for path in lessons:
        notebook = nbformat.read(path, as_version=4)
        _write(out / "source" / path.stem / path.name, nbformat.writes(graded_copy(notebook)) + "\n")
        _write(out / "slides" / f"{path.stem}.html", slides(notebook))
    _write(out / "nbgrader_config.py", CONFIG.format(home=str(HOME)))
    return [path.stem for path in lessons]


def _write(path, text):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise CourseError(f"{path} cannot be written ({error.strerror}): name another folder with --out.") from None


@command()
def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argument_parser("instructor", __doc__)
    parser.add_argument("--out", type=Path, default=INSTRUCTOR, help="folder to write (build/instructor)")
    options = parser.parse_args(arguments)
    names = write_instructor(options.out.expanduser())
    print(f"{len(names)} lessons: nbgrader's source tree, settings and slides in {options.out}.")
