"""What tests of run share."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from util.course import run as course
from util.course.run import Result, main
from util.data.cohort import HOME

FIND = f"import sys; sys.path.insert(0, {str(HOME)!r})"


def write(folder, name, *cells, title="What is here?"):
    """A notebook with a title, the code cells given, and a cell that a kernel of the course can end with."""
    cells = [cell if isinstance(cell, dict) else new_code_cell(cell) for cell in cells]
    notebook = new_notebook(cells=[new_markdown_cell(f"# {title}"), new_code_cell(FIND), *cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder in place of notebooks/."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(course, "NOTEBOOKS", tmp_path / "notebooks")
    return tmp_path / "notebooks"


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """main() on three notebooks that are not executed; returns what `run_notebook` was called with."""
    calls = []

    def pretend(path, out, environment):
        calls.append((path.stem, environment))
        (out / f"{path.stem}.html").touch()
        return Result(path.stem, f"Title of {path.stem}", 1.0, 100.0, "passed")

    for name in ("02_b", "01_a", "03_c"):
        write(folder, name)
    monkeypatch.setattr(course, "run_notebook", pretend)

    def run(*arguments):
        calls.clear()
        return main(["--out", str(tmp_path / "out"), *arguments]), calls

    return run
