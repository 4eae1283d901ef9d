"""A class's answers in words and tables, as an instructor reads them: Markdown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.metrics.mrmc import ANALYSES
from util.metrics.mrmc_power import sizes_table
from util.metrics.roc import auc
from util.reading.files import READINGS, Answers
from util.reading.room import Room
from util.reading.study import advice_study, changes_table, class_agreement, complete, model_against, readers_table

LARGER = (3, 5, 10, 20, 40, 60)  # readers of a larger study
SMALLEST = 0.02  # a difference of AUC below this one is not planned for: the planned one is then 0.05
PLANNED = 0.05


def report(answers: list[Answers], room: Room, left_out: int = 0) -> str:
    """All that the answers say, as Markdown.

    Parameters
    ----------
    answers : list of Answers; room : Room
    left_out : int, files that made no sense and are not in it (`util.reading.files.read_class`)

    Returns
    -------
    str; with one reader or one reading, what needs more is left out, and a sentence says so

    See Also
    --------
    util.reading.study : the numbers

    Examples
    --------
    Not run by the tests, since it needs a class's answers.

    >>> print(report(answers, room))  # doctest: +SKIP
    """
    parts = [_head(answers, room, left_out), _readers(answers, room)]
    parts += [_model(answers, room), _agreement(answers, room), _advice(answers, room)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(answers, room, left_out):
    people = sorted({one.reader for one in answers})
    films = f"{len(room.films)} simulated films, {int(room.truth.sum())} with {room.finding}"
    lines = [
        f"# Reading room: {_plain(room.name)}",
        f"{films}; {len(people)} reader{'s' * (len(people) != 1)}. Not for clinical use.",
    ]
    if left_out:
        lines.append(f"Not in here: {left_out} file{'s' * (left_out != 1)} that could not be read.")
    lines += [
        f"{_plain(one.reader)} ({one.reading}) left out {len(one.missing)} films, and counts only in the first table."
        for one in answers
        if one.missing
    ]
    return "\n\n".join(lines)


def _plain(text):
    """Text of a person, without what Markdown or a page would act on."""
    return "".join(letter if letter.isalnum() or letter in " _.-" else "?" for letter in text)


def _readers(answers, room):
    table = readers_table(answers, room)
    rows = ["| reader | reading | films | sensitivity | false alarms | AUC | places |", "|---|---|---|---|---|---|---|"]
    for (reader, reading), row in table.iterrows():
        cells = [_plain(reader), reading, f"{row['films']:.0f}"]
        cells += [_interval(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in ("tpr", "fpr", "auc")]
        rows.append(f"| {' | '.join([*cells, _number(row['places'])])} |")
    return "## Readers\n\nWith 95 % intervals by patient.\n\n" + "\n".join(rows)


def _number(value):
    return "-" if np.isnan(value) else f"{value:.2f}"


def _interval(value, low, high):
    return _number(value) if np.isnan(low) else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _analyses(table):
    rows = ["| analysis | difference of AUC | p |", "|---|---|---|"]
    for analysis, row in table.iterrows():
        p = _number(row["p"]) if not row["p"] < 0.005 else "< 0.01"
        rows.append(f"| {analysis} | {row['difference']:+.3f}{_ends(row)} | {p} |")
    return "\n".join(rows)


def _ends(row):
    return "" if np.isnan(row["low"]) else f" ({row['low']:+.3f} to {row['high']:+.3f})"


def _model(answers, room):
    if not room.advised or not complete(answers, "alone"):
        return ""
    score = room.films["Score"].to_numpy(float)
    head = f"## The class beside the model\n\nThe model alone has an AUC of {auc(room.truth, score):.2f}. Readers alone less model:"
    return f"{head}\n\n{_analyses(model_against(answers, room))}"


def _agreement(answers, room):
    lines = []
    for reading in READINGS:
        table = class_agreement(answers, room, reading)
        if table is not None:
            said = [f"{name} {_interval(*row[['value', 'low', 'high']])}" for name, row in table.iterrows()]
            lines.append(f"{reading}: {', '.join(said)}")
    return "## Agreement on yes or no\n\n" + "\n\n".join(lines) if lines else ""


def _advice(answers, room):
    try:
        names, study = advice_study(answers, room)
    except CourseError as error:
        return f"## With and without advice\n\n{error}" if room.advised else ""
    means = study.aucs.mean(axis=1)
    head = f"{len(names)} reader{'s' * (len(names) != 1)}: mean AUC alone {means[1]:.3f}, with advice {means[0]:.3f}. With advice less alone:"
    parts = ["## With and without advice", head, _analyses(study.differences.set_index("analysis"))]
    parts.append(
        f"`{ANALYSES[0]}` is about other readers and other patients; the others are about these readers, or these films."
    )
    changes = changes_table(answers, room)
    parts += [
        f"Advice {advice}, alone {alone}: {row['readings']:.0f} readings, {row['right']:.0f} right with advice"
        for (advice, alone), row in changes.iterrows()
    ]
    if len(names) > 1:
        parts.append(_larger(study, room))
    else:
        parts.append("One reader says nothing of other readers: only the analysis of fixed readers is possible.")
    return "\n\n".join(parts)


def _larger(study, room):
    seen = abs(float(study.differences["difference"].iloc[0]))
    if not (study.components.error > 0 or study.components.interaction > 0):
        return "### A larger study\n\nNo reader's AUC varies here, so these answers cannot say how large a study has to be."
    planned = seen if seen >= SMALLEST else PLANNED
    table = sizes_table(study.components, planned, len(room.films), LARGER)
    rows = ["| readers | films that each reads | readings |", "|---|---|---|"]
    for readers, row in table.iterrows():
        cells = (
            ("more than 20,000", "-") if pd.isna(row["cases"]) else (f"{row['cases']:,.0f}", f"{row['readings']:,.0f}")
        )
        rows.append(f"| {readers} | {' | '.join(cells)} |")
    head = f"To find a true difference of {planned:.3f} with a power of 80 %, for other readers and other patients:"
    return f"### A larger study\n\n{head}\n\n" + "\n".join(rows)
