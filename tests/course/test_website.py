"""The sources of the site: every lesson, its minutes and its figures; pages of the rooms that Sphinx can read."""

import importlib.util
import re

import nbformat
import pytest

from tests.helpers.notebook_rules import NAMES
from util.course.editions import NOTEBOOKS
from util.course.website.build import ROOMS, _guide, anchor, build, glossary, main, write_sources
from util.data.cohort import HOME
from util.errors import CourseError
from util.markup import picture_of


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "source"
    assert write_sources(folder, NOTEBOOKS) == NAMES
    return folder


def test_the_first_page_leads_to_every_lesson(source):
    page = (source / "index.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\d+) \| \[[^\]]+\?\]\(lessons/(\w+)\.ipynb\) \| (\*\*core\*\*|further) \| (\d+) \|$", page, re.MULTILINE
    )
    assert [name for _, name, _, _ in rows] == NAMES
    assert all(5 <= int(minutes) <= 60 for *_, minutes in rows)
    assert not re.search(r"@[A-Z]+@", page)
    for picture in re.findall(r"!\[[^\]]{20,}\]\(([^)]+)\)", page):
        assert (source / picture).is_file()
    for place in re.findall(r"^(?:lessons|api)/\w+$", page, re.MULTILINE):
        assert any((source / f"{place}{ending}").is_file() for ending in (".ipynb", ".md")), place


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_is_open_folded_and_has_its_alt_texts(source, name):
    lesson = nbformat.read(source / "lessons" / f"{name}.ipynb", as_version=4)
    own = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    text = "\n".join(str(cell.get("outputs", "")) for cell in lesson.cells)
    pictures = [
        [picture_of(o)[0] is not None for c in notebook.cells for o in c.get("outputs", [])]
        for notebook in (own, lesson)
    ]
    assert text.count("<img alt=") == sum(pictures[0]) and not any(pictures[1])
    exercises = sum(bool(cell.metadata.get("nbgrader", {}).get("solution")) for cell in own.cells)
    assert sum("raise NotImplementedError" in cell.source for cell in lesson.cells) == exercises
    folded = [cell for cell in lesson.cells if "hide-input" in cell.metadata.get("tags", [])]
    assert len(folded) >= exercises + 1  # every solution, and the set-up
    assert "<!DOCTYPE" not in text and "http://" not in text


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_page_of_all_its_modules(source, room):
    page = (source / "api" / f"{room}.md").read_text(encoding="utf-8")
    listed = re.findall(
        r"^```\{eval-rst\}\n\.\. automodule:: util\.(\w+)\.(\w+)\n   :members:\n```$", page, re.MULTILINE
    )
    modules = {path.stem for path in (HOME / "util" / room).glob("*.py")} - {"__init__"}
    assert {name for _, name in listed} == modules and {name for name, _ in listed} == {room}


def test_the_instructors_guide_is_there_and_its_links_lead_to_pages(source):
    page = (source / "instructors.md").read_text(encoding="utf-8")
    assert page.startswith("# Instructor's guide\n")
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert target.startswith("https://") or (source / target).is_file(), target


def test_links_of_the_guide_are_turned():
    text = (
        "[1](01_a.ipynb), [2](02_b.ipynb), [terms](glossary.md), [code](../util/README.md), [web](https://example.org)"
    )
    assert _guide(text, {"01_a"}) == (
        "[1](lessons/01_a.ipynb), 2, [terms](glossary.md), code, [web](https://example.org)"
    )


def test_a_folder_of_something_else_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(CourseError, match="holds something other than the site"):
        build(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_without_sphinx_it_is_said_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["--out", str(tmp_path / "site")]) == 2
    assert "The site needs sphinx and myst_nb" in (said := capsys.readouterr().err)
    assert "pip install -r util/course/website/requirements.txt" in said and not list(tmp_path.iterdir())


def test_each_fold_says_what_it_holds(source):
    lesson = nbformat.read(source / "lessons" / "06_roc.ipynb", as_version=4)
    shown = [cell.metadata["mystnb"]["code_prompt_show"] for cell in lesson.cells if "mystnb" in cell.metadata]
    assert shown[0] == "Show the set-up: find the course and choose the cohort"
    assert {"Show the solution", "Show the code"} <= set(shown)


def test_the_first_page_says_which_films_the_lessons_ran_on(source):
    assert "as it ran on 1,620 simulated films" in " ".join((source / "index.md").read_text(encoding="utf-8").split())


def test_terms_are_explained_where_they_are_met(source):
    terms = glossary((NOTEBOOKS / "glossary.md").read_text(encoding="utf-8"))
    page = (source / "glossary.md").read_text(encoding="utf-8")
    assert len(terms) > 90
    assert all(f'<a id="{anchor(term)}"></a>' in page for term in terms)


def test_a_folder_without_notebooks_is_told(tmp_path):
    with pytest.raises(CourseError, match="There are no notebooks in"):
        write_sources(tmp_path / "source", tmp_path)
