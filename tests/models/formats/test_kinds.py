"""What a file of weights is, by its content: each kind, what only begins like one, and the table of a zip."""

import io
import pickle
import zipfile
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from tests.fuzz import weights as files
from util.errors import CourseError
from util.models.formats.kinds import (
    CHECKPOINT,
    ENTRIES,
    HDF5,
    LEGACY,
    SAFETENSORS,
    TABLE_END,
    TORCH,
    Foreign,
    look_inside,
    open_zip,
)
from util.models.formats.limits import Unreadable

POINTER, NOTHING = "is an LFS pointer, a link or a web page", "is no file of weights that can be read here"
NOISE = np.random.default_rng(0).integers(128, 256, 5000, dtype=np.uint8).tobytes()
KINDS = {"zip": TORCH, "stream": TORCH, "hdf5": HDF5, "safetensors": SAFETENSORS}


# ---- Kinds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_each_kind_and_one_that_begins_with_another_byte(kind, tmp_path):
    path, data = files.right(kind, tmp_path)
    assert look_inside(str(path)) == (KINDS[kind], path)
    at = 8 if kind == "safetensors" else 0  # its length comes before its first brace
    path.write_bytes(data[:at] + b"\xff" + data[at + 1 :] + NOISE)
    with pytest.raises(CourseError, match=NOTHING):
        look_inside(path)


def test_our_own_file(tiny_release):
    assert look_inside(tiny_release) == (SAFETENSORS, tiny_release)


def test_a_checkpoint_by_its_prefix_or_one_of_its_files(tmp_path):
    index, _ = files.right("checkpoint", tmp_path)
    prefix = tmp_path / "w"
    assert index.read_bytes().endswith(TABLE_END) and len(TABLE_END) == 8
    for path in (prefix, index, tmp_path / "w.data-00000-of-00001"):
        assert look_inside(path) == (CHECKPOINT, prefix)
    (tmp_path / "other").write_bytes(index.read_bytes())  # an index under a name without an ending
    assert look_inside(tmp_path / "other") == (CHECKPOINT, tmp_path / "other")
    prefix.write_bytes((files.keras2(tmp_path / "h5")).read_bytes())  # a file of the prefix's own name
    assert look_inside(prefix) == (HDF5, prefix)
    index.write_bytes(NOISE)  # a damaged index is that of a checkpoint still; its reader says what is wrong
    assert look_inside(index) == (CHECKPOINT, prefix)
    index.unlink()
    with pytest.raises(CourseError, match=POINTER):
        look_inside(tmp_path / "w.data-00000-of-00001")


def test_a_zip_is_pytorchs_if_a_pickle_is_in_it(write):
    def zipped(*names):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, NOISE)
        return file.getvalue()

    assert look_inside(write(zipped("a/version", "a/data.pkl")))[0] == TORCH
    for data in (zipped("a/version"), b"PK\x03\x04" + NOISE, zipped("a/data.pkl")[1:], zipped("data.pkl")[:-40]):
        with pytest.raises(CourseError, match=NOTHING):
            look_inside(write(data))


def test_an_older_file_of_pytorch_begins_with_its_number(write):
    assert pickle.dumps(0x1950A86A20F9469CFC6C, 2) == LEGACY
    assert look_inside(write(LEGACY))[0] == TORCH
    for data in (LEGACY[:-1], LEGACY[:-2] + b"\x18."):
        with pytest.raises(CourseError, match=POINTER):  # so short
            look_inside(write(data))


def test_the_head_of_safetensors_is_shorter_than_the_file(write):
    for length, right in [(0, True), (2999, True), (3000, False), (2**60, False)]:
        path = write(length.to_bytes(8, "little") + b"{" + NOISE[:2991])
        if right:
            assert look_inside(path) == (SAFETENSORS, path)
        else:
            with pytest.raises(CourseError, match=NOTHING):
                look_inside(path)
    with pytest.raises(CourseError, match=NOTHING):
        look_inside(write((9).to_bytes(8, "little") + b"[" + NOISE))


# ---- What is no file of weights ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", POINTER),
        (b"<!DOCTYPE html>" + b"<p>Log in</p>" * 200, POINTER),
        (b"", POINTER),
        (NOISE[:7], r"\(7 bytes\) " + POINTER),
        (NOISE[:999], r"\(999 bytes\) " + POINTER),
        (NOISE[:1000], NOTHING),
        (b" ~\t\r\n" * 400, POINTER),
        (b" ~\t\r\n" * 400 + b"\x7f", POINTER),
        (b"a" * 512 + NOISE, POINTER),
        (b"a" * 511 + NOISE, NOTHING),
        (b"a" * 511 + b"\x7f" + b"a" * 1000, NOTHING),
        (b"a" * 511 + b"\x1f" + b"a" * 1000, NOTHING),
        (bytes(range(256)) * 8, NOTHING),
        (pickle.dumps({"a": np.zeros(500)}), NOTHING),
    ],
)
def test_what_is_no_file_of_weights(content, sentence, write):
    with pytest.raises(CourseError, match=sentence):
        look_inside(write(content, "model.pt"))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CourseError, match=r"No weights at .*absent\.h5: check the path"):
        look_inside(tmp_path / "absent.h5")

    with pytest.raises(CourseError, match="No weights at"):
        look_inside(tmp_path / ("x" * 252))  # the name of its index would be too long for most systems


def test_a_file_that_may_not_be_read(write, monkeypatch):
    def refuse(self, mode="r", **more):
        raise PermissionError(13, "Permission denied")

    path = write(NOISE)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(CourseError, match=r"cannot be read \(Permission denied\): check its rights"):
        look_inside(path)


# ---- Zip --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_table_of_a_zip_on_both_sides():
    def zipped(count):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for k in range(count):
                archive.writestr(str(k), b"")
        return file.getvalue()

    assert ENTRIES == 20_000
    assert len(open_zip(zipped(ENTRIES)).namelist()) == ENTRIES
    with pytest.raises(Unreadable, match="a zip of more than 20,000 files"):
        open_zip(zipped(ENTRIES + 1))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with pytest.raises(Unreadable, match="names a file twice"):
        open_zip(file.getvalue())
    with pytest.raises(Unreadable, match="a damaged zip"):
        open_zip(zipped(3)[:-30])


def test_foreign_weights_are_unnamed_unless_it_is_said_and_stay_as_they_are():
    foreign = Foreign([], True, 1e-5)
    assert foreign.named is False and foreign != Foreign([], True, 1e-5)  # arrays have no one answer to ==
    with pytest.raises(FrozenInstanceError):
        foreign.epsilon = 1.0
