"""Draw the hospital of a student, or one for each student of a class.

python -m util hospital --student anna-07 --out DIR                       for self-study: the truth can be looked up
python -m util hospital --new-secret FILE                                 an instructor's secret, once
python -m util hospital --class roster.csv --out DIR --secret-file FILE   a folder for each student, the truth sealed
"""

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.errors import CourseError
from util.hospital.cohort import FILMS
from util.hospital.folder import FORMAT, fingerprint_of, open_hospital
from util.hospital.pictures import picture
from util.hospital.plan import Plan, plan_hospital
from util.hospital.seal import checked_student, secret_of
from util.hospital.sheet import sheet_text
from util.hospital.steady import steadily
from util.hospital.tables import contents_of, csv_bytes, fingerprint, npz_bytes
from util.phantom.embedded import check_film_arguments, whole_folder
from util.phantom.films import for_each_row
from util.seal import write_secret

SIZE = 320  # pixels a side


def draw_hospital(
    student: str, secret: bytes, out: Path | str, films: int = FILMS, size: int = SIZE, workers: int | None = None
) -> Path:
    """Draw a student's hospital into a folder, whole or not at all.

    Parameters
    ----------
    student : str of letters, digits, '-', '_' and '.', at most 64
    secret : bytes, of `util.hospital.seal.secret_of`; it is in none of the files
    out : folder that does not exist yet or is empty
    films : int from 400 to 800
    size : int from 64, pixels a side
    workers : int or None, number of processes (default: one per core), at least 2; the result is the same for all

    Returns
    -------
    Path of the folder, for `util.hospital.folder.open_hospital`

    Raises
    ------
    CourseError : the name is not possible, or the folder holds something.

    See Also
    --------
    util.hospital.folder.open_hospital : reads it
    util.hospital.truth.truth_of_plan : what is true of its claims

    Examples
    --------
    Not run by the tests, since it takes most of a minute.

    >>> draw_hospital("anna", OPEN, "build/anna")  # doctest: +SKIP

    Taught in lesson 15, section 1.
    """
    check_film_arguments(size)
    return _write_hospital(plan_hospital(student, secret, films), out, size, workers)


def _write_hospital(plan: Plan, out: Path | str, size: int = SIZE, workers: int | None = None) -> Path:
    """Draw a planned hospital into a folder; parameters, errors and the rest as of `draw_hospital`.

    Taught in lesson 15, section 1.
    """
    out = Path(out).expanduser()
    with whole_folder(out) as folder:
        (folder / "films").mkdir()
        found, heats = _draw_films(plan, folder / "films", size, workers)
        contents = contents_of(plan)
        note = {"format": FORMAT, "student": plan.student, "fingerprint": fingerprint_of(contents),
                "films": len(plan.films), "size": size,
                "what": "Simulated films, patients and scores. Not for clinical use."}  # fmt: skip
        contents["boxes.csv"] = csv_bytes(pd.DataFrame(found, columns=["Image", "finding", "x", "y", "w", "h"]))
        contents["maps.npz"] = npz_bytes({"names": np.array(list(heats)), "maps": np.array(list(heats.values()))})
        contents["claims.md"] = sheet_text(plan.student, plan.claims).encode()
        contents["hospital.json"] = (json.dumps(note, indent=2) + "\n").encode()
        for name, content in contents.items():
            (folder / name).write_bytes(content)
    return out


def _draw_films(plan: Plan, folder, size, workers):
    """Write the films; returns the rows of boxes.csv and the heat maps by film name, both in order of the names.

    Files are written in the order of their names as well: they are drawn body by body, and the times of files in that order
    would show which films are copies.
    """
    roles, contents, boxes, heats = plan.roles, {}, {}, {}
    outlined = roles.findings["maps"]
    work = partial(picture, seed=plan.seed, size=size, finding=outlined, word=roles.word, corner=roles.corner)
    people = plan.people.sort_values(["PatientId", "Image"])  # a patient's body is worked out once
    workers = max(2, workers or os.cpu_count() or 1)  # never in this process, whose arithmetic is settled
    with steadily():
        for name, content, found, heat in for_each_row(work, people, f"Drawing {plan.student}", workers):
            contents[name] = content
            if heat is not None:
                boxes[name], heats[name] = found, heat
    for name in sorted(contents):
        (folder / name).write_bytes(contents[name])
    rows = [(name, outlined, *box) for name in sorted(boxes) for box in boxes[name]]
    return rows, {name: heats[name] for name in sorted(heats)}


def read_roster(path: Path | str) -> list[str]:
    """The students of a class, from a file with one name in each line; empty lines are left out.

    Raises
    ------
    CourseError : the file cannot be read or is empty, or a name is not possible or there twice.

    See Also
    --------
    util.hospital.grade.grade : marks the reports of these students

    Examples
    --------
    Not run by the tests, since it needs a class list.

    >>> read_roster("class.csv")  # doctest: +SKIP
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise CourseError(
            f"The class list {path} cannot be read: give a text file with one student in each line."
        ) from None
    students = [checked_student(line.strip()) for line in lines if line.strip()]
    if not students:
        raise CourseError(f"The class list {path} is empty: give one student in each line.")
    seen = [student.casefold() for student in students]  # some systems keep ANNA and anna in one folder
    twice = [student for student in students if seen.count(student.casefold()) > 1]
    if twice:
        raise CourseError(f"The class list {path} has {twice[0]} twice: give each student a name of their own.")
    return students


@command("Stopped. What is drawn stays; the same command goes on with a class.")
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code, 2 after a mistake in the arguments.

    See Also
    --------
    draw_hospital : does the work

    Examples
    --------
    Not run by the tests, since it takes most of a minute.

    >>> main(["--student", "anna", "--out", "build/anna"])  # doctest: +SKIP
    """
    parser = argument_parser("hospital", __doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--student", help="whose hospital: letters, digits, '-', '_' and '.'")
    what.add_argument("--class", dest="roster", help="file with one student in each line: a folder for each")
    what.add_argument("--new-secret", metavar="FILE", help="write a new secret for a class, and draw nothing")
    parser.add_argument("--out", help="folder to write; must be new or empty")
    parser.add_argument("--secret-file", metavar="FILE", help="the instructor's secret; without it the truth is open")
    parser.add_argument("--workers", type=int, help="processes (one per core)")
    options = parser.parse_args(arguments)
    if options.new_secret:
        write_secret(options.new_secret)
        print(f"A new secret is in {options.new_secret}. Keep it: grades need it. Never give it to a student.")
        return
    if not options.out:
        raise CourseError("Where is the hospital to be written? Name a folder: --out DIR.")
    secret = secret_of(options.secret_file)
    if options.roster:
        for student in read_roster(options.roster):
            _draw_of_class(student, secret, Path(options.out) / student, options.workers)
        if not options.secret_file:
            print(
                "These were drawn with the open key, so students can look up the truth; for marks, add --secret-file FILE."
            )
    else:
        _draw_one(options.student, secret, options.out, options.workers)


def _draw_one(student, secret, out, workers):
    """Draw one hospital and say so."""
    folder = draw_hospital(checked_student(student), secret, out, workers=workers)
    print(f"The hospital of {student} is in {folder}; begin with claims.md. Simulated; not for clinical use.")


def _draw_of_class(student, secret, out, workers):
    """Draw one hospital of a class, unless it was drawn before: so a command that was stopped goes on."""
    if not (out / "hospital.json").is_file():
        _draw_one(student, secret, out, workers)
    elif open_hospital(out).fingerprint == fingerprint(plan_hospital(student, secret)):
        print(f"The hospital of {student} was in {out} already.")
    else:
        raise CourseError(f"{out} holds a hospital that was drawn differently: name a new folder, or the right secret.")
