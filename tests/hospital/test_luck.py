from itertools import count

import pytest

from util.hospital.luck import UnluckyError, keep


def test_the_first_clear_draw_is_kept():
    numbers = count()
    assert keep(lambda: next(numbers), lambda number: number >= 3) == 3
    assert next(numbers) == 4


def test_after_as_many_draws_as_allowed_it_gives_up():
    numbers = count()
    with pytest.raises(UnluckyError):
        keep(lambda: next(numbers), lambda number: number >= 5, most=5)
    assert next(numbers) == 5
