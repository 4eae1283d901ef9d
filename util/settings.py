"""What a user sets in the environment: COHORT, CXR_ROOT, CXR_MIRROR and COURSE_BATCH. An empty variable is none."""

import os


def cohort_name():
    """Name of the cohort to load (COHORT), or None."""
    return os.environ.get("COHORT") or None


def films_folder():
    """Folder of the real films (CXR_ROOT), as text, or None."""
    return os.environ.get("CXR_ROOT") or None


def mirror():
    """Folder or address that stands for the servers of downloads (CXR_MIRROR), or None."""
    return os.environ.get("CXR_MIRROR") or None


def batch():
    """Whether nobody is watching (COURSE_BATCH=1): no progress bars, no explorer."""
    return os.environ.get("COURSE_BATCH") == "1"
