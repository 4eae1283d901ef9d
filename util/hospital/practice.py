"""A small hospital for self-study, drawn with the open key into a temporary folder. Lesson 15."""

import atexit
import shutil
import tempfile
from pathlib import Path

from util.hospital.cohort import LEAST
from util.hospital.draw import draw_hospital
from util.hospital.seal import OPEN

STUDENT = "practice-29"  # a fault in each section of the lesson
SIDE = 256  # pixels


def practice_hospital() -> Path:
    """Draw a hospital of 400 films whose truth anyone can look up; it is gone when the notebook's kernel ends.

    Returns
    -------
    Path of its folder

    See Also
    --------
    util.hospital.draw.draw_hospital : draws a whole one
    util.hospital.grade.practice_mark : marks a report on it

    Examples
    --------
    Not run by the tests, since it takes half a minute.

    >>> open_hospital(practice_hospital())  # doctest: +SKIP

    Taught in lesson 15, section 1.
    """
    place = Path(tempfile.mkdtemp(prefix="hospital-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return draw_hospital(STUDENT, OPEN, place / STUDENT, films=LEAST, size=SIDE)
