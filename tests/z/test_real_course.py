"""The whole course on real films, as `make course COHORT=nih` runs it. Takes minutes, so it is the last."""

import re
import subprocess
import sys

import nbformat
import pytest

from tests.helpers.fetches import Fetches
from util.course.run import notebooks
from util.data.cohort import HOME, load_cohort
from util.data.published import find_predictions

FILMS = 220
LIMIT = 3600  # seconds; a run that hangs must end


@pytest.fixture(scope="module")
def some_films(nih_root, tmp_path_factory):
    """A folder of links to the tables and to the films of some patients: the whole would take twice as long."""
    root, cohort = tmp_path_factory.mktemp("nih"), load_cohort("nih", nih_root)
    patients = cohort.films["PatientId"].drop_duplicates().sample(frac=1, random_state=0)
    films = cohort.films.set_index("PatientId").loc[patients, "Image"].iloc[:FILMS]
    (root / "images").mkdir()
    for image in films:
        (root / "images" / image).symlink_to(cohort.paths[image].resolve())
    for table in [path for path in nih_root.iterdir() if path.is_file()]:
        (root / table.name).symlink_to(table.resolve())
    return root


@pytest.fixture(scope="module")
def course(some_films, tmp_path_factory):
    """(finished process, folder of pages) of the course on real films."""
    out = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "util", "course", "--cohort", "nih", "--root", str(some_films), "--out", str(out)]
    return subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=LIMIT, check=False), out


def texts(path):
    """All text that the cells of an executed notebook put out."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            parts += [output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k.startswith("text/"))]
    return "\n".join("".join(part) for part in parts)


def test_course_runs_on_real_films(course):
    done, out = course
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert len(re.findall(r"^\w+ +\d+ +[\d,]+  passed$", done.stdout, re.MULTILINE)) == len(notebooks())
    assert "real films (nih cohort, ChestX-ray14)" in done.stdout
    index = (out / "index.html").read_text(encoding="utf-8")
    assert "on real films (nih cohort, NIH Clinical Center)" in index
    assert Fetches(index).links == [f"{path.stem}.html" for path in notebooks()]


def test_notebooks_that_use_the_model_say_that_it_has_seen_no_real_film(course, nih_root):
    """Lessons 6 to 8 read published predictions where they are there; then they name their model instead."""
    _, out = course
    borrowed = {"06", "07", "08"} if find_predictions(nih_root) else set()
    for path in notebooks():
        text = texts(out / path.name)
        assert "real films (nih cohort, ChestX-ray14)" in text
        assert "(simulated)" not in text
        if path.stem[:2] in borrowed:
            assert "It is not this course's own model" in text, path.stem
        elif path.stem[:2] in ("05", "06", "07", "08", "09", "10"):
            assert "the model has only ever seen simulated ones" in text, path.stem
    if borrowed:
        assert "14 of 14 published AUCs are reproduced" in texts(out / "17_appendix.ipynb")


def test_real_pages_fetch_nothing_and_name_no_folder(course, nih_root, some_films):
    _, out = course
    for path in notebooks():
        page = Fetches((out / f"{path.stem}.html").read_text(encoding="utf-8"))
        assert page.fetched == []
        assert not any(alt is None or alt.startswith("No description") for alt in page.alts)
        assert str(nih_root) not in texts(out / path.name)
        assert str(some_films) not in texts(out / path.name)


def test_a_rich_folder_shows_what_the_lessons_claim(course):
    """What the cells assert of simulated films and only tell of others: the main lessons must not be missing here."""
    _, out = course
    text = texts(out / "02_explore.ipynb") + texts(out / "03_leaks.ipynb")
    assert float(re.search(r"AUC (\d\.\d+) from the view alone", text)[1]) > 0.6
    assert int(re.search(r"(\d+) patients are on both sides", text)[1]) > 0
    assert float(re.search(r"without reading a film: mean AUC (\d\.\d+)", text)[1]) > 0.52
    found, of = map(int, re.search(r"(\d+) of (\d+) planted copies are found", text).groups())
    assert found >= 0.99 * of > 0
    assert "Not so in this folder" not in texts(out / "11_price_of_a_real_film.ipynb")  # a claim is told where it fails
