"""Lessons for a browser: they run where threads, processes and TensorFlow are forbidden, from the archive that travels along."""

import zipfile

import nbformat
import pytest

from tests.helpers.notebook_rules import NAMES, WITHOUT_TENSORFLOW
from util.course.kernel import kernel_of
from util.course.lite import without_tensorflow, write_files

# Pyodide has none of these: a plain kernel in which they fail as they do there.
FORBIDDEN = """
import importlib.abc, os, subprocess, sys, threading
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "torch", "psutil", "requests"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
def refuse(thread, start=threading.Thread.start):  # a lesson may call something start
    asks = sys._getframe(1).f_globals["__name__"].split(".")[0]
    if asks in ("ipykernel", "IPython", "zmq", "tornado"):  # the kernel's own, which Pyodide's kernel does without
        return start(thread)
    raise RuntimeError("can't start new thread")
def no_process(*_, **__):
    raise OSError(138, "Function not implemented")
sys.meta_path.insert(0, Absent())
threading.Thread.start = refuse
subprocess.Popen.__init__ = os.fork = os.system = no_process
"""
TRIED = """
import util
assert util.__file__.startswith(os.path.abspath("course")), util.__file__
assert not {"tensorflow", "keras", "torch"} & set(sys.modules)
"""

DRAWS = 15  # a lesson that draws films, in processes


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lite") / "files"
    assert write_files(folder) == [path.stem for path in without_tensorflow()]
    return folder


def test_the_lessons_are_those_that_need_no_tensorflow():
    numbers = {int(name[:2]): name for name in NAMES}
    runs = [number for number in WITHOUT_TENSORFLOW if number != DRAWS]
    assert [path.stem for path in without_tensorflow()] == [numbers[number] for number in runs]


def test_the_archive_has_code_and_films_and_no_weights(files):
    names = zipfile.ZipFile(files / "course.zip").namelist()
    assert sum(name.endswith(".jpg") for name in names) == 1860
    assert "util/data/cohort.py" in names and "data/phantom/cohort.json" in names
    assert not [name for name in names if name.endswith(".safetensors") or name.startswith(("/", ".", "build"))]
    assert (files / "course.zip").stat().st_size < 40e6


@pytest.mark.parametrize("name", ["11_price_of_a_real_film"])
def test_a_lesson_runs_without_threads_processes_and_tensorflow(files, name):
    notebook = nbformat.read(files / f"{name}.ipynb", as_version=4)
    notebook.metadata.kernelspec.name = "python3"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FORBIDDEN))
    notebook.cells.append(nbformat.v4.new_code_cell(TRIED))
    environment = {"COURSE_BATCH": "1", "COHORT": "", "CXR_ROOT": "", "PYTHONPATH": ""}
    with kernel_of(notebook, files, environment) as client:
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
    assert any("simulated films" in str(cell.get("outputs", "")) for cell in notebook.cells)
