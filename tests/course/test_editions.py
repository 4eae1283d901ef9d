"""util.course.editions: a learner's copy is open, leads to the end all the same, and keeps answers when it is renewed."""

import copy
import functools
import html
import io
from contextlib import redirect_stdout

import nbformat
import numpy as np
import pytest

from tests.helpers.notebook_rules import NAMES
from util.checks.answers import CheckFailed
from util.checks.exercises import borrowed, checked, own_work
from util.course import editions
from util.errors import CourseError
from util.markup import picture_of

FOLDER = editions.NOTEBOOKS


def source(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def made(name, tmp_path):
    return editions.learners_copy(source(name), FOLDER, tmp_path)


def by_id(notebook):
    return {cell.id: cell for cell in notebook.cells}


def answers(notebook):
    return [cell for cell in notebook.cells if "exercise" in cell.metadata.get("course", {})]


# --- One copy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_no_solution_is_open_and_none_is_lost(name, tmp_path):
    original, learners = source(name), made(name, tmp_path)
    nbformat.validate(learners)
    exercises = [cell for cell in original.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    assert len(answers(learners)) == len(exercises)
    assert len(exercises) >= 2 or name == NAMES[-1]  # the appendix asks for none
    for cell in exercises:
        inside = cell.source.split(editions.BEGIN + "\n")[1].split(editions.END)[0].strip("\n ")
        opened, folded = (by_id(learners)[cell.id + end] for end in ("", "-solved"))
        assert inside not in opened.source
        assert "raise NotImplementedError" in opened.source
        assert opened.outputs == [] and opened.execution_count is None
        assert inside in folded.source
        assert folded.metadata["jupyter"]["source_hidden"] is True
    assert not any(editions.BEGIN in cell.source or "nbgrader" in cell.metadata for cell in learners.cells)


@pytest.mark.parametrize("name", NAMES)
def test_all_but_exercises_and_checks_is_left_as_it_is(name, tmp_path):
    learners = by_id(made(name, tmp_path))
    for cell in source(name).cells:
        if not cell.metadata.get("nbgrader") and cell.cell_type == "code":
            copied = learners[cell.id]
            assert copied.source == cell.source and len(copied.outputs) == len(cell.outputs)
            for now, then in zip(copied.outputs, cell.outputs, strict=True):
                picture, about = picture_of(then)
                if picture:  # JupyterLab shows the alt text of HTML alone
                    assert f'alt="{html.escape(about["alt"])}"' in now.data["text/html"]
                else:
                    assert now == then


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given", ["open", "solved"])
def test_a_check_goes_on_with_a_right_function(name, given, tmp_path):
    """Open exercises and solved ones: in either case the name means a function that passes the check."""
    original, learners = source(name), made(name, tmp_path)
    solved = by_id(original)
    for cell in answers(learners):
        place = learners.cells.index(cell)
        folded, check = learners.cells[place + 1 : place + 3]
        # What stands in other cells of the notebook, and what a check does beyond the check, is tested by running them all.
        imports = "import numpy as np\nimport pandas as pd\nfrom scipy.special import expit as sigmoid\n"
        call = next(line for line in check.source.splitlines() if "= checked(" in line)
        names = [line for line in check.source.splitlines() if line.startswith("from util.") and "check" in line]
        answer = cell.source if given == "open" else solved[cell.id].source
        space, said = {}, io.StringIO()
        with redirect_stdout(said):
            exec("\n".join([imports, answer, folded.source, *names, call]), space)
        function = editions.exercise_name(solved[cell.id].source)
        assert space[function] is space[f"{function}_solution"] if given == "open" else callable(space[function])
        assert ("still open" in said.getvalue() and function in said.getvalue()) == (given == "open")
        assert ("Right" in said.getvalue()) == (given == "solved")


def test_links_lead_to_the_same_files(tmp_path):
    target = tmp_path / "a" / "b"
    for name in NAMES:
        for cell in made(name, target).cells:
            if cell.cell_type != "markdown":
                continue
            for _, link, _ in editions.LINK.findall(cell.source):
                path = link.split("#")[0]
                if path and "://" not in path:
                    assert (target / path).resolve().exists() or (FOLDER / path).exists(), link


def test_a_link_out_of_the_folder_is_turned(tmp_path):
    turned = editions._turned("../data/README.md#phantom", FOLDER, FOLDER.parent / "build" / "learn")
    assert turned == "../../data/README.md#phantom"
    for same in ("https://doi.org/1", "#part", "02_explore.ipynb", "mailto:a@b.c"):
        assert editions._turned(same, FOLDER, tmp_path) == same


@pytest.mark.parametrize("broken", ["x = 1", "def a():\n    return 1\n", "def a():\n    ### BEGIN SOLUTION\n    1\n"])
def test_an_exercise_of_another_form_is_refused(broken):
    with pytest.raises(CourseError, match="one function with one pair of solution marks"):
        editions.exercise_name(broken)


def test_a_check_that_does_not_name_the_answer_is_refused(tmp_path):
    notebook = source("04_weighted_loss")
    check = next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade"))
    check.source = check.source.replace("(class_weights)", "(print)")
    with pytest.raises(CourseError, match="does not call its check"):
        editions.learners_copy(notebook, FOLDER, tmp_path)


# --- The check of a learner's copy -----------------------------------------------------------------


def test_checked_chooses_and_says_so(capsys):
    def right():
        return 2

    def twice_solution():
        return 2

    def check(answer):
        if answer() != 2:
            raise CheckFailed("Twice one is two. " * 12)

    assert checked(check, right, twice_solution) is right
    assert capsys.readouterr().out == ""
    assert checked(check, lambda: 3, twice_solution) is twice_solution
    out = capsys.readouterr().out
    assert "Not yet. Twice one is two." in out and "own twice." in out
    assert max(map(len, out.splitlines())) <= 100


def test_checked_hides_no_fault_of_the_check_itself():
    def check(_):
        raise KeyError("ours")

    with pytest.raises(KeyError):
        checked(check, len, len)


def test_borrowed_code_is_noticed():
    import util.metrics.roc
    from util.metrics.roc import auc

    def inside(y, score):
        from util.metrics.roc import auc as area

        return area(y, score)

    def nested(y, score):
        return [(lambda a, b: auc(a, b))(*pair) for pair in zip(y, score, strict=True)]

    space = {"auc": auc, "util": util, "helper": 1}
    exec("def by_name(y, s):\n    return auc(y, s)\ndef by_module(y, s):\n    return util.metrics.roc.auc(y, s)", space)
    exec("def column(table):\n    return table.auc + helper", space)  # a column of that name, not the function
    exec("def local(auc):\n    return auc + 1", space)
    found = [space["by_name"], space["by_module"], inside, nested, auc, functools.partial(auc, [0, 1])]
    assert [borrowed(function) for function in found] == ["auc", "util", "util.metrics.roc", "auc", "auc", "partial"]
    assert borrowed(space["column"]) is borrowed(space["local"]) is borrowed(np.mean) is borrowed(len) is None
    with pytest.raises(CheckFailed, match="own auc"):
        own_work(auc)
    own_work(np.mean)


def test_a_figure_is_shown_with_its_text(monkeypatch):
    import matplotlib.pyplot as plt

    from util import plots

    shown = []
    monkeypatch.setattr("IPython.display.display", lambda thing, **more: shown.append((thing, more)))
    for batch in ("1", ""):
        monkeypatch.setenv("COURSE_BATCH", batch)
        plots.show(plt.subplots()[0], 'A "line" <rises>.')
    (_, more), (page, _) = shown
    about = more["metadata"]["image/png"]
    assert about["alt"] == 'A "line" <rises>.' and 300 < about["width"] < 700  # a figure of 6.4 inches on a page
    assert 'alt="A &quot;line&quot; &lt;rises&gt;."' in page.data and "base64,iVBOR" in page.data
    assert not plt.get_fignums()


def test_checked_mentions_borrowed_code(capsys):
    from util.metrics.roc import auc

    assert checked(lambda answer: print("Right."), auc, len) is auc
    assert "own auc: try it without" in capsys.readouterr().out


# --- All copies, and again -------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path):
    """A course of one notebook that can be changed: (its folder, where the copies go)."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    nbformat.write(source("04_weighted_loss"), folder / "04_weighted_loss.ipynb")
    return folder, tmp_path / "learn"


def edit(path, change):
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def answer_first(notebook):
    answers(notebook)[0].source = "def class_weights(labels):\n    return 'mine'"


def update(notebook):
    notebook.cells[0].source += "\n\nA new sentence."


def test_answers_survive_an_update(course):
    folder, target = course
    assert editions.write_learners_copies(target, folder) == {"04_weighted_loss.ipynb": "new"}
    place = target / "04_weighted_loss.ipynb"
    edit(place, answer_first)
    before = place.read_bytes()
    assert editions.write_learners_copies(target, folder) == {"04_weighted_loss.ipynb": "kept"}
    assert place.read_bytes() == before
    edit(folder / place.name, update)
    assert editions.write_learners_copies(target, folder) == {place.name: "renewed, 1 answer kept"}
    renewed = nbformat.read(place, as_version=4)
    assert answers(renewed)[0].source.endswith("return 'mine'")
    assert all("NotImplementedError" in cell.source for cell in answers(renewed)[1:])
    assert renewed.cells[0].source.endswith("A new sentence.")
    assert [path.name for path in target.iterdir()] == [place.name]


def test_running_a_copy_is_no_change(course):
    folder, target = course
    editions.write_learners_copies(target, folder)

    def run(notebook):
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text="ran")], 7

    edit(target / "04_weighted_loss.ipynb", run)
    edit(folder / "04_weighted_loss.ipynb", update)
    assert editions.write_learners_copies(target, folder) == {"04_weighted_loss.ipynb": "renewed, 0 answers kept"}
    assert len(list(target.iterdir())) == 1


def test_what_else_a_learner_changed_is_set_aside_each_time(course):
    folder, target = course
    for round_ in (1, 2):
        editions.write_learners_copies(target, folder)
        place = target / "04_weighted_loss.ipynb"
        edit(place, lambda nb: nb.cells.append(nbformat.v4.new_code_cell("my_own = 1")))
        mine = place.read_bytes()
        edit(folder / place.name, update)
        said = editions.write_learners_copies(target, folder)[place.name]
        aside = target / f"04_weighted_loss.before-update-{round_}.ipynb"
        assert aside.name in said
        assert aside.read_bytes() == mine


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_copy_is_set_aside(course, damage):
    folder, target = course
    target.mkdir()
    (target / "04_weighted_loss.ipynb").write_bytes(damage)
    said = editions.write_learners_copies(target, folder)["04_weighted_loss.ipynb"]
    assert "before-update-1" in said
    assert (target / "04_weighted_loss.before-update-1.ipynb").read_bytes() == damage
    assert len(answers(nbformat.read(target / "04_weighted_loss.ipynb", as_version=4))) == 4


def test_outputs_count_as_a_change_of_the_course(course):
    """New weights give new pictures: a copy that shows the old ones would contradict its text."""
    notebook = source("04_weighted_loss")
    other = copy.deepcopy(notebook)
    next(cell for cell in other.cells if cell.get("outputs")).outputs[0]["text"] = "another number"
    assert editions.fingerprint(notebook) != editions.fingerprint(other)


def test_a_place_that_cannot_be_written_is_said(course, tmp_path, capsys):
    folder, _ = course
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="name another folder with --out"):
        editions.write_learners_copies(tmp_path / "file", folder)
    assert editions.main(["--out", str(tmp_path / "file" / "deeper")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_course_without_notebooks_is_said(tmp_path):
    with pytest.raises(CourseError, match="no notebooks"):
        editions.write_learners_copies(tmp_path / "learn", tmp_path)
