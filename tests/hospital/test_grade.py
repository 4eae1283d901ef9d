"""A class from its folders to its table: good reports, bad ones, somebody else's, copied ones and none at all."""

import csv
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.audited import good, handed_in, report_of, right_answer, sealed, with_index
from util.errors import CourseError
from util.hospital import auditors
from util.hospital import grade as module
from util.hospital.grade import _collect, _copied, _sealed_of, grade, practice_mark, summary
from util.hospital.marking import mark_report
from util.hospital.marks import NBGRADER, _feedback, write_marks, write_nbgrader
from util.hospital.plan import plan_hospital
from util.hospital.report import new_report, write_report
from util.hospital.seal import OPEN
from util.hospital.tables import fingerprint
from util.hospital.truth import truth_of_plan

SECRET = b"a secret that only these tests know"  # of the hospitals in conftest.py
CLASS = ["ada", "bob", "cleo", "dan"]
KEYS = {student: sealed(seed) for seed, student in enumerate(CLASS)}


def key_of(student):
    if student not in KEYS:
        raise CourseError(f"{student} cannot name a student.")
    return KEYS[student]


@pytest.fixture
def reports(tmp_path):
    """A folder with a perfect report of each student."""
    for student in CLASS:
        write_report(tmp_path / f"{student}.json", report_of(student, KEYS[student]))
    return tmp_path


def marked(folder, roster=()):
    return grade(_collect([folder]), key_of, roster)


def rewrite(path, change):
    report = json.loads(path.read_text(encoding="utf-8"))
    change(report)
    path.write_text(json.dumps(report), encoding="utf-8")


def test_perfect_reports_have_all_marks_and_no_notice(reports):
    marks = marked(reports, CLASS)
    assert {student: (mark.mark, mark.notice) for student, mark in marks.items()} == dict.fromkeys(CLASS, (100.0, []))


@pytest.mark.parametrize("layout", ["ID.json", "ID/report.json", "ID/15_audit_a_hospital/report.json"])
def test_reports_are_found_in_each_layout(layout, tmp_path):
    path = tmp_path / "class" / layout.replace("ID", "ada")
    path.parent.mkdir(parents=True)
    write_report(path, report_of("ada", KEYS["ada"]))
    assert _collect([tmp_path / "class"]) == {"ada": [path]}
    assert list(_collect([path])) == ["ada"]


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(CourseError, match="There is no"):
        _collect([tmp_path / "nowhere"])


def test_a_missing_report_has_a_row(reports):
    (reports / "bob.json").unlink()
    marks = marked(reports, CLASS)
    assert list(marks) == CLASS and marks["bob"].mark == 0 and marks["bob"].notice == ["No report was handed in."]


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"", "empty"),
        (b"[]", "a list"),
        (b'{"claims": NaN}', "NaN"),
        (b"x" * 10_000_000, "at most 1,000,000 bytes"),
        (b"[" * 100_000, "deep"),
        (b"{}", '"format" is missing'),
        (b'{"format": "hospital-report-1", "student": "bob", "hospital": "fingerprint-1", "claims": 3}', "a number"),
    ],
)
def test_a_bad_report_has_a_row_and_leaves_the_others_alone(contents, words, reports):
    (reports / "bob.json").write_bytes(contents)
    marks = marked(reports)
    assert marks["bob"].mark == 0 and words in " ".join(marks["bob"].notice)
    assert [marks[student].mark for student in CLASS if student != "bob"] == [100] * 3


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("verdict", 1),
        ("estimate", "0.3"),
        ("low", "x"),
        ("high", []),
        ("films", "mark00.png"),
        ("films", [1]),
        ("group", {}),
    ],
)
def test_one_part_that_is_nonsense_costs_no_more_than_its_problem(part, value, reports):
    rewrite(reports / "bob.json", lambda report: [given.update({part: value}) for given in [report["claims"]["mark"]]])
    marks = marked(reports)
    assert marks["bob"].mark > 65 and all(
        problem.points == 10 for key, problem in marks["bob"].problems.items() if key != "mark"
    )


def test_unknown_keys_are_no_harm(reports):
    rewrite(reports / "bob.json", lambda report: report["claims"].update(nothing={"verdict": "fails"}, more=3))
    assert marked(reports)["bob"].mark == 100


def test_a_report_of_another_student_waits(reports):
    shutil.copy(reports / "ada.json", reports / "bob.json")
    mark = marked(reports)["bob"]
    assert (
        mark.mark == 0
        and mark.pending
        and "names the student 'ada'" in mark.notice[0]
        and "different hospital" in mark.notice[1]
    )


def test_a_copy_with_an_edited_id_waits(reports):
    shutil.copy(reports / "ada.json", reports / "bob.json")
    rewrite(reports / "bob.json", lambda report: report.update(student="bob"))
    mark = marked(reports)["bob"]
    assert mark.mark == 0 and mark.pending and mark.notice[0].startswith("The report is about a different hospital")


def test_a_copy_with_id_and_fingerprint_edited_is_noticed_and_its_source_keeps_the_mark(reports):
    shutil.copy(reports / "ada.json", reports / "bob.json")
    rewrite(reports / "bob.json", lambda report: report.update(student="bob", hospital="fingerprint-1"))
    marks = marked(reports)
    assert marks["bob"].mark == 0 and marks["bob"].pending and "equal to those of ada" in marks["bob"].notice[0]
    assert marks["ada"].mark == 100 and "equal to those of bob" in marks["ada"].notice[0]
    assert marks["cleo"].notice == marks["dan"].notice == []


def test_a_copy_that_is_rounded_is_noticed_by_how_much_is_equal(reports):
    def coarse(report):
        for given in report["claims"].values():
            given["estimate"] = round(given["estimate"], 2) or 0.01

    rewrite(reports / "ada.json", coarse)
    shutil.copy(reports / "ada.json", reports / "bob.json")
    rewrite(reports / "bob.json", lambda report: report.update(student="bob", hospital="fingerprint-1"))
    assert marked(reports)["bob"].pending


def pair_of(changes):
    """Reports of two students that agree in the estimates named only."""
    made = {student: report_of(student, KEYS[student]) for student in ("ada", "bob")}
    for key, value in changes.items():
        for report in made.values():
            report["claims"][key] = {**right_answer(KEYS["ada"].truth[key]), "estimate": value}
    return _copied(made, {student: KEYS[student].truth for student in made})


@pytest.mark.parametrize(
    ("changes", "noticed"),
    [
        ({}, False),
        ({"average": 0.8312}, False),  # one equal number may be chance
        ({"average": 0.8312, "subgroup": -0.04567}, True),
        ({"average": 0.83, "subgroup": -0.04, "mark": 0.3, "labels": 0.1}, False),  # rounded ones may be, too
        ({"average": 0.83, "subgroup": -0.04, "mark": 0.3, "labels": 0.1, "better": 0.01}, True),
        ({"average": 0, "subgroup": 0, "mark": 0, "labels": 0, "better": 0, "calibration": 0}, False),
        ({"patients": 1234, "copies": 4321, "maps": 0.12345}, False),  # counts of small hospitals
    ],
)
def test_equal_estimates_look_copied_when_chance_does_not_explain_them(changes, noticed):
    assert pair_of(changes) == ([("ada", "bob")] if noticed else [])


def test_equal_estimates_of_equal_quantities_are_no_copy():
    truth = {student: KEYS["ada"].truth for student in ("ada", "bob")}
    assert _copied({student: report_of(student, KEYS["ada"]) for student in truth}, truth) == []


def test_films_of_another_hospital_are_noticed(reports):
    def strange(names):
        return lambda report: report["claims"]["mark"].update(films=names)

    rewrite(reports / "ada.json", strange(["strange1", "strange2", "strange3"]))
    rewrite(reports / "bob.json", strange(["mark00.png", "typo.png"]))
    marks = marked(reports)
    assert marks["ada"].pending and "3 of" in marks["ada"].notice[0] and "strange1" not in marks["ada"].notice[0]
    assert not marks["bob"].pending and "1 of" in marks["bob"].notice[0]


def test_several_reports_and_strangers_to_the_roster_are_noticed(reports):
    (reports / "ada").mkdir()
    shutil.copy(reports / "ada.json", reports / "ada" / "report.json")
    marks = marked(reports, ["ada", "bob"])
    assert "2 reports" in marks["ada"].notice[0] and marks["ada"].mark == 100
    assert marks["cleo"].notice == ["This ID is not on the roster."]


def test_an_id_that_nobody_can_have_has_a_row(reports):
    (reports / "=cmd().json").write_text("{}")
    assert marked(reports)["=cmd()"].notice == ["=cmd() cannot name a student."]


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_table_has_a_row_for_each_student(reports, tmp_path):
    (reports / "dan.json").unlink()
    (reports / "=cmd().json").write_text("{}")
    write_marks(tmp_path / "marks.csv", marked(reports, CLASS))
    rows = rows_of(tmp_path / "marks.csv")
    assert [row["student"] for row in rows] == [*CLASS, "'=cmd()"]
    assert [row["mark"] for row in rows] == ["100.0", "100.0", "100.0", "0.0", "0.0"]
    assert rows[0]["patients_points"] == "10.0" and rows[0]["patients_said"].startswith("The verdict is right")
    assert rows[0]["faults_found"] == rows[0]["faults"] and rows[0]["accused"] == "0" and rows[3]["patients_said"] == ""


def test_a_waiting_mark_says_what_the_answers_would_earn(reports, tmp_path):
    rewrite(reports / "ada.json", lambda report: report["claims"]["mark"].update(films=["x", "y", "z"]))
    write_marks(tmp_path / "marks.csv", marked(reports))
    assert "until you have looked; the answers would earn" in rows_of(tmp_path / "marks.csv")[0]["notice"]


def test_nbgrader_has_its_columns_and_pages(reports, tmp_path):
    (reports / "bob.json").unlink()
    (reports / "..json").write_text("{}")
    write_nbgrader(tmp_path / "out", marked(reports, CLASS))
    rows = rows_of(tmp_path / "out" / "grades.csv")
    assert tuple(rows[0]) == NBGRADER and [row["student_id"] for row in rows][:4] == CLASS
    assert {row["assignment"] for row in rows} == {"15_audit_a_hospital"} and rows[0]["max_score"] == "100.0"
    assert rows[0]["score"] == rows[0]["raw_score"] == "100.0" and rows[1]["score"] == "0.0"
    pages = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.html"))
    assert pages == [f"feedback/{name}/15_audit_a_hospital/15_audit_a_hospital.html" for name in CLASS]


def test_the_page_of_a_student_says_no_truth_and_accuses_nobody(reports):
    rewrite(reports / "ada.json", lambda report: report["claims"]["mark"].update(films=["x", "y", "z"]))
    marks = marked(reports)
    held = _feedback("ada", marks["ada"])
    assert "has to be looked at" in held and "not in this hospital" not in held
    page = _feedback("<b>bob", marks["bob"])
    assert "<b>" not in page and "100.0 of 100" in page and "fingerprint" not in page


def test_one_report_is_told_problem_by_problem(reports):
    text = summary(grade(_collect([reports / "ada.json"]), key_of))
    assert text.startswith("ada: 100.0 of 100") and text.count("The verdict is right") == 11
    assert summary(marked(reports)) == "4 students, mean mark 100.0 of 100; 0 of them have a notice."
    assert summary({}).startswith("There are no reports")


# --- Scripted students, from their own hospital to the mark -----------------------------------------


def test_a_class_of_good_auditors_has_full_marks(plans, tmp_path):
    for plan in plans:
        handed_in(tmp_path, plan, good(plan))
    marks = grade(_collect([tmp_path]), partial(_sealed_of, secret=SECRET), [plan.student for plan in plans])
    assert {student: mark.notice for student, mark in marks.items()} == {plan.student: [] for plan in plans}
    assert min(mark.mark for mark in marks.values()) >= 90


def test_careless_paranoid_and_lucky_auditors_score_low(plans):
    rng, students = np.random.default_rng(15), {"careless": [], "paranoid": [], "lucky": []}
    for plan in plans:
        truth, view = truth_of_plan(plan), with_index(plan)
        students["careless"].append(mark_report({"claims": auditors.careless(view)}, truth).mark)
        students["paranoid"].append(mark_report({"claims": auditors.paranoid(view)}, truth).mark)
        lucky = [mark_report({"claims": auditors.lucky(view, rng)}, truth).mark for _ in range(30)]
        students["lucky"].append(np.mean(lucky))
    assert max(students["careless"]) == max(students["paranoid"]) == 0 < np.mean(students["lucky"]) < 10


def test_the_report_of_one_hospital_is_noticed_under_any_other_id(plans, tmp_path):
    """Handed in as it is, with the ID edited, and with ID and fingerprint edited: never a mark."""
    own, other = plans[:2]
    path = handed_in(tmp_path, own, good(own))
    for change in ({}, {"student": other.student}, {"student": other.student, "hospital": fingerprint(other)}):
        copy = tmp_path / f"{other.student}.json"
        copy.write_text(json.dumps(json.loads(path.read_text()) | change), encoding="utf-8")
        marks = grade(_collect([tmp_path]), partial(_sealed_of, secret=SECRET))
        assert marks[other.student].mark == 0 and marks[other.student].pending and marks[other.student].notice
        assert marks[own.student].mark >= 90


def test_another_secret_knows_no_hospital_of_the_class(plans, tmp_path):
    handed_in(tmp_path, plans[0], good(plans[0]))
    (mark,) = grade(_collect([tmp_path]), partial(_sealed_of, secret=b"a secret of 16 bytes")).values()
    assert mark.mark == 0 and "different hospital" in mark.notice[0]


def test_a_practice_report_is_marked_with_the_open_key_and_a_sealed_one_is_not(small_plan):
    plan = plan_hospital("anna", OPEN, 400)
    report = new_report("anna", fingerprint(plan)) | {"claims": good(plan)}
    assert practice_mark(report, 400).mark >= 90
    assert practice_mark(new_report(small_plan.student, fingerprint(small_plan)), 400) is None


def test_a_drawn_hospital_is_audited_reported_and_marked_and_holds_no_secret(
    small_folder, small, small_plan, tmp_path, capsys
):
    """From the folder to the mark by the command; no file of the folder has the secret, the seed or a verdict in it."""
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    report = new_report(small.student, small.fingerprint)
    report["claims"] = good(small_plan)
    write_report(tmp_path / f"{small.student}.json", report)
    arguments = [
        str(tmp_path / f"{small.student}.json"),
        "--secret-file",
        str(secret),
        "--films",
        str(len(small.films)),
    ]
    assert module.main([*arguments, "--out", str(tmp_path / "marks.csv")]) == 0
    assert "The verdict is right" in capsys.readouterr().out
    assert float(rows_of(tmp_path / "marks.csv")[0]["mark"]) >= 90
    contents = b"".join(path.read_bytes() for path in small_folder.rglob("*") if path.is_file())
    for giveaway in (SECRET, SECRET.hex().encode(), str(small_plan.seed).encode(), b"holds", b"fails", b"truth"):
        assert giveaway not in contents


def test_the_command_writes_the_tables(reports, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "_sealed_of", lambda student, secret, films: key_of(student))
    out = tmp_path / "tables"
    out.mkdir()
    (out / "class.txt").write_text("ada\nzoe\n")
    arguments = [
        str(reports),
        "--roster",
        str(out / "class.txt"),
        "--out",
        str(out / "m.csv"),
        "--nbgrader",
        str(out / "n"),
    ]
    assert module.main(arguments) == 0
    assert (
        "5 students" in capsys.readouterr().out
        and len(rows_of(out / "m.csv")) == len(rows_of(out / "n" / "grades.csv")) == 5
    )


def test_the_command_ends_in_one_sentence(tmp_path, capsys):
    assert module.main([str(tmp_path / "none"), "--out", str(tmp_path / "m.csv")]) == 2
    assert module.main([str(tmp_path), "--out", str(tmp_path / "no" / "m.csv")]) == 2
    assert module.main([str(tmp_path), "--out", str(tmp_path / "m.csv"), "--secret-file", str(tmp_path / "no")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert not Path(tmp_path / "m.csv").exists()
