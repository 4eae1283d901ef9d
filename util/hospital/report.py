"""The report of an audit: a verdict on each claim, with an estimate, its interval, the evidence, and what to do.

A report is a file of JSON that its reader trusts in nothing: size, depth, types and numbers are checked before anything is
used, and what a report says is only ever shown as text.

    report = new_report("ada", "5f3c")
    answer(report, "patients", "fails", 12, films=names, action="Split by patient, and train again.")
    write_report("report.json", report)
"""

import json
import math
import numbers
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from util.errors import CourseError
from util.files import write_text
from util.hospital.claims import CLAIMS

FORMAT = "hospital-report-1"
VERDICTS = ("holds", "fails")
TOP = ("format", "student", "hospital", "claims", "model_card")
PARTS = ("verdict", "estimate", "low", "high", "films", "group", "action")
BYTES = 1_000_000  # a long report has some 50 kB
DEPTH = 8  # brackets within brackets; a report has 4
FILMS = 2000  # names in one answer
LETTERS = 600  # of one text
ENTRIES = 30  # sections of a model card, and entries of a section
LARGEST = 1e9  # no quantity of an audit is beyond it


def new_report(student: str, hospital: str) -> dict:
    """A report without an answer so far.

    Parameters
    ----------
    student : str, the student's ID; hospital : str, the fingerprint of the hospital. Both are in its hospital.json

    Returns
    -------
    dict, as `write_report` takes it

    See Also
    --------
    answer : adds a verdict to it

    Examples
    --------
    >>> new_report("ada", "5f3c")["claims"]
    {}

    Taught in lesson 15, section 1.
    """
    return {"format": FORMAT, "student": str(student), "hospital": str(hospital), "claims": {}, "model_card": {}}


def answer(
    report: dict,
    key: str,
    verdict: str,
    estimate: float,
    interval: tuple[float, float] | None = None,
    films: Iterable[str] = (),
    group: str = "",
    action: str = "",
) -> None:
    """Answer one claim in a report; an earlier answer to the same claim is replaced.

    Parameters
    ----------
    report : dict, changed in place; key : str, of the Claim
    verdict : "holds" or "fails"; estimate : number, the quantity that the claim's `Claim.quantity` names
    interval : pair of numbers, the 95 % interval, or None where the estimate is counted or computed exactly
    films : names of the films that show the fault; group : str, the group concerned, or ""
    action : str, what the hospital should do

    Raises
    ------
    CourseError : the answer is nonsense; the sentence says which part of it and how to put it right.

    See Also
    --------
    problems : all that a whole report lacks

    Examples
    --------
    >>> report = new_report("ada", "5f3c")
    >>> answer(report, "mark", "fails", 0.4, interval=(0.3, 0.5), films=["a.png"])
    >>> report["claims"]["mark"]["high"]
    0.5

    Taught in lesson 15, section 1.
    """
    low, high = (None, None) if interval is None else interval
    names = films if isinstance(films, str) else [str(name) for name in films]
    made = {"verdict": verdict, "estimate": _plain(estimate), "low": _plain(low), "high": _plain(high)}
    made |= {"films": names, "group": str(group), "action": action}
    wrong = _answer_problems(key, made)
    if wrong:
        raise CourseError(wrong[0])
    report["claims"][key] = made


def problems(report: object, student: str | None = None, hospital: str | None = None) -> list[str]:
    """All that a report lacks or has wrong, one sentence each; an empty list where it is complete.

    Parameters
    ----------
    report : what a file held, of any type
    student, hospital : str, whose report of which hospital it has to be, or None where that is not asked

    Returns
    -------
    list of str

    See Also
    --------
    read_report : reads one from a file

    Examples
    --------
    >>> problems([])
    ['A report is a JSON object with the keys format, student, hospital, claims, model_card; this one is a list.']

    Taught in lesson 15, section 8.
    """
    said = head_problems(report, student, hospital)
    if not isinstance(report, dict):
        return said
    said += [f"The report has a key that it should not have, {_short(key)}: leave it out." for key in _odd(report, TOP)]
    said += _card_problems(report.get("model_card"))
    claims = report.get("claims")
    if not isinstance(claims, dict):
        return said
    keys = [claim.key for claim in CLAIMS]
    said += [f"The report answers a claim that is not on the sheet, {_short(key)}." for key in _odd(claims, keys)]
    for key in keys:
        said += _answer_problems(key, claims[key]) if key in claims else [f"The claim {key!r} is not answered yet."]
    return said


def head_problems(report: object, student: str | None = None, hospital: str | None = None) -> list[str]:
    """What is wrong with a report as a whole, so that no answer of it counts: a list of sentences.

    See Also
    --------
    problems : of the answers as well

    Examples
    --------
    >>> print(head_problems({})[1])
    The report's "student" is missing: write the ID that is in hospital.json.
    """
    if not isinstance(report, dict):
        return [f"A report is a JSON object with the keys {', '.join(TOP)}; this one is {_kind(report)}."]
    said = []
    if report.get("format") != FORMAT:
        said.append(f'The report\'s "format" is {_short(report.get("format"))}, not "{FORMAT}".')
    if not _text(report.get("student")) or not report.get("student"):
        said.append('The report\'s "student" is missing: write the ID that is in hospital.json.')
    elif student is not None and report["student"] != student:
        said.append(f"The report names the student {_short(report['student'])}, not {_short(student)}.")
    if not _text(report.get("hospital")) or not report.get("hospital"):
        said.append('The report\'s "hospital" is missing: write the fingerprint that is in hospital.json.')
    elif hospital is not None and report["hospital"] != hospital:
        said.append("The report is about a different hospital: its fingerprint is not that of the student's own.")
    if not isinstance(report.get("claims"), dict):
        said.append(
            f'The report\'s "claims" is {_kind(report.get("claims"))}, not an object with an answer to each claim.'
        )
    return said


def _answer_problems(key, given):
    """What is wrong with the answer to one claim: a list of sentences."""
    claim = next((claim for claim in CLAIMS if claim.key == key), None)
    if claim is None:
        return [
            f"There is no claim {_short(key)} on the sheet: name one of {', '.join(claim.key for claim in CLAIMS)}."
        ]
    if not isinstance(given, dict):
        return [f"The answer to {key!r} is {_kind(given)}, not an object with the keys {', '.join(PARTS)}."]
    said = [f"The answer to {key!r} has a key that it should not have, {_short(odd)}." for odd in _odd(given, PARTS)]
    if given.get("verdict") not in VERDICTS:
        said.append(f'The verdict on {key!r} is {_short(given.get("verdict"))}: write "holds" or "fails".')
    if not is_number(given.get("estimate")):
        said.append(
            f"The estimate of {key!r} is {_kind(given.get('estimate'))}, not a finite number: {claim.quantity}."
        )
    said += _interval_problems(claim, given)
    if not is_films(given.get("films")):
        said.append(f"The films of {key!r} are {_kind(given.get('films'))}, not a list of at most {FILMS:,} names.")
    for part in ("group", "action"):
        if not _text(given.get(part)):
            said.append(f"The {part} of {key!r} is {_kind(given.get(part))}, not a text of at most {LETTERS} letters.")
    return said


def _interval_problems(claim, given):
    low, high = given.get("low"), given.get("high")
    if not claim.interval:
        return [] if low is None and high is None else _order(claim.key, low, high)
    if low is None and high is None:
        return [f"The estimate of {claim.key!r} needs a 95 % interval: give low and high."]
    return _order(claim.key, low, high)


def _order(key, low, high):
    if is_number(low) and is_number(high) and low <= high:
        return []
    return [f"The interval of {key!r} is not two finite numbers, of which low is not above high."]


def _card_problems(card):
    """What is wrong with the model card of a report: a list of sentences."""
    if not isinstance(card, dict) or len(card) > ENTRIES:
        return ['The report\'s "model_card" is not an object of at most 30 sections; {} is an empty one.']
    said = []
    for heading, entries in card.items():
        fine = isinstance(entries, dict) and 0 < len(entries) <= ENTRIES
        if not fine or not all(_text(value) or is_number(value) for value in entries.values()):
            said.append(f"The section {_short(heading)} of the model card does not hold names with texts or numbers.")
    return said


def is_number(value: object) -> bool:
    """Whether something is a finite number of a usual size; True and False do not count.

    See Also
    --------
    is_films : the same of a list of names

    Examples
    --------
    >>> is_number(0.5), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def is_films(value: object) -> bool:
    """Whether something is a list of names of films, of a usual length.

    See Also
    --------
    is_number : the same of a number

    Examples
    --------
    >>> is_films(["a.png"]), is_films("a.png")
    (True, False)
    """
    return isinstance(value, list) and len(value) <= FILMS and all(_text(name) and name for name in value)


def write_report(path: str | Path, report: dict) -> None:
    """Write a report, whole or not at all. One that is not complete is written, too; one that cannot be read back is not.

    Raises
    ------
    CourseError : the report as a whole, or an answer in it, is nonsense; or the file cannot be written.

    See Also
    --------
    read_report : reads it back
    problems : what is still missing

    Examples
    --------
    Not run by the tests, since it writes a file.

    >>> write_report("report.json", report)  # doctest: +SKIP

    Taught in lesson 15, section 8.
    """
    wrong = head_problems(report)
    wrong = wrong or [said for key, given in report["claims"].items() for said in _answer_problems(key, given)]
    wrong = wrong or _card_problems(report.get("model_card"))
    if wrong:
        raise CourseError(wrong[0])
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if len(text.encode("utf-8", "replace")) > BYTES:
        raise CourseError(f"The report is larger than {BYTES:,} bytes: shorten its texts.")
    write_text(path, text)


def read_report(path: str | Path) -> dict:
    """The report in a file, of which only this is known: it is a JSON object within all limits, without NaN or infinity.

    Parameters
    ----------
    path : str or Path of a regular file of at most a megabyte in UTF-8

    Raises
    ------
    CourseError : the file is not such a report; the sentence names it.

    See Also
    --------
    problems : what is wrong with what it says

    Examples
    --------
    Not run by the tests, since it needs a file.

    >>> read_report("report.json")["student"]  # doctest: +SKIP

    Taught in lesson 15, section 8.
    """
    name = os.path.basename(path)
    try:
        found = json.loads(_read(path), parse_constant=_refuse, object_pairs_hook=_once)
    except RecursionError:
        raise CourseError(
            f"{name} has brackets within brackets, more than {DEPTH} deep: no report needs that."
        ) from None
    except CourseError as error:
        raise CourseError(f"{name}: {error}") from None
    except ValueError:  # also of UTF-8, and of whole numbers with thousands of digits
        raise CourseError(f"{name} is not JSON in UTF-8: write it with write_report.") from None
    if not isinstance(found, dict):
        raise CourseError(f"{name}: {head_problems(found)[0]}")
    if not _within(found):
        raise CourseError(f"{name} has brackets more than {DEPTH} deep, or an infinite number: no report needs that.")
    return found


def _read(path):
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as stream:
            about = os.fstat(stream.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise CourseError("this is not a regular file.")
            text = stream.read(BYTES + 1)
    except OSError as error:
        raise CourseError(f"the file cannot be read ({error.strerror or type(error).__name__}).") from None
    if len(text) > BYTES:
        raise CourseError(f"a report has at most {BYTES:,} bytes, and this file is larger.")
    if not text.strip():
        raise CourseError("the file is empty.")
    return text.decode("utf-8-sig")


def _refuse(constant):
    raise CourseError(f"{constant} is not a number that a report can hold: give a finite one, or null.")


def _once(pairs):
    made = dict(pairs)
    if len(made) < len(pairs):
        raise CourseError("a key is there twice, so it is not clear which one is meant.")
    return made


def _within(value, left=DEPTH):
    """Whether nothing is nested too deep, and every number is finite (1e999 is read as infinity)."""
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return left > 0 and all(_within(part, left - 1) for part in parts)
    return not isinstance(value, float) or math.isfinite(value)


def _plain(value):
    """A NumPy number as one of Python; anything else as it is."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else value


def _text(value):
    """Whether something is a text of a usual length that UTF-8 can write (JSON can hold half a character)."""
    return isinstance(value, str) and len(value) <= LETTERS and not any("\ud800" <= sign <= "\udfff" for sign in value)


def _odd(given, known):
    return sorted(map(str, set(given) - set(known)))


def _short(value):
    """A value for a sentence: short, in one line, and without signs that cannot be printed."""
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _kind(value):
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "missing"}
    return names.get(type(value), "a number")
