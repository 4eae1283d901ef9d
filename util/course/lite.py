"""A trial: lessons that need no TensorFlow as a JupyterLite site, which runs in a browser without an install.

    python -m util lite          into build/lite: files/ for JupyterLite, and site/ where jupyterlite-core is installed

    pip install jupyterlite-core jupyterlite-pyodide-kernel jupyter-server
    python -m http.server --directory build/lite/site

The films travel with the code as one archive, course.zip. The kernel is Pyodide, which a reader's browser fetches from
jsdelivr.net together with NumPy and the others: what comes after the build needs a network.
"""

import copy
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from util.command import argument_parser, command
from util.course.editions import NOTEBOOKS, learners_copy
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import write_text

LITE = HOME / "build" / "lite"
TRAVELS = (
    "util/**/*.py",
    "data/phantom/**/*",
    "data/*.csv",
    "data/weights/*.csv",
    "data/weights/*.json",
    "data/weights/*.npz",
)
UNPACK = """# In a browser: packages are loaded because they are named here, and the course is unpacked from its archive.
import os
import zipfile

import matplotlib, numpy, pandas, PIL, scipy, seaborn, sklearn  # noqa: E401, F401

if not os.path.isdir("course"):
    with zipfile.ZipFile("course.zip") as archive:
        archive.extractall("course")
os.environ["COURSE_HOME"] = os.path.abspath("course")"""


def without_tensorflow(folder=NOTEBOOKS):
    """Paths of the lessons whose title says that they need none: a list.

    Lessons 2 and 3 do not speak of TensorFlow at all. Lesson 15 draws films, and says that a browser alone cannot.
    """
    import nbformat

    from util.course.lessons import described

    found = []
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        lesson = described(nbformat.read(path, as_version=4), path.stem)
        needs = lesson.needs.lower() if lesson else "tensorflow"
        if ("tensorflow" not in needs or "no tensorflow" in needs) and "a browser alone cannot" not in needs:
            found.append(path)
    return found


def for_browser(notebook):
    """A learner's copy of a lesson that first unpacks the course; its outputs are left out."""
    from nbformat.v4 import new_code_cell

    made = copy.deepcopy(learners_copy(notebook, NOTEBOOKS, NOTEBOOKS))
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    first = new_code_cell(UNPACK)
    first.id, first.metadata = "unpack", {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}
    made.cells.insert(1, first)
    made.metadata["kernelspec"] = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}
    return made


def write_files(folder):
    """Write the lessons and the archive of code and films into a folder, made anew; the lessons' names."""
    import nbformat

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lessons = without_tensorflow()
    for path in lessons:
        write_text(folder / path.name, nbformat.writes(for_browser(nbformat.read(path, as_version=4))) + "\n")
    with zipfile.ZipFile(folder / "course.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted({path for pattern in TRAVELS for path in HOME.glob(pattern) if path.is_file()}):
            archive.write(path, path.relative_to(HOME).as_posix())
    return [path.stem for path in lessons]


@command()
def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argument_parser("lite", __doc__)
    parser.add_argument("--out", type=Path, default=LITE, help="folder for the trial (build/lite)")
    out = parser.parse_args(arguments).out.expanduser().resolve()
    names = write_files(out / "files")
    print(f"{len(names)} lessons and the archive of films: {out / 'files'}.")
    if not importlib.util.find_spec("jupyterlite_core"):
        print("JupyterLite is not installed: pip install jupyterlite-core jupyterlite-pyodide-kernel jupyter-server.")
        return
    command = [sys.executable, "-m", "jupyter", "lite", "build", "--contents", str(out / "files")]
    command += ["--output-dir", str(out / "site"), "--lite-dir", str(out)]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CourseError(f"JupyterLite made no site: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    print(
        f"The site: {out / 'site' / 'index.html'}, to be served: see python -m util lite --help. Not for clinical use."
    )
