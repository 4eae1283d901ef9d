"""Checks of lesson 11: what simulation is worth in films, whole patients, a calibrated probability elsewhere."""

import numpy as np

from util.checks.answers import Check, CheckFailed, run, unchanged

# --- What simulation is worth ----------------------------------------------------------------------


def _curves():
    """Targets within an uneven curve, at one of its points, above its last and below its first."""
    films = np.array([90.0, 170.0, 410.0, 730.0, 1910.0])
    auc = np.array([0.573, 0.61, 0.634, 0.701, 0.7205])
    other = np.array([37, 53, 261]), np.array([0.52, 0.557, 0.69])
    inside = [(films, auc, target) for target in (0.5821, 0.6179, 0.6885, 0.7112, auc[0], auc[-1])]
    return [
        *inside,
        (*other, 0.6),
        (films, auc, 0.634),
        (films, auc, 0.81),
        (films, auc, 0.55),
        (*other, 0.7),
        (*other, 0.5),
    ]


def _worth(films, auc, target):
    return np.exp(np.interp(target, auc, np.log(films), left=np.nan, right=np.inf))


def _outside(of):
    """A mistake in how it looks up a target, right outside of the table."""
    return lambda f, a, t: of(f, a, t) if a[0] <= t <= a[-1] else np.inf if t > a[-1] else np.nan


def _next(f, a, t):
    return float(f[np.searchsorted(a, t)])


def _before(f, a, t):
    return float(f[np.searchsorted(a, t, side="right") - 1])


def _clamped(f, a, t):
    return np.exp(np.interp(t, a, np.log(f)))


def _beyond(f, a, t):
    """The last part of the curve, continued beyond its end."""
    slope, start = np.polyfit(a[-2:], np.log(f[-2:]), 1)
    return np.exp(slope * t + start) if t > a[-1] else _worth(f, a, t)


def _line(f, a, t):
    slope, start = np.polyfit(a, np.log(f), 1)
    return np.exp(slope * t + start)


CLAMPED = (
    "np.interp repeats its first or last value outside of the table. Nothing was measured there: what does the task "
    "ask for?"
)
LINEAR = "The curve is nearly straight in log(films), not in films. Interpolate the logarithm."
STEP = "That is a number of films from the table. Interpolate between two of them."
BASE = "The logarithm and the power do not have the same base."

check_films_worth = Check(
    "films_worth",
    _worth,
    _curves,
    returns="one number of films (or np.inf, or np.nan)",
    mistakes=[
        (_clamped, CLAMPED),
        (lambda f, a, t: np.inf if t > a[-1] else _clamped(f, a, t),
         "A target below the first AUC of the table gets the first number of films. Nothing was measured there: what "
         "does the task ask for?"),
        (lambda f, a, t: np.nan if t < a[0] else _clamped(f, a, t),
         "A target above the last AUC of the table gets the last number of films, which does not reach it. What does "
         "the task ask for?"),
        (lambda f, a, t: np.nan if not a[0] <= t <= a[-1] else _clamped(f, a, t),
         "Above the last AUC you return np.nan. More films than any that were tried may be needed: the task asks for "
         "np.inf there."),
        (lambda f, a, t: np.inf if not a[0] <= t <= a[-1] else _clamped(f, a, t),
         "Below the first AUC you return np.inf, as if very many films were needed. There, fewer films than the "
         "smallest number suffice."),
        (lambda f, a, t: np.inf if t > a[-1] else 0.0 if t < a[0] else _clamped(f, a, t),
         "Below the first AUC you return 0 films. Fewer than the smallest number suffice, but nobody measured how "
         "many."),
        (lambda f, a, t: np.nan if t > a[-1] else np.inf if t < a[0] else _clamped(f, a, t),
         "The two answers outside of the table are exchanged."),
        (lambda f, a, t: np.interp(t, a, f),
         LINEAR + " And outside of the table np.interp repeats its first or last value."),
        (_outside(lambda f, a, t: np.interp(t, a, f)), LINEAR),
        (lambda f, a, t: np.inf if t > a[-1] else np.interp(t, a, f),
         LINEAR + " And nothing was measured below the first point."),
        (_outside(_next), STEP),
        (_outside(_before), STEP + " This one does not reach the target yet."),
        (lambda f, a, t: np.inf if t > a[-1] else _next(f, a, t), STEP),
        (_outside(lambda f, a, t: float(f[np.abs(a - t).argmin()])), STEP + " It is the one with the nearest AUC."),
        (lambda f, a, t: float(f[np.abs(a - t).argmin()]), STEP + " It is the one with the nearest AUC."),
        (_outside(lambda f, a, t: np.interp(t, a, np.log(f))),
         "That is the logarithm of the films. Turn it back into films."),
        (lambda f, a, t: np.interp(t, a, np.log(f)), "That is the logarithm of the films. Turn it back into films."),
        (_outside(lambda f, a, t: np.interp(t, a, np.log2(f))),
         "That is the logarithm of the films. Turn it back into films."),
        (_outside(lambda f, a, t: np.exp(np.interp(t, a, np.log2(f)))), BASE),
        (_outside(lambda f, a, t: np.exp(np.interp(t, a, np.log10(f)))), BASE),
        (_outside(lambda f, a, t: 2 ** np.interp(t, a, np.log(f))), BASE),
        (_outside(lambda f, a, t: 10 ** np.interp(t, a, np.log(f))), BASE),
        (lambda f, a, t: np.exp(np.interp(t, a, np.log2(f))), BASE),
        (lambda f, a, t: np.interp(t, f, a),
         "The arguments of the look-up are exchanged: films are wanted for an AUC."),
        (lambda f, a, t: np.interp(np.log(t), a, np.log(f)),
         "You take the logarithm of the target. It belongs to the films."),
        (_outside(lambda f, a, t: np.exp(np.interp(np.log(t), np.log(a), np.log(f)))),
         "You take the logarithm of the AUCs as well. It belongs to the films alone."),
        (_outside(_line),
         "You fit one straight line to all points. The curve is nearly straight between two points, not as a whole."),
        (_line,
         "You fit one straight line to all points, and follow it beyond them. The curve is nearly straight between "
         "two points."),
        (_beyond, "You continue the curve beyond its last point, where nothing was measured. What is asked for there?"),
        (lambda f, a, t: np.inf if t >= a[-1] else _worth(f, a, t),
         "At the last AUC of the table you return np.inf, but the last number of films reaches it."),
        (lambda f, a, t: np.nan if t <= a[0] else _worth(f, a, t),
         "At the first AUC of the table you return np.nan, but the first number of films reaches it."),
        (lambda f, a, t: t, "That is the target itself. Films are asked for."),
        (_outside(lambda f, a, t: np.sqrt(_next(f, a, t) * _before(f, a, t))),
         "You take the middle of the two points, wherever the target is between them."),
        (_outside(lambda f, a, t: np.floor(_worth(f, a, t) + 1e-9)),
         "The films are rounded down to whole films. Return them as they are."),
        (_outside(lambda f, a, t: np.ceil(_worth(f, a, t) - 1e-9)),
         "The films are rounded up to whole films. Return them as they are."),
    ],
    idea="Look up log(films) at the target, between the AUCs of the table, and undo the logarithm. np.interp has two "
    "arguments for what is outside.",
    right="between the points in log(films), and no promise beyond them.",
)  # fmt: skip


# --- A calibrated probability elsewhere ------------------------------------------------------------


def _cases():
    return [
        (1.2, 0.63, -3.1, 0.021, 0.23),
        (-0.57, 1.41, -1.3, 0.31, 0.047),
        (0.0, 1.0, -2.1, 0.117, 0.52),
        (2.3, 0.84, -1.9, 0.08, 0.0007),
        (-4.1, 1.17, 0.4, 0.44, 0.93),
    ]


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _log_odds(p):
    return np.log(p / (1 - p))


def _elsewhere(z, s, i, h, t):
    return _sigmoid(s * z + i + _log_odds(t) - _log_odds(h))


check_probability_elsewhere = Check(
    "probability_elsewhere",
    _elsewhere,
    _cases,
    returns="one probability",
    mistakes=[
        (lambda z, s, i, h, t: _sigmoid(s * z + i),
         "That is the probability at the old prevalence: the move to the new one is missing."),
        (lambda z, s, i, h, t: _sigmoid(z), "That is the sigmoid of the raw logit: neither calibrated nor moved."),
        (lambda z, s, i, h, t: _sigmoid(z + _log_odds(t) - _log_odds(h)),
         "The calibration is missing: slope and intercept are not used."),
        (lambda z, s, i, h, t: _sigmoid(s * z + _log_odds(t) - _log_odds(h)), "The intercept is missing."),
        (lambda z, s, i, h, t: _sigmoid(z + i + _log_odds(t) - _log_odds(h)), "The slope is missing."),
        (lambda z, s, i, h, t: _sigmoid(i * z + s + _log_odds(t) - _log_odds(h)), "Slope and intercept are exchanged."),
        (lambda z, s, i, h, t: _sigmoid(s * (z + i) + _log_odds(t) - _log_odds(h)),
         "The intercept is multiplied by the slope, too. Only the logit is."),
        (lambda z, s, i, h, t: _elsewhere(z, s, i, t, h),
         "The move goes the wrong way: where a finding is more frequent, the probability must be higher."),
        (lambda z, s, i, h, t: _sigmoid(s * z + i + _log_odds(t)),
         "You add the logit of the new prevalence, but do not remove that of the old one."),
        (lambda z, s, i, h, t: _sigmoid(s * z + i - _log_odds(h)),
         "You remove the logit of the old prevalence, but do not add that of the new one."),
        (lambda z, s, i, h, t: _sigmoid(s * z + i + _log_odds(t) + _log_odds(h)),
         "The logit of the old prevalence is added. Remove it: it is in the intercept already."),
        (lambda z, s, i, h, t: s * z + i + _log_odds(t) - _log_odds(h),
         "That is a logit. Which function turns it into a probability?"),
        (lambda z, s, i, h, t: np.exp(s * z + i + _log_odds(t) - _log_odds(h)),
         "These are odds. How do odds become a probability?"),
        (lambda z, s, i, h, t: _sigmoid(s * z + i) * t / h,
         "Probabilities do not scale with the prevalence (this one can exceed 1). Odds do."),
        (lambda z, s, i, h, t: _sigmoid(s * z + i + t - h),
         "You add the difference of the prevalences. Add the difference of their logits."),
        (lambda z, s, i, h, t: _sigmoid(s * z + i + np.log(t / h)),
         "You add the logarithm of the ratio of the prevalences. It is the odds, p / (1 - p), that scale."),
        (lambda z, s, i, h, t: _sigmoid(s * z + i + t / (1 - t) - h / (1 - h)),
         "You add the difference of the odds. Add the difference of their logarithms."),
        (lambda z, s, i, h, t: _sigmoid(s * (z + _log_odds(t) - _log_odds(h)) + i),
         "You move the logit before it is calibrated, so the move is stretched by the slope."),
        (lambda z, s, i, h, t: _sigmoid(_sigmoid(s * z + i) + _log_odds(t) - _log_odds(h)),
         "You take the sigmoid before the move as well. Stay with logits until the end."),
        (lambda z, s, i, h, t: _sigmoid(s * _sigmoid(z) + i + _log_odds(t) - _log_odds(h)),
         "You calibrate the probability. Slope and intercept belong to the logit."),
        (lambda z, s, i, h, t: 1 - _elsewhere(z, s, i, h, t), "This is the probability that the finding is NOT there."),
        (lambda z, s, i, h, t: _sigmoid(s * z + i) + t - h,
         "You add the difference of the prevalences to a probability. Work with logits."),
        (lambda z, s, i, h, t: _sigmoid(s * z + i + np.log10(t / (1 - t)) - np.log10(h / (1 - h))),
         "The logit uses the natural logarithm, np.log."),
        (lambda z, s, i, h, t: t, "That is the new prevalence: the film has not been used."),
    ],
    idea="Three steps, in this order: calibrate the logit with slope and intercept; take the old prevalence out and "
    "put the new one in, as logits; "
    "turn the result into a probability.",
    right="calibrate, move the odds to the new prevalence, then the sigmoid.",
)  # fmt: skip


# --- Whole patients --------------------------------------------------------------------------------


def _cohorts():
    """Patients of films in no order, with numbers, names, and one patient with very many films."""
    random = np.random.default_rng(6)
    many = np.concatenate([random.integers(0, 40, 150), np.full(31, 7)])
    names = np.array([f"p{k}" for k in random.integers(100, 131, 83)])
    threes = random.permutation(np.repeat(np.arange(11, 34), 3))  # exactly 12 films are to be had
    numbers = random.integers(5, 900, 59) * 10
    return [(random.permutation(many), 30), (random.permutation(many), 83), (names, 17), (numbers, 59), (threes, 12)]


def check_whole_patients(function):
    """`whole_patients` returns an array of row numbers."""
    chosen = []
    for patients, films in _cohorts():
        rows = _rows(function, patients, films, np.random.default_rng(films))
        _are_whole(rows, patients, films)
        chosen.append(rows)
    _is_random(function, *_cohorts()[1])
    print("Right: whole patients, in random order, until there are enough films.")


check_whole_patients.idea = (
    "Shuffle the different patients, not the films. Go through them, and collect all rows of each, until there are "
    "enough rows."
)


def _rows(function, patients, films, rng):
    """The answer for one cohort, as an array of row numbers."""
    mine = patients.copy()
    answer = run(function, mine, films, rng)
    if not unchanged(patients, mine):
        raise CheckFailed("whole_patients changes the array of patients. Work on a copy.")
    if isinstance(answer, set | str | dict):
        raise CheckFailed(
            f"whole_patients should return an array of row numbers; yours returns a {type(answer).__name__}."
        )
    try:
        rows = np.asarray(answer)
    except ValueError:
        rows = np.empty((0, 0))
    if rows.ndim != 1:
        raise CheckFailed(
            f"whole_patients should return an array of row numbers, with one axis; yours has {rows.ndim}."
        )
    if rows.dtype == bool:
        raise CheckFailed("This is a mask, true for the chosen films. Return the numbers of their rows.")
    if rows.size and rows.dtype.kind in "USO":
        raise CheckFailed("These are patients. Return the rows of their films, as positions in `patients`.")
    if not np.array_equal(rows, np.round(rows).astype(int)):
        raise CheckFailed("These are not row numbers: they are not whole.")
    rows = rows.astype(int)
    if len(rows) and (rows.min() < 0 or rows.max() >= len(patients)):
        raise CheckFailed(
            "These are not rows: each must be a position in `patients`, from 0 to one less than its length."
        )
    return rows


def _are_whole(rows, patients, films):
    """Raise CheckFailed unless the rows are all films of some patients, enough and no patient more than needed."""
    if len(np.unique(rows)) < len(rows):
        raise CheckFailed("A film was chosen twice: draw each patient at most once.")
    if np.isin(patients, patients[rows]).sum() != len(rows):
        raise CheckFailed("A patient was cut in two: when a patient is chosen, all films of that patient come along.")
    if len(rows) < films:
        raise CheckFailed(
            f"{films} films were asked for, and these are only {len(rows)}: go on until there are enough."
        )
    counts = np.unique(patients[rows], return_counts=True)[1]
    if len(rows) - films >= counts.max():
        raise CheckFailed(
            f"{films} films were asked for, and {len(rows)} are too many: one patient less would be enough. Do you "
            f"count films or patients?"
        )


def _is_random(function, patients, films):
    """Raise CheckFailed unless the patients depend on the generator, on it alone, and are all chosen equally often."""
    draws = [_rows(function, patients, films, np.random.default_rng(seed)) for seed in range(60)]
    again = _rows(function, patients, films, np.random.default_rng(0))
    if set(again) != set(draws[0]):
        raise CheckFailed(
            "The same generator gives different patients the second time: use `rng` alone for what is random."
        )
    sets = {tuple(np.unique(patients[rows])) for rows in draws}
    if 5 <= len(sets) < 50:
        raise CheckFailed(
            f"{len(draws)} generators choose only {len(sets)} different groups of patients: each order of the "
            f"patients must be possible."
        )
    if len(sets) < 5:
        raise CheckFailed(
            "Different generators choose the same patients: put the patients in a random order with `rng`."
        )
    for rows in draws:
        _are_whole(rows, patients, films)
    everyone, counts = np.unique(patients, return_counts=True)
    often = np.mean([np.isin(everyone, patients[rows]) for rows in draws], axis=0)
    large = counts >= np.quantile(counts, 0.9)
    expected = np.mean([len(np.unique(patients[rows])) for rows in draws]) / len(everyone)
    if often[large].mean() > expected + 0.25 or often[large].mean() < expected - 0.25:
        more = "more" if often[large].mean() > expected else "less"
        raise CheckFailed(
            f"Patients with many films are chosen {more} often than others. Shuffle the different patients, each "
            f"once, not the films."
        )
