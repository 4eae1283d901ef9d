"""The files of an archive of scores: Parquet parts and a manifest, and how they are read (`util.archive.writing` writes them).

    OUT/manifest.json                films, weights' SHA-256, preprocessing, versions
    OUT/part-0f3c....parquet         one row a film, scored or refused
    OUT/gate.npz                     the input gate, so that it is fitted once

A part holds one block of films and is named by their keys, so the same block, scored twice, is the same file. A film's
key is a hash of its name, size and time of change: what is in a part under this key is done.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from util.archive.reader import PERCENTILES, hashed
from util.errors import CourseError
from util.findings import FINDINGS

if TYPE_CHECKING:
    import pyarrow

    from util.archive.sources import FilmRef

FORMAT = 1  # of the archive; it is raised when an older reader would misunderstand
MANIFEST = "manifest.json"
MOST_ROWS = 1_000_000  # of a part; a block has 64, and a few bytes can claim billions
PART = re.compile(r"part-[0-9a-f]{24}\.parquet")
GRAYS = ("gray_mean", "gray_sd", *(f"gray_{percent}" for percent in PERCENTILES))
HASHES = tuple(f"hash_{k}" for k in range(4))
LOGITS, PROBS = tuple(f"logit_{f}" for f in FINDINGS), tuple(f"prob_{f}" for f in FINDINGS)


def arrow() -> ModuleType:
    """The package pyarrow; a CourseError that says how to install it where it is missing.

    See Also
    --------
    schema : needs it

    Examples
    --------
    Not run by the tests, since pyarrow may be missing.

    >>> arrow().__name__  # doctest: +SKIP
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise CourseError(
            "An archive is written with pyarrow, which is not installed: pip install 'chest-xray-course[archive]', "
            "or name a table, --out scores.csv."
        ) from None
    return pyarrow


def schema(features: int = 0, maps: Sequence[str] = (), cells: int = 0) -> pyarrow.Schema:
    """Columns of a part, a pyarrow.Schema.

    =============================  ======================================================================
    name                           string; a salted hash where names are hashed
    key                            16 bytes, of name, size and time of change
    sha256                         string, of the file's bytes (of salt and bytes where names are hashed)
    patient, study, view           string, null where unknown: NIH's patient number, or a salted hash; PA or AP
    refused                        string, null where the film is scored, else the reason why it is not
    gate                           'familiar', 'unfamiliar', 'not frontal' (`util.models.input_gate`), or null
    height, width                  int32, pixels of the film
    gray_mean, gray_sd             float32, gray levels 0 to 255
    gray_1, ..._5, 25, 50, ... 99  float32, percentiles
    hash_0 to hash_3               uint64, `util.data.film_hash.film_hash`; null of an empty film
    logit_*, prob_*                float64, calibrated, as in the table of ``--out scores.csv``
    features                       float32, 1,024 inputs of the last layer (only with --features)
    map_*                          uint8, cells of a heat map, row by row (only with --maps), and
    map_*_low, map_*_step          float32: a cell is low + step x its number, in units of the logit
    =============================  ======================================================================

    Parameters
    ----------
    features : int, numbers a film; 0 for none
    maps : findings with heat maps
    cells : int, cells of a map

    Returns
    -------
    pyarrow.Schema

    See Also
    --------
    read_parts : tables with these columns

    Examples
    --------
    Not run by the tests, since pyarrow may be missing.

    >>> schema(features=1024).field("features").type  # doctest: +SKIP
    """
    pa = arrow()
    texts = [(name, pa.string()) for name in ("sha256", "patient", "study", "view", "refused", "gate")]
    columns = [("name", pa.string()), ("key", pa.binary(16)), *texts, ("height", pa.int32()), ("width", pa.int32())]
    columns += [(name, pa.float32()) for name in GRAYS] + [(name, pa.uint64()) for name in HASHES]
    columns += [(name, pa.float64()) for name in (*LOGITS, *PROBS)]
    columns += [("features", pa.list_(pa.float32(), features))] if features else []
    for finding in maps:
        columns.append((f"map_{finding}", pa.list_(pa.uint8(), cells)))
        columns += [(f"map_{finding}_low", pa.float32()), (f"map_{finding}_step", pa.float32())]
    return pa.schema(columns)


# --- Reading ---------------------------------------------------------------------------------------


def counts_of(manifest: dict) -> str:
    """What an archive holds, in words, from its manifest.

    See Also
    --------
    read_manifest : gives it

    Examples
    --------
    >>> counts_of({"films": 1200, "refused": 3, "parts": 19})
    'films 1,200, refused 3, parts 19'
    """
    return ", ".join(f"{what} {manifest[what]:,}" for what in ("films", "refused", "parts"))


def read_manifest(folder: Path | str) -> dict:
    """The manifest of an archive: a dict with `identity` (what all parts share), `films`, `refused`, `parts`, `runs`.

    Raises
    ------
    CourseError : the folder is not an archive, or its manifest is damaged or newer than this course.

    See Also
    --------
    read_parts : the films

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> read_manifest("archive")["films"]  # doctest: +SKIP
    """
    path = Path(folder).expanduser() / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["identity"]["format"]
        if version == FORMAT and not _is_whole(manifest):
            raise ValueError
    except OSError as error:
        raise CourseError(
            f"{folder} is not an archive of scores: {MANIFEST} cannot be read ({error.strerror})."
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CourseError(f"{path} is damaged: score into a new folder, or restore it.") from None
    if version != FORMAT:
        raise CourseError(f"{path} has format {version}, and this course reads {FORMAT}: update the course.")
    return manifest


def _is_whole(manifest):
    """Whether a manifest has what `Archive.finish` writes, and of the same kind."""
    counts = all(type(manifest[name]) is int for name in ("films", "refused", "parts"))
    return counts and isinstance(manifest["runs"], list)


def part_files(folder: Path | str) -> list[Path]:
    """Paths of the parts of an archive, sorted by name.

    See Also
    --------
    read_parts : what is in them

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> len(part_files("archive"))  # doctest: +SKIP
    """
    return sorted(path for path in Path(folder).expanduser().iterdir() if PART.fullmatch(path.name))


def read_parts(
    folder: Path | str, columns: Sequence[str] | None = None, refused: bool = False
) -> Iterator[pyarrow.Table]:
    """Tables of an archive, part by part, so that memory does not grow with the number of films.

    Parameters
    ----------
    folder : Path of an archive
    columns : names of the columns that are wanted; None for all
    refused : bool, the films that were refused (their `name`, `key` and reason) instead of those that are scored

    Yields
    ------
    pyarrow.Table of at least one row

    Raises
    ------
    CourseError : a part is unreadable or of a different model, and is named.

    See Also
    --------
    util.archive.columns.read_column : one column of all parts

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> sum(table.num_rows for table in read_parts("archive"))  # doctest: +SKIP
    """
    mark = mark_of(read_manifest(folder)["identity"])
    for path in part_files(folder):
        wanted = None if columns is None else list(dict.fromkeys([*columns, "refused"]))
        table = read_part(path, mark, wanted)
        table = table.filter(is_refused(table) if refused else _is_scored(table))
        if table.num_rows:
            yield table if columns is None else table.select(list(columns))


def read_part(path: Path, mark: str, columns: Sequence[str] | None = None) -> pyarrow.Table:
    """One part as a pyarrow.Table; a CourseError that names it where it is unreadable or of a different model.

    See Also
    --------
    read_parts : all of them

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> read_part(part_files("archive")[0], mark).num_rows  # doctest: +SKIP
    """
    pa = arrow()
    try:
        with pa.parquet.ParquetFile(path) as file:
            theirs = (file.schema_arrow.metadata or {}).get(b"identity", b"").decode()
            if theirs == mark:
                _check_columns(file)
                table = file.read(columns)
                if any(table[name].null_count for name in ("name", "key") if name in table.column_names):
                    raise ValueError("a film has no name")
                return table
    except (pa.ArrowException, OSError, ValueError, KeyError):
        raise CourseError(
            f"The part {path.name} in {path.parent} cannot be read: delete it, and the same command scores its films "
            "again."
        ) from None
    raise CourseError(
        f"The part {path.name} in {path.parent} is of a different model or of other options: move it away."
    )


def _check_columns(file):
    """Raise a KeyError or ValueError where a part lacks a column, has one of another type, or has rows beyond any block."""
    theirs = file.schema_arrow
    if any(theirs.field(ours.name).type != ours.type for ours in _columns()) or file.metadata.num_rows > MOST_ROWS:
        raise ValueError("this is no part that the course has written")


@functools.cache
def _columns():
    """The columns that every part has."""
    return tuple(schema())


def is_refused(table: pyarrow.Table) -> pyarrow.BooleanArray:
    """Which films of a table were refused.

    See Also
    --------
    read_parts : takes these, or the others

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> is_refused(table).true_count  # doctest: +SKIP
    """
    import pyarrow.compute as compute

    return compute.is_valid(table["refused"])


def _is_scored(table):
    import pyarrow.compute as compute

    return compute.is_null(table["refused"])


def mark_of(identity: dict) -> str:
    """A hash of what all parts of an archive share; every part carries it.

    See Also
    --------
    read_manifest : has the identity

    Examples
    --------
    >>> mark_of({"weights": "phantom"})[:8] == mark_of({"weights": "other"})[:8]
    False
    """
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def name_id(name: str) -> int:
    """64 bits that stand for a name as it is in the archive, while what is done is looked up.

    See Also
    --------
    film_key : what changes when a film does

    Examples
    --------
    >>> name_id("a.png") < 2**64
    True
    """
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big")


def film_key(ref: FilmRef, salt: bytes | None) -> bytes:
    """16 bytes of a film's name, size and time of change; salted where names are hashed.

    See Also
    --------
    shown_name : the name beside it

    Examples
    --------
    >>> from util.archive.sources import FilmRef
    >>> len(film_key(FilmRef("a.png", "file", "films/a.png"), None))
    16
    """
    text = "\n".join([ref.name, str(ref.size), ref.stamp])
    return bytes.fromhex(hashed(text, salt or b"a film of an archive"))


def shown_name(ref: FilmRef, salt: bytes | None) -> str:
    """The name of a film as the archive and all messages have it.

    See Also
    --------
    util.archive.reader.hashed : a salted name

    Examples
    --------
    >>> from util.archive.sources import FilmRef
    >>> shown_name(FilmRef("a.png", "file", "films/a.png"), None)
    'a.png'
    """
    name = hashed(ref.name, salt) if salt else ref.name
    return name.encode("utf-8", "backslashreplace").decode()
