import hashlib
import hmac

import numpy as np
import pytest

from util.errors import CourseError
from util.hospital.seal import OPEN, checked_student, secret_of, seed_of, stream


def test_a_seed_is_the_hmac_of_version_student_and_use():
    digest = hmac.new(b"k" * 20, b"hospital-1\0anna\0films", hashlib.sha256).hexdigest()
    assert seed_of("anna", b"k" * 20, "films") == int(digest, 16)


def test_students_secrets_and_uses_have_random_numbers_of_their_own():
    keys = [("anna", OPEN, "films"), ("anna", OPEN, "labels"), ("ann", OPEN, "afilms"), ("anna", b"k" * 20, "films")]
    draws = [stream(*key).random(4).tolist() for key in keys]
    assert len(set(map(tuple, draws))) == 4
    assert draws[0] == stream(*keys[0]).random(4).tolist()


def test_random_numbers_are_those_that_were_frozen():
    """stream('anna', OPEN, 'roles').integers(1000, size=4) when this was written: another NumPy must not change them."""
    assert stream("anna", OPEN, "roles").integers(1000, size=4).tolist() == [874, 717, 165, 321]
    assert isinstance(stream("anna", OPEN, "roles").bit_generator, np.random.PCG64)


@pytest.mark.parametrize("name", ["anna", "A.b-c_9", "x" * 64, "007"])
def test_names_that_can_be_folders_are_taken(name):
    assert checked_student(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "x" * 65, "änna", "a\n", "a\0b", None, 7, "-_."])
def test_other_names_are_refused_in_a_sentence(name):
    with pytest.raises(CourseError, match="cannot name a student: use 1 to 64 letters"):
        checked_student(name)


def test_without_a_file_the_key_is_open(tmp_path):
    (tmp_path / "key").write_bytes(b"\n sixteen bytes 16 \r\n")
    assert secret_of(None) == OPEN
    assert secret_of(tmp_path / "key") == b"sixteen bytes 16"
