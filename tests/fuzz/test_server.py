"""Every kind of lie of a server, three times: each download ends right or in one sentence, and leaves nothing half."""

import pytest

from tests.fuzz import __main__ as command
from tests.fuzz.__main__ import main
from tests.fuzz.server import CASES, run


def test_every_lie_is_told_in_a_sentence():
    found = run(3 * len(CASES))
    assert found["told"] == []
    assert found["tried"] == found["refused"] + found["read_right"] == 3 * len(CASES) > 300
    assert found["read_right"] >= 3 * sum(kind.startswith("right") for _, kind in CASES)
    assert found["refused"] > 250


def test_the_command_prints_one_table(capsys):
    assert main(["server", "--cases", "8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "server ..." and lines[1].split()[:2] == ["kind", "tried"]
    kind, tried, refused, right, tracebacks, wrong, aborts, slowest, memory = lines[2].split()
    assert (kind, tried, tracebacks, wrong, aborts) == ("server", "8", "0", "0", "0")
    assert int(refused) + int(right) == 8 and float(slowest) > 0 and float(memory.replace(",", "")) > 20


@pytest.mark.parametrize("found", [{"tracebacks": 1}, {"wrong": 2}, {"aborts": 1}])
def test_the_command_fails_where_something_is_wrong(monkeypatch, capsys, found):
    good = {"tried": 5, "refused": 5, "read_right": 0, "tracebacks": 0, "wrong": 0, "aborts": 0, "slowest_s": 1.0}
    monkeypatch.setattr(command, "run_apart", lambda kind, count: good | {"memory_mb": 50.0} | found)
    assert main(["server"]) == 1
    monkeypatch.setattr(command, "run_apart", lambda kind, count: good | {"memory_mb": 50.0})
    assert main(["server"]) == 0


def test_a_process_that_dies_is_an_abort(monkeypatch):
    monkeypatch.setattr(command.sys, "executable", "false")
    assert command.run_apart("server", 1) == {"aborts": 1, "told": ["ended with 1: "]}
