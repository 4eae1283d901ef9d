"""Checks of the exercises: one module for each notebook, one function ``check_...`` for each exercise.

A check prints 'Right: ...' or raises CheckFailed with the probable misconception. Answers are tested by their
properties, on numbers made up for the purpose, so any correct way to write them passes.
"""

import numpy as np


class CheckFailed(AssertionError):
    """The answer is not right yet; the message names what was probably misunderstood."""

    def _render_traceback_(self):
        """What Jupyter shows in place of a traceback: the hint alone."""
        return [f"Not yet. {self}"]


def run(function, *arguments):
    """The answer of a learner's function; its own errors become hints."""
    if not callable(function):
        raise CheckFailed(
            f"A function is asked for; this is {type(function).__name__}. Fill the cell above and run it."
        )
    try:
        answer = function(*arguments)
    except CheckFailed:
        raise
    except NotImplementedError:
        raise CheckFailed("The exercise is still open: fill the cell above and run it.") from None
    except Exception as error:
        raise CheckFailed(f"{function.__name__} stopped with {type(error).__name__}: {error}") from error
    if answer is None or answer is Ellipsis:
        raise CheckFailed(f"{function.__name__} returns nothing yet: end it with `return ...`.")
    return answer


def same(answer, expected, tolerance=1e-6):
    """Whether two answers have the same shape and, within a relative tolerance, the same finite numbers."""
    try:
        answer, expected = np.asarray(answer, dtype=float), np.asarray(expected, dtype=float)
    except (TypeError, ValueError):
        return False
    return answer.shape == expected.shape and np.allclose(answer, expected, rtol=tolerance, atol=tolerance)


def expect(answer, expected, mistakes, otherwise):
    """Raise CheckFailed unless `answer` is `expected`.

    Parameters
    ----------
    answer, expected : numbers or arrays
    mistakes : list of (value, hint): what a known misconception would have answered
    otherwise : str, the hint when no misconception fits
    """
    if same(answer, expected):
        return
    for value, hint in mistakes:
        if same(answer, value):
            raise CheckFailed(hint)
    raise CheckFailed(otherwise)
