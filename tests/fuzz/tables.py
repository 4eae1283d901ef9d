"""Mutated label tables, box lists, split lists, archives and predictions, judged by an oracle of its own.

The oracle parses the mutated bytes with the csv module and Decimal, shares no code with the readers, and says what the
right answer is, or that refusing is right. A damaged archive may be refused, or give what was packed, and nothing else.
"""

import csv
import io
import re
import tempfile
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fuzz.archives import packed, spoil
from util.data import nih, published
from util.errors import CourseError
from util.findings import FINDINGS

HEADER = [
    "Image Index",
    "Finding Labels",
    "Follow-up #",
    "Patient ID",
    "Patient Age",
    "Patient Gender",
    "View Position",
]
EXTRA = ["OriginalImage[Width", "Height]"]
BOXES = ["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"]
REFUSED = "refused"
DIVISORS = {"": 1, "Y": 1, "M": 12, "W": 52, "D": 365}
LONGEST = 600  # characters of a message, the names of 14 findings and of a folder among them
ODD = [
    "", " ", "1e300", "-1", "-0", "2.0", "2.", "2.5", "18446744073709551615", "999999999", "1000000000", "NaN", "inf",
    "058Y", "013M", "001D", "12W", "12y", "120", "121", "414", "M", "F ", "m", "Female", "LL", "AP", "PA", "Mass",
    "Mass|Mass", "Mass|Edema", "No Finding", "No Finding|Mass", "Cold", "Mass|", "|", "=1+1", "\u0663", "1_0", "+7",
    "0x10", "a\nb", "a,b", 'a"b', " 7 ", "0007", "1024", "1024.5", "1e2", "1e", ".5", "0", "00000001_000.png",
    "00000002_000.jpg", "00000001_000", "x" * 3000, "\u202ea", "0" * 40 + "7",
]  # fmt: skip


# ---- the oracle -------------------------------------------------------------------------------------------------


def parsed(data):
    """Header and rows of a table in bytes, or None where it is none."""
    try:
        text = data.decode("utf-8-sig")
        if "\0" in text:
            return None
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error):
        return None
    if not rows:
        return None
    header = rows[0]
    while header and not header[-1]:
        header = header[:-1]
    for row in rows[1:]:
        if len(row) < len(header) or "".join(row[len(header) :]):
            return None
    return header, [dict(enumerate(row)) for row in rows[1:]]


def places(header, names):
    """Place of each name in the header, or None where one does not stand there once."""
    if header is None or any(header.count(name) != 1 for name in names):
        return None
    return [header.index(name) for name in names]


def whole(text, units):
    """Whole number of a cell, or None."""
    text = text.strip(" ")
    unit = text[-1:] if text[-1:].isalpha() and text[-1:].isascii() else ""
    digits = text[: len(text) - len(unit)]
    if unit not in units or not digits.isascii() or not re.fullmatch(r"\d+(\.0*)?", digits):
        return None
    value = int(Decimal(digits))
    return value // units[unit] if value < 10**9 else None


def stem(name):
    """Name of a film without its ending."""
    return re.sub(r"(?i)\.(png|jpg|jpeg)\Z", "", name)


def right_labels(data):
    """Rows (image, patient, follow-up, age, sex, view, findings) of a label table, or REFUSED."""
    table = parsed(data)
    where = places(table and table[0], HEADER)
    if where is None or not table[1] or len(table[0]) > 200:
        return REFUSED
    answer = []
    for row in table[1]:
        image, labels, visit, patient, age, sex, view = (row[place] for place in where)
        numbers = whole(patient, {"": 1}), whole(visit, {"": 1}), whole(age, DIVISORS)
        found = labels.split("|")
        healthy = set(found) == {"No Finding"}
        known = healthy or set(found) <= set(FINDINGS)
        if None in numbers or sex not in ("M", "F") or view not in ("PA", "AP") or not known or not image.strip():
            return REFUSED
        years = numbers[2] if numbers[2] <= 120 else None
        answer.append((image, *numbers[:2], years, sex, view, frozenset() if healthy else frozenset(found)))
    stems = [stem(row[0]) for row in answer]
    return answer if len(stems) == len(set(stems)) else REFUSED


def right_boxes(data):
    """Rows (image, finding, x, y, w, h) of the boxes of the films on disk, in their pixels, or REFUSED."""
    table = parsed(data)
    where = places(table and table[0], BOXES)
    if where is None:
        return REFUSED
    answer = []
    for row in table[1]:
        image, finding, *corners = (row[place] for place in where)
        finding = "Infiltration" if finding == "Infiltrate" else finding
        try:
            plain = all(re.fullmatch(r" *[0-9.]+([eE][+-]?[0-9]{1,2})? *", corner) for corner in corners)
            x, y, w, h = (Decimal(corner.strip(" ")) for corner in corners)
        except InvalidOperation:
            return REFUSED
        if not plain or finding not in FINDINGS or min(w, h) <= 0 or x + w > 1024 or y + h > 1024:
            return REFUSED
        answer += [
            (name, finding, *(float(v) / 16 for v in (x, y, w, h))) for name in FILMS if stem(name) == stem(image)
        ]
    return answer


def right_lists(parts):
    """Films of the test list, or REFUSED; `parts` are the bytes of both lists."""
    try:
        texts = [part.decode("utf-8-sig") for part in parts]
    except UnicodeDecodeError:
        return REFUSED
    if any("\0" in text or not part for text, part in zip(texts, parts, strict=True)):
        return REFUSED
    train, test = ({stem(line.strip()) for line in re.split("\r\n|\r|\n", text)} for text in texts)
    films = {stem(name) for name in FILMS}
    return (
        {name for name in FILMS if stem(name) in test}
        if films <= train | test and not films & train & test
        else REFUSED
    )


# ---- mutations of a text ----------------------------------------------------------------------------------------


FILMS = [f"{who:08d}_{visit:03d}.png" for who in range(1, 6) for visit in range(2)]


def labels(rng):
    """Header and rows of a right label table."""
    names = ["No Finding", *FINDINGS, "Mass|Edema", "Effusion|Infiltration|Hernia"]
    rows = [
        [image, str(rng.choice(names)), str(k % 2), str(int(image[:8])), str(rng.integers(0, 130)),
         str(rng.choice(["M", "F"])), str(rng.choice(["PA", "AP"])), "2500", "2048"]
        for k, image in enumerate(FILMS)
    ]  # fmt: skip
    return [*HEADER, *EXTRA], rows


def boxes(rng):
    """Header and rows of a right box list, as NIH writes them."""
    rows = [
        [str(rng.choice(FILMS)), str(rng.choice(["Mass", "Infiltrate", "Nodule"])), *(f"{v:.3f}" for v in rng.uniform(1, 500, 4))]
        for _ in range(6)
    ]  # fmt: skip
    return [*BOXES, "", "", ""], rows


def change(header, rows, rng):
    """Change cells, rows or columns of a table in place, once; most changes leave a table that can be read."""
    row = rows[rng.integers(len(rows))] if rows else header
    place = int(rng.integers(len(row))) if row else 0
    CHANGES[rng.integers(len(CHANGES))](header, rows, row, place, rng)


def another_cell(header, rows, row, place, rng):
    if row:
        row[place] = str(rng.choice(ODD))


def row_again(header, rows, row, place, rng):
    rows.append(list(row))


def row_away(header, rows, row, place, rng):
    if len(rows) > 1:
        rows.pop()


def column_again(header, rows, row, place, rng):
    """A column twice, the second of other values."""
    if header:
        header.append(header[place % len(header)])
        for number, other in enumerate(rows):
            other.append(str(number))


def another_name(header, rows, row, place, rng):
    if header:
        header[place % len(header)] = str(rng.choice([*HEADER, *BOXES, "", "x", " Patient ID"]))


def columns_in_another_order(header, rows, row, place, rng):
    order = rng.permutation(len(header))
    for line in (header, *rows):
        if len(line) == len(order):
            line[:] = [line[k] for k in order]


def column_of_numbers(header, rows, row, place, rng):
    """As pandas writes its index."""
    header.insert(0, "")
    for number, other in enumerate(rows):
        other.insert(0, str(number))


def cell_more(header, rows, row, place, rng):
    row.insert(place, str(rng.choice(["", "7", "x"])))


def cells_fewer(header, rows, row, place, rng):
    del row[place : None if rng.integers(2) else place + 1]


def commas_at_the_end(header, rows, row, place, rng):
    for line in (header, *rows)[int(rng.integers(2)) :]:
        line += [""] * int(rng.integers(1, 3))


def header_again(header, rows, row, place, rng):
    rows.insert(place, list(header))


CHANGES = [
    *[another_cell] * 4, row_again, *[row_away] * 2, column_again, another_name, *[columns_in_another_order] * 2,
    *[column_of_numbers] * 2, cell_more, cells_fewer, *[commas_at_the_end] * 2, header_again,
]  # fmt: skip


def written(header, rows, rng):
    """Bytes of a table, in one of the ways in which programs write them."""
    file = io.StringIO()
    style = {
        "quoting": int(rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "lineterminator": str(rng.choice(["\n", "\r\n", "\r"])),
    }
    delimiter = str(rng.choice([",", ";", "\t"], p=[0.96, 0.02, 0.02]))
    csv.writer(file, delimiter=delimiter, **style).writerows([header, *rows])
    encoding = str(
        rng.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-16-le"], p=[0.8, 0.14, 0.02, 0.02, 0.02])
    )
    return file.getvalue().encode(encoding, "replace")


# ---- one case ---------------------------------------------------------------------------------------------------


def table_of(films):
    """What `read_labels` says, as the oracle does."""
    return [
        (film.Image, film.PatientId, film.FollowUp, None if np.isnan(film.Age) else film.Age, film.Sex, film.View,
         frozenset(finding for finding in FINDINGS if getattr(film, finding)))
        for film in films.itertuples()
    ]  # fmt: skip


def case(rng, folder, paths):
    """One mutated input: (function that reads it, the right answers among which its own must be)."""
    kind = rng.choice(["labels", "boxes", "lists", "predictions"], p=[0.6, 0.2, 0.15, 0.05])
    if kind == "lists":
        cut = int(rng.integers(1, len(FILMS)))
        parts = ["\n".join(some).encode() for some in (FILMS[:cut], FILMS[cut:])]
        for _ in range(int(rng.integers(3))):
            side = int(rng.integers(2))
            parts[side] = b"\xef\xbb\xbf" + parts[side] if rng.random() < 0.2 else spoil(parts[side], rng)
        for name, part in zip(nih.LISTS, parts, strict=True):
            (folder / name).write_bytes(part)
        return lambda: tested(nih.assign_splits(films_table(), folder)[0]), [right_lists(parts)]
    header, rows = boxes(rng) if kind == "boxes" else labels(rng)
    for _ in range(int(rng.integers(3))):
        change(header, rows, rng)
    data = written(header, rows, rng)
    if rng.random() < 0.2:
        data = spoil(data, rng)
    if kind == "predictions":
        (folder / published.FILE).write_bytes(data)
        return lambda: published.read_predictions(folder / published.FILE), [REFUSED]
    archive, good = packed(data, rng)
    path = folder / "table.csv"
    path.write_bytes(archive)
    right = right_boxes(data) if kind == "boxes" else right_labels(data)
    answers = {True: [right], False: [REFUSED], None: [right, REFUSED]}[good]
    if kind == "boxes":
        return lambda: [tuple(row) for row in nih.read_boxes(path, paths).itertuples(index=False)], answers
    return lambda: table_of(nih.read_labels(path)), answers


def films_table():
    """The films that the lists divide."""
    import pandas as pd

    return pd.DataFrame({"Image": FILMS, "PatientId": [int(name[:8]) for name in FILMS]})


def tested(split):
    """Names of the test films."""
    return {name for name, side in zip(FILMS, split, strict=True) if side == "test"}


def same(answer, right):
    """Whether two answers are equal, numbers up to rounding."""
    if isinstance(answer, str) or isinstance(right, str) or isinstance(answer, set):
        return type(answer) is type(right) and answer == right
    numbers = [[v for row in rows for v in row if isinstance(v, float)] for rows in (answer, right)]
    others = [[[v for v in row if not isinstance(v, float)] for row in rows] for rows in (answer, right)]
    if others[0] != others[1]:
        return [tuple(row) for row in answer] == [tuple(row) for row in right]
    return len(numbers[0]) == len(numbers[1]) and np.allclose(*numbers, rtol=1e-12)


def run(count, seed=0):
    """Try so many mutated inputs: dict of counts, of what went wrong, the slowest in seconds, and the peak in MB."""
    found = dict.fromkeys(("tried", "refused", "read_right", "tracebacks", "wrong"), 0) | {
        "slowest_s": 0.0,
        "told": [],
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = {image: folder / image for image in FILMS}
        for path in paths.values():
            Image.new("L", (64, 64)).save(path)
        for number in range(count):
            read, answers = case(np.random.default_rng([seed, number]), folder, paths)
            start = time.perf_counter()
            verdict, why = judged(read, answers, folder)
            found["slowest_s"] = max(found["slowest_s"], time.perf_counter() - start)
            found["tried"] += 1
            found[verdict] += 1
            if why:
                found["told"].append(f"seed {seed}, case {number}: {verdict}: {why}")
    return found | {"memory_mb": peak()}


def judged(read, answers, folder):
    """(verdict, what went wrong or '') of one case."""
    try:
        answer = read()
    except CourseError as error:
        text = str(error)
        if REFUSED not in answers:
            return "wrong", f"refused though right: {text[:300]}"
        if len(text) - len(str(folder)) > LONGEST or not text.isprintable() or str(folder) not in text:
            return "wrong", f"no one sentence that names the file: {text[:300]!r}"
        return "refused", ""
    except Exception as error:
        return "tracebacks", repr(error)[:300]
    if not any(same(answer, right) for right in answers):
        return "wrong", f"{answer!r}"[:300] + f" in place of {answers!r}"[:300]
    return "read_right", ""


def peak():
    """Megabytes that this process has held at most; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
