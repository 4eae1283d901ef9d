"""A few hundred of the mutated files of `tests.fuzz.weights`; more with python -m tests.fuzz weights."""

import subprocess
import sys

import pytest

from tests.fuzz.weights import KINDS, case, right, run
from util.data.cohort import HOME


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "passport"])
def test_mutated_files_are_refused_or_read_right(kind, tmp_path):
    results = []
    for seed in range(60):
        (folder := tmp_path / str(seed)).mkdir()
        results.append(case(kind, seed, folder))
    failed = [f"{seed}: {result}" for seed, result in enumerate(results) if result not in ("refused", "read right")]
    assert not failed, failed[:5]
    assert results.count("refused") >= 30  # the changes do harm


def test_mutated_passports_are_refused_or_can_be_used(tmp_path):
    results = []
    for seed in range(100):
        (folder := tmp_path / str(seed)).mkdir()
        results.append(case("passport", seed, folder))
    failed = [f"{seed}: {result}" for seed, result in enumerate(results) if result not in ("refused", "read right")]
    assert not failed, failed[:5]
    assert results.count("refused") >= 50


def test_the_counts_of_a_run(tmp_path):
    """A case that ends its process is an abort, and the others are tried all the same."""
    told = run(5, ("checkpoint",))
    code = "from tests.fuzz.weights import run; print(run(5, ('checkpoint',))['memory_mb'])"
    alone = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True, check=True)
    assert told["tried"] == told["refused"] + told["read_right"] == 5
    assert told["aborts"] == told["tracebacks"] == told["wrong"] == 0 and told["told"] == []
    assert told["slowest_s"] < 5 and 10 < float(alone.stdout) < 1500
    assert right("zip", tmp_path)[0].is_file()
