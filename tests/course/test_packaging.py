"""One place says which Pythons and packages are taken, pyproject.toml, and all else follows; `make` finds a Python."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from util.data.cohort import HOME

PYPROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
PYTHONS = [f"3.{minor}" for minor in range(40) if SpecifierSet(PROJECT["requires-python"]).contains(f"3.{minor}.5")]
SPHINX = "util/course/website/requirements.txt"
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]


def text(name):
    return (HOME / name).read_text(encoding="utf-8")


# ---- Pythons ----------------------------------------------------------------------------------------------------


def test_readme_names_the_pythons():
    readme = text("README.md")
    told = f"Python {', '.join(PYTHONS[:-1])} or {NEWEST}"
    assert f"You need git, make and {told}." in readme
    assert f"The lock holds\nfor {told.replace(' or ', ' and ')} on Linux" in readme
    named = re.findall(r"(?:python|py -|Python )(3\.\d+)", readme.replace("Python 3.14 waits", ""))
    assert len(named) >= 4
    assert set(named) <= set(PYTHONS)


def test_everything_else_follows_pyproject():
    versions = "Programming Language :: Python :: 3."
    assert [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if c.startswith(versions)] == PYTHONS
    assert PYPROJECT["tool"]["ruff"]["target-version"] == "py" + OLDEST.replace(".", "")
    assert re.findall(r"^  - python=(.*)$", text("environment.yml"), re.MULTILINE) == [NEWEST]
    matrix = re.search(r"python: \[(.*)\]", text(".github/workflows/test.yml")).group(1)
    assert re.findall(r"3\.\d+", matrix) == PYTHONS


def test_the_lock_was_made_for_all_pythons_and_with_the_packages_of_the_checks():
    command = text("requirements.lock").splitlines()[1]
    for option in ["pyproject.toml", "--group dev", "--universal", f"--python-version {OLDEST} ", "--generate-hashes"]:
        assert option in command


# ---- Packages ---------------------------------------------------------------------------------------------------


def test_packages_of_the_checks_are_a_group_of_their_own():
    course = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    checks = {canonicalize_name(Requirement(line).name) for line in PYPROJECT["dependency-groups"]["dev"]}
    assert checks - course == {"coverage", "hypothesis", "nbval", "pytest", "ruff"}
    assert checks & course == {"scikit-learn"}  # a newer one than the course needs


@pytest.mark.parametrize(
    "name, broken, works",
    [
        ("opencv-python-headless", "4.10.0.82", "4.10.0.84"),  # built for NumPy 1: cannot be imported beside NumPy 2
        ("pydicom", "3.0.0", "3.0.1"),  # downloads a file when it is imported
        ("nbconvert", "7.16.4", "7.16.6"),  # makes no page beside the mistune of today
        ("hypothesis", "6.103.5", "6.104.0"),  # asks NumPy for what NumPy 2 no longer has
    ],
)
def test_lower_bounds_leave_out_what_is_known_to_break(name, broken, works):
    lines = PROJECT["dependencies"] + PYPROJECT["dependency-groups"]["dev"]
    (bound,) = [Requirement(line).specifier for line in lines if Requirement(line).name == name]
    assert not bound.contains(broken)
    assert bound.contains(works)


def test_version_is_told_alike():
    version = PROJECT["version"]
    assert f"\nversion: {version}\n" in text("CITATION.cff")
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == version
    assert f"\ndate-released: {headings[1][1]}\n" in text("CITATION.cff")


def run(code, folder, **environment):
    """Standard output of a fresh Python in a folder, where only what lies there is `util`."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Path of a wheel built, without the network, from a copy of the course that has more folders beside `util`."""
    pytest.importorskip("setuptools", "77", reason="setuptools 77 or newer builds the wheel, and is not here")
    copy = tmp_path_factory.mktemp("course")
    shutil.copytree(HOME / "util", copy / "util", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("data", "notebooks", "tests"):
        (copy / folder).mkdir()
        (copy / folder / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text.md"):
        shutil.copy(HOME / name, copy)
    run("import setuptools.build_meta as build; build.build_wheel('dist')", copy)
    (path,) = (copy / "dist").glob("*.whl")
    return path


def test_a_wheel_holds_util_and_nothing_else(wheel):
    files = set(zipfile.ZipFile(wheel).namelist())
    of_util = {name for name in files if name.startswith("util/")}
    sources = {path.relative_to(HOME).as_posix() for path in HOME.glob("util/**/*.py")}
    assert len(sources) > 60
    assert of_util == sources
    assert {name.split("/")[0] for name in files - of_util} == {f"chest_xray_course-{PROJECT['version']}.dist-info"}


def test_a_wheel_works_and_says_when_the_films_are_not_there(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = """
        from util.errors import CourseError
        from util.metrics.roc import auc
        from util.data.cohort import load_cohort
        print(auc([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.8]))
        try:
            load_cohort("phantom")
        except CourseError as error:
            print(error)
    """
    lines = run("if True:\n" + code, tmp_path, COURSE_HOME="").splitlines()
    assert float(lines[0]) == 0.75
    assert lines[1].startswith("No phantom cohort at ")


# ---- make -------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    """A folder with a space and an umlaut in its name that holds what a set-up reads, and a folder of programs."""
    if os.name == "nt" or not shutil.which("make"):
        pytest.skip("make is not here")
    course, programs = tmp_path / "Kurs ö x", tmp_path / "bin"
    course.mkdir()
    programs.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(HOME / name, course)
    (course / SPHINX).parent.mkdir(parents=True)
    shutil.copy(HOME / SPHINX, course / SPHINX)
    for name in ("make", "sed", "sort", "echo", "rm", "tail", "touch", "mkdir", "cp"):
        (programs / name).symlink_to(shutil.which(name))
    return course


def a_python(place, name, version, pip=0, sphinx=0, site=0):
    """Put a program into the folder of programs that takes itself for a Python of a version.

    Its pip exits with `pip`, for the packages of the site with `sphinx`; the site's command exits with `site`.
    """
    shown = tuple(int(part) for part in version.split("."))
    path = place.parent / "bin" / name
    path.write_text(
        f"""#!/bin/sh
case "$1 $2 $3" in
--version*) echo "Python {version}";;
*purelib*) pwd;;
-c*) exec "{sys.executable}" -c 'import sys; sys.version_info = {shown}; exec(sys.argv[1])' "$2";;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python";;
"-m pip "*) echo "$@" >> pip.log; case "$*" in *website*) echo "no network" >&2; exit {sphinx};; *) exit {pip};; esac;;
"-m util course") echo "the course runs";;
"-m util site") shift 2; echo "the site: $@"; exit {site};;
*) exit 9;;
esac
"""
    )
    path.chmod(0o755)


def make(place, *words):
    """(exit status, output) of make with no program but those put there."""
    done = subprocess.run(
        ["make", *words],
        cwd=place,
        env={"PATH": str(place.parent / "bin"), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def chosen(place, *words):
    """What make makes of its variables PYTHONS and PYTHON."""
    (place.parent / "print.mk").write_text("print: ; @echo '$(PYTHONS)|$(PYTHON)'\n")
    status, output = make(place, "-f", "Makefile", "-f", "../print.mk", "print", *words)
    assert status == 0, output
    return output.strip().split("|")


def test_make_takes_the_pythons_of_pyproject(place):
    assert chosen(place)[0].split() == PYTHONS


def test_make_follows_when_pyproject_changes(place):
    changed = re.sub('requires-python = ".*"', 'requires-python = ">=3.12,<3.15"', text("pyproject.toml"))
    (place / "pyproject.toml").write_text(changed, encoding="utf-8")
    a_python(place, "python3", "3.14.0")
    assert chosen(place) == ["3.12 3.13 3.14", "python3"]


def test_make_finds_a_python(place):
    assert chosen(place)[1] == ""
    a_python(place, "python" + OLDEST, OLDEST + ".0")
    assert chosen(place)[1] == "python" + OLDEST
    a_python(place, "python" + NEWEST, NEWEST + ".1")
    assert chosen(place)[1] == "python" + NEWEST
    a_python(place, "python3", "3.10.13")
    assert chosen(place)[1] == "python" + NEWEST
    a_python(place, "python3", OLDEST + ".9")
    assert chosen(place)[1] == "python3"
    assert chosen(place, "PYTHON=python9")[1] == "python9"


@pytest.mark.parametrize(
    "here, words, found",
    [
        (None, [], "python3 cannot be run here"),
        ("3.10.13", [], "python3 is Python 3.10"),
        ("3.10.13", ["PYTHON=python3"], "python3 is Python 3.10"),
        ("2.7.18", [], "python3 is Python 2.7"),
        ("3.40.0", [], "python3 is Python 3.40"),
        (NEWEST + ".0", ["PYTHON=nosuchpython"], "nosuchpython cannot be run here"),
        (NEWEST + ".0", ["PYTHON=/no such/python"], "/no such/python cannot be run here"),
    ],
)
def test_make_says_what_to_do_without_a_python(place, here, words, found):
    if here:
        a_python(place, "python3", here)
    status, output = make(place, "course", *words)
    assert status
    assert output.splitlines()[0] == f"The course needs Python {OLDEST} to {NEWEST}, and {found}."
    for tool in (f"uv python install {NEWEST}", f"pyenv install {NEWEST}", "conda env create -f environment.yml"):
        assert tool in output
    assert f'make course PYTHON="$(uv python find {NEWEST})"' in output
    assert not (place / ".venv").exists()


def test_setup_is_done_once_and_says_what_it_does(place):
    a_python(place, "python3", NEWEST + ".0")
    status, output = make(place, "course")
    assert status == 0, output
    assert f"1 of 2: an empty environment in .venv, of Python {NEWEST}.0" in output
    assert "2 of 2: " in output
    assert "the course runs" in output
    assert (place / "pip.log").read_text().splitlines() == [
        "-m pip install --disable-pip-version-check --require-hashes -r requirements.lock",
        f"-m pip install --quiet --disable-pip-version-check -r {SPHINX}",
    ]
    assert make(place, "course") == (0, "the course runs\nthe site: site --from build/course\n")
    assert make(place, "course", "OUT=a folder") == (
        0,
        "the course runs\nthe site: site --from a folder --out a folder/site\n",
    )


def a_uv(place, status=0):
    """Put a program into the folder of programs that takes itself for uv and exits with a status."""
    path = place.parent / "bin" / "uv"
    path.write_text(f'#!/bin/sh\necho "$@" >> uv.log; exit {status}\n')
    path.chmod(0o755)


LOCKED = "pip install --python .venv/bin/python --require-hashes -r requirements.lock"


def test_uv_installs_the_lock_where_it_is(place):
    a_python(place, "python3", NEWEST + ".0")
    a_uv(place)
    status, output = make(place, "setup")
    assert status == 0, output
    assert (place / "uv.log").read_text().splitlines() == [LOCKED] and not (place / "pip.log").exists()
    assert (place / ".venv" / ".ready").exists()


@pytest.mark.parametrize(("words", "failing"), [(["UV="], 0), ([], 1)])
def test_pip_installs_the_lock_where_uv_fails_or_is_not_wanted(place, words, failing):
    a_python(place, "python3", NEWEST + ".0")
    a_uv(place, failing)
    status, output = make(place, "setup", *words)
    assert status == 0, output
    assert ("so pip goes on" in output) == bool(failing) == (place / "uv.log").exists()
    assert (place / "pip.log").read_text().splitlines() == [
        "-m pip install --disable-pip-version-check --require-hashes -r requirements.lock"
    ]


def test_neither_uv_nor_pip_leaves_a_set_up_that_passes_for_one(place):
    a_python(place, "python3", NEWEST + ".0", pip=1)
    a_uv(place, 1)
    status, output = make(place, "setup")
    assert status and "The set-up is not finished" in output and not (place / ".venv" / ".ready").exists()


@pytest.mark.parametrize(
    "broken, why",
    [
        ({"sphinx": 1}, "no network\nThere is no site with search, because Sphinx cannot be installed here (offline?)"),
        ({"site": 2}, "There is no site, for the reason above"),
    ],
)
def test_without_a_site_the_course_has_passed_and_its_pages_are_named(place, broken, why):
    a_python(place, "python3", NEWEST + ".0", **broken)
    status, output = make(place, "course")
    assert status == 0, output
    assert "the course runs\n" in output
    assert why.splitlines()[0] in output and why.splitlines()[-1] in output
    assert output.endswith("the pages in build/course are all there.\n")


def test_setup_that_failed_is_begun_again(place):
    a_python(place, "python3", NEWEST + ".0", pip=1)
    status, output = make(place, "course")
    assert status
    assert "The set-up is not finished" in output
    assert "the course runs" not in output
    assert not (place / ".venv" / ".ready").exists()
    a_python(place, "python3", NEWEST + ".0")
    (place / ".venv" / "rest").touch()
    assert make(place, "course")[0] == 0
    assert not (place / ".venv" / "rest").exists()


@pytest.mark.parametrize("change", ["lock", "python"])
def test_setup_is_made_again_when_the_lock_changed_or_its_python_is_gone(place, change):
    a_python(place, "python3", NEWEST + ".0")
    assert make(place, "setup")[0] == 0
    if change == "lock":
        os.utime(place / "requirements.lock", (4e9, 4e9))
    else:
        (place / ".venv" / "bin" / "python").unlink()
        (place / ".venv" / "bin" / "python").symlink_to(place / "gone")
    status, output = make(place, "setup")
    assert status == 0, output
    assert "1 of 2" in output


def test_make_alone_lists_every_target(place):
    assert make(place) == make(place, "help")
    status, output = make(place)
    assert status == 0
    targets = re.search(r"^\.PHONY: (.*)", text("Makefile"), re.MULTILINE).group(1).split()
    targets = [
        target
        for target in targets
        if target not in ("unit-tests", "folder-tests", "notebook-tests", "site-where-possible")
    ]  # parts of `test`
    assert re.findall(r"^  ([a-z-]+) +\S", output, re.MULTILINE) == targets


# ---- For those who change the course ----------------------------------------------------------------------------


def test_workflows_pin_every_action_to_a_commit_with_its_version():
    used = [line for path in HOME.glob(".github/workflows/*.yml") for line in path.read_text().splitlines()]
    used = [line.split("uses: ")[1] for line in used if "uses: " in line]
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line)] == []


def test_hooks_before_a_commit_ask_what_make_test_asks():
    hooks = re.findall(r"entry: \.venv/bin/python (.*)", text(".pre-commit-config.yaml"))
    assert "-m ruff check --force-exclude" in hooks
    assert "-m ruff format --check --force-exclude" in hooks
    assert "-m pytest tests/course/test_notebooks.py" in hooks
    for command in ("ruff check .", "ruff format --check ."):
        assert f"$(RUN) -m {command}" in text("Makefile")
