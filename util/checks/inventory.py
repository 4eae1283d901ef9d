"""What did they learn? Twenty questions before and after the course, whose wrong options are named misconceptions.

    python -m util inventory --page inventory.html       a page to answer in; answers are saved as a file, nothing is sent
    python -m util inventory --class FOLDER              a class's files of answers: items, gain, misconceptions that remain
    python -m util inventory --hints FOLDER              which hints a class met (files that COURSE_HINTS=FILE keeps, by choice)

The questions are in data/inventory.json, the right option first; `questions` mixes the options in a fixed order.
"""

import csv
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import write_text
from util.markup import as_html
from util.metrics.proportions import student_quantile, wilson_interval

FILE = HOME / "data" / "inventory.json"
WHEN = ("before", "after")
LETTERS = "abcd"
HEADER = ["student", "when", "question", "answer"]
LARGEST = 100_000  # bytes of a student's file, which has some 500


class Question(NamedTuple):
    """A question; options in the order that is shown; right : letter; misconceptions : dict letter -> text; lesson."""

    lesson: int
    text: str
    options: dict
    right: str
    misconceptions: dict


@cache
def questions():
    """The questions of the inventory, each with its four options in an order of its own: a tuple of Question."""
    found = []
    for number, entry in enumerate(json.loads(FILE.read_text(encoding="utf-8"))["questions"]):
        texts = [entry["right"], *(wrong["text"] for wrong in entry["wrong"])]
        order = np.random.default_rng([21, number]).permutation(len(texts))
        options = {letter: texts[k] for letter, k in zip(LETTERS, order, strict=True)}
        wrong = {
            letter: entry["wrong"][k - 1]["misconception"] for letter, k in zip(LETTERS, order, strict=True) if k > 0
        }
        right = next(letter for letter in LETTERS if letter not in wrong)
        found.append(Question(entry["lesson"], entry["question"], options, right, wrong))
    return tuple(found)


# --- Asking ----------------------------------------------------------------------------------------

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>What do you know?</title><style>
body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #222; }}
fieldset {{ border: 1px solid #bbb; border-radius: 6px; margin: 1.2rem 0; }} legend {{ font-weight: 600; }}
label {{ display: block; padding: .3rem 0; }} button {{ font: inherit; padding: .5rem 1rem; }}
</style></head><body><main>
<h1>What do you know about reading chest films with a network?</h1>
<p>Twenty questions, about 20 minutes. Choose one option each; leave a question unanswered rather than guess. Your answers stay on
this computer: the button saves them as a file, which you hand in yourself. This is not a test, and it is not marked.</p>
<form id="form">
<p><label>Name or number that you will use again after the course
<input name="student" required maxlength="60" pattern="[A-Za-z0-9_\\-]+" title="letters, digits, - and _"></label></p>
<p><label>Now it is <select name="when"><option>before</option><option>after</option></select> the course</label></p>
{questions}
<p><button>Save my answers</button> <span id="said" role="status"></span></p>
</form></main><script>
document.getElementById("form").addEventListener("submit", function (event) {{
  event.preventDefault();
  const form = new FormData(event.target), who = form.get("student"), when = form.get("when");
  const rows = ["{header}"];
  for (let k = 1; k <= {count}; k++) rows.push([who, when, k, form.get("q" + k) || ""].join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([rows.join("\\n") + "\\n"], {{type: "text/csv"}}));
  link.download = "inventory-" + who + "-" + when + ".csv";
  link.click();
  document.getElementById("said").textContent = "Saved as " + link.download + ". Hand in this file.";
}});
</script></body></html>
"""


def page():
    """The page to answer in, as text: it works without a network, and sends nothing."""
    asked = []
    for number, question in enumerate(questions(), 1):
        options = "\n".join(
            f'<label><input type="radio" name="q{number}" value="{letter}"> {as_html(text)}</label>'
            for letter, text in question.options.items()
        )
        asked.append(f"<fieldset><legend>{number}. {as_html(question.text)}</legend>\n{options}</fieldset>")
    return PAGE.format(questions="\n".join(asked), header=",".join(HEADER), count=len(asked))


# --- Reading ---------------------------------------------------------------------------------------


def read_answers(path):
    """One student's file: (student, 'before' or 'after', list of letters, '' where a question was left open).

    Raises
    ------
    CourseError : it is no file that the page saves; the sentence says what is wrong, and where.
    """
    path, count = Path(path), len(questions())
    if path.stat().st_size > LARGEST:
        raise CourseError(f"{path.name} is larger than a file of answers can be: hand in the file that the page saves.")
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise CourseError(f"{path.name} is no table of text: hand in the file that the page saves.") from None
    if not rows or rows[0] != HEADER:
        raise CourseError(
            f"{path.name} does not begin with the line {','.join(HEADER)}: hand in the file that the page saves."
        )
    who = {tuple(row[:2]) for row in rows[1:]}
    if any(len(row) != len(HEADER) for row in rows) or [row[2] for row in rows[1:]] != [
        str(k + 1) for k in range(count)
    ]:
        raise CourseError(f"{path.name} does not have one line for each of the {count} questions, in order.")
    if len(who) != 1 or next(iter(who))[1] not in WHEN or not next(iter(who))[0]:
        raise CourseError(f"{path.name} must name one student, and 'before' or 'after', the same in every line.")
    answers = [row[3] for row in rows[1:]]
    if strange := [k for k, answer in enumerate(answers, 1) if answer not in ("", *LETTERS)]:
        raise CourseError(f"{path.name}: the answer to question {strange[0]} is none of {', '.join(LETTERS)} or empty.")
    return *next(iter(who)), answers


def read_class(folder):
    """Answers of a class.

    Parameters
    ----------
    folder : path; every .csv file in it is a student's

    Returns
    -------
    (DataFrame with the index (student, when) and columns 1 to 20 of letters, list of sentences on files left out)

    Raises
    ------
    CourseError : the folder has no file that can be read.
    """
    read, problems, files = {}, [], sorted(Path(folder).glob("*.csv"))
    for path in files:
        try:
            student, when, answers = read_answers(path)
            if (student, when) in read:
                raise CourseError(f"{path.name} names the same student, {when} the course, as an earlier file.")
            read[student, when] = answers
        except (CourseError, OSError) as error:
            problems.append(str(error))
    if not read:
        raise CourseError(f"No file of answers in {folder} can be read. " + " ".join(problems[:3]))
    index = pd.MultiIndex.from_tuples(read, names=["student", "when"])
    return pd.DataFrame(list(read.values()), index, columns=range(1, len(questions()) + 1)).sort_index(), problems


# --- What a class knows ----------------------------------------------------------------------------


def right(answers):
    """Which answers are right: bool table like that of `read_class`; an open question is not."""
    return answers == [question.right for question in questions()]


def items(answers):
    """How hard each question was, and how well it tells those who know more from those who know less.

    Parameters
    ----------
    answers : DataFrame (students, questions) of letters, of one point in time

    Returns
    -------
    DataFrame (index: question): lesson, students, difficulty (share of right answers), low, high (Wilson, 95 %),
    discrimination (correlation of this answer with the number of the student's other right answers; NaN where either
    does not vary)

    The corrected item-total correlation of classical test theory (Henrysson 1963, doi 10.1007/BF02289618).
    """
    hits, rows = right(answers).astype(float), []
    for (number, own), question in zip(hits.items(), questions(), strict=True):
        rest = hits.drop(columns=number).sum(axis=1)
        varies = own.nunique() > 1 and rest.nunique() > 1
        low, high = wilson_interval(own.sum(), len(own))
        rows.append(
            (number, question.lesson, len(own), own.mean(), low, high,
             np.corrcoef(own, rest)[0, 1] if varies else np.nan)
        )  # fmt: skip
    names = ["question", "lesson", "students", "difficulty", "low", "high", "discrimination"]
    return pd.DataFrame(rows, columns=names).set_index("question")


class Gain(NamedTuple):
    """Students with both files; shares of right answers; their mean difference with its 95 % interval; Hake's gain."""

    students: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    normalized: float


def gain(answers):
    """What the students who answered twice have gained: a Gain, its interval from the differences of students.

    The interval is Student's; NaN with fewer than two students. `normalized` is (after - before) / (1 - before) of the
    class's means (Hake 1998, doi 10.1119/1.18809); NaN where everything was known before.
    """
    shares = right(answers).mean(axis=1).unstack("when").reindex(columns=WHEN).dropna()
    n = len(shares)
    if not n:
        return Gain(0, *[np.nan] * 6)
    before, after = shares.mean()
    differences = (shares["after"] - shares["before"]).to_numpy()
    reach = student_quantile(0.95, n - 1) * differences.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    mean = differences.mean()
    normalized = (after - before) / (1 - before) if before < 1 else np.nan
    return Gain(n, before, after, mean, mean - reach, mean + reach, normalized)


def misconceptions(answers):
    """Which misconceptions were chosen, the most frequent first.

    Parameters
    ----------
    answers : as for `items`

    Returns
    -------
    DataFrame: misconception, question, lesson, students (who chose it), share (of all students)
    """
    rows = []
    for (number, given), question in zip(answers.items(), questions(), strict=True):
        for letter, chosen in Counter(given).items():
            if letter in question.misconceptions:
                rows.append((question.misconceptions[letter], number, question.lesson, chosen, chosen / len(given)))
    table = pd.DataFrame(rows, columns=["misconception", "question", "lesson", "students", "share"])
    return table.sort_values(["students", "question"], ascending=[False, True], ignore_index=True)


def report(folder):
    """What an instructor is told of a class's folder, as text; no student is named."""
    answers, problems = read_class(folder)
    last = "after" if "after" in answers.index.get_level_values("when") else "before"
    now, got = answers.xs(last, level="when"), gain(answers)
    lines = [f"{len(now)} students {last} the course. Difficulty is the share of right answers."]
    lines += [items(now).round(2).to_string(), ""]
    if got.students:
        lines.append(
            f"{got.students} students answered twice: {got.before:.0%} right before, {got.after:.0%} after; "
            f"gain {100 * got.difference:+.0f} points ({100 * got.low:.0f} to {100 * got.high:.0f}), "
            f"normalized gain {got.normalized:.2f}."
        )
    lines += ["Misconceptions that remain:" if last == "after" else "Misconceptions to begin with:"]
    lines += [
        f"  {row.students:3} of {len(now)}  {row.misconception} (question {row.question}, lesson {row.lesson})"
        for row in misconceptions(now).head(10).itertuples()
    ]
    return "\n".join(lines + [f"Left out: {problem}" for problem in problems])


def hints_met(folder):
    """Hints that a class met, the most frequent first: DataFrame exercise, hint, times, files (how many students').

    folder : path of files *.jsonl, which `util.checks.exercises` writes where COURSE_HINTS names a file
    """
    met = []
    for path in sorted(Path(folder).glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                met.append((str(entry["exercise"])[:60], str(entry["hint"])[:200], path.name))
            except (ValueError, KeyError, TypeError):
                continue  # a line that was cut off costs no other
    if not met:
        raise CourseError(
            f"There are no hints in {folder}: students keep them with COURSE_HINTS=NAME.jsonl, by choice."
        )
    table = pd.DataFrame(met, columns=["exercise", "hint", "file"]).groupby(["exercise", "hint"])["file"]
    table = table.agg(times="size", files="nunique").reset_index()
    return table.sort_values(["files", "times", "exercise"], ascending=[False, False, True], ignore_index=True)


@command()
def main(arguments=None):
    """Write the page, or report on a class."""
    parser = argument_parser("inventory", __doc__)
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page of questions")
    parser.add_argument("--class", type=Path, metavar="FOLDER", dest="folder", help="report on the answers in a folder")
    parser.add_argument("--hints", type=Path, metavar="FOLDER", help="count the hints that a class met")
    options = parser.parse_args(arguments)
    if not (options.page or options.folder or options.hints):
        raise CourseError("Say --page FILE to write the page, or --class FOLDER to read a class's answers.")
    if options.page:
        write_text(options.page, page())
        print(f"{options.page}: open it in a browser. The answers are saved there; nothing is sent.")
    if options.folder:
        print(report(options.folder))
    for row in hints_met(options.hints).head(20).itertuples() if options.hints else ():
        print(f"{row.files:3} students, {row.times:3} times  {row.exercise}: {row.hint}")
