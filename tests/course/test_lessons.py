"""What the titles of the notebooks say is what README, index and picture show."""

import nbformat
import pytest

from tests.helpers.notebook_rules import NAMES
from util.course.lessons import all_lessons, described, path_picture, path_table
from util.course.minutes import minutes_of
from util.data.cohort import HOME

README = (HOME / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lessons():
    return all_lessons()


def test_every_notebook_is_a_lesson(lessons):
    assert [lesson.stem for lesson in lessons] == NAMES
    assert [lesson.number for lesson in lessons] == [int(name[:2]) for name in NAMES]
    assert all(lesson.needs and lesson.question.endswith("?") for lesson in lessons)


def test_a_lesson_needs_only_what_comes_before(lessons):
    for lesson in lessons:
        assert all(earlier < lesson.number for earlier in lesson.before), lesson
        assert lesson.before or lesson.number == 1, lesson
        for earlier in lesson.before:  # the core path leads through core lessons only
            assert lessons[earlier - 1].core or not lesson.core, lesson


def test_the_core_path_takes_an_afternoon_and_a_morning(lessons):
    core = [lesson for lesson in lessons if lesson.core]
    assert [lesson.number for lesson in core] == [1, 2, 3, 4, 5, 6, 9]
    assert 270 <= sum(lesson.minutes for lesson in core) <= 360


def test_the_readme_has_the_table(lessons):
    begin, end = "<!-- lessons -->\n", "\n<!-- end of lessons -->"
    assert README[README.index(begin) + len(begin) : README.index(end)] == path_table(lessons)


def test_the_picture_is_drawn(lessons, tmp_path):
    path_picture(lessons, tmp_path / "path.png")
    assert (tmp_path / "path.png").stat().st_size > 10_000
    assert (HOME / "data" / "path.png").is_file()


def notebook(text, *code):
    new = nbformat.v4
    return new.new_notebook(cells=[new.new_markdown_cell(text), *map(new.new_code_cell, code)])


def test_a_title_is_read():
    text = (
        "# 5. Why?\n\n**Time**: about 45 minutes with the exercises, about 90 seconds to compute. **Needs**: lessons "
        "[1](a.ipynb), [2](b.ipynb) and 4; TensorFlow.\n\n**Path**: core.\n"
    )
    lesson = described(notebook(text), "05_why")
    assert (lesson.number, lesson.question, lesson.minutes, lesson.seconds, lesson.core) == (5, "Why?", 45, 90, True)
    assert lesson.before == (1, 2, 4) and lesson.needs == "lessons 1, 2 and 4; TensorFlow."
    assert described(
        notebook(text.replace("lessons [1](a.ipynb), [2](b.ipynb) and 4", "lessons 2 to 4")), "x"
    ).before == (
        2,
        3,
        4,
    )
    assert described(notebook("# What is here?"), "x") is None


def test_minutes_follow_the_rule():
    words = notebook("word " * 130)
    assert minutes_of(words) == 5
    assert minutes_of(notebook("word " * 130, "x\n" * 12 * 5)) == 10  # 1 + 5, rounded up
    folded = notebook("word " * 130, "x\n" * 12 * 5)
    folded.cells[1].metadata["jupyter"] = {"source_hidden": True}
    assert minutes_of(folded) == 5
    solved = notebook("word", "x")
    solved.cells[1].metadata["nbgrader"] = {"solution": True}
    assert minutes_of(solved) == 10  # 6, and a little
