"""What is done to a film after the exposure: print on it is as bright as it is said to be."""

import numpy as np
import pytest

from util.phantom import acquisition


@pytest.mark.parametrize("bright", [255, 200, 100.5])
def test_print_is_as_bright_as_it_is_said_to_be_and_darkens_nothing(bright):
    film = np.full((320, 320), 40, np.float32)
    acquisition._text(film, "PORTABLE", 0.3, 0.4, 1.0, bright)
    assert film.max() == pytest.approx(bright, rel=1e-6) and film.min() == 40
    rows, columns = np.nonzero(film > 40)
    assert 0.2 * 320 < columns.min() < columns.max() < 0.95 * 320 and 0.3 * 320 < rows.min() < rows.max() < 0.5 * 320
    again = np.full((320, 320), 250, np.float32)
    acquisition._text(again, "PORTABLE", 0.3, 0.4, 1.0, bright)
    assert again.min() == 250
