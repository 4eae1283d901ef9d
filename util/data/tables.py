"""Text and tables that somebody else wrote, read within bounds: nothing is unpacked or kept before its size is known.

A table of all of ChestX-ray14 has 8 MB and 112,120 rows; what is much larger is no such table.
"""

import bz2
import csv
import io
import lzma
import stat
import struct
import zipfile
import zlib
from functools import partial
from operator import itemgetter
from pathlib import Path, PurePosixPath

import pandas as pd

from util.errors import CourseError

MOST_BYTES = 32 * 2**20  # of a file, and of what is packed in it
MOST_LINES, MOST_COLUMNS = 250_000, 200
MOST_PARTS = 1000  # gzip files joined to one, or files in a zip
MOST_MEMORY = 128 * 2**20  # bytes that unpacking .xz may ask for
QUOTED = 80  # characters of a foreign cell that a message repeats
CHUNK = 2**16
DAMAGED = "it is damaged or cut short"
PACKINGS = ("", ".gz", ".zip", ".xz", ".bz2")


class Unreadable(Exception):
    """Why a file cannot be read, in words."""


def quoted(text):
    """A foreign text as a message may repeat it: in quotes, on one line, not too long."""
    return repr(text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}...")


def named(text):
    """As `quoted`, without the quotes: the name of a film."""
    return quoted(text)[1:-1]


def read_text(path, remedy="fetch it again from NIH", most=MOST_BYTES):
    """Text of a file in UTF-8, plain or packed as .gz, .zip, .xz or .bz2, whatever its name ends in.

    Parameters
    ----------
    path : str or Path
    remedy : str, what to do where it cannot be read
    most : int, bytes that the file, and what is packed in it, may have

    Returns
    -------
    str, without a byte order mark, its line ends as they are

    Raises
    ------
    CourseError : no regular file, more than `most` bytes as it is or unpacked, damaged, or no text in UTF-8.
    """
    try:
        return _decoded(_unpacked(_bytes(Path(path), most), most))
    except Unreadable as error:
        reason = str(error)
    except OSError as error:  # bz2 says so, too, without a number, where its data are damaged
        reason = error.strerror or DAMAGED
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile):
        reason = DAMAGED
    raise CourseError(f"The table {path} cannot be read ({reason}): {remedy}.")


def _bytes(path, most):
    """What stands in a regular file."""
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
        raise Unreadable("it is a folder, a device or a pipe, not a file")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if not data:
        raise Unreadable("it is empty")
    return _bounded(data, most)


def _bounded(data, most):
    if len(data) > most:
        raise Unreadable(f"it holds more than {most >> 20} MB, so it is no table of the course")
    return data


def _unpacked(data, most):
    """The bytes, or those that are packed in them; packed once, not in layers."""
    if (unpack := _packing(data)) is None:
        return data
    data = _bounded(unpack(data, most + 1), most)
    if _packing(data):
        raise Unreadable("it is an archive in an archive; unpack the outer one")
    return data


def _packing(data):
    """The function that unpacks these bytes, by how they begin, or None."""
    packings = {
        b"\x1f\x8b": partial(_inflated, lambda: zlib.decompressobj(31)),
        b"PK\x03\x04": _unzipped,
        b"PK\x05\x06": _unzipped,  # of no file
        b"BZh": partial(_inflated, bz2.BZ2Decompressor),
        b"\xfd7zXZ": partial(_inflated, lambda: lzma.LZMADecompressor(memlimit=MOST_MEMORY)),
    }
    return next((unpack for head, unpack in packings.items() if data.startswith(head)), None)


def _inflated(decompressor, data, most):
    """At most so many bytes of what is packed in a stream, or in several that follow each other."""
    parts, size, place = [], 0, 0
    for _ in range(MOST_PARTS):
        stream = decompressor()
        while not stream.eof:
            chunk = data[place : place + CHUNK]
            if not chunk:
                raise EOFError
            parts.append(stream.decompress(chunk, most - size))
            size += len(parts[-1])
            if size == most:
                return b"".join(parts)
            place += len(chunk)
        place -= len(stream.unused_data)
        if not data[place:].strip(b"\0"):  # tapes are filled up with zeros
            return b"".join(parts)
    raise Unreadable(f"it is joined of more than {MOST_PARTS:,} parts")


def _unzipped(data, most):
    """At most so many bytes of the one table in a zip; what macOS adds, and other hidden files, do not count."""
    if data.count(b"PK\x01\x02") > MOST_PARTS:  # an entry of its list begins so; the list itself is not read before
        raise Unreadable(f"it holds more than {MOST_PARTS:,} files")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = _only_table(archive.infolist())
            with archive.open(member) as file:
                return file.read(most)
    except (NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error):
        raise Unreadable("this zip is damaged, or packed in an unusual way; unpack it") from None


def _only_table(members):
    """Entry of the one table in a zip, packed in a way that unpacks piece by piece."""
    tables = [member for member in members if not (member.is_dir() or _hidden(member.filename))]
    if len(tables) > 1:
        tables = [member for member in tables if member.filename.lower().endswith((".csv", ".txt"))]
    if len(tables) != 1:
        raise Unreadable(f"this zip holds {len(tables)} tables where one is wanted; unpack it")
    if tables[0].flag_bits & 1:
        raise Unreadable("this zip asks for a password; unpack it")
    if tables[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unreadable("this zip is packed in an unusual way; unpack it")
    return tables[0]


def _hidden(name):
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name.startswith(".")


def _decoded(data):
    """Text of bytes in UTF-8, with a byte order mark or without."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"line {line:,} is no text in UTF-8; save it as CSV UTF-8") from None
    if "\0" in text:
        raise Unreadable("it holds binary data or text in UTF-16; save it as CSV UTF-8")
    return text


def read_lines(path):
    """Lines of a text, without blanks around them and without empty ones: list of str. Raises as `read_text`."""
    return list(filter(None, map(str.strip, _lines(path))))


def read_table(path, columns, whose, **options):
    """Some columns of a table of values separated by commas.

    Parameters
    ----------
    path : str or Path, as for `read_text`
    columns : dict, name in the header, or a tuple of names of which one stands there, -> name wanted; two or more
    whose : str, such as "NIH's Data_Entry_2017 file", for messages
    options : of `read_text`

    Returns
    -------
    DataFrame of str: the columns wanted, in their order; one row for each row of the file that is not blank

    Raises
    ------
    CourseError : as `read_text`; a column that is absent or stands twice; a row that is longer or shorter than the
    header, save for empty cells at its end; quotes that do not close; more than 250,000 lines, 200 columns or 131,072
    characters in a cell.
    """
    rows = csv.reader(_lines(path, **options), strict=True)
    try:
        header = next(filter(None, rows), [])
        places = _places(path, header, columns, whose)
        kept = [*map(itemgetter(*places), _as_wide(path, header, rows))]
    except csv.Error as error:
        raise _refused(path, rows.line_num, f"is no row of a table ({error})") from None
    return pd.DataFrame(kept, columns=list(columns.values()), dtype="str")


def _lines(path, **options):
    """The lines of a text with their ends, counted before they are taken apart."""
    text = read_text(path, **options)
    if max(text.count("\n"), text.count("\r")) > MOST_LINES:
        raise CourseError(f"{path} has more than {MOST_LINES:,} lines: keep those of ChestX-ray14.")
    return io.StringIO(text, newline="")


def _refused(path, line, reason):
    return CourseError(f"{path}: line {line:,} {reason}: correct it, or fetch the file again.")


def _places(path, header, columns, whose):
    """Where the wanted columns stand in a header, each once."""
    if len(header) > MOST_COLUMNS:
        raise CourseError(f"{path} has more than {MOST_COLUMNS} columns: keep those of {whose}.")
    names = [name if isinstance(name, tuple) else (name,) for name in columns]
    found = [[place for place, cell in enumerate(header) if cell in name] for name in names]
    absent = [name[-1] for name, places in zip(names, found, strict=True) if not places]
    if absent:
        raise CourseError(f"{path} has no column {', '.join(absent)}: is it {whose}?")
    twice = [name[-1] for name, places in zip(names, found, strict=True) if len(places) > 1]
    if twice:
        raise CourseError(f"{path} has the column {twice[0]} twice: remove the one that is wrong.")
    return [places[0] for places in found]


def _as_wide(path, header, rows):
    """The rows that are not blank, each as wide as the header; empty names and cells at the end do not count."""
    width = max(place for place, name in enumerate(header, 1) if name)
    for row in filter(None, rows):
        if len(row) != width and (len(row) < width or any(row[width:])):
            raise _refused(path, rows.line_num, f"has {len(row):,} cells where the header has {width:,}")
        yield row
