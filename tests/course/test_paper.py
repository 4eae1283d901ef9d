"""The page to print: every lesson, open exercises, solutions at the end, nothing from a network."""

import re
import shutil
import subprocess

import pytest

from util.course import paper
from util.course.editions import NOTEBOOKS
from util.errors import CourseError

NAMES = "06_roc", "11_price_of_a_real_film"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("notebooks")
    for name in NAMES:
        shutil.copy(NOTEBOOKS / f"{name}.ipynb", made)
    return made


@pytest.fixture(scope="module")
def page(folder):
    return paper.whole_course(folder)


def test_lessons_glossary_and_solutions_follow_the_contents(page):
    places = re.findall(r'<section id="(\w+)">', page)
    assert places == [*NAMES, "glossary", "solutions"] == re.findall(r'<li><a href="#(\w+)">', page)
    lessons, solutions = page.split('<section id="solutions">')
    assert "raise NotImplementedError" in lessons and "_solution(" in solutions
    assert "raise NotImplementedError" not in solutions and not re.search(r"def \w+_solution\(", lessons)


def test_it_needs_no_network_and_has_formulas_and_figures_with_words(page):
    assert not re.search(r'<script|<link|src="(?!data:)|url\(', page)
    assert "<math " in page and "<merror" not in page
    assert page.count("<img ") > 5 and not re.search(r'<img (?![^>]*alt="[^"]{20,}")', page)


def test_code_that_only_draws_is_left_out(page):
    assert "plt.subplots" not in page.split('<section id="glossary">')[0]
    assert "chest-xray-course" not in page.split('<section id="glossary">')[0]  # of the set-up cell


def test_without_a_chromium_the_page_is_there_and_named(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paper, "chromium", lambda: None)
    assert paper.main(["--from", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "open" in (said := capsys.readouterr().err) and "course.html in any browser" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["course.html"]


def test_a_browser_that_makes_nothing_leaves_the_earlier_pdf(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: None)
    (tmp_path / "a.html").write_text("<p>x</p>")
    (tmp_path / "a.pdf").write_text("earlier")
    with pytest.raises(CourseError, match=r"made no PDF: open .*a\.html in a browser"):
        paper.print_page(tmp_path / "a.html", tmp_path / "a.pdf", "chromium")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.pdf"]
    assert (tmp_path / "a.pdf").read_text() == "earlier"


def test_chromium_is_found_by_its_names(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if "chrome" in name else None)
    assert paper.chromium() == "/bin/google-chrome"


def test_a_folder_without_notebooks_is_told(tmp_path):
    with pytest.raises(CourseError, match="There are no notebooks in"):
        paper.whole_course(tmp_path)
