"""util.course.instructor and util.checks.grading: slim graded copies, hidden tests that hold, slides."""

import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from tests.helpers.notebook_rules import NAMES
from util.checks import grading, hidden_inputs
from util.checks.answers import CheckFailed
from util.course import editions, instructor
from util.errors import CourseError
from util.markup import picture_of

TRUTHS = ("leaks.learns_from_test", "audit_a_hospital.peak_is_inside")  # exercises whose answer is yes or no


def source(name):
    return nbformat.read(editions.NOTEBOOKS / f"{name}.ipynb", as_version=4)


def exercises():
    """(module and name of the check, the function asked for, its solution) of every exercise of the course."""
    found = []
    for name in NAMES:
        notebook = source(name)
        for place, cell in enumerate(notebook.cells):
            if cell.metadata.get("nbgrader", {}).get("solution"):
                check = instructor.CHECK.search(notebook.cells[place + 1].source)
                space = {"np": np, "pd": pd, "sigmoid": expit}
                exec(cell.source, space)
                asked = editions.exercise_name(cell.source)
                found.append((f"{check['module']}.{check['check'].removeprefix('check_')}", space[asked]))
    return found


EXERCISES = exercises()
DRAWN = [pair for pair in EXERCISES if pair[0] not in hidden_inputs.AT_RANDOM]


def test_every_exercise_has_hidden_inputs_or_draws_at_random():
    assert sorted(key for key, _ in EXERCISES) == sorted([*hidden_inputs.INPUTS, *hidden_inputs.AT_RANDOM])


@pytest.mark.parametrize(("exercise", "solution"), DRAWN)
def test_hidden_inputs_pass_a_solution_and_are_never_the_same(exercise, solution):
    grading.hold(exercise, solution, solution)
    draw, _ = hidden_inputs.INPUTS[exercise]
    answers = [repr(solution(*draw(np.random.default_rng(seed)))) for seed in range(grading.ROUNDS)]
    assert len(set(answers)) >= (2 if exercise in TRUTHS else 10)


@pytest.mark.parametrize(("exercise", "solution"), DRAWN)
def test_a_constant_and_half_an_answer_are_noticed(exercise, solution):
    """An answer that knows the first hidden input by heart fails at another, as does one that is off by a little."""
    draw, _ = hidden_inputs.INPUTS[exercise]
    first = solution(*draw(np.random.default_rng(0)))
    with pytest.raises(CheckFailed, match="Hidden input"):
        grading.hold(exercise, lambda *_: first, solution)

    def off(*arguments):
        answer = solution(*arguments)
        if exercise.endswith("patient_overlap"):
            return [*answer, 99]
        if isinstance(answer, bool):
            return not answer
        if exercise.endswith("threshold_for"):
            return answer + 0.75
        return tuple(part * 1.01 for part in answer) if isinstance(answer, tuple) else answer * 1.01 + 0.01

    with pytest.raises(CheckFailed, match="Hidden input"):
        grading.hold(exercise, off, solution)


@pytest.mark.parametrize(("exercise", "solution"), DRAWN)
def test_single_precision_and_other_containers_pass(exercise, solution):
    if exercise in (*TRUTHS, "leaks.patient_overlap"):
        return  # their answers are truths and names

    def single(*arguments):
        answer = solution(*arguments)
        if isinstance(answer, tuple):
            return [np.float32(part) for part in answer]
        return np.asarray(answer, np.float32)

    grading.hold(exercise, single, solution)


def test_an_answer_that_stops_or_is_none_is_one_sentence():
    for answer in (lambda p: p["x"], 7):
        with pytest.raises(CheckFailed) as failed:
            grading.hold("weighted_loss.scale", answer, dict(EXERCISES)["weighted_loss.scale"])
        assert len(str(failed.value).splitlines()) == 1


# --- Graded copies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_graded_copy_is_slim_and_whole(name):
    original, graded = source(name), instructor.graded_copy(source(name))
    nbformat.validate(graded)
    count = sum(bool(cell.metadata.get("nbgrader", {}).get("solution")) for cell in original.cells)
    assert len(graded.cells) == 3 + 3 * count
    ids = [cell.metadata["nbgrader"]["grade_id"] for cell in graded.cells]
    assert len(set(ids)) == len(ids)
    assert graded.cells[1].metadata["nbgrader"]["locked"] is True  # a changed set-up is put back before grading
    for cell in graded.cells:
        hidden = cell.source.count("### BEGIN HIDDEN TESTS")
        assert hidden == cell.source.count("### END HIDDEN TESTS") == bool(cell.metadata["nbgrader"]["grade"])
        if cell.cell_type == "code":
            assert cell.outputs == []
            compile(cell.source, cell.id, "exec")


@pytest.mark.parametrize("name", NAMES)
def test_a_graded_copy_runs_with_the_solutions(name, monkeypatch):
    """Set-up aside, all cells of the instructor's version run one after the other, hidden tests too."""
    monkeypatch.setenv("COURSE_HOME", str(editions.HOME))
    space = {"homes": [editions.HOME]}
    for cell in instructor.graded_copy(source(name)).cells[2:]:
        if cell.cell_type == "code":
            # The hidden tests load the course anew; in this process that would leave two of each class behind.
            exec(re.sub(r"    del sys\.modules\[_name\]", "    pass", cell.source), space)


def test_a_check_in_another_form_is_refused():
    notebook = source("04_weighted_loss")
    check = next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade"))
    check.source = check.source.replace("from util.checks.weighted_loss import", "import util.checks.weighted_loss as")
    with pytest.raises(CourseError, match="does not begin with"):
        instructor.graded_copy(notebook)


# --- Slides, and all of it -------------------------------------------------------------------------


def test_slides_have_every_figure_with_its_text():
    notebook = source("06_roc")
    page = instructor.slides(notebook)
    figures = sum(picture_of(out)[0] is not None for cell in notebook.cells for out in cell.get("outputs", []))
    alts = re.findall(r'<img alt="([^"]+)"', page)
    assert len(alts) == page.count("<section>") - 1 == figures > 5
    assert "http" not in re.sub(r'src="data:[^"]*"', "", page)


def test_slides_hold_no_foreign_markup():
    cell = nbformat.v4.new_code_cell("draw()")
    picture = nbformat.v4.new_output("display_data", {"image/png": "AA"}, metadata={"image/png": {"alt": '"><script>'}})
    cell.outputs = [picture]
    title = nbformat.v4.new_markdown_cell("# 1. Is <script> bad?")
    assert "<script>" not in instructor.slides(nbformat.v4.new_notebook(cells=[title, cell]))


def test_the_command_writes_all(tmp_path, capsys):
    assert instructor.main(["--out", str(tmp_path / "a b")]) == 0
    assert f"{len(NAMES)} lessons" in capsys.readouterr().out
    files = {path.relative_to(tmp_path / "a b").as_posix() for path in (tmp_path / "a b").rglob("*") if path.is_file()}
    assert files == {
        "nbgrader_config.py",
        *(f"source/{name}/{name}.ipynb" for name in NAMES),
        *(f"slides/{name}.html" for name in NAMES),
    }
    (tmp_path / "file").write_text("")
    assert instructor.main(["--out", str(tmp_path / "file")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
