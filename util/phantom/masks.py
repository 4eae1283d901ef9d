"""Masks as text: run lengths in row-major order."""

import numpy as np

from util.errors import CourseError


def encode(mask):
    """Run-length code of a bool mask (h, w): 'start length start length ...', pixels counted row by row from 0."""
    flat = np.asarray(mask, dtype=bool).ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    return " ".join(map(str, np.column_stack([starts, ends - starts]).ravel()))


def decode(code, shape):
    """Bool mask of ``shape`` (h, w) from its run-length code; CourseError when the code does not fit the shape."""
    try:
        runs = np.array(code.split(), dtype=np.int64).reshape(-1, 2)
    except ValueError:
        raise CourseError("a run-length code must be pairs of whole numbers, 'start length'") from None
    flat = np.zeros(shape[0] * shape[1], dtype=bool)
    for start, length in runs:
        if start < 0 or length < 1 or start + length > flat.size:
            raise CourseError(f"the run '{start} {length}' lies outside a mask of shape {shape}")
        flat[start : start + length] = True
    return flat.reshape(shape)
