"""What tests of nih share."""

import pytest

from util.data import nih
from util.findings import FINDINGS

F = list(FINDINGS)


def real_file(root, *names):
    """The first of the names that is in the folder of real films, else the test is skipped."""
    path = nih.find_file(root, names)
    return path or pytest.skip(f"{names[0]} is not in {root}")


@pytest.fixture(scope="module")
def newer(nih_root):
    return nih.read_labels(real_file(nih_root, "Data_Entry_2017_v2020.csv"))
