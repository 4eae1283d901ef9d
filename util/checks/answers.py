"""How an answer is checked: it is tried on several tables, and told what is wrong with *it*, never the solution first.

A check compares an answer with the course's own function on seeded inputs with uneven, unround numbers. A mistake is named
only when the answer equals that mistake on every input, so a hint never says what is not true of the answer.

    check_scale = Check(
        "scale", expected, probes, returns="one number for each prevalence",
        mistakes=[(lambda p: p * (1 - p), "This is what the positives contribute; ...")],
        idea="A share p of the films has weight 1 - p ...", right="2 p (1 - p). ...",
    )
"""

import copy

import numpy as np
import pandas as pd

TOLERANCE = 1e-4  # relative: an answer may compute in single precision
MATCHES = 1e-5  # relative, plus a rounding error: how near an answer must be to a mistake that is named


class CheckFailed(AssertionError):
    """The answer is not right yet; the message names what was probably misunderstood."""

    def _render_traceback_(self):
        """What Jupyter shows in place of a traceback: the hint alone."""
        return [f"Not yet. {self}"]


class Check:
    """The check of one exercise: call it with the learner's function.

    Parameters
    ----------
    name : str, of the function that the exercise asks for
    expected : callable, the right answer for the inputs of a probe
    probes : callable () -> list of tuples, the inputs of each call; made afresh each time, from fixed seeds
    returns : str, what the function returns, as in 'one number for each finding'
    mistakes : list of (callable, str): what a misconception would answer for the same inputs, and its hint
    idea : str, the second step of the ladder: how to think about it, without the solution
    right : str, printed after 'Right: '
    further : list of callables (function) -> None that raise CheckFailed: what equal numbers cannot show
    alike : callable (answer, expected) -> bool in place of the comparison of numbers, or None
    """

    def __init__(self, name, expected, probes, *, returns, idea, right, mistakes=(), further=(), alike=None):
        self.name, self.expected, self.probes, self.returns = name, expected, probes, returns
        self.mistakes, self.idea, self.right = list(mistakes), idea, right
        self.further, self.alike = list(further), alike or same
        self.__name__ = f"check_{name}"
        self.__doc__ = f"`{name}` returns {returns}."

    def __call__(self, function):
        """Print 'Right: ...', or raise CheckFailed with what is wrong with this answer."""
        probes = self.probes()
        given = [self._run(function, probe) for probe in probes]
        wanted = [self.expected(*copy.deepcopy(probe)) for probe in probes]
        fits = [self.alike(answer, value) for answer, value in zip(given, wanted, strict=True)]
        if not all(fits):
            raise CheckFailed(self._named(given, probes) or self._told(given, wanted, fits))
        for test in self.further:
            test(function)
        print(f"Right: {self.right}")

    def _run(self, function, probe):
        """The answer to one probe, which must not be changed by it."""
        mine = copy.deepcopy(probe)
        answer = run(function, *mine)
        if not all(unchanged(before, after) for before, after in zip(probe, mine, strict=True)):
            raise CheckFailed(f"{self.name} changes the data that it is given. Work on a copy, and return the result.")
        return answer

    def _named(self, given, probes):
        """The hint of the first mistake that answers the same for every probe, or None."""
        for mistake, hint in self.mistakes:
            with np.errstate(all="ignore"):
                try:
                    values = [mistake(*copy.deepcopy(probe)) for probe in probes]
                except Exception:  # a mistake need not have an answer to every probe
                    continue
            if all(matches(answer, value) for answer, value in zip(given, values, strict=True)):
                return hint
        return None

    def _told(self, given, wanted, fits):
        """What can be said of an answer that fits no known mistake: its form, then its relation to the right values."""
        first, off = fits.index(False), [i for i, fit in enumerate(fits) if not fit]
        forms = (wrong_form(given[i], wanted[i], self.name, self.returns) for i in off)
        return (
            next(filter(None, forms), None)
            or wrong_by(given, wanted)
            or (
                f"{self.name} is right for {sum(fits)} of the {len(fits)} tables it was tried on, but not for all of them."
                if any(fits)
                else f"The form is right, the values are not: {beside(given[first], wanted[first])}."
            )
        )


# --- Running an answer -----------------------------------------------------------------------------


def run(function, *arguments):
    """The answer of a learner's function; its own errors become hints."""
    if not callable(function):
        raise CheckFailed(
            f"The exercise asks for a function, but this is {an(type(function).__name__)}. Complete the cell above and run it."
        )
    name = getattr(function, "__name__", "The answer")
    try:
        with np.errstate(all="ignore"):
            answer = function(*arguments)
    except CheckFailed:
        raise
    except NotImplementedError:
        raise CheckFailed("The exercise is still open: write your answer in the cell above and run it.") from None
    except Exception as error:
        raise CheckFailed(f"{name} stopped with {type(error).__name__}: {error}") from error
    if answer is None or answer is Ellipsis:
        raise CheckFailed(
            f"{name} returns nothing yet: end it with `return ...` (printing a value does not return it)."
        )
    return answer


def unchanged(before, after):
    """Whether an input is still what it was."""
    if isinstance(before, pd.DataFrame | pd.Series):
        return before.equals(after)
    if isinstance(before, np.ndarray):
        return before.shape == after.shape and bool(np.all((before == after) | (before != before)))
    return True


# --- Comparing -------------------------------------------------------------------------------------


def leaves(value):
    """The parts of an answer as arrays of floats: [array], or one for each part of a tuple. ValueError where that fails."""
    several = isinstance(value, tuple) and any(np.ndim(part) for part in value)  # (1, 2) is one array, as [1, 2] is
    parts = list(value) if several else [value]
    made = []
    for part in parts:
        if isinstance(part, dict | set) or text_in(part) is not None:  # NumPy would read "0.5" as a number
            raise ValueError("no numbers")
        try:
            made.append(np.asarray(part, dtype=float))
        except (TypeError, ValueError):
            raise ValueError("no numbers") from None
    return made


def text_in(value):
    """The first text in an answer, or None: '1' looks like a number when it is printed, but it is none."""
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, np.ndarray | pd.Series | pd.Index | pd.DataFrame):
        value = np.asarray(value).ravel()
        value = () if value.dtype.kind in "biufc" else value  # an array of numbers needs no search
    parts = value if isinstance(value, list | tuple | np.ndarray) else ()
    return next((text for part in parts if (text := text_in(part)) is not None), None)


def pairs_of(answer, value):
    """The parts of an answer and of a value as two lists of arrays; several parts may also come as a list, or as rows."""
    given, wanted = leaves(answer), leaves(value)
    if len(given) == 1 < len(wanted) == len(np.atleast_1d(given[0])):
        given = list(given[0])
    return given, wanted


def _close(answer, value, tolerance):
    try:
        given, wanted = pairs_of(answer, value)
    except ValueError:
        return False
    if len(given) != len(wanted):
        return False
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=tolerance * (1e-3 + _size(b)), equal_nan=True)
        for a, b in zip(given, wanted, strict=True)
    )


def _size(values):
    """The typical size of the finite numbers of an array, for rounding errors of single precision."""
    finite = np.abs(values[np.isfinite(values)])
    return float(np.median(finite)) if finite.size else 0.0


def same(answer, expected):
    """Whether two answers have the same form and the same numbers, to single precision."""
    return _close(answer, expected, TOLERANCE)


def matches(answer, mistake):
    """Whether an answer is what a mistake would give, closely enough to say so."""
    return _close(answer, mistake, MATCHES)


# --- Saying what is wrong --------------------------------------------------------------------------


def wrong_form(answer, expected, name, returns):
    """What is wrong with the type or the shape of an answer, or None."""
    asked = f"{name} should return {returns}"
    try:
        wanted = leaves(expected)
    except ValueError:
        return None
    if (text := text_in(answer)) is not None:
        return f"{asked}; yours returns text ({text[:20]!r}), not numbers. Return the numbers themselves, without str() or an f-string."
    try:
        given, wanted = pairs_of(answer, expected)
    except ValueError:
        return f"{asked}; yours returns {an(type(answer).__name__)} that cannot be read as numbers."
    if len(given) != len(wanted):
        return f"{asked}; yours returns {_things(len(given))}."
    for a, b in zip(given, wanted, strict=True):
        if a.shape != b.shape and a.size == b.size and a.shape == b.T.shape:
            return f"{asked}; yours has its axes exchanged: shape {a.shape} where {b.shape} is asked for."
        if a.shape != b.shape:
            return f"{asked}; yours returns {_shape(a)} where {_shape(b)} is asked for."
        if not np.isfinite(a).all() and np.isfinite(b).all():
            what = "NaN" if np.isnan(a).any() else "infinity"
            return f"Your answer contains {what}, and the right one does not. Look for a division by zero, a log of zero or an exp that overflows."
    return None


def wrong_by(given, wanted):
    """One simple relation between an answer and the right values that holds for all probes, or None."""
    pairs = [(a, b) for x, y in zip(given, wanted, strict=True) for a, b in zip(*pairs_of(x, y), strict=True)]
    relations = [
        (lambda a, b: -b, "The sign is wrong: every value is the negative of the right one."),
        (lambda a, b: 1 - b, "This is 1 minus the right value. Is one side counted in place of the other?"),
        (lambda a, b: 100 * b, "This is in percent; a share between 0 and 1 is asked for."),
        (lambda a, b: np.round(b), "The values are rounded to whole numbers; return them as they are."),
        (lambda a, b: np.round(b, 2), "The values are rounded; return them as they are."),
        (lambda a, b: np.flip(b), "These are the right values in reverse order."),
    ]
    answers, values = (np.concatenate([side.ravel() for side in sides]) for sides in zip(*pairs, strict=True))
    if len(given) > 1 and len(np.unique(answers)) == 1 and len(np.unique(values)) > 1:
        return f"Your answer is {answers[0]:.4g} for every table, whatever is in it. Did you use what the function is given?"
    for relation, hint in relations:
        if all(matches(a, relation(a, b)) for a, b in pairs) and not all(matches(b, relation(a, b)) for a, b in pairs):
            return hint
    flat, right = np.concatenate([a.ravel() for a, _ in pairs]), np.concatenate([b.ravel() for _, b in pairs])
    used = (right != 0) & np.isfinite(right)
    if used.sum() > 1 and np.allclose(flat[~used], right[~used]):
        factors = flat[used] / right[used]
        if factors[0] and np.allclose(factors, factors[0], rtol=MATCHES):
            return f"Every value is {factors[0]:.4g} times the right one: what should you still divide or multiply by?"
    return None


def beside(answer, expected):
    """The first place where an answer differs, in words; numbers only, so it shows the value but not how to get it."""
    for a, b in zip(*pairs_of(answer, expected), strict=True):
        off = np.argwhere(~np.isclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * (1e-3 + _size(b)), equal_nan=True))
        if len(off):
            place = tuple(int(i) for i in off[0])
            where = f" at position {place if len(place) > 1 else place[0]}" if place else ""
            return f"for one of the test tables you return {a[place]:.5g}{where}, and the right value is {b[place]:.5g}"
    return "they differ from the right ones"


def an(noun):
    """A noun with its article."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _things(count):
    return "one thing" if count == 1 else f"{count} things"


def _shape(array):
    return "one number" if array.ndim == 0 else f"an array of shape {array.shape}"
