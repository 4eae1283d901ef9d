"""Checks of lesson 6: a point of the ROC curve, the AUC as pairs, patients of equal weight, a bootstrap of patients."""

import numpy as np

from util.checks.answers import Check, CheckFailed, run
from util.metrics.proportions import effective_number
from util.metrics.roc import auc


def _scored(seed, films, positives, scale=1.0, digits=1):
    """Labels and scores with ties, in no order: (films,) each."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([1, 0], [positives, films - positives]))
    return y, np.round(rng.normal(0.9 * y, 1.2) * scale, digits)


# --- A point of the curve --------------------------------------------------------------------------


def _point(y, score, threshold):
    called = score >= threshold
    return float(np.mean(called[y == 0])), float(np.mean(called[y == 1]))


def _counts(y, score, threshold):
    called = score >= threshold
    return [float(np.sum((called == c) & (y == label))) for c in (1, 0) for label in (1, 0)]  # tp, fp, fn, tn


def _from_counts(formula):
    return lambda y, score, threshold: formula(*_counts(y, score, threshold))


def _roc_point_probes():
    tables = [_scored(41, 37, 11), _scored(42, 53, 32, scale=7.0), _scored(43, 29, 17, scale=0.1, digits=2)]
    at_a_positive = [
        (y, score, float(np.sort(score[y == 1])[rank])) for (y, score), rank in zip(tables, (5, 13, 8), strict=True)
    ]
    at_a_negative = [(y, score, float(np.sort(score[y == 0])[-4])) for y, score in tables[:2]]
    y, score = tables[1]
    levels = np.unique(score)
    between = float(0.9 * levels[20] + 0.1 * levels[21])  # nearer to the score that does not reach it
    return [*at_a_positive, *at_a_negative, (y, score, between)]


check_roc_point = Check(
    "roc_point",
    _point,
    _roc_point_probes,
    returns="two shares, `return fpr, tpr`",
    mistakes=[
        (lambda *a: _point(*a)[::-1], "The two are exchanged: return the FPR first, then the TPR."),
        (
            lambda y, s, t: (np.mean(s[y == 0] > t), np.mean(s[y == 1] > t)),
            "A film whose score equals the threshold counts as positive, too: 'reaches' includes equality.",
        ),
        (_from_counts(lambda tp, fp, fn, tn: (fp, tp)), "These are numbers of films; shares are asked for."),
        (
            _from_counts(lambda tp, fp, fn, tn: (tn / (fp + tn), tp / (tp + fn))),
            "The first number is the specificity. The FPR is the share of the negative films that DO raise an alarm.",
        ),
        (
            _from_counts(lambda tp, fp, fn, tn: (fp / (tp + fp + fn + tn), tp / (tp + fp + fn + tn))),
            "You divide by all films. Each rate is a share of one class only: which films could raise a false alarm?",
        ),
        (
            _from_counts(lambda tp, fp, fn, tn: (fp / (tp + fp), tp / (tp + fp))),
            "You divide by the films called positive. The two rates are shares of the negative and of the positive films.",
        ),
        (
            _from_counts(lambda tp, fp, fn, tn: (fp / (fp + tn), fn / (tp + fn))),
            "The second number is the share of positive films that are missed; the TPR is the share that is found.",
        ),
        (
            _from_counts(lambda tp, fp, fn, tn: (tn / (fp + tn), fn / (tp + fn))),
            "These are the films below the threshold. Which films are called positive?",
        ),
        (
            _from_counts(lambda tp, fp, fn, tn: (tp / (tp + fn), tp / (tp + fp))),
            "This is a point of the precision-recall curve. The ROC curve compares false alarms with hits.",
        ),
        (
            _from_counts(lambda tp, fp, fn, tn: (fp / (tp + fn), tp / (fp + tn))),
            "The two denominators are exchanged: false alarms come from the negative films, hits from the positive ones.",
        ),
        (
            _from_counts(lambda tp, fp, fn, tn: (fp / (tp + fn), tp / (tp + fn))),
            "Both are divided by the number of positive films. False alarms are a share of the negative films.",
        ),
        (
            _from_counts(lambda tp, fp, fn, tn: (fp / tn, tp / fn)),
            "You divide called films by the films of the same class that are NOT called. Divide by the whole class.",
        ),
        (lambda y, s, t: _point(y, s, 0.5), "The threshold that is given is not used; this is the point at 0.5."),
        (lambda y, s, t: _point(y, s, 0.0), "The threshold that is given is not used; this is the point at 0."),
        (
            lambda y, s, t: (np.mean(s <= t), np.mean(s >= t)),
            "The labels are not used. Count among the films without and with the finding separately.",
        ),
        (lambda y, s, t: _point(y, s, t)[1], "This is the TPR alone; return two numbers, the FPR first."),
        (lambda y, s, t: _point(y, s, t)[0], "This is the FPR alone; return two numbers, the FPR and the TPR."),
    ],
    idea="First decide for each film whether it is called positive. Then look at the negative films alone: which share "
    "of them is called? That is one number. Do the same with the positive films alone.",
    right="one threshold is one point: false alarms across, hits upwards.",
)


# --- The AUC as pairs ------------------------------------------------------------------------------


def _pairs(y, score):
    difference = score[y == 1][:, None] - score[y == 0][None, :]
    return (difference > 0).astype(float), (difference == 0).astype(float)


def _half(y, score):
    won, tied = _pairs(y, score)
    return won + tied / 2


def _in_step(y, score):
    """Pairs the first positive with the first negative, the second with the second."""
    positive, negative = score[y == 1], score[y == 0]
    both = min(len(positive), len(negative))
    return np.mean((positive[:both] > negative[:both]) + 0.5 * (positive[:both] == negative[:both]))


def _auc_probes():
    perfect = np.array([1, 0, 0, 1, 0]), np.array([3.2, -1.0, 0.4, 1.7, -2.6])
    probabilities = _scored(46, 23, 8)
    tied_at_the_top = np.array([0, 1, 0, 1, 0, 1, 0]), np.array([7, 7, 3, 4, 7, 1, 2])
    return [
        (probabilities[0], np.clip(np.round(0.5 + probabilities[1] / 8, 2), 0, 1)),
        _scored(44, 37, 11, scale=4.0, digits=0),
        _scored(45, 53, 32),
        (1 - probabilities[0], probabilities[1]),
        tied_at_the_top,
        perfect,
    ]


check_auc_by_pairs = Check(
    "auc_by_pairs",
    auc,
    _auc_probes,
    returns="one number, the mean over all pairs",
    mistakes=[
        (
            lambda y, s: _pairs(y, s)[0].mean(),
            "Two films with the same score are like a coin toss: a tie counts half, here it counts nothing.",
        ),
        (
            lambda y, s: sum(_pairs(y, s)).mean(),
            "Two films with the same score are like a coin toss: a tie counts half, here it counts one.",
        ),
        (
            lambda y, s: _pairs(y, s)[0].sum() / (1 - _pairs(y, s)[1]).sum(),
            "Tied pairs are left out altogether: they remain pairs, and each counts half.",
        ),
        (
            lambda y, s: 1 - _half(y, s).mean(),
            "This is the share of pairs in which the NEGATIVE film scores higher: exchange the two.",
        ),
        (lambda y, s: _half(y, s).sum(), "This is a number of pairs: divide by how many pairs there are."),
        (
            lambda y, s: _pairs(y, s)[0].sum(),
            "This is a number of pairs: divide by how many pairs there are; and a tie counts half.",
        ),
        (
            lambda y, s: _half(y, s).sum() / len(y) ** 2,
            "You divide by all pairs of films: only a positive film beside a negative one is a pair.",
        ),
        (
            lambda y, s: _half(y, s).sum() / (len(y) * (len(y) - 1) / 2),
            "You divide by all pairs of films: only a positive film beside a negative one is a pair.",
        ),
        (lambda y, s: _half(y, s).sum() / len(y), "You divide by the number of films: divide by the number of pairs."),
        (
            lambda y, s: np.mean([np.mean((p > s) + 0.5 * (p == s)) for p in s[y == 1]]),
            "Each positive film is compared with ALL films, itself and the other positives included: only negatives count.",
        ),
        (lambda y, s: _half(y, s), "There is one number for each pair: take the mean over all of them."),
        (
            lambda y, s: _half(y, s).mean(axis=1),
            "There is one number for each positive film: take the mean over these, too.",
        ),
        (
            lambda y, s: _half(y, s).mean(axis=0),
            "There is one number for each negative film: take the mean over these, too.",
        ),
        (
            lambda y, s: s[y == 1].mean() - s[y == 0].mean(),
            "This is the difference of the mean scores. Only which of two films scores higher matters, not by how much.",
        ),
        (lambda y, s: float(s[y == 1].mean() > s[y == 0].mean()), "Compare every pair of films, not the mean scores."),
        (
            lambda y, s: 2 * _half(y, s).mean() - 1,
            "A pair that is ordered wrongly counts -1 and a tie 0 in your answer; they should count 0 and 1/2.",
        ),
        (
            lambda y, s: np.mean(np.subtract.outer(s[y == 1], s[y == 0])),
            "This is the mean difference of the scores. Only which of two films scores higher matters, not by how much.",
        ),
        (lambda y, s: np.mean((s >= 0.5) == y), "This is the accuracy at the threshold 0.5; an AUC has no threshold."),
        (lambda y, s: np.mean((s >= 0) == y), "This is the accuracy at the threshold 0; an AUC has no threshold."),
        (
            _in_step,
            "You pair the first positive film with the first negative one, and so on. Every combination is a pair.",
        ),
    ],
    idea="Think of a table with one row for each positive film and one column for each negative film. Fill each cell with "
    "1, 1/2 or 0 by comparing two scores, and take the mean of the whole table. `a[:, None]` and `b[None, :]` make such tables.",
    right="the AUC is the probability that a positive film outranks a negative one.",
)


# --- Patients of equal weight ----------------------------------------------------------------------


def _films_of(patients):
    return np.unique(patients, return_counts=True)[1].astype(float)


def _kish(patients):
    return effective_number(_films_of(patients))


def _effective_probes():
    rng = np.random.default_rng(47)
    uneven = rng.permutation(np.repeat([107, 3, 59, 612, 88], [11, 1, 2, 1, 4]))
    names = rng.permutation(np.repeat(["p7", "p12", "p3", "p40"], [5, 2, 2, 8]))
    return [(uneven,), (names,), (np.full(13, 21),), (np.array([31, 7, 2, 90, 14, 55, 3]),)]


def _numbers_as_films(patients):
    numbers = np.asarray(patients, float)
    return numbers.sum() ** 2 / np.sum(numbers**2)


check_effective_patients = Check(
    "effective_patients",
    _kish,
    _effective_probes,
    returns="one number",
    mistakes=[
        (lambda p: len(p), "This is the number of films; films of one patient are not independent."),
        (
            lambda p: len(_films_of(p)),
            "This is the number of different patients. One who brings half of the films should not count like the others.",
        ),
        (lambda p: 1 / _kish(p), "The fraction is upside down: the square of the sum belongs on top."),
        (
            lambda p: np.sum(_films_of(p) ** 2) / len(p),
            "This is the sum of squares over the sum. The formula has the SQUARE of the sum on top, the sum of squares below.",
        ),
        (lambda p: len(p) ** 2, "This is the square of the sum alone: divide it by the sum of squares."),
        (lambda p: np.sum(_films_of(p) ** 2), "This is the sum of squares alone; it belongs below the line."),
        (
            lambda p: np.sum(_films_of(p) ** 2) / np.sum(_films_of(p) ** 2),
            "This is 1 whatever the films are: is the top the sum of squares in place of the square of the sum?",
        ),
        (lambda p: np.mean(_films_of(p)), "This is the mean number of films of a patient."),
        (lambda p: np.max(_films_of(p)), "This is the largest number of films of one patient."),
        (lambda p: len(p) / np.max(_films_of(p)), "You look at the patient with most films only; all patients count."),
        (
            lambda p: len(p) / np.sum(_films_of(p) ** 2),
            "The top is the sum; the formula has the square of the sum there.",
        ),
        (
            lambda p: np.sqrt(_kish(p)),
            "This is the square root of the right value: is the sum on top squared, and no root taken below?",
        ),
        (
            lambda p: np.exp(-np.sum(_films_of(p) / len(p) * np.log(_films_of(p) / len(p)))),
            "This is the exponential of the entropy, another effective number; the formula of the task has squares.",
        ),
        (
            _numbers_as_films,
            "You use the patients' numbers, which are names, as if they counted films: count films first.",
        ),
        (lambda p: np.sum(_films_of(p) == 1), "This is how many patients have a single film."),
        (lambda p: np.floor(_kish(p)), "The value is rounded down; return it as it is."),
        (lambda p: _kish(p) / len(_films_of(p)), "This is a share of the patients; the number itself is asked for."),
        (lambda p: _kish(p) / len(p), "This is a share of the films; the number itself is asked for."),
    ],
    idea="First count the films of each patient: a short array of numbers m. Then the formula needs only m.sum() and "
    "(m ** 2).sum(). Try it by hand on two patients with 9 films and 1 film: it should be nearer to one than to two.",
    right="it is the number of patients when all have equally many films, and less otherwise.",
)


# --- A bootstrap of patients -----------------------------------------------------------------------

DRAW_HINTS = {
    "mask": "This is a mask of rows, and a mask cannot hold a film twice: return row numbers.",
    "names": "These are patients, not rows: return the row numbers of all films of the drawn patients.",
    "list": "Row numbers are asked for, all in one flat array: put the patients' rows together, as with np.concatenate.",
    "float": "Row numbers are whole numbers, as an index needs them; these have decimals.",
    "one film": "Each drawn patient brings one film only: take ALL films of the patient.",
    "films": "You draw films. A patient's films belong together, so a patient comes whole or not at all: draw patients.",
    "once": "A patient who is drawn twice comes once: np.isin and sets forget repeats. Take the films once for each draw.",
    "without": "Every sample has every patient exactly once: draw WITH replacement, or nothing ever changes.",
    "alone": "Every sample is a single patient, repeated: make a new draw for each place in the sample.",
    "too many": "You draw {drawn} patients where there are {there} different ones: make as many draws as there are patients.",
    "weighted": "Patients with many films are drawn more often: draw from the DIFFERENT patients, each as likely as any other.",
    "unequal": "Some patients are drawn more often than others: each must be as likely as any other.",
    "same": "Every call gives the same sample: draw with the `rng` that is given, and make no new one inside.",
    "other": "With the same `rng` in the same state the sample should be the same, and it is not: use `rng` for every draw.",
    "leaves out": "Some patients are never drawn: each must be as likely as any other.",
    "empty": "The sample is empty: every drawn patient has films.",
}
DRAWS = 400


def check_draw_films(function):
    """`draw_films(patients, rng)` returns the row numbers of one bootstrap sample of whole patients."""
    shuffled = [3, 0, 7, 5, 1, 11, 8, 2, 4, 9, 6, 10]
    names = np.array(["b", "d", "a", "b", "c", "d", "d", "e", "a", "d", "d"])
    for patients in (np.repeat([107, 103, 109, 105], [6, 2, 1, 3])[shuffled], names):
        _try_draws(function, patients)
    print("Right: whole patients, with replacement, so that the sample keeps each patient's films together.")


check_draw_films.idea = (
    "Make the list of DIFFERENT patients first, and draw from that list, with replacement, as many names as it has. Then go "
    "through the drawn names one by one, and collect the rows of each: a name drawn twice brings its rows twice."
)


def _try_draws(function, patients):
    there, who = np.unique(patients, return_inverse=True)
    rng, counts = np.random.default_rng(4), []
    for _ in range(DRAWS):
        rows = _rows(run(function, patients.copy(), rng), patients)
        films = np.bincount(rows, minlength=len(patients))
        if any(len(set(films[who == patient])) > 1 for patient in range(len(there))):
            _fail("one film" if len(rows) == len(there) and len(set(who[rows])) < len(rows) else "films")
        counts.append([films[who == patient][0] for patient in range(len(there))])
    _judge_counts(np.array(counts), len(there), np.bincount(who))
    twice = [_rows(run(function, patients.copy(), np.random.default_rng(9)), patients) for _ in range(2)]
    if not np.array_equal(*twice):
        _fail("other")


def _judge_counts(counts, there, films):
    """Raise with the hint of what is wrong with how often each patient was drawn, (draws, patients)."""
    drawn = counts.sum(axis=1)
    if (counts == counts[0]).all():
        _fail("without" if (counts == 1).all() else "same")
    if (counts <= 1).all():
        _fail("once")
    if (drawn != there).any():
        wrong = drawn[drawn != there][0]
        _fail("empty" if wrong == 0 else "too many", drawn=wrong, there=there)
    if (counts.max(axis=1) == there).all():
        _fail("alone")
    mean = counts.mean(axis=0)
    if (mean == 0).any():
        _fail("leaves out")
    if np.abs(mean - 1).max() > 6 * np.sqrt((1 - 1 / there) / DRAWS):
        _fail("weighted" if np.corrcoef(mean, films)[0, 1] > 0.9 else "unequal")


def _fail(name, **numbers):
    raise CheckFailed(DRAW_HINTS[name].format(**numbers))


def _rows(answer, patients):
    """Row numbers of an answer, or the hint on what it is instead."""
    try:
        rows = np.asarray(answer)
    except ValueError:  # arrays of different lengths
        _fail("list")
    if rows.dtype == bool:
        _fail("mask")
    if rows.ndim == 1 and len(rows) and np.isin(rows, patients).all() and not np.isin(rows, range(len(patients))).all():
        _fail("names")
    if rows.ndim == 1 and not len(rows):
        _fail("empty")
    if rows.ndim == 1 and rows.dtype.kind == "f":
        _fail("float")
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        _fail("list")
    if not (rows.min() >= 0 and rows.max() < len(patients)):
        raise CheckFailed(f"A row number lies outside of the table: rows go from 0 to {len(patients) - 1}.")
    return rows
