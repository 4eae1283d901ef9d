"""What a file of weights may cost and may ask for: each limit on both its sides, and files that mean harm."""

import os
import socket

import numpy as np
import pytest

from tests.fuzz import weights as files
from util.errors import CourseError
from util.models.formats import limits
from util.models.formats.apart import read_apart
from util.models.formats.checkpoint import read_checkpoint
from util.models.formats.hdf5 import read_keras2
from util.models.formats.kinds import look_inside
from util.models.formats.limits import Budget, Unreadable, contents, reason, regular, shown
from util.models.formats.torch_pickle import read_torch

FOUR = np.arange(4, dtype="<f4").tobytes()


# ---- Files ------------------------------------------------------------------------------------------------------


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name in ("pipe", "folder", "socket"):
            for use in (look_inside, read_torch, read_keras2, read_apart, contents):
                with pytest.raises(CourseError, match="is no regular file"):
                    use(tmp_path / name)
    with pytest.raises(CourseError, match="is no regular file"):
        look_inside("/dev/zero")


def test_a_pipe_as_part_of_a_checkpoint_or_as_a_passport(tmp_path):
    from util.models.weights import load_pretrained, read_passport

    index, _ = files.checkpoint()
    (tmp_path / "w.index").write_bytes(index)
    os.mkfifo(tmp_path / "w.data-00000-of-00001")
    with pytest.raises(CourseError, match="is no regular file"):
        read_checkpoint(tmp_path / "w")
    os.mkfifo(tmp_path / "p.json")
    with pytest.raises(CourseError, match="is no regular file"):
        read_passport(path=tmp_path / "p.safetensors")
    os.mkfifo(tmp_path / "p.safetensors")
    with pytest.raises(CourseError, match="is no regular file"):
        load_pretrained(path=tmp_path / "p.safetensors")


@pytest.mark.parametrize("path", ["absent", "a\0b", "x" * 5000])
def test_paths_that_lead_nowhere(path, tmp_path):
    for use in (look_inside, regular):
        with pytest.raises(CourseError, match="No weights at"):
            use(tmp_path / path)


def test_size_of_a_file_on_both_sides(write):
    path = write(b"x" * 100)
    assert regular(path, 100) == (path, 100) and contents(path, 100) == b"x" * 100
    for use in (regular, contents):
        with pytest.raises(CourseError, match="no DenseNet-121 needs so many"):
            use(path, 99)
    assert limits.LARGEST == 300_000_000 and limits.NUMBERS == 64_000_000


def test_a_file_that_cannot_be_opened(write, monkeypatch):
    path = write(b"x" * 100)

    def refuse(self, mode="r", **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    for use in (contents, look_inside):
        with pytest.raises(CourseError, match=r"cannot be read \(Permission denied\): check its rights"):
            use(path)


@pytest.mark.parametrize("size", [99, 101, 50, 1000])
def test_a_file_that_changes_while_it_is_read(write, monkeypatch, size):
    path = write(b"x" * 100)
    monkeypatch.setattr(limits, "regular", lambda path, largest: (path, size))
    with pytest.raises(CourseError, match="changed while it was read: wait until it is written, then try again"):
        contents(path)


def test_a_budget_on_both_sides():
    budget = Budget(3, "things")
    budget.take(2)
    budget.take()
    with pytest.raises(Unreadable, match="more than 3 things"):
        budget.take()


def test_texts_of_a_file_stay_one_short_line():
    assert shown("conv1") == "conv1" and shown("x" * 200) == "x" * 200
    assert shown("x" * 201) == "x" * 200 + "..." and shown("a\nb\x1b[2J") == r"a\nb\x1b[2J"
    assert reason(ValueError("one\ntwo")) == "one" and reason(ValueError()) == "ValueError"
    assert len(reason(ValueError("x" * 500))) == 163 and reason(OSError(2, "No such file")) == "No such file"
