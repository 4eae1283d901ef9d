"""A seal: seeds that follow from an instructor's secret, so that a student who has all of the code cannot draw the truth."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from util.errors import CourseError

BYTES = 32  # of a secret, and of what is derived from one
OPEN = b"open"  # the key of a set for self-study, which hides nothing
SHORTEST = 16  # bytes of a secret


def derive(secret: bytes, *names: str) -> bytes:
    """32 bytes that follow from a secret and some names, and say nothing about the secret: HMAC-SHA256 (RFC 2104).

    Parameters
    ----------
    secret : bytes, at least one; OPEN for a set that hides nothing
    names : str, such as the name of a room and what is drawn. Each enters with its length, so ("ab", "c") and ("a", "bc")
        give different bytes

    Returns
    -------
    bytes (32,), the same on every machine and in every process

    Raises
    ------
    CourseError : the secret is empty, or a name is not text.

    See Also
    --------
    read_secret : reads the secret from a file

    Examples
    --------
    >>> derive(OPEN, "room", "films").hex()[:8] == derive(OPEN, "room", "films").hex()[:8]
    True
    >>> derive(OPEN, "ab", "c") == derive(OPEN, "a", "bc")
    False
    """
    if not isinstance(secret, bytes) or not secret:
        raise CourseError("The secret is empty: give one of at least one byte, or util.seal.OPEN for self-study.")
    if not all(isinstance(name, str) for name in names):
        raise CourseError("A name that a seed is derived from must be text.")
    parts = [name.encode("utf-8") for name in names]
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.new(secret, message, hashlib.sha256).digest()


def seed_of(secret: bytes, *names: str) -> int:
    """The derived bytes as a whole number from 0 to 2**256 - 1, for ``numpy.random.default_rng``.

    Parameters
    ----------
    secret, names : as in `derive`

    See Also
    --------
    derive : the bytes

    Examples
    --------
    >>> seed_of(OPEN, "room") == int.from_bytes(derive(OPEN, "room"), "big")
    True
    """
    return int.from_bytes(derive(secret, *names), "big")


def write_secret(path: str | Path) -> None:
    """Write a new secret, 32 random bytes as hexadecimal digits, into a new file that only its owner may read.

    Raises
    ------
    CourseError : there is such a file, and what was drawn with it could never be opened again; or it cannot be written.

    See Also
    --------
    read_secret : reads it again

    Examples
    --------
    Not run by the tests, since it writes a file.

    >>> write_secret("secret.txt")  # doctest: +SKIP
    """
    path = Path(path).expanduser()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CourseError(
            f"There is a file {path} already, and what was drawn with it could not be opened without it: name a new file."
        ) from None
    except OSError as error:
        raise CourseError(f"{path} cannot be written ({error.strerror}): name a different place.") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(BYTES) + "\n")


def read_secret(path: str | Path) -> bytes:
    """The secret in a file, without blanks and line ends around it.

    Raises
    ------
    CourseError : the file cannot be read, or what it holds is shorter than 16 bytes and could be guessed.

    See Also
    --------
    write_secret : makes such a file

    Examples
    --------
    Not run by the tests, since it needs a file.

    >>> len(read_secret("secret.txt"))  # doctest: +SKIP
    """
    path = Path(path).expanduser()
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise CourseError(
            f"The secret in {path} cannot be read ({error.strerror}): write one with "
            "python -m util hospital --new-secret FILE."
        ) from None
    if len(secret) < SHORTEST:
        raise CourseError(
            f"The secret in {path} has {len(secret)} bytes, and {SHORTEST} are needed, so that nobody can guess it: write one "
            "with python -m util hospital --new-secret FILE."
        )
    return secret
