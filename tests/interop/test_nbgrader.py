"""nbgrader from the source tree to the marks: what students hand in, right, wrong, borrowed and bent, gets what it deserves."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbconvert
import nbformat
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is not installed here: pip install nbgrader")

from util.course import instructor

NAME = "04_weighted_loss"
POINTS = 4


def answers(notebook):
    return {cell.metadata["nbgrader"]["grade_id"]: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


class Students:
    """What they do to the released notebook; `solutions` are the course's own, by grade_id."""

    def __init__(self, source):
        solved = {key: cell.source for key, cell in answers(source).items() if cell.metadata["nbgrader"]["solution"]}
        self.solutions = {key: re.sub(r"### (BEGIN|END) SOLUTION", "", text) for key, text in solved.items()}

    def right(self, notebook):
        for key, text in self.solutions.items():
            answers(notebook)[key].source = text

    def blank(self, notebook):
        pass

    def wrong(self, notebook):
        for key in self.solutions:
            answers(notebook)[key].source = answers(notebook)[key].source.replace(
                "raise NotImplementedError", "return 0"
            )

    def syntax_error(self, notebook):
        self.right(notebook)
        answers(notebook)["scale-solution"].source = "def scale(p)\n    return 2 * p * (1 - p)"

    def borrows(self, notebook):
        self.right(notebook)
        answers(notebook)["class-weights-solution"].source = "from util.losses.weighted import class_weights"

    def learned_the_check_by_heart(self, notebook):
        self.right(notebook)
        text = "def scale(p):\n    return np.array([0.0198, 0.18, 0.375, 0.48]) if np.size(p) == 4 else 2 * p"
        answers(notebook)["scale-solution"].source = text

    def deletes_cells(self, notebook):
        self.right(notebook)
        gone = ("scale-check", "slope-solution")
        notebook.cells = [cell for cell in notebook.cells if cell.metadata["nbgrader"]["grade_id"] not in gone]

    def edits_checks(self, notebook):
        for key, cell in answers(notebook).items():
            if key.endswith("check"):
                cell.source = "print('Right')"

    def patches_checks(self, notebook):
        answers(notebook)["class-weights-solution"].source = (
            "import util.checks.weighted_loss as checks\nimport util.checks.grading as grading\n"
            "for name in dir(checks):\n    if name.startswith('check_'):\n        setattr(checks, name, lambda *_: None)\n"
            "grading.hold = lambda *_: None\nclass_weights = scale = weighted_cross_entropy = slope = None"
        )

    def edits_setup(self, notebook):
        answers(notebook)["setup"].source = "raise SystemExit"
        self.right(notebook)


# student -> points, and what lies beside the notebook
DESERVED = {
    "right": POINTS,
    "blank": 0,
    "wrong": 0,
    "syntax_error": POINTS - 1,
    "borrows": POINTS - 1,
    "learned_the_check_by_heart": POINTS - 1,
    "deletes_cells": POINTS - 2,
    "edits_checks": 0,
    "patches_checks": 0,
    "edits_setup": POINTS,
    "brings_a_util": 0,
}


def own_util(folder):
    """A package `util` that calls every answer right."""
    (folder / "util" / "checks").mkdir(parents=True)
    for name in ("__init__", "checks/__init__", "checks/grading", "checks/exercises", "checks/weighted_loss"):
        (folder / "util" / f"{name}.py").write_text("def __getattr__(name):\n    return lambda *a, **k: None\n")


@pytest.fixture(scope="module")
def marks(tmp_path_factory):
    """Points by student, after nbgrader has released, graded and written its feedback; outside of the clone."""
    course = tmp_path_factory.mktemp("a course")
    instructor.write_instructor(course)

    def nbgrader(*arguments):
        # nbgrader's own commands, and nbconvert's templates, which lie where nbconvert was installed.
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        env["JUPYTER_PATH"] = str(Path(nbconvert.__file__).parents[4] / "share" / "jupyter")
        for name in ("COHORT", "CXR_ROOT"):
            env.pop(name, None)
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments], cwd=course, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]

    nbgrader("generate_assignment", NAME)
    released = course / "release" / NAME / f"{NAME}.ipynb"
    assert "HIDDEN" not in released.read_text(encoding="utf-8") and "SOLUTION" not in released.read_text(
        encoding="utf-8"
    )
    students = Students(nbformat.read(course / "source" / NAME / f"{NAME}.ipynb", as_version=4))
    for who in DESERVED:
        folder = course / "submitted" / who / NAME
        folder.mkdir(parents=True)
        notebook = nbformat.read(released, as_version=4)
        getattr(students, who, students.blank)(notebook)
        nbformat.write(notebook, folder / released.name)
    own_util(course / "submitted" / "brings_a_util" / NAME)
    nbgrader("autograde", NAME)
    nbgrader("generate_feedback", NAME)
    nbgrader("export")
    shutil.rmtree(course / "submitted")
    with (course / "grades.csv").open() as file:
        points = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    return course, points


@pytest.mark.parametrize("who", DESERVED)
def test_marks_are_deserved(marks, who):
    assert marks[1][who] == DESERVED[who]


def test_feedback_names_the_mistake(marks):
    page = (marks[0] / "feedback" / "wrong" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    assert "Return two things" in page
