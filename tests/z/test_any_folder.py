"""All notebooks on folders of films as people have them. Takes minutes, so it is late."""

import re
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from tests.helpers.folders import FOLDERS, make_folder
from tests.helpers.one_kernel import execute
from util.course.run import notebooks
from util.data.cohort import load_cohort
from util.findings import FINDINGS

NEEDS = re.compile(
    r"^(?:Left out, too\. )?This section needs [^;\n]+; this folder has (?:none|[\d,]+)\.$", re.MULTILINE
)

# A cell of each folder that stops, and one that must not, by notebook.
STOPS = {
    "one film": {"01": "small-films", "02": "levels", "11": "own-features"},
    "twelve of twelve patients": {"01": "small-films", "02": "levels", "03": "count-leak"},
    "one view, one sex": {"01": "small-films", "02": "view-figure", "03": "costs"},
    "findings only": {"01": "small-films", "02": "normal-films", "11": "own-features"},
    "no finding": {"01": "small-films", "02": "confounder"},
    "labels without films": {"01": "small-films", "02": "levels", "03": "plant-copies"},
}
RUNS = {folder: {"01": "rates", "02": "head", "03": "own-splits", "09": "hand-cam"} for folder in FOLDERS}
for folder in FOLDERS:
    STOPS[folder] |= {"10": "cases"} | ({} if folder == "findings only" else {"09": "hit"})
FIRST = next(iter(FOLDERS))
# Lessons that take a minute, or run on the simulated films where there are few: on the folders that lack most.
SOME = dict.fromkeys(("06", "07", "08", "13", "14", "15", "16"), (FIRST,))
SOME |= {"12": (FIRST, "labels without films"), "17": (FIRST, "no finding")}
for folder in SOME["12"]:
    RUNS[folder] |= {"12": "maps-all"}


def lessons(folder):
    """Numbers of the lessons that are run on a folder."""
    return [path.stem[:2] for path in notebooks() if folder in SOME.get(path.stem[:2], FOLDERS)]


@pytest.fixture(scope="module", params=FOLDERS)
def course(request, tmp_path_factory):
    """(name of the folder, executed notebooks by number) of one folder; two notebooks run at a time."""
    root = tmp_path_factory.mktemp("any") / "films"
    make_folder(root, request.param)
    environment = {
        "COURSE_BATCH": "1",
        "COHORT": "nih",
        "CXR_ROOT": str(root),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    paths, done = [path for path in notebooks() if path.stem[:2] in lessons(request.param)], {}
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for some in pool.map(partial(execute, environment=environment), (paths[::2], paths[1::2])):
            done |= some
    return request.param, {path.stem[:2]: done[path] for path in paths}


def printed(cell):
    return "".join(output.text for output in cell.get("outputs", []) if output.output_type == "stream")


def test_notebooks_run_on_any_folder_without_a_warning(course):
    folder, executed = course
    assert list(executed) == lessons(folder)
    for number, notebook in executed.items():
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                assert output.output_type != "error", (number, cell.id)
                assert output.get("name") != "stderr", (number, cell.id, output.text)
            sentences = [line for line in printed(cell).splitlines() if "This section needs" in line]
            assert all(NEEDS.match(line) for line in sentences), (number, cell.id, sentences)
            assert len(sentences) <= 1, (number, cell.id, sentences)


def test_a_section_is_left_out_where_films_are_too_few_and_only_there(course):
    folder, executed = course
    for number, name in STOPS[folder].items():
        cell = next(cell for cell in executed[number].cells if cell.id == name)
        assert NEEDS.search(printed(cell)), (number, name)
    for number, name in RUNS[folder].items():
        cell = next(cell for cell in executed[number].cells if cell.id == name)
        assert cell.outputs, (number, name)
        assert "This section needs" not in printed(cell), (number, name)


def test_folders_are_what_they_are_called(tmp_path):
    """Each folder would look like a rich one if its films were chosen wrongly."""
    cohorts = {}
    for name in FOLDERS:
        make_folder(tmp_path / name, name)
        cohorts[name] = load_cohort("nih", tmp_path / name)
    films = {name: cohort.films for name, cohort in cohorts.items()}
    assert list(films["one film"]["Split"]) == ["test"]
    assert films["twelve of twelve patients"]["PatientId"].nunique() == 12 == len(films["twelve of twelve patients"])
    alike = films["one view, one sex"]
    assert alike[["View", "Sex"]].nunique().tolist() == [1, 1]
    assert (alike["Effusion"].all(), alike["Hernia"].any()) == (True, False)
    assert films["findings only"][list(FINDINGS)].any(axis=1).all()
    assert len(cohorts["findings only"].boxes) > 20
    assert not films["no finding"][list(FINDINGS)].any(axis=None)
    assert cohorts["one view, one sex"].boxes.empty
    assert cohorts["labels without films"].paths == {}
