"""What tests of embedded share."""

import pytest

from util.findings import FINDINGS
from util.phantom.studies import sample_studies

F = list(FINDINGS)


@pytest.fixture(scope="module")
def natural():
    return sample_studies(50_000, seed=20)
