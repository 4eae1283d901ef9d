"""Some hundred mutated tables on every run; thousands by ``python -m tests.fuzz tables``."""

import pytest

from tests.fuzz import tables
from util.data import nih
from util.errors import CourseError


def test_no_traceback_nothing_wrong_and_a_budget():
    found = tables.run(250)
    assert found["told"] == []
    assert found["tried"] == found["refused"] + found["read_right"] == 250
    assert min(found["refused"], found["read_right"]) > 50  # both happen
    assert found["slowest_s"] < 10


@pytest.mark.parametrize(
    "fault",
    [
        lambda path: read(path).assign(PatientId=1),  # another column in place of the right one
        lambda path: read(path).iloc[::-1],
        lambda path: (_ for _ in ()).throw(CourseError(f"{path} cannot be read.")),  # refuses everything
        lambda path: (_ for _ in ()).throw(CourseError("It cannot be read.")),  # names no file
        lambda path: (_ for _ in ()).throw(KeyError("Image")),
    ],
)
def test_a_reader_with_a_fault_is_caught(monkeypatch, fault):
    monkeypatch.setattr(nih, "read_labels", fault)
    found = tables.run(40)
    assert found["wrong"] + found["tracebacks"] == len(found["told"]) > 0


read = nih.read_labels
