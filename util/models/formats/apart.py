"""Reading in a process of its own, for a library that nobody can bound from outside: HDF5.

    python -m util.models.formats.apart FILE FOLDER      what `read_apart` starts

A damaged file can make a library written in C take all memory, never come back, or end the process, and with it a
notebook's kernel. In a process apart it ends only that process, and the reader gets a sentence. Limits on memory and
processor time are set by the system, so they hold inside the library too (Linux; elsewhere only the time limit does).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from util.errors import CourseError
from util.models.formats.kinds import Foreign
from util.models.formats.limits import regular, shown

HOME = Path(__file__).resolve().parents[3]  # the course's folder
MEMORY = 1_000_000_000  # bytes beyond what the process has once its libraries are there
SECONDS = 4  # of processor time; a file with DenseNet-121 takes half a second
PATIENCE = 120  # seconds by the clock: a slow disk is no fault of the file
REFUSED = 3  # exit code of a file that is refused with a sentence


def read_apart(path):
    """A Keras 2 HDF5 file as a `Foreign`, read by `util.models.formats.hdf5.read_keras2` in a process apart.

    Raises
    ------
    CourseError : what `read_keras2` says of the file, or that reading it took too much or ended the process.
    """
    path, _ = regular(path)
    more = {"PYTHONPATH": str(HOME), "OPENBLAS_NUM_THREADS": "1", "PYTHONUTF8": "1"}  # threads would take memory
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "util.models.formats.apart", str(path.absolute()), folder]
        try:
            done = subprocess.run(
                command,
                cwd=HOME,
                env=os.environ | more,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise CourseError(_refusal(path, f"took more than {PATIENCE} seconds")) from None
        if done.returncode == REFUSED:
            raise CourseError(done.stdout.decode("utf-8", "replace").strip())
        if done.returncode:
            raise CourseError(_refusal(path, f"took more than {SECONDS} seconds or 1 GB, or ended the process"))
        return _unpack(Path(folder))


def _refusal(path, what):
    return f"Reading {shown(path)} {what}: the file is damaged or made to do harm. Get it again from its source."


def _pack(foreign, folder):
    with (folder / "numbers").open("wb") as file:
        for _, arrays in foreign.layers:
            for array in arrays:
                np.save(file, array, allow_pickle=False)
    layers = [(name, len(arrays)) for name, arrays in foreign.layers]
    (folder / "layers.json").write_text(json.dumps([layers, foreign.final_relu, foreign.epsilon, foreign.named]))


def _unpack(folder):
    layers, *rest = json.loads((folder / "layers.json").read_text())
    with (folder / "numbers").open("rb") as file:
        return Foreign([(n, tuple(np.load(file, allow_pickle=False) for _ in range(k))) for n, k in layers], *rest)


def _limit():
    """Set the limits of this process, once its libraries are loaded."""
    import time

    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {"RLIMIT_CORE": 0, "RLIMIT_CPU": int(time.process_time()) + SECONDS + 1}
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])  # of virtual memory, with the libraries
        limits["RLIMIT_AS"] = pages * resource.getpagesize() + MEMORY
    for name, most in limits.items():
        _, hard = resource.getrlimit(number := getattr(resource, name))
        resource.setrlimit(number, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main(arguments):
    """Read one file and leave its numbers in a folder; returns the exit code."""
    from util.models.formats.hdf5 import read_keras2

    _limit()
    try:
        _pack(read_keras2(arguments[0]), Path(arguments[1]))
    except CourseError as error:
        sys.stdout.reconfigure(encoding="utf-8")
        print(error)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
