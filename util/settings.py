"""What a user sets in the environment; an empty variable is none.

COURSE_HOME, COHORT, CXR_ROOT, CXR_MIRROR, COURSE_BATCH, COURSE_HINTS, HOSPITAL.
"""

import os
from pathlib import Path


def course_home():
    """The course's folder, which holds data/: where this package lies in a clone, else COURSE_HOME names it. A Path."""
    beside = Path(__file__).resolve().parents[1]
    named = os.environ.get("COURSE_HOME")
    return beside if (beside / "data").is_dir() or not named else Path(named).expanduser().resolve()


def cohort_name():
    """Name of the cohort to load (COHORT), or None."""
    return os.environ.get("COHORT") or None


def films_folder():
    """Folder of the real films (CXR_ROOT), as text, or None."""
    return os.environ.get("CXR_ROOT") or None


def mirror():
    """Folder or address that stands for the servers of downloads (CXR_MIRROR), or None."""
    return os.environ.get("CXR_MIRROR") or None


def hints_file():
    """File in which a learner chooses to keep the hints of checks (COURSE_HINTS), as text, or None."""
    return os.environ.get("COURSE_HINTS") or None


def hospital_folder():
    """Folder of a student's own hospital, for lesson 15 (HOSPITAL), as text, or None."""
    return os.environ.get("HOSPITAL") or None


def batch():
    """Whether nobody is watching (COURSE_BATCH=1): no progress bars, no explorer."""
    return os.environ.get("COURSE_BATCH") == "1"
