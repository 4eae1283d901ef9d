"""Draw again until a draw is clear: no student is to meet a case on the border between true and false. Lesson 15."""

from collections.abc import Callable
from typing import Any

DRAWS = 400


class UnluckyError(Exception):
    """No clear draw was found; the hospital begins again with other people.

    See Also
    --------
    keep : raises it

    Examples
    --------
    >>> issubclass(UnluckyError, Exception)
    True
    """


def keep(draw: Callable[[], Any], clear: Callable[[Any], bool], most: int = DRAWS) -> Any:
    """The first of at most `most` draws that is clear.

    See Also
    --------
    util.hospital.plan.plan_hospital : begins again after an UnluckyError

    Examples
    --------
    >>> draws = iter([3, 5, 8])
    >>> keep(lambda: next(draws), lambda number: number % 2 == 0)
    8
    """
    for _ in range(most):
        drawn = draw()
        if clear(drawn):
            return drawn
    raise UnluckyError
