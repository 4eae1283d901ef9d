"""One small hospital, drawn once: 400 films of 64 pixels."""

import pytest

from tests.helpers.hospitals import FILMS, SECRET, SIZE, STUDENT
from util.hospital.draw import draw_hospital
from util.hospital.folder import open_hospital
from util.hospital.plan import plan_hospital


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory):
    """Its folder; not to be changed."""
    return draw_hospital(STUDENT, SECRET, tmp_path_factory.mktemp("hospital") / STUDENT, FILMS, SIZE, workers=2)


@pytest.fixture
def small(small_folder):
    """The Hospital."""
    return open_hospital(small_folder)


@pytest.fixture(scope="session")
def small_plan():
    """Its Plan; not to be changed."""
    return plan_hospital(STUDENT, SECRET, FILMS)


@pytest.fixture(scope="session")
def plans():
    """Plans of eight students' hospitals, in which each claim is true at least once and false at least once."""
    return [plan_hospital(f"student-{number}", SECRET) for number in range(8)]
