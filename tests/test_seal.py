"""A seal: what follows from a secret follows everywhere, and nothing else opens it."""

import hashlib
import hmac
import os

import pytest

from util.errors import CourseError
from util.seal import OPEN, derive, read_secret, seed_of, write_secret


def test_the_bytes_are_those_of_hmac_sha256():
    message = (4).to_bytes(8, "big") + b"room" + (2).to_bytes(8, "big") + "ä".encode()
    assert derive(b"key", "room", "ä") == hmac.new(b"key", message, hashlib.sha256).digest()
    assert derive(b"key", "room", "ä").hex().startswith("a9aed03e")
    assert seed_of(OPEN) == int(derive(OPEN).hex(), 16)


def test_other_secrets_and_names_give_other_bytes():
    made = [derive(secret, *names) for secret in (b"a", b"b") for names in ((), ("x",), ("x", ""), ("", "x"), ("xx",))]
    assert len(set(made)) == len(made) == 10


@pytest.mark.parametrize("secret, names", [(b"", ("x",)), ("text", ("x",)), (b"a", (3,))])
def test_what_is_no_secret_or_name_is_refused(secret, names):
    with pytest.raises(CourseError):
        derive(secret, *names)


def test_a_secret_is_written_once_and_read_again(tmp_path):
    path = tmp_path / "secret.txt"
    write_secret(path)
    first = read_secret(path)
    assert len(first) == 64 and set(first) <= set(b"0123456789abcdef")
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(CourseError, match="already"):
        write_secret(path)
    assert read_secret(path) == first
    write_secret(tmp_path / "other.txt")
    assert read_secret(tmp_path / "other.txt") != first


def test_blanks_around_a_secret_do_not_count(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_bytes("\r\n  sixteen letters and ä \n".encode())
    assert read_secret(path) == "sixteen letters and ä".encode()


@pytest.mark.parametrize(
    "content, words",
    [
        (b"  fifteen bytes 1 \n", "has 15 bytes, and 16 are needed"),
        (None, r"cannot be read .*: write one with python -m util"),
    ],
)
def test_no_secret_is_said_in_a_sentence(tmp_path, content, words):
    path = tmp_path / "secret.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CourseError, match=words):
        read_secret(path)


def test_a_secret_that_cannot_be_written_is_said_in_a_sentence(tmp_path):
    with pytest.raises(CourseError, match="cannot be written"):
        write_secret(tmp_path / "no" / "folder")
