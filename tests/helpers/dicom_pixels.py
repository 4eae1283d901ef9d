"""What tests of dicom share."""

import numpy as np
import pytest


@pytest.fixture
def codes():
    """Stored values of 16 bits, uint16 (h, w), 0 and 4000 among them."""
    values = np.random.default_rng(0).integers(0, 4000, (12, 10)).astype(np.uint16)
    values[0, :2] = 0, 4000
    return values
