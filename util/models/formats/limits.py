"""What a file of somebody else's may cost: bytes, numbers, steps. Every reader asks before it reads on."""

import os
import stat
from pathlib import Path

import numpy as np

from util.errors import CourseError

LARGEST = 300_000_000  # bytes of a file; DenseNet-121 takes 28 million, with what an optimiser keeps three times that
NUMBERS = 64_000_000  # bytes of the numbers taken out of it; DenseNet-121 in double precision takes 57 million
LONGEST = 200  # letters of a name


class Unreadable(ValueError):
    """Why a file cannot be read, in a few words; whoever asked for the file makes a sentence of it."""


class Budget:
    """So much of something may be taken, and no more: asked before it is taken."""

    def __init__(self, most, what):
        self.most, self.left, self.what = most, most, what

    def take(self, count=1):
        """Take so many; refuses what goes beyond the budget."""
        self.left -= count
        if self.left < 0:
            raise Unreadable(f"it holds more than {self.most:,} {self.what}")


def regular(path, largest=LARGEST):
    """The path and the size in bytes of a regular file; anything else might hang whoever reads it, or never end.

    Raises
    ------
    CourseError : there is no such file, it is a pipe or a device, or it is larger than `largest` bytes.
    """
    path = Path(path).expanduser()
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise CourseError(
            f"No weights at {path}: check the path, a whole file or the prefix of a checkpoint."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte within the path
        raise CourseError(f"No weights at {shown(path)} ({reason(error)}): check the path.") from None
    if not stat.S_ISREG(found.st_mode):
        raise CourseError(f"{path} is no regular file (a folder, a pipe or a device): name the file of weights itself.")
    if found.st_size > largest:
        raise CourseError(
            f"{path} has more than {largest / 1e6:.0f} MB: no DenseNet-121 needs so many. Save its weights alone."
        )
    return path, found.st_size


def contents(path, largest=LARGEST):
    """All bytes of a regular file of at most `largest` bytes."""
    path, size = regular(path, largest)
    try:
        with path.open("rb") as file:
            data = file.read(size + 1)
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({reason(error)}): check its rights, or get it again.") from None
    if len(data) != size:
        raise CourseError(f"{path} changed while it was read: wait until it is written, then try again.")
    return data


def reason(error):
    """Why something failed, as one short line, whatever a library or the file itself put into the message."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return shown(text.splitlines()[0] if text.splitlines() else type(error).__name__, 160)


def shown(text, longest=LONGEST):
    """A text of the file, fit for a message: one line, no control characters, not too long."""
    text = str(text)
    text = text if len(text) <= longest else f"{text[:longest]}..."
    return text if text.isprintable() else ascii(text)[1:-1]


def single(array):
    """An array in single precision; what lies beyond it becomes infinite, and is refused where values are checked."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, np.float32)
