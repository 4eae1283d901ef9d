"""Read text and tables of unknown origin within bounds: nothing is unpacked or kept before its size is known.

The table of all of ChestX-ray14 has 8 MB and 112,120 rows; a much larger file is no such table.
"""

import bz2
import csv
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from pathlib import Path, PurePosixPath

import pandas as pd

from util.errors import CourseError

MOST_BYTES = 32 * 2**20  # of a file, packed and unpacked
MOST_LINES, MOST_COLUMNS = 250_000, 200
MOST_PARTS = 1000  # gzip files joined to one, or files in a zip
MOST_MEMORY = 128 * 2**20  # bytes that unpacking .xz may ask for
QUOTED = 80  # characters of a foreign cell that a message repeats
CHUNK = 2**16
DAMAGED = "it is damaged or cut short"
PACKINGS = ("", ".gz", ".zip", ".xz", ".bz2")


class Unreadable(Exception):
    """Why a file cannot be read, in words.

    See Also
    --------
    read_text : turns it into a CourseError

    Examples
    --------
    >>> str(Unreadable("it is empty"))
    'it is empty'
    """


def quoted(text: str) -> str:
    """Text of unknown origin, made safe for a message: in quotes, on one line, not too long.

    See Also
    --------
    named : the same without quotes

    Examples
    --------
    >>> quoted("Mass"), len(quoted(100 * "a"))
    ("'Mass'", 82)
    """
    return repr(text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}...")


def named(text: str) -> str:
    """As `quoted`, without the quotes, for the name of a film.

    See Also
    --------
    quoted : the same in quotes

    Examples
    --------
    >>> named("00000001_000.png")
    '00000001_000.png'
    """
    return quoted(text)[1:-1]


def read_text(path: Path | str, remedy: str = "fetch it again from NIH", most: int = MOST_BYTES) -> str:
    """Text of a file in UTF-8, plain or packed as .gz, .zip, .xz or .bz2; the ending of its name does not matter.

    Parameters
    ----------
    path : str or Path
    remedy : str, what the message advises if the file cannot be read
    most : int, the most bytes that the file may have, packed and unpacked

    Returns
    -------
    str, without a byte order mark, with line ends unchanged

    Raises
    ------
    CourseError : not a regular file, more than `most` bytes packed or unpacked, damaged, or not text in UTF-8.

    See Also
    --------
    read_lines : its lines
    read_table : its columns

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> read_text(PHANTOM / "boxes.csv").split()[0]
    'Image,finding,x,y,w,h'
    """
    try:
        return _decoded(_unpacked(_bytes(Path(path), most), most))
    except Unreadable as error:
        reason = str(error)
    except OSError as error:  # bz2 raises one without a number if its data are damaged
        reason = error.strerror or DAMAGED
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile):
        reason = DAMAGED
    raise CourseError(f"The table {path} cannot be read ({reason}): {remedy}.")


def _bytes(path, most):
    """The content of a regular file."""
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait forever
        raise Unreadable("it is a folder, a device or a pipe, not a file")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if not data:
        raise Unreadable("it is empty")
    return _bounded(data, most)


def _bounded(data, most):
    if len(data) > most:
        size = f"{most >> 20} MB" if most >> 20 else f"{most // 1000} kB"
        raise Unreadable(f"it holds more than {size}, so it is no table of the course")
    return data


def _unpacked(data, most):
    """The bytes, unpacked if they are packed; an archive in an archive is refused."""
    if (unpack := _packing(data)) is None:
        return data
    data = _bounded(unpack(data, most + 1), most)
    if _packing(data):
        raise Unreadable("it is an archive in an archive; unpack the outer one")
    return data


def _packing(data):
    """The function that unpacks these bytes, chosen by their first bytes, or None."""
    packings = {
        b"\x1f\x8b": partial(_inflated, lambda: zlib.decompressobj(31)),
        b"PK\x03\x04": _unzipped,
        b"PK\x05\x06": _unzipped,  # an empty zip
        b"BZh": partial(_inflated, bz2.BZ2Decompressor),
        b"\xfd7zXZ": partial(_inflated, lambda: lzma.LZMADecompressor(memlimit=MOST_MEMORY)),
    }
    return next((unpack for head, unpack in packings.items() if data.startswith(head)), None)


def _inflated(decompressor, data, most):
    """At most `most` bytes of what is packed in a stream, or in several streams in a row."""
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
        if not data[place:].strip(b"\0"):  # tapes are padded with zeros
            return b"".join(parts)
    raise Unreadable(f"it is joined of more than {MOST_PARTS:,} parts")


def _unzipped(data, most):
    """At most `most` bytes of the one table in a zip; hidden files, such as those that macOS adds, do not count."""
    if data.count(b"PK\x01\x02") > MOST_PARTS:  # each entry of the list begins so; counted before the list is read
        raise Unreadable(f"it holds more than {MOST_PARTS:,} files")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = _only_table(archive.infolist())
            with archive.open(member) as file:
                return file.read(most)
    except (NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error):
        raise Unreadable("this zip is damaged, or packed in an unusual way; unpack it") from None


def _only_table(members):
    """Entry of the one table in a zip; it must be packed in a way that can be unpacked piece by piece."""
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
    """Text from bytes in UTF-8, with or without a byte order mark."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"line {line:,} is no text in UTF-8; save it as CSV UTF-8") from None
    if "\0" in text:
        raise Unreadable("it holds binary data or text in UTF-16; save it as CSV UTF-8")
    return text


def read_lines(path: Path | str) -> list[str]:
    """Lines of a text, stripped and without empty ones: list of str. It raises the same errors as `read_text`.

    See Also
    --------
    read_text : the whole text

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> read_lines(PHANTOM / "boxes.csv")[0]
    'Image,finding,x,y,w,h'
    """
    return list(filter(None, map(str.strip, _lines(path))))


def read_table(
    path: Path | str, columns: Mapping[str | tuple[str, ...], str], whose: str, **options: str | int
) -> pd.DataFrame:
    """Some columns of a table of comma-separated values.

    Parameters
    ----------
    path : str or Path, as for `read_text`
    columns : dict of at least two columns: name in the header, or a tuple of alternative names -> name wanted
    whose : str, such as "NIH's Data_Entry_2017 file", for messages
    options : those of `read_text`

    Returns
    -------
    DataFrame of str: the columns wanted, in their order; one row for each row of the file that is not blank

    Raises
    ------
    CourseError : as in `read_text`; a column that is absent or appears twice; a row that is longer or shorter than the
        header, except for empty cells at its end; quotes that do not close; more than 250,000 lines, 200 columns or
        131,072 characters in a cell.

    See Also
    --------
    read_text : the text behind it
    util.data.nih.read_labels : NIH's label table

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> table = read_table(PHANTOM / "boxes.csv", {"Image": "film", "x": "left"}, "the phantom's boxes")
    >>> list(table.columns)
    ['film', 'left']
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
    """The lines of a text with their ends, counted before they are split."""
    text = read_text(path, **options)
    if max(text.count("\n"), text.count("\r")) > MOST_LINES:
        raise CourseError(f"{path} has more than {MOST_LINES:,} lines: keep those of ChestX-ray14.")
    return io.StringIO(text, newline="")


def _refused(path, line, reason):
    return CourseError(f"{path}: line {line:,} {reason}: correct it, or fetch the file again.")


def _places(path, header, columns, whose):
    """Positions of the wanted columns in a header, where each must appear once."""
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
    """The rows that are not blank, each as wide as the header, not counting empty names and cells at the end."""
    width = max(place for place, name in enumerate(header, 1) if name)
    for row in filter(None, rows):
        if len(row) != width and (len(row) < width or any(row[width:])):
            raise _refused(path, rows.line_num, f"has {len(row):,} cells where the header has {width:,}")
        yield row
