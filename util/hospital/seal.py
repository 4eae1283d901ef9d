"""From a student's name and an instructor's secret to random numbers that no one else can derive. Lesson 15.

Every random number of a hospital comes from HMAC-SHA256 of the secret, the student and a use (Krawczyk et al. 1997, RFC
2104). With the secret, the hospital and its truth can be computed again at any time; without it, neither the files of the
hospital nor this code give the truth away. The key 'open' is for self-study: it is in this file, so anyone can look up
the truth.
"""

import hashlib
import hmac
import re
from pathlib import Path

import numpy as np

from util.errors import CourseError
from util.seal import read_secret

OPEN = b"open: a hospital for self-study"
STUDENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")
VERSION = "hospital-1"  # a different draw for the same student needs a new version


def checked_student(student: str) -> str:
    """The student's name, if it can be one.

    Parameters
    ----------
    student : str of 1 to 64 letters (A to Z), digits, '-', '_' and '.', with at least one letter or digit

    Raises
    ------
    CourseError : it holds anything else.

    See Also
    --------
    util.hospital.draw.read_roster : checks those of a class

    Examples
    --------
    >>> checked_student("anna-07")
    'anna-07'
    """
    if not isinstance(student, str) or not STUDENT.fullmatch(student) or not re.search("[A-Za-z0-9]", student):
        raise CourseError(
            f"{str(student)[:80]!r} cannot name a student: use 1 to 64 letters, digits, '-', '_' and '.', such as anna-07."
        )
    return student


def seed_of(student: str, secret: bytes, use: str) -> int:
    """A number of 256 bits for one use of one student's hospital; the same at every time and place.

    See Also
    --------
    stream : random numbers from it

    Examples
    --------
    >>> seed_of("anna", OPEN, "films") == seed_of("anna", OPEN, "films")
    True
    >>> seed_of("anna", OPEN, "films") == seed_of("anna", b"a secret of 16 bytes", "films")
    False

    Taught in lesson 15, section 1.
    """
    message = "\0".join([VERSION, checked_student(student), use]).encode()
    return int.from_bytes(hmac.new(secret, message, hashlib.sha256).digest(), "big")


def stream(student: str, secret: bytes, use: str) -> np.random.Generator:
    """Random numbers for one use of one student's hospital; PCG64 is part of its definition, not NumPy's default of the day.

    See Also
    --------
    seed_of : the seed behind it

    Examples
    --------
    >>> bool(stream("anna", OPEN, "roles").random() == stream("anna", OPEN, "roles").random())
    True

    Taught in lesson 15, section 1.
    """
    return np.random.Generator(np.random.PCG64(seed_of(student, secret, use)))


def secret_of(path: Path | str | None) -> bytes:
    """The secret in a file, or the open key where no file is named.

    Raises
    ------
    CourseError : the file cannot be read, or it holds fewer than 16 bytes.

    See Also
    --------
    util.seal.write_secret : writes such a file

    Examples
    --------
    >>> secret_of(None) == OPEN
    True

    Taught in lesson 15, section 1.
    """
    return OPEN if path is None else read_secret(path)
