"""`make bench`: seconds and memory, as ratios against a peer measured in the same run. Never part of the tests.

python -m tests.bench            all parts
python -m tests.bench predict    one part, a module of this folder with a function `bench`
"""

import importlib
import time

import util  # noqa: F401  imports TensorFlow in silence


def row(what, value, peer=""):
    """Print one row of the table."""
    print(f"{what:62} {value:>14}  {peer}", flush=True)


def seconds(work):
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def best(work, rounds=2):
    """Least wall time of some calls: other work on the machine can only add."""
    return min(seconds(work) for _ in range(rounds))


def peer(name):
    """A package that the course does not depend on, or None with a row that says so."""
    try:
        return importlib.import_module(name)
    except ImportError:
        row(f"  {name}", "skipped", f"not installed: pip install {name}, in another environment")
        return None
