"""Files written whole or not at all, and folders that one command at a time works in.

Whoever stops a command, or whatever stops it, finds the old file or the new one, never a half of either.
"""

import contextlib
import os
import re
import secrets
import shutil
import signal
import threading
from pathlib import Path

from util.errors import CourseError

PART = re.compile(r"\.(.*)-[0-9a-f]{16}\.part")  # the name of a half-written file; nothing else has such a name


@contextlib.contextmanager
def whole(path):
    """Write a file whole or not at all.

        with whole("scores.csv") as part:
            table.to_csv(part)

    The block writes a file of another name beside it, which takes the place of `path` when the block ends well and is
    removed when it does not, be it by an error, Ctrl+C or SIGTERM. What stood at `path` stands there until then. The
    name of `part` ends in .part: a writer that reads the format out of the name is to be told the format, or given an
    open file (``with part.open("wb") as stream: np.save(stream, array)``).

    Parameters
    ----------
    path : str or Path; a free name or a regular file in a folder that is there. A link is followed

    Yields
    ------
    Path of the file to write, empty so far

    Raises
    ------
    CourseError : `path` is a folder, a device or the like, or something cannot be written.
    """
    with _one_sentence(path), interruptible():
        target = _regular(path)
        part = _begin(target)
        try:
            yield part
            if target.exists():
                shutil.copymode(target, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def write_text(path, text):
    """Write a text in UTF-8, whole or not at all."""
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def check_place(path):
    """Raise the CourseError that ``whole(path)`` would, before hours of work and not after them; nothing is left there."""
    with _one_sentence(path):
        _begin(_regular(path)).unlink()


@contextlib.contextmanager
def _one_sentence(path):
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CourseError(f"{path} cannot be written ({reason}): make room there, or name another place.") from None


def _regular(path):
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise CourseError(f"There is no folder {Path(path).parent}: make it, or name another place.")
    if os.path.lexists(target) and not target.is_file():
        kind = "a folder" if target.is_dir() else "a device, a pipe or the like"
        raise CourseError(f"{path} is {kind}, where a file is to be written: name a file.")
    return target


def _begin(target):
    """An empty file beside the target, made with the permissions that any new file has."""
    part = target.with_name(f".{target.name[:100]}-{secrets.token_hex(8)}.part")
    part.open("xb").close()
    return part


def sweep(folder, names=".*"):
    """Remove the halves that killed commands left in a folder of files whose names `names` matches, a regular expression.

    Whoever sweeps writes these files, and is `alone` in the folder: nobody is writing one of them now.
    """
    for path in Path(folder).iterdir():
        half = PART.fullmatch(path.name)
        if half and re.fullmatch(names, half[1]) and path.is_file():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def interruptible():
    """Let SIGTERM end the block as Ctrl+C would, by KeyboardInterrupt, so that it can clean up.

    Nothing is changed outside of the main thread, nor where somebody has a say in that signal already.
    """
    mine = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if mine:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def alone(folder):
    """Keep a folder to this command while the block runs; the system gives it back however the command ends.

    Parameters
    ----------
    folder : Path of a folder that is there

    Raises
    ------
    CourseError : another command is at work in the folder.
    """
    handle = None
    try:
        handle = _lock(folder)
    except BlockingIOError:
        raise CourseError(
            f"Another command is at work in {folder}: wait until it has ended, or name another folder."
        ) from None
    except OSError:
        pass  # a file system without locks: the files are whole all the same
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(folder):
    """A handle whose closing, or the end of the process, gives the folder back; BlockingIOError where somebody has it."""
    if os.name == "nt":
        return _lock_by_file(folder)
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _lock_by_file(folder):
    """For Windows, which has no lock of a folder but files that vanish with the process that made them."""
    try:
        return os.open(Path(folder) / ".in-use", os.O_CREAT | os.O_EXCL | os.O_TEMPORARY)
    except (FileExistsError, PermissionError):
        raise BlockingIOError from None
