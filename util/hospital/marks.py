"""The marks of a class as files: a table with a row for each student, nbgrader's table of grades, and a page for each student."""

import csv
import io
from pathlib import Path

from util.files import write_text
from util.hospital.claims import CLAIMS
from util.hospital.marking import POINTS, Mark
from util.markup import as_html

ASSIGNMENT = "15_audit_a_hospital"
SUMMARY = (
    "student",
    "mark",
    "notice",
    "faults_found",
    "faults",
    "accused",
    "true_claims",
    "estimates",
    "intervals",
    "evidence",
)
NBGRADER = (  # the columns of `nbgrader export`
    "assignment",
    "duedate",
    "timestamp",
    "student_id",
    "last_name",
    "first_name",
    "email",
    "raw_score",
    "late_submission_penalty",
    "score",
    "max_score",
)
STYLE = """
body { font: 11pt/1.4 "DejaVu Sans", Arial, sans-serif; max-width: 50em; margin: 1em auto; padding: 0 1em; }
table { border-collapse: collapse; } th, td { border-bottom: 1px solid #999; padding: 0.3em 0.6em; text-align: left;
  vertical-align: top; }
td:nth-child(2) { white-space: nowrap; }
"""


def write_marks(path: str | Path, marks: dict[str, Mark]) -> None:
    """Write the table of a class as CSV, whole or not at all.

    Parameters
    ----------
    path : str or Path; marks : dict student -> Mark

    Raises
    ------
    CourseError : the file cannot be written.

    See Also
    --------
    write_nbgrader : the marks as nbgrader has them

    Examples
    --------
    Not run by the tests, since it writes a file.

    >>> write_marks("marks.csv", marks)  # doctest: +SKIP

    Taught in lesson 15, section 8.
    """
    heads = [name for claim in CLAIMS for name in (f"{claim.key}_points", f"{claim.key}_said")]
    write_text(path, _csv([*SUMMARY, *heads], [_row(student, mark) for student, mark in marks.items()]))


def _row(student, mark):
    row = [student, f"{mark.mark:.1f}", _notice(mark), mark.found, mark.faults, mark.accused, mark.sound]
    row += [mark.count(part) for part in ("estimate", "interval", "evidence")]
    for claim in CLAIMS:
        problem = mark.problems.get(claim.key)
        row += [f"{problem.points:.1f}", problem.sentence] if problem else ["0.0", ""]
    return row


def _notice(mark):
    waits = f"The mark is 0 until you have looked; the answers would earn {mark.earned:.1f}."
    return " ".join([*mark.notice, *([waits] if mark.pending and mark.problems else [])])


def write_nbgrader(folder: str | Path, marks: dict[str, Mark]) -> None:
    """Write grades.csv with the columns of `nbgrader export`, and feedback/ID/15_audit_a_hospital/15_audit_a_hospital.html.

    Parameters
    ----------
    folder : str or Path, made where it is missing; marks : dict student -> Mark

    Raises
    ------
    CourseError : a file cannot be written.

    See Also
    --------
    write_marks : the whole table

    Examples
    --------
    Not run by the tests, since it writes files.

    >>> write_nbgrader("grades", marks)  # doctest: +SKIP

    Taught in lesson 15, section 8.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for student, mark in marks.items():
        score = f"{mark.mark:.1f}"
        rows.append([ASSIGNMENT, "", "", student, "", "", "", score, "0.0", score, "100.0"])
        if _is_plain(student):
            place = folder / "feedback" / student / ASSIGNMENT
            place.mkdir(parents=True, exist_ok=True)
            write_text(place / f"{ASSIGNMENT}.html", _feedback(student, mark))
    write_text(folder / "grades.csv", _csv(NBGRADER, rows))


def _is_plain(student):
    """Whether an ID can name a folder: it is not hidden, and leads nowhere else."""
    return bool(student) and not student.startswith(".") and not any(sign in student for sign in '/\\:*?"<>|\0')


def _feedback(student, mark):
    """The page that a student gets back: the mark and one sentence for each problem, without the truth. Notices are not on it.

    Parameters
    ----------
    student : str; mark : Mark

    Returns
    -------
    str, HTML that needs no other file

    Taught in lesson 15, section 8.
    """
    rows = "".join(
        f"<tr><td>{as_html(problem.key)}</td><td>{problem.points:.1f} of {POINTS}</td><td>{as_html(problem.sentence)}</td></tr>"
        for problem in mark.problems.values()
    )
    said = f"{mark.mark:.1f} of 100. You found {mark.found} of {mark.faults} faults, and wrongly accused {mark.accused} of {mark.sound} true claims."
    if mark.pending or not mark.problems:
        said, rows = (
            "0 of 100 so far: your report could not be marked, or has to be looked at. Ask your instructor.",
            "",
        )
    head = f'<meta charset="utf-8"><title>Audit of a hospital, {as_html(student)}</title><style>{STYLE}</style>'
    body = f"<h1>Audit of a hospital, {as_html(student)}</h1><p>{as_html(said)}</p><table>{rows}</table>"
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _csv(heads, rows):
    """A table as CSV; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue()


def _cell(value):
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value[:1] else value
