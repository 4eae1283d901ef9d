"""Binder's list of packages is the lock's, without the tools of tests."""

import json
import re

import pytest
from packaging.utils import canonicalize_name

from util.course.badges import buttons
from util.course.binder import FOLDER, LOCK, python_of_binder, requirements
from util.course.lessons import all_lessons
from util.data.cohort import HOME
from util.errors import CourseError

LISTED = re.compile(r"^([\w.-]+)==(\S+) \\$", re.MULTILINE)
SMALL = """# This file
a==1 \\
    --hash=sha256:aa
    # via chest-xray-course (pyproject.toml)
b==2 \\
    --hash=sha256:bb \\
    --hash=sha256:bc
    # via
    #   a
    #   d
c==3 ; sys_platform == 'win32' \\
    --hash=sha256:cc
    # via a
d==4 \\
    --hash=sha256:dd
    # via chest-xray-course (pyproject.toml:dev)
e==5 \\
    --hash=sha256:ee
    # via d
f==6 \\
    --hash=sha256:ff
    # via
    #   chest-xray-course (pyproject.toml)
    #   chest-xray-course (pyproject.toml:dev)
"""


def test_only_what_the_course_needs_on_linux_is_listed():
    made = requirements(SMALL, "3.13")
    assert LISTED.findall(made) == [("a", "1"), ("b", "2"), ("f", "6")]
    assert "    --hash=sha256:bb \\\n    --hash=sha256:bc\n" in made
    with pytest.raises(CourseError, match="has no entries"):
        requirements("numpy\n", "3.13")


def test_the_list_is_that_of_the_lock():
    lock = LOCK.read_text(encoding="utf-8")
    here = (FOLDER / "requirements.txt").read_text(encoding="utf-8")
    assert here == requirements(lock, python_of_binder()), "run python -m util binder"
    names = {canonicalize_name(name) for name, _ in LISTED.findall(here)}
    assert {"tensorflow-cpu", "jupyterlab", "pydicom", "ipywidgets", "scikit-learn"} <= names
    assert not names & {"pytest", "hypothesis", "nbval", "ruff", "coverage", "colorama", "sphinx"}
    assert not re.search(r"^-|file:|\./", here, re.MULTILINE)  # with no local file in it, the layer is kept at a commit


def test_the_memory_of_a_closed_lesson_is_freed():
    settings = json.loads((FOLDER / "overrides.json").read_text(encoding="utf-8"))
    assert settings["@jupyterlab/notebook-extension:tracker"]["kernelShutdown"] is True
    script = (FOLDER / "postBuild").read_text(encoding="utf-8")
    assert "cp binder/overrides.json" in script and (FOLDER / "postBuild").stat().st_mode & 0o100


def test_the_readme_says_what_two_gigabytes_mean():
    readme = " ".join((HOME / "README.md").read_text(encoding="utf-8").split())
    assert "Binder** gives 2 GB of memory in all" in readme and "close one lesson before you open the next" in readme


def test_a_link_opens_each_lesson_on_binder():
    lessons = all_lessons()
    shown = buttons("ada", "course", lessons)
    for lesson in lessons:
        assert f"https://mybinder.org/v2/gh/ada/course/main?urlpath=lab/tree/notebooks/{lesson.stem}.ipynb" in shown
        assert (HOME / "notebooks" / f"{lesson.stem}.ipynb").is_file()
