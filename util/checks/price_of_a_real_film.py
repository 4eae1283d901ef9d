"""Checks of notebook 6: what simulation is worth in films, a calibrated probability elsewhere, films by whole patients."""

import numpy as np

from util.checks.answers import CheckFailed, expect, run, same


def check_films_worth(function):
    """`function(films, auc, target)`: arrays of growing numbers of films and AUCs, and a wanted AUC -> number of films."""
    films, auc = np.array([100.0, 200.0, 400.0, 800.0]), np.array([0.60, 0.64, 0.70, 0.72])
    for target in (0.62, 0.67, 0.71):
        log = np.log2(films)
        right = 2 ** np.interp(target, auc, log)
        above = films[np.searchsorted(auc, target)]
        expect(
            run(function, films.copy(), auc.copy(), target),
            right,
            [
                (
                    np.interp(target, auc, films),
                    "Between the numbers of films the curve is straight in log(films): interpolate there.",
                ),
                (above, "That is the next number of the table: interpolate between the two."),
                (films[np.searchsorted(auc, target) - 1], "That many films do not reach the target yet: interpolate."),
                (np.interp(target, auc, log), "That is the logarithm: turn it back into films."),
                (
                    np.exp(np.interp(target, auc, log)),
                    "The logarithm was to base 2, and e was raised to it: use one base.",
                ),
                (np.interp(target, films, auc), "The arguments are turned round: films are looked up for an AUC."),
                (target, "That is the target itself: films are asked for."),
            ],
            "Interpolate log(films) at the target AUC with np.interp, then undo the logarithm.",
        )
    beyond = run(function, films.copy(), auc.copy(), 0.75)
    if same(beyond, 800):
        raise CheckFailed("No number in the table reaches .75, and np.interp answers with the last one: return np.inf.")
    if not np.isposinf(beyond):
        raise CheckFailed(
            "Where no number of films in the table reaches the target, return np.inf: nobody has tried more."
        )
    print("Right: between the points in log(films), and no promise beyond them.")


def check_probability_elsewhere(function):
    """`function(logit, slope, intercept, here, there)` -> probability at the prevalence `there`, calibrated at `here`."""
    cases = [(1.2, 0.6, -3.0, 0.02, 0.20), (-0.5, 1.4, -1.0, 0.30, 0.05), (0.0, 1.0, -2.0, 0.10, 0.50)]
    for z, slope, intercept, here, there in cases:
        line, move = slope * z + intercept, np.log(there / (1 - there)) - np.log(here / (1 - here))
        sigmoid = 1 / (1 + np.exp(-np.array([line + move, line, z, z + move, slope * z + move, line - move])))
        expect(
            run(function, z, slope, intercept, here, there),
            sigmoid[0],
            [
                (sigmoid[1], "That is the probability at the old prevalence: the move to the new one is missing."),
                (
                    sigmoid[2],
                    "The sigmoid of the raw logit is no calibrated probability: slope and intercept are missing.",
                ),
                (sigmoid[3], "The calibration is missing: first slope * logit + intercept, then the move."),
                (sigmoid[4], "The intercept is missing."),
                (
                    sigmoid[5],
                    "The move goes the wrong way: add the logit of the new prevalence, take away that of the old.",
                ),
                (line + move, "That is a logit: the probability is its sigmoid."),
                (
                    sigmoid[1] * there / here,
                    "Probabilities do not scale with prevalence (this one can pass 1): odds do.",
                ),
                (
                    1 / (1 + np.exp(-(line + there - here))),
                    "Add the difference of the logits of the prevalences, not theirs.",
                ),
                (
                    1 / (1 + np.exp(-(slope * (z + move) + intercept))),
                    "The move comes after the calibration, so it is not stretched.",
                ),
            ],
            "slope * logit + intercept + logit(there) - logit(here), then the sigmoid.",
        )
    print("Right: calibrate, move the odds to the new prevalence, then the sigmoid.")


def check_whole_patients(function):
    """`function(patients, films, rng)`: patient of each film, a number, a numpy Generator -> rows of whole patients."""
    patients = np.random.default_rng(6).integers(0, 40, 150)
    seen = []
    for films in (30, 80):
        rows = np.asarray(run(function, patients.copy(), films, np.random.default_rng(films)))
        if rows.ndim != 1 or (rows.dtype.kind not in "iu"):
            raise CheckFailed("Return the rows of the chosen films: a 1-D array of whole numbers.")
        if len(rows) and (rows.min() < 0 or rows.max() >= len(patients)):
            raise CheckFailed("These are not rows: each must be a position in `patients`, from 0 up.")
        if len(np.unique(rows)) < len(rows):
            raise CheckFailed("A film was chosen twice: draw patients without replacement.")
        chosen = np.isin(patients, patients[rows])
        if chosen.sum() != len(rows):
            raise CheckFailed(
                "A patient was cut in two: when a patient is chosen, all films of that patient come along."
            )
        counts = np.bincount(patients)
        if len(rows) < films:
            raise CheckFailed(
                f"{films} films were asked for, and these are only {len(rows)}: add patients until there are enough."
            )
        if len(rows) - films >= counts.max():
            raise CheckFailed(
                f"{films} films were asked for, and {len(rows)} are too many: count films, not patients, and stop."
            )
        seen.append(rows)
    again = np.asarray(run(function, patients.copy(), 30, np.random.default_rng(1)))
    if set(patients[again]) == set(patients[seen[0]]):
        raise CheckFailed(
            "Another generator chose the same patients: shuffle them with `rng`, or the first ones always win."
        )
    print("Right: whole patients, in random order, until there are enough films.")
