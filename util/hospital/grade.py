"""Mark the reports of a class against the sealed truth of each student's own hospital.

    python -m util grade reports --secret-file secret.txt --roster class.csv --out marks.csv
    python -m util grade report.json                              one's own report on a practice hospital: the open key

A report is named after its student: ID.json or ID/report.json in a folder; nbgrader's folder `submitted` will do. The table has a
row for each student: the mark, a mark and a sentence for each problem, and what you should look at. Reports that look
copied, or are about a different student's hospital, have the mark 0 until you have looked. A single report.json is that of
the student whom it names.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

from util.command import argument_parser, command
from util.errors import CourseError
from util.files import check_place
from util.hospital.claims import CLAIMS, Truth
from util.hospital.cohort import FILMS, LEAST, MOST
from util.hospital.draw import read_roster
from util.hospital.marking import Mark, mark_report
from util.hospital.marks import write_marks, write_nbgrader
from util.hospital.plan import plan_hospital
from util.hospital.report import head_problems, is_films, is_number, read_report
from util.hospital.seal import STUDENT, secret_of
from util.hospital.tables import fingerprint
from util.hospital.truth import truth_of_plan
from util.markup import as_line

COUNTED = ("patients", "copies", "maps")  # small whole numbers or shares of a few: equal ones prove nothing
FINE = 4  # significant digits from which on two equal numbers are hardly chance
EQUAL_FINE, EQUAL = 2, 5  # so many equal fine estimates, or equal estimates at all, look copied
STRANGERS = 3  # names of films of no film in the hospital, from which on a report waits


@dataclass(frozen=True)
class Sealed:
    """What the secret says of one student's hospital: its fingerprint, the names of all its films, the truth of each claim.

    See Also
    --------
    util.hospital.truth.truth_of_plan : computes the truth

    Examples
    --------
    >>> Sealed("5f3c", frozenset({"a.png"}), {}).fingerprint
    '5f3c'
    """

    fingerprint: str
    films: frozenset
    truth: dict


def _sealed_of(student: str, secret: bytes, films: int = FILMS) -> Sealed:
    """What is sealed of a student's hospital, computed again from the secret in about half a second: a Sealed.

    Parameters
    ----------
    student : str; secret : bytes, of `util.hospital.seal.secret_of`
    films : int, how many the hospital was drawn with

    Raises
    ------
    CourseError : no student can have that ID.

    Taught in lesson 15, section 8.
    """
    plan = plan_hospital(student, secret, films)
    return Sealed(fingerprint(plan), frozenset(plan.films["Image"]), truth_of_plan(plan))


def practice_mark(report: dict, films: int) -> Mark | None:
    """The Mark of a report on a hospital of self-study, or None where the hospital was drawn with an instructor's secret.

    Parameters
    ----------
    report : dict, as of `util.hospital.report.new_report`; films : int, how many the hospital has

    See Also
    --------
    grade : marks a class

    Examples
    --------
    Not run by the tests, since it needs a report.

    >>> practice_mark(report, films=400).mark  # doctest: +SKIP

    Taught in lesson 15, section 8.
    """
    key = _sealed_of(report["student"], secret_of(None), films)
    return _mark(report["student"], report, key) if report["hospital"] == key.fingerprint else None


def _collect(paths: Iterable[str | Path]) -> dict[str, list[Path]]:
    """Where the reports of a class are.

    Parameters
    ----------
    paths : files ID.json, folders ID with a report.json, or folders of these

    Returns
    -------
    dict student -> list of Path, sorted; more than one where a student handed in several

    Raises
    ------
    CourseError : a path is not there, or is neither a file nor a folder.

    Taught in lesson 15, section 8.
    """
    found, paths = {}, [Path(path) for path in paths]
    for path in paths:
        if not path.exists():
            raise CourseError(f"There is no {path}: name a folder of reports, or reports.")
        if not (path.is_file() or path.is_dir()):
            raise CourseError(f"{path} is neither a file nor a folder: name a folder of reports, or reports.")
        for student, file in _reports(path):
            student = _named_in(file) or student if paths == [file] and file.name == "report.json" else student
            found.setdefault(as_line(student), []).append(file)
    return dict(sorted(found.items()))


def _named_in(file):
    """The ID that a report itself names; None where it names none that can be."""
    try:
        student = read_report(file).get("student")
    except CourseError:
        return None
    return student if isinstance(student, str) and STUDENT.fullmatch(student) else None


def _reports(path):
    """Pairs of a student and a file, of a file, a student's folder or a folder of a class."""
    if path.is_file():
        return [(path.resolve().parent.name if path.name == "report.json" else path.stem, path)]
    if (path / "report.json").is_file():
        return [(path.resolve().name, path / "report.json")]
    pairs = [(file.stem, file) for file in sorted(path.glob("*.json"))]
    for folder in sorted(inner for inner in path.iterdir() if inner.is_dir()):
        files = sorted(
            [*folder.glob("report.json"), *folder.glob("*/report.json")]
        )  # nbgrader: ID/ASSIGNMENT/report.json
        pairs += [(folder.name, file) for file in files]
    return pairs


def grade(found: dict[str, list[Path]], sealed: Callable[[str], Sealed], roster: Sequence[str] = ()) -> dict[str, Mark]:
    """Mark the reports of a class.

    Parameters
    ----------
    found : dict student -> list of Path, as `_collect` gives it
    sealed : callable student -> Sealed; it raises a CourseError for an ID that no student can have
    roster : IDs of the class; those without a report have a mark of 0 and a row that says so

    Returns
    -------
    dict student -> Mark, in the order of the roster, then of the names

    See Also
    --------
    util.hospital.marking.mark_report : marks one report

    Examples
    --------
    >>> grade({}, sealed=None, roster=["anna"])["anna"].notice
    ['No report was handed in.']

    Taught in lesson 15, section 8.
    """
    marks, reports, keys = {}, {}, {}
    for student in dict.fromkeys([*roster, *found]):
        if student not in found:
            marks[student] = Mark(notice=["No report was handed in."])
            continue
        try:
            keys[student] = sealed(student)
            reports[student] = read_report(found[student][0])
            marks[student] = _mark(student, reports[student], keys[student])
        except CourseError as error:
            marks[student] = Mark(notice=[str(error)])
        if len(found[student]) > 1:
            marks[student].notice.append(f"{len(found[student])} reports were handed in, and the first one is marked.")
        if roster and student not in roster:
            marks[student].notice.append("This ID is not on the roster.")
    for one, other in _copied(reports, {student: key.truth for student, key in keys.items()}):
        _suspect(marks, one, other)
    return marks


def _mark(student, report, key):
    """The Mark of a report that could be read, with notices of what is not the student's own."""
    head = head_problems(report, student, key.fingerprint)
    if head:
        return Mark(notice=head, pending=True, foreign=report.get("hospital") != key.fingerprint)
    made = mark_report(report, key.truth)
    named = {name for given in report["claims"].values() for name in _films(given)}
    strange = len(named - key.films) if key.films else 0
    if strange:
        made.notice.append(f"{strange} of {len(named)} films that are named are not in this hospital.")
        made.pending = strange >= STRANGERS or 2 * strange > len(named)
    return made


def _films(given):
    return given["films"] if isinstance(given, dict) and is_films(given.get("films")) else []


def _copied(reports: dict[str, dict], truths: dict[str, dict[str, Truth]]) -> list[tuple[str, str]]:
    """Pairs of students whose reports have equal estimates of quantities that differ between their hospitals.

    Parameters
    ----------
    reports : dict student -> report; truths : dict student -> dict key of a claim -> Truth

    Returns
    -------
    list of pairs of str

    Taught in lesson 15, section 8.
    """
    by_value = {}
    for student, report in reports.items():
        claims = report.get("claims")
        for claim in CLAIMS:
            given = claims.get(claim.key) if isinstance(claims, dict) else None
            estimate = given.get("estimate") if isinstance(given, dict) else None
            if claim.key not in COUNTED and is_number(estimate) and estimate:
                by_value.setdefault((claim.key, float(estimate)), []).append(student)
    equal, fine = Counter(), Counter()
    for (key, value), students in by_value.items():
        for pair in combinations(students, 2):
            one, other = (truths[student].get(key) for student in pair)
            if one and other and one.value != other.value:
                equal[pair] += 1
                fine[pair] += len(f"{abs(value):.15g}".replace(".", "").strip("0").split("e")[0]) >= FINE
    return sorted(pair for pair in equal if fine[pair] >= EQUAL_FINE or equal[pair] >= EQUAL)


def _suspect(marks, one, other):
    """Note a pair in both rows; the report whose estimates fit its own hospital less waits, or both where they fit alike."""
    fits = {student: marks[student].count("estimate") for student in (one, other)}
    for student, twin in ((one, other), (other, one)):
        marks[student].notice.append(f"Estimates are equal to those of {twin}, whose hospital is a different one.")
        marks[student].pending |= fits[student] <= fits[twin]


@command()
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code, 2 after a mistake in the arguments.

    See Also
    --------
    grade : does the work

    Examples
    --------
    Not run by the tests, since it needs reports.

    >>> main(["reports", "--secret-file", "secret.txt", "--roster", "class.csv"])  # doctest: +SKIP
    """
    parser = argument_parser("grade", __doc__)
    parser.add_argument("reports", nargs="+", help="folders of reports, or reports")
    parser.add_argument("--secret-file", help="the secret that the hospitals were drawn with; without it, the open key")
    parser.add_argument("--roster", help="the class list that the hospitals were drawn from, one ID a line")
    parser.add_argument("--films", type=int, help=f"films that each hospital was drawn with ({FILMS})")
    parser.add_argument("--out", default="marks.csv", help="the table of marks")
    parser.add_argument("--nbgrader", help="a folder for grades.csv and feedback as nbgrader has them")
    chosen = parser.parse_args(arguments)
    check_place(chosen.out)
    if chosen.films and not LEAST <= chosen.films <= MOST:
        raise CourseError(f"No hospital has {chosen.films} films: --films is from {LEAST} to {MOST}.")
    if chosen.nbgrader and Path(chosen.nbgrader).exists() and not Path(chosen.nbgrader).is_dir():
        raise CourseError(f"{chosen.nbgrader} is no folder: name one for the tables of nbgrader.")
    secret = secret_of(chosen.secret_file)
    roster = read_roster(chosen.roster) if chosen.roster else ()
    found = _collect(chosen.reports)
    if Path(chosen.out).resolve() in {file.resolve() for files in found.values() for file in files}:
        raise CourseError(f"{chosen.out} is one of the reports: name another file for the table of marks.")
    marks = grade(found, partial(_sealed_of, secret=secret, films=chosen.films or FILMS), roster)
    if _foreign(marks) and not chosen.secret_file and not chosen.films:  # the lesson's practice hospital is a small one
        marks = grade(found, partial(_sealed_of, secret=secret, films=LEAST), roster)
    if len(marks) > 1 and _foreign(marks):
        raise CourseError(
            f"No report is about the hospital that {chosen.secret_file or 'the open key'} gives its student, so nothing was "
            "marked: name the secret that the hospitals were drawn with (--secret-file), and their number of films (--films)."
        )
    write_marks(chosen.out, marks)
    if chosen.nbgrader:
        write_nbgrader(chosen.nbgrader, marks)
    print(summary(marks))
    print(f"The table is {chosen.out}.")


def _foreign(marks):
    """Whether reports could be read, and every one of them is about a hospital that the secret does not give its student."""
    read = [mark for mark in marks.values() if mark.foreign or mark.problems]
    return bool(read) and all(mark.foreign for mark in read)


def summary(marks: dict[str, Mark]) -> str:
    """What an instructor wants to know at once, in a sentence or two; for one report, each problem.

    See Also
    --------
    util.hospital.marks.write_marks : the whole table

    Examples
    --------
    >>> from util.hospital.marking import Mark
    >>> summary({"anna": Mark(), "ben": Mark(notice=["No report was handed in."])})
    '2 students, mean mark 0.0 of 100; 1 of them have a notice.'

    Taught in lesson 15, section 8.
    """
    if len(marks) == 1:
        ((student, mark),) = marks.items()
        lines = [f"{student}: {mark.mark:.1f} of 100", *mark.notice]
        lines += [f"  {key:12}{problem.points:5.1f}  {problem.sentence}" for key, problem in mark.problems.items()]
        return "\n".join(lines)
    values, look = [mark.mark for mark in marks.values()], sum(bool(mark.notice) for mark in marks.values())
    if not values:
        return "There are no reports, and there is no roster."
    return f"{len(values)} students, mean mark {sum(values) / len(values):.1f} of 100; {look} of them have a notice."
