"""The command that marks a class, in careless and in hostile hands: a wrong secret, odd names of files, options out of range."""

import json
import os

import pytest

from tests.helpers.audited import good, handed_in, report_of, sealed
from tests.helpers.hospitals import SECRET
from util.errors import CourseError
from util.hospital import grade as module
from util.hospital.grade import _collect, grade, summary
from util.hospital.marks import write_marks
from util.hospital.plan import plan_hospital
from util.hospital.report import new_report, write_report
from util.hospital.seal import OPEN
from util.hospital.tables import fingerprint

KEYS = {student: sealed(seed) for seed, student in enumerate(["ada", "bob"])}


def key_of(student):
    if student not in KEYS:
        raise CourseError(f"{student!r} cannot name a student.")
    return KEYS[student]


@pytest.fixture
def reports(tmp_path):
    """A folder with a perfect report of each student."""
    for student, key in KEYS.items():
        write_report(tmp_path / f"{student}.json", report_of(student, key))
    return tmp_path


def test_the_command_says_that_the_secret_is_wrong_instead_of_a_class_of_zeros(plans, tmp_path, capsys):
    secret = tmp_path / "secret"
    secret.write_bytes(b"the secret of a different class")
    for plan in plans[:2]:
        handed_in(tmp_path, plan, good(plan))
    arguments = [str(tmp_path), "--secret-file", str(secret), "--out", str(tmp_path / "m.csv")]
    assert module.main(arguments) == 2
    assert "so nothing was marked: name the secret that the hospitals were drawn with" in capsys.readouterr().err
    assert not (tmp_path / "m.csv").exists()
    secret.write_bytes(SECRET)
    assert module.main(arguments) == 0


def test_a_student_marks_a_practice_report_in_any_folder(tmp_path, capsys):
    """As lesson 15 saves it: report.json, in a folder that is not named after the student, of a hospital of 400 films."""
    plan = plan_hospital("anna", OPEN, 400)
    report = new_report("anna", fingerprint(plan)) | {"claims": good(plan)}
    write_report(tmp_path / "report.json", report)
    assert module.main([str(tmp_path / "report.json"), "--out", str(tmp_path / "m.csv")]) == 0
    assert capsys.readouterr().out.startswith("anna: 100.0 of 100")
    (tmp_path / "report.json").write_text(json.dumps(report | {"student": 7}))
    assert list(_collect([tmp_path / "report.json"])) == [tmp_path.name]
    (tmp_path / "report.json").write_text("no JSON")
    assert list(_collect([tmp_path / "report.json"])) == [tmp_path.name]


@pytest.mark.parametrize("name", [b"bad\xff.json", b"new\nline.json", b"\x1b[31mred.json", b"=cmd.json"])
def test_no_name_of_a_file_stops_the_class_or_reaches_the_screen(name, reports, tmp_path):
    try:
        with open(os.path.join(os.fsencode(reports), name), "wb") as file:
            file.write(b"{}")
    except OSError:
        pytest.skip("this file system has no such names")
    marks = grade(_collect([reports]), key_of, list(KEYS))
    write_marks(tmp_path / "m.csv", marks)
    assert [marks[student].mark for student in KEYS] == [100.0] * 2 and len(marks) == 3
    assert (tmp_path / "m.csv").read_bytes().decode("utf-8").count("\n") == 4
    strange = next(student for student in marks if student not in KEYS)
    assert summary({strange: marks[strange]}).replace("\n", "").isprintable()


def test_a_report_is_not_overwritten_by_the_marks(reports, capsys):
    before = (reports / "ada.json").read_bytes()
    assert module.main([str(reports), "--out", str(reports / "ada.json")]) == 2
    assert "is one of the reports" in capsys.readouterr().err
    assert (reports / "ada.json").read_bytes() == before


def test_the_command_names_what_it_cannot_work_with(reports, tmp_path, capsys):
    out = tmp_path / "tables"
    out.mkdir()
    (out / "file").write_text("no folder")
    wrong = {"--films": ("10", "from 400 to 800"), "--nbgrader": (str(out / "file"), "is no folder")}
    for option, (value, words) in wrong.items():
        assert module.main([str(reports), "--out", str(out / "m.csv"), option, value]) == 2
        assert words in capsys.readouterr().err
    if hasattr(os, "mkfifo"):
        os.mkfifo(out / "pipe")
        assert module.main([str(out / "pipe"), "--out", str(out / "m.csv")]) == 2
        assert "is neither a file nor a folder" in capsys.readouterr().err
    assert not (out / "m.csv").exists()
