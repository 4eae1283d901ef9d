"""What the environment says, and that a cohort once loaded asks it nothing more."""

import pytest

from util import settings


@pytest.mark.parametrize(
    "read, variable",
    [
        (settings.cohort_name, "COHORT"),
        (settings.films_folder, "CXR_ROOT"),
        (settings.mirror, "CXR_MIRROR"),
        (settings.hospital_folder, "HOSPITAL"),
    ],
)
def test_a_variable_is_its_text_and_an_empty_one_is_none(monkeypatch, read, variable):
    monkeypatch.delenv(variable, raising=False)
    assert read() is None
    monkeypatch.setenv(variable, "")
    assert read() is None
    monkeypatch.setenv(variable, "a b")
    assert read() == "a b"


@pytest.mark.parametrize("value, batch", [(None, False), ("", False), ("0", False), ("1", True)])
def test_nobody_is_watching(monkeypatch, value, batch):
    monkeypatch.delenv("COURSE_BATCH", raising=False)
    if value is not None:
        monkeypatch.setenv("COURSE_BATCH", value)
    assert settings.batch() is batch


def test_a_clone_is_its_own_home_and_a_package_elsewhere_is_told_of_one(monkeypatch, tmp_path):
    clone = settings.course_home()
    assert (clone / "data" / "phantom").is_dir()
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    assert settings.course_home() == clone
    monkeypatch.setattr(settings, "__file__", str(tmp_path / "site-packages" / "util" / "settings.py"))
    assert settings.course_home() == tmp_path.resolve()
    monkeypatch.delenv("COURSE_HOME")
    assert settings.course_home() == tmp_path / "site-packages"
