"""Arithmetic that does not depend on how new the processor is. Lesson 15.

NumPy, OpenCV and OpenBLAS look at the processor and take its newest instructions. Some of these round differently, and of a
hospital's films one pixel in some ten thousand would be a gray level off on a different machine. Processes that begin here use
the instructions that every x86-64 processor has, which takes about half as long again.
"""

import contextlib
import os
import platform
from collections.abc import Iterator

X86 = ("x86_64", "amd64")
OPENCV = "AVX512-SKX,AVX2,AVX,FP16,FMA3"  # what OpenCV's releases take where there is more than SSE 3


def _settings() -> dict[str, str]:
    """Environment variables with which a new process computes alike on every x86-64 processor; none elsewhere."""
    if platform.machine().lower() not in X86:
        return {}
    return {
        "NPY_DISABLE_CPU_FEATURES": " ".join(_numpy_features()),
        "OPENCV_CPU_DISABLE": OPENCV,
        "OPENCV_IPP": "disabled",
        "OPENCV_LOG_LEVEL": "ERROR",  # it would warn that IPP is off
        "OPENBLAS_CORETYPE": "NEHALEM",
    }


def _numpy_features():
    """What NumPy would use of this processor beyond its least, and what the environment has turned off already."""
    turned_off = os.environ.get("NPY_DISABLE_CPU_FEATURES", "").replace(",", " ").split()
    try:
        from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
    except ImportError:  # a different NumPy keeps them elsewhere: its films may differ by a few gray levels
        return turned_off
    return sorted({*turned_off, *(name for name in __cpu_dispatch__ if __cpu_features__.get(name))})


@contextlib.contextmanager
def steadily() -> Iterator[None]:
    """Let the processes that begin in the block compute alike on every x86-64 processor.

    See Also
    --------
    util.phantom.films.for_each_row : begins such processes

    Examples
    --------
    >>> before = dict(os.environ)
    >>> with steadily():
    ...     changed = dict(os.environ) != before
    >>> dict(os.environ) == before
    True
    """
    before = {name: os.environ.get(name) for name in _settings()}
    os.environ.update(_settings())
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
