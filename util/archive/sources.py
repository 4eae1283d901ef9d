"""Films to score, one reference after another, in an order that does not change: never their pixels all at once.

A source is a folder (searched with its subfolders), a text file with one path a line, a zip, a tar, or an address that
fsspec understands (s3://..., memory://...). Nothing is unpacked onto the disk.
"""

from __future__ import annotations

import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from util.data.own_film import SUFFIXES
from util.errors import CourseError

IMAGES = re.compile(r"(images(_\d+)?/)+")  # NIH's folders, which are no part of a film's name
UID = re.compile(r"\.\d*")  # a DICOM file is often named by its UID, 1.2.840...., or has no suffix at all
TARS = (".tar", ".tar.gz", ".tgz")
STAMPS = (  # what stores call it that changes with a file, the surest first
    "ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "modificationTime", "modified", "created"
)  # fmt: skip
DEEPEST = 200  # folders within folders
LISTS = (".txt", ".lst")


@dataclass(frozen=True)
class FilmRef:
    """One film to score, without its pixels.

    Attributes
    ----------
    name : str, its name in the archive: its path within the source, without NIH's folders `images_001/images`
    kind : 'file', 'zip', 'tar' or 'remote'; 'folder' for one that cannot be listed, 'deep' for one within too many folders
    place : str, path of the file, of the zip or of the tar, or an address
    member : str, name within the zip
    offset : int, where the film begins in an unpacked tar
    size : int, bytes; -1 where there is no such file
    stamp : str, what changes when the film does: time of change, CRC, or what a remote store has
    data : bytes of a film from a packed tar, which can only be read from its beginning; else None

    See Also
    --------
    find_films : makes them

    Examples
    --------
    >>> FilmRef("a.png", "file", "films/a.png").size
    -1
    """

    name: str
    kind: str
    place: str
    member: str = ""
    offset: int = 0
    size: int = -1
    stamp: str = ""
    data: bytes | None = field(default=None, repr=False)


def find_films(source: str | Path) -> Iterator[FilmRef]:
    """References to all films of a source, in a fixed order.

    Parameters
    ----------
    source : str or Path of a folder, a list (.txt), a zip or a tar (.tar, .tar.gz, .tgz); or an address, scheme://...

    Yields
    ------
    FilmRef

    Raises
    ------
    CourseError : there is no such source, or it cannot be opened.

    See Also
    --------
    util.archive.reader.read_ref : reads one

    Examples
    --------
    >>> from util.data.cohort import PHANTOM
    >>> next(find_films(PHANTOM / "films")).name
    '00000001_000.jpg'
    """
    text = str(source)
    if re.match(r"[a-z][a-z0-9+.-]+(://|::)", text):
        return _of_address(text)
    path = Path(text).expanduser().absolute()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise CourseError(f"There are no films at {source} ({reason}): name a folder, list, zip or tar.") from None
    if stat.S_ISDIR(mode):
        return _of_folder(path, ())
    if stat.S_ISREG(mode):
        for endings, films in (((".zip",), _of_zip), (TARS, _of_tar), (LISTS, _of_list)):
            if path.name.lower().endswith(endings):
                return films(path)
    raise CourseError(f"{source} holds no films that can be found: name a folder, a list (.txt), a .zip or a .tar.")


def short_name(relative: str) -> str:
    """Name of a film in the archive: its path within the source, without NIH's folders.

    See Also
    --------
    find_films : where it is used

    Examples
    --------
    >>> short_name("images_002/images/00000001_000.png"), short_name("ward 3/a.dcm")
    ('00000001_000.png', 'ward 3/a.dcm')
    """
    relative = relative.replace("\\", "/").removeprefix("./")
    found = IMAGES.match(relative)
    return relative[found.end() :] if found else relative


def is_film_name(name: str) -> bool | None:
    """Whether a file is a film by its name: True, False, or None where only its first bytes can say (DICOM).

    See Also
    --------
    find_films : where it is used

    Examples
    --------
    >>> is_film_name("a.PNG"), is_film_name("notes.csv"), is_film_name("1.2.840.1"), is_film_name("DICOMDIR")
    (True, False, None, False)
    """
    name = name.replace("\\", "/").rsplit("/", 1)[-1]
    if name.startswith(".") or name.upper() in ("DICOMDIR", "README", "LICENSE"):
        return False
    suffix = os.path.splitext(name)[1].lower()
    if suffix in SUFFIXES:
        return True
    return None if not suffix or UID.fullmatch(suffix) else False


def _of_folder(folder, above):
    """Films of a folder and its subfolders, sorted by name; `above` holds the folders that lead here, against loops."""
    return _walk(folder, "", above)


def _walk(folder, prefix, above):
    try:
        here = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if not above:
            raise CourseError(f"The folder {folder} cannot be read ({error.strerror}): check its rights.") from None
        yield FilmRef(prefix, "folder", str(folder))  # the reader refuses it, by name and with the reason
        return
    if len(above) == DEEPEST:
        yield FilmRef(prefix, "deep", str(folder))
        return
    mark = here.st_dev, here.st_ino
    if mark in above:  # a link to a folder that leads here
        return
    for entry in entries:
        if entry.is_dir():
            if not entry.name.startswith("."):
                yield from _walk(entry.path, f"{prefix}{entry.name}/", (*above, mark))
        elif _is_film(entry):
            yield _file(entry.path, short_name(prefix + entry.name))


def _is_film(entry):
    known = is_film_name(entry.name)
    if known is not None or not entry.is_file():
        return bool(known)
    try:
        with open(entry.path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return True  # the reader says why it cannot be read


def _file(path, name):
    try:
        found = os.stat(path)
        return FilmRef(name, "file", str(path), size=found.st_size, stamp=str(found.st_mtime_ns))
    except (OSError, ValueError):
        return FilmRef(name, "file", str(path))


def _of_list(path):
    """Films of a list: one path a line, from the folder of the list; empty lines and lines that begin with # are left out."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=None) as lines:
        for line in lines:
            text = line.strip()
            if text and not text.startswith("#"):
                yield _file(os.path.join(path.parent, os.path.expanduser(text)), short_name(_relative(text)))


def _relative(text):
    """A name for the path of a list: as it is written there, a full one without its beginning."""
    return re.sub(r"^([A-Za-z]:)?[\\/~]+", "", text) if os.path.isabs(os.path.expanduser(text)) else text


def _of_zip(path):
    with _opened(path, zipfile.ZipFile) as archive:
        for info in archive.infolist():
            known = False if info.is_dir() else is_film_name(info.filename)
            if known is None:
                try:
                    with archive.open(info) as member:
                        known = member.read(132)[128:] == b"DICM"
                except (OSError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile):
                    known = False
            if known:
                name, stamp = short_name(info.filename), f"{info.CRC:08x}"
                yield FilmRef(name, "zip", str(path), info.filename, size=info.file_size, stamp=stamp)


def _of_tar(path):
    """Films of a tar: of an unpacked one by their offset, of a packed one with their bytes, since it is read once."""
    from util.data.formats.png_jpeg import BYTES

    packed = not path.name.lower().endswith(".tar")
    with _opened(path, lambda p: tarfile.open(p, "r|gz" if packed else "r:")) as archive:
        try:
            for info in archive:
                archive.members = []  # else they would all be kept
                known = is_film_name(info.name) if info.isreg() else False
                if known is False:
                    continue
                data = archive.extractfile(info).read(BYTES + 1) if packed or known is None else b""
                if known or data[128:132] == b"DICM":
                    name, stamp = short_name(info.name), f"{info.mtime}"
                    yield FilmRef(
                        name, "tar", str(path), info.name, info.offset_data, info.size, stamp, data if packed else None
                    )
        except (tarfile.TarError, OSError, EOFError) as error:
            raise CourseError(
                f"{path} is damaged ({type(error).__name__}) after the films scored so far: get it again."
            ) from None


def _opened(path, opener):
    try:
        return opener(path)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or "damaged, or not what its name says"
        raise CourseError(f"{path} cannot be opened ({reason}): get it again.") from None


def _of_address(address):
    """Films under an address that fsspec understands, sorted by path."""
    try:
        import fsspec
    except ImportError:
        raise CourseError("Films at an address need fsspec: pip install 'chest-xray-course[archive]'.") from None
    try:
        system, root = fsspec.core.url_to_fs(address)
        found = system.find(root, detail=True)
    except Exception as error:  # every store has errors of its own
        raise CourseError(
            f"{_public(address)} cannot be listed ({type(error).__name__}): check address and rights."
        ) from None
    if not found:
        raise CourseError(f"There are no films at {_public(address)}: check the address.")
    for path in sorted(found):
        relative = path[len(root) :].lstrip("/") if path.startswith(root) and path != root else path.rsplit("/", 1)[-1]
        known = is_film_name(relative)
        if known is None:
            known = _begins_as_dicom(system, path)
        if known:
            info = found[path]
            stamp = next((str(info[k]) for k in STAMPS if info.get(k)), "")
            yield FilmRef(short_name(relative), "remote", address, path, size=int(info.get("size") or -1), stamp=stamp)


def _public(address):
    """An address without a user and password in it."""
    return re.sub(r"//[^/@]*@", "//", address)


def _begins_as_dicom(system, path):
    try:
        with system.open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except Exception:  # every store has errors of its own
        return False
