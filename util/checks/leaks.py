"""Checks of lesson 3: shared patients, a perceptual hash, and what a step learns from test films."""

import numpy as np
import pandas as pd

from util.checks.answers import Check, CheckFailed, run

# --- patient_overlap ---


def _table(patients, index, first=0):
    """Films with different names, numbered from `first`."""
    images = [f"{first + i:08d}_000.png" for i in range(len(patients))]
    return pd.DataFrame({"Image": images, "PatientId": patients}, index=index)


def _pairs():
    rng = np.random.default_rng(8)
    uneven = [(rng.integers(100, 131, 23), 19), (rng.integers(100, 131, 17), 400)]
    return [
        (_table([10, 10, 20, 30, 30], range(5)), _table([30, 30, 10, 40, 50], [20, 0, 1, 2, 3], 100)),
        tuple(_table(who, range(first, first + len(who)), first) for who, first in uneven),
        (_table([7, 3, 3], range(3)), _table([60, 70], [3, 7], 200)),
    ]


def _ids(films):
    return films["PatientId"]


class _Members(Check):
    """A check of an answer whose order does not matter: patients, each once."""

    def _run(self, function, probe):
        answer = super()._run(function, probe)
        if isinstance(answer, pd.DataFrame):
            raise CheckFailed("You return rows of the table; return PatientIds, each patient once.")
        if isinstance(answer, str | dict) or not hasattr(answer, "__iter__"):
            raise CheckFailed(
                "This is one number or word; return the PatientIds themselves, so that you can look at their films."
            )
        members = list(answer)
        if any(isinstance(member, list | tuple | set) or getattr(member, "ndim", 0) for member in members):
            raise CheckFailed("You return several lists or a table; return one list of PatientIds, each patient once.")
        return np.array(sorted((_number(member) for member in members), key=str), dtype=object)

    def _named(self, given, probes):
        for mistake, hint in self.mistakes:
            if all(_equal(answer, mistake(*probe)) for answer, probe in zip(given, probes, strict=True)):
                return hint
        return None

    def _told(self, given, wanted, fits):
        first = fits.index(False)
        mine, right = set(given[first].tolist()), set(wanted[first].tolist())
        if mine == right:
            return "The right patients, but some more than once: return each PatientId once."
        if not mine:
            return "You find no patient, although the two tables share some. Do you compare names of films? They differ; PatientId does not."
        if mine < right:
            return "Some shared patients are missing from your answer."
        if not right:
            return "For two tables that share no patient the answer should be empty."
        return "Your answer holds something that is not a patient of both tables. Return PatientIds that occur in both."


def _number(member):
    """A PatientId as a plain number where it is one, so that 10 and 10.0 sort alike."""
    return float(member) if isinstance(member, int | float | np.number) and not isinstance(member, bool) else member


def _sorted(function):
    """A mistake's answer as `_Members` sees it."""
    return lambda a, b: np.array(sorted((_number(member) for member in function(a, b)), key=str), dtype=object)


def _equal(answer, expected):
    return sorted(answer.tolist(), key=str) == sorted(map(_number, expected), key=str)


MEMBER_MISTAKES = [
    (lambda a, b: {p for p in _ids(a) if p in _ids(b)}, "`x in series` asks the index of a pandas Series, not its values; use a "
     "set, `isin` or np.intersect1d."),
    (lambda a, b: _ids(a).isin(_ids(b)), "This is a mask of rows; return the PatientIds that it selects, each once."),
    (lambda a, b: np.union1d(_ids(a), _ids(b)), "These are the patients of either table (the union); those in both are asked for."),
    (lambda a, b: np.setxor1d(_ids(a), _ids(b)), "These are the patients of exactly one table; those in both are asked for."),
    (lambda a, b: np.setdiff1d(_ids(a), _ids(b)), "These are the patients of the first table only; those in both are asked for."),
    (lambda a, b: np.setdiff1d(_ids(b), _ids(a)), "These are the patients of the second table only; those in both are asked for."),
    (lambda a, b: _ids(a)[_ids(a).isin(_ids(b))], "A patient with several films appears several times; return each PatientId once."),
    (lambda a, b: _ids(b)[_ids(b).isin(_ids(a))], "A patient with several films appears several times; return each PatientId once."),
    (lambda a, b: a.merge(b, on="PatientId")["PatientId"], "A merge makes a row for each pair of films, so a patient appears "
     "several times; return each PatientId once."),
    (lambda a, b: a["Image"][_ids(a).isin(_ids(b))], "These are names of films; return the PatientIds."),
    (lambda a, b: np.unique(_ids(a)), "These are all patients of the first table; those who are in both are asked for."),
    (lambda a, b: np.unique(_ids(b)), "These are all patients of the second table; those who are in both are asked for."),
    (lambda a, b: np.intersect1d(a.index, b.index), "You compare the numbers of the rows; compare the column PatientId."),
    (lambda a, b: [p for p, q in zip(_ids(a), _ids(b), strict=False) if p == q], "You compare the tables row by row. A patient "
     "may be in row 3 of one table and in row 20 of the other."),
]  # fmt: skip

check_patient_overlap = _Members(
    "patient_overlap",
    lambda a, b: np.intersect1d(_ids(a), _ids(b)),
    _pairs,
    returns="the PatientIds in both tables, each once",
    mistakes=[(_sorted(function), hint) for function, hint in MEMBER_MISTAKES],
    idea="Make a set of the patients of each table. Which operation keeps what two sets share?",
    right="the patients of both tables, each once, whatever their films are called.",
    alike=_equal,
)


# --- difference_bits ---


def _small_films():
    rng = np.random.default_rng(9)
    return [
        (rng.integers(0, 256, (8, 9)).astype(np.uint8),),
        (rng.integers(90, 97, (8, 9)).astype(np.uint8),),  # with ties
        (rng.normal(0, 3.3, (5, 13)),),
    ]


def _bits(small):
    return np.asarray(small)[:, 1:] > np.asarray(small)[:, :-1]


def _down(small):
    return np.asarray(small)[1:] > np.asarray(small)[:-1]


check_difference_bits = Check(
    "difference_bits",
    _bits,
    _small_films,
    returns="an array of True and False (rows, columns - 1)",
    mistakes=[
        (lambda s: np.diff(s, axis=1) > 0, "Subtracting uint8 pixels wraps around: 3 - 5 becomes 254. Compare the pixels, or turn "
         "them into ints or floats first."),
        (lambda s: s[:, 1:] < s[:, :-1], "The bit is True where the pixel to the right is **brighter**; yours is True where it is darker."),
        (lambda s: s[:, 1:] >= s[:, :-1], "Equal pixels give True in your answer; equal is not brighter."),
        (lambda s: s[:, 1:] <= s[:, :-1], "These are the opposite bits: True should mean that the pixel to the right is brighter."),
        (lambda s: s[:, 1:] != s[:, :-1], "These bits say whether two neighbors differ, not which one is brighter."),
        (_down, "You compare each pixel with the one below it; compare it with the one to the right."),
        (lambda s: s[:-1] > s[1:], "You compare rows; compare each pixel with the one to the right."),
        (lambda s: s > s.mean(), "You compare with the mean gray level (the average hash); compare neighbors."),
        (lambda s: (s > s.mean())[:, 1:], "You compare with the mean gray level (the average hash); compare neighbors."),
        (lambda s: s > np.median(s), "You compare with the median gray level; compare neighbors."),
        (lambda s: np.diff(s.astype(float), axis=1), "These are the differences; one bit for each is asked for: is it positive?"),
        (lambda s: _bits(s).ravel(), "The bits are right, but in one long row; keep rows and columns."),
        (lambda s: _bits(s)[:, ::-1], "The columns are in reverse order."),
        (lambda s: np.diff(s.astype(float), axis=1) > 1, "A difference of 1 does not count in your answer; every brighter pixel does."),
        (lambda s: _bits(s).sum(), "This is the number of brighter pixels; return the bits themselves."),
        (lambda s: s > np.roll(s, 1, axis=1), "In your first column the last pixel of the row is taken for a neighbor: the first "
         "pixel has none on its left."),
        (lambda s: s[:, :-1] > np.roll(s, 1, axis=1)[:, :-1], "Your first column compares the first pixel with the last of its row."),
    ],
    idea="Lay the table over itself, shifted by one column: all columns but the first, beside all columns but the last. Then "
    "compare pixel by pixel.",
    right="the sign of each slope, whatever brightness and contrast are.",
)  # fmt: skip

# --- learns_from_test ---

LEARNS_HINTS = {
    "always": "A step that reads only training films is called a leak. Change films and labels where `training` is "
    "False, and leave those where it is True as they are.",
    "never": "No step is ever called a leak, not even a mean over ALL films. Change the test films, call `fit` again, and "
    "return True if what it learned has changed.",
    "swapped": "True and False are exchanged: True is a leak, where what is learned did change.",
    "labels only": "A step that takes its mean over all films is not found: the test films' labels are changed, but not "
    "their pixels.",
    "films only": "A step that counts labels over all films is not found: the test films are changed, but not their labels.",
    "in place": "Your function changes the caller's films or labels, and the next cell would work with them. Change a "
    "copy: `x.copy()`.",
    "part": "A step that leaks in one of several numbers is not found: compare everything that was learned, not only one number or the sum.",
    "loose": "A small leak is not found: test films moved a mean a little. Compare exactly; the same films give the same numbers.",
    "constant labels": "A step that learns from test labels is not found when all test labels are 1: did your change leave them so?",
    "number": "Answer with one True or False.",
}  # fmt: skip


def _fits():
    """Steps of a pipeline, by name; 'clean' and 'median' do not leak."""
    return {
        "clean": lambda x, y, training: np.append(x[training].mean(axis=0), y[training].mean(axis=0)),
        "median": lambda x, y, training: np.median(x[training], axis=0),
        "films": lambda x, y, training: x.mean(axis=0),
        "labels": lambda x, y, training: y.mean(axis=0),
        "part": lambda x, y, training: np.array([*x[training].mean(axis=0), x.std()]),
        "balance": lambda x, y, training: x.mean(axis=0) - x.mean(),
        "little": lambda x, y, training: x[training].mean(axis=0) + 1e-9 * x[~training].sum(),
    }


def check_learns_from_test(learns_from_test):
    """`learns_from_test(fit, x, y, training)` returns whether other test films or labels change what `fit` learns."""
    found = {}
    for seed, films in enumerate((41, 29)):
        random = np.random.default_rng([10, seed])
        training = random.random(films) < 0.7
        training[:2] = True, False
        x, y = random.normal(size=(films, 3)), random.integers(0, 2, (films, 2))
        x[~training], y[~training] = 5 * x[~training] + 3, 1 - seed  # all test labels 1, then all 0
        for name, fit in _fits().items():
            given = x.copy(), y.copy(), training.copy()
            answer = run(learns_from_test, fit, *given)
            if np.ndim(answer) or not isinstance(answer, bool | np.bool_ | int):
                raise CheckFailed(LEARNS_HINTS["number"])
            if not all(np.array_equal(a, b) for a, b in zip(given, (x, y, training), strict=True)):
                raise CheckFailed(LEARNS_HINTS["in place"])
            found.setdefault(name, []).append(bool(answer))
    _judge({name: answers for name, answers in found.items()})
    print("Right: what is learned from training films cannot depend on which test films there are.")


def _judge(found):
    """Raise CheckFailed with the mistake that the answers to all steps show."""
    leak = {name: all(answers) for name, answers in found.items()}
    some = {name: any(answers) for name, answers in found.items()}
    clean, leaks = ("clean", "median"), ("films", "labels", "part", "balance", "little")
    if all(leak[name] for name in clean) and not any(some[name] for name in leaks):
        raise CheckFailed(LEARNS_HINTS["swapped"])
    for hint, wrong in {
        "never": not any(some.values()),
        "always": any(some[name] for name in clean),
        "labels only": not some["films"],
        "films only": not some["labels"],
        "constant labels": not leak["labels"],
        "part": not leak["part"] or not leak["balance"],
        "loose": not leak["little"] or not leak["films"],
    }.items():
        if wrong:
            raise CheckFailed(LEARNS_HINTS[hint])


check_learns_from_test.idea = (
    "Run `fit` twice: once as it is, once with other films and other labels where `training` is False. If nothing "
    "leaks, both runs learn exactly the same."
)
