"""An archive that is being written: what is done already, and parts that are added, each whole or not there.

Only one command at a time writes to an archive, and it only goes on with the same weights and options.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from util.archive.parts import (
    FORMAT,
    MANIFEST,
    arrow,
    film_key,
    is_refused,
    mark_of,
    name_id,
    part_files,
    read_manifest,
    read_part,
    shown_name,
)
from util.errors import CourseError
from util.files import alone, sweep, whole, write_text
from util.markup import as_line
from util.notes import note

if TYPE_CHECKING:
    import pyarrow

    from util.archive.sources import FilmRef


class Archive:
    """A folder of parts that one command at a time writes; made by `open_archive`.

    Attributes
    ----------
    folder : Path
    identity : dict, what all parts share
    films, refused : int, rows of the parts so far

    See Also
    --------
    open_archive : makes it

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> with open_archive("archive", identity) as archive: archive.films  # doctest: +SKIP
    """

    def __init__(self, folder: Path, identity: dict, salt: bytes | None = None) -> None:
        self.folder, self.identity, self.salt = folder, identity, salt
        self.mark = mark_of(identity)
        self.changed = self.twice = 0
        self.seen = set()  # names met in this run, 64 bits each
        self._look()

    def _look(self):
        """Read what is done: names and keys of all parts as sorted arrays of 8 bytes a film each."""
        names, keys, places = [], [], []
        self.films = self.refused = 0
        self.paths = part_files(self.folder)
        for place, path in enumerate(self.paths):
            table = read_part(path, self.mark, ["name", "key", "refused"])
            names += [np.fromiter(map(name_id, table["name"].to_pylist()), np.uint64, table.num_rows)]
            keys += [np.array([int.from_bytes(k[:8], "big") for k in table["key"].to_pylist()], np.uint64)]
            places += [np.full(table.num_rows, place, np.int32)]
            self._count(table)
        names, keys, places = (np.concatenate(a) if a else np.zeros(0, np.uint64) for a in (names, keys, places))
        order = np.argsort(names, kind="stable")
        self.names, self.keys, self.places = names[order], keys[order], places[order]
        again = np.flatnonzero(self.names[1:] == self.names[:-1])
        if len(again):
            raise CourseError(
                f"The archive {self.folder} has a film twice, in {self.paths[int(self.places[again[0]])].name} and "
                f"{self.paths[int(self.places[again[0] + 1])].name}: move one of these parts away."
            )

    def waiting(self, refs: Iterable[FilmRef]) -> Iterator[FilmRef]:
        """Those of the references whose films are in no part yet; a film that changed loses its old row first."""
        for ref in refs:
            name = name_id(shown_name(ref, self.salt))
            if name in self.seen:
                self.twice += 1
                note(f"Left out: {as_line(shown_name(ref, self.salt))}, since an earlier film has the same name.")
                continue
            self.seen.add(name)
            place = int(np.searchsorted(self.names, np.uint64(name)))
            if place < len(self.names) and int(self.names[place]) == name:
                if int(self.keys[place]) == int.from_bytes(film_key(ref, self.salt)[:8], "big"):
                    continue
                self.changed += 1
                self._drop(int(self.places[place]), [shown_name(ref, self.salt)])
            yield ref

    def _drop(self, place, names):
        """Write a part again without some films; away with it where none is left."""
        import pyarrow.compute as compute

        pa = arrow()
        path = self.paths[place]
        table = read_part(path, self.mark)
        goes = compute.is_in(table["name"], value_set=pa.array(names, pa.string()))
        left, gone = table.filter(compute.invert(goes)), table.filter(goes)
        if left.num_rows:
            self._write(path, left)
        else:
            path.unlink()
        self._count(gone, -1)

    def _count(self, table, sign=1):
        """Add the rows of a table to what the parts hold, or take them away."""
        scored = table["refused"].null_count
        self.films += sign * scored
        self.refused += sign * (table.num_rows - scored)

    def drop_refused(self) -> int:
        """Forget the films that were refused, so that they are tried again; returns how many."""
        before = self.refused
        for place, path in enumerate(self.paths):
            table = read_part(path, self.mark, ["name", "refused"])
            if names := table.filter(is_refused(table))["name"].to_pylist():
                self._drop(place, names)
        self._look()
        return before

    def add(self, table: pyarrow.Table) -> Path:
        """Write a block's table as a part, whole or not at all; returns its path.

        Raises
        ------
        CourseError : the disk is full, or the folder cannot be written.
        """
        digest = hashlib.sha256(b"".join(table["key"].to_pylist())).hexdigest()
        path = self.folder / f"part-{digest[:24]}.parquet"
        self._write(path, table)
        self._count(table)
        return path

    def _write(self, path, table):
        pa = arrow()
        table = table.replace_schema_metadata({"identity": self.mark})
        with whole(path) as part, part.open("wb") as stream:
            pa.parquet.write_table(table, stream, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(OSError):  # Windows has no handle of a folder
            handle = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def finish(self, run: dict) -> dict:
        """Write the manifest with what is in the parts now and one line on this run; returns it."""
        path = self.folder / MANIFEST
        runs = read_manifest(self.folder)["runs"] if path.exists() else []
        counts = {"films": self.films, "refused": self.refused, "parts": len(part_files(self.folder))}
        manifest = {"identity": self.identity, **counts, "runs": [*(r for r in runs if r != run), run]}
        write_text(path, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        return manifest


@contextlib.contextmanager
def open_archive(folder: Path | str, identity: dict, salt: bytes | None = None) -> Iterator[Archive]:
    """An archive to write, new or begun earlier, kept to this command while the block runs.

    Parameters
    ----------
    folder : Path; it is made if its parent is there
    identity : dict of what decides the numbers; the archive may only go on with the same
    salt : bytes that names are hashed with, or None

    Raises
    ------
    CourseError : the folder holds something else, or was begun with other weights or options; another command is at
        work in it; a part is damaged.

    See Also
    --------
    util.archive.parts.read_manifest : reads one without writing

    Examples
    --------
    Not run by the tests, since it writes files.

    >>> with open_archive("archive", identity) as archive: archive.films  # doctest: +SKIP
    """
    arrow()
    folder = Path(folder).expanduser()
    identity = json.loads(json.dumps({"format": FORMAT} | identity))
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise CourseError(f"{folder} cannot be made ({error.strerror}): name a different --out.") from None
    with alone(folder):
        sweep(folder)
        if (folder / MANIFEST).exists():
            _check_same(folder, read_manifest(folder)["identity"], identity)
        elif strange := next((path.name for path in folder.iterdir() if not path.name.startswith(".")), None):
            raise CourseError(f"{folder} holds other files ({strange}) and no archive: name an empty or a new folder.")
        else:
            write_text(
                folder / MANIFEST, json.dumps({"identity": identity, "films": 0, "refused": 0, "parts": 0, "runs": []})
            )
        yield Archive(folder, identity, salt)


def _check_same(folder, theirs, ours):
    for name in sorted(set(theirs) | set(ours)):
        if theirs.get(name) != ours.get(name):
            raise CourseError(
                f"The archive {folder} was begun with {name} = {_brief(theirs.get(name))}, now it is "
                f"{_brief(ours.get(name))}: go on as it was begun, or name a different --out."
            )


def _brief(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
