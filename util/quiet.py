"""Silence for the notes that TensorFlow's C++ writes about its own build, past Python and past every setting of it."""

import os
import sys
from contextlib import contextmanager


@contextmanager
def quiet_start():
    """Within it, what is written straight to file descriptor 2 is lost; errors in Python are raised as ever."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
