"""Do 95 % intervals hold the truth? Simulated clinics with few patients, uneven patients, and those of the phantom films.

python -m util.coverage                        a minute or two for each thousand rounds; prints the table
python -m util.coverage --out coverage.csv     writes it; data/coverage.csv is --rounds 4000

A patient's films share a part of their scores' scatter, and the true AUC is known. Of each clinic's scores every kind of
interval is made as the course makes it (`util.evaluation`), and counted is how often the truth lies within.
"""

import argparse
import sys

import numpy as np
import pandas as pd
from scipy.stats import norm

from util.comparison import auc_difference
from util.errors import CourseError
from util.evaluation import influence, interval_around, interval_of, variance_of
from util.findings import FINDINGS
from util.progress import progress
from util.resampling import bootstrap_aucs, percentile_interval
from util.stats import effective_number

LEVEL = 0.95
KINDS = ("by film", "normal quantile", "by patient", "bootstrap", "difference")
RESAMPLED = 200  # clinics of each design whose bootstrap intervals are counted: one takes as long as a hundred formulas
NEGATIVE_PATIENTS = 100


def even_clinic(positives, each, negatives=NEGATIVE_PATIENTS):
    """Labels (films,) bool and patients (films,) of patients with or without the finding and `each` films of each."""
    return np.repeat([True, False], [positives * each, negatives * each]), np.repeat(
        np.arange(positives + negatives), each
    )


def uneven_clinic(films_of_positives, negatives=NEGATIVE_PATIENTS):
    """As `even_clinic`, with a list of how many films each positive patient has; one of each negative patient."""
    sizes = [*films_of_positives, *[1] * negatives]
    positive = np.arange(len(sizes)) < len(films_of_positives)
    return np.repeat(positive, sizes), np.repeat(np.arange(len(sizes)), sizes)


def draw_scores(y, patients, area, common, rounds, rng):
    """Scores (rounds, films) of a true AUC `area`; patients share `common` of the scatter of their films' scores.

    patients : int array (films,) from 0 up
    """
    of_patient = rng.standard_normal((rounds, patients.max() + 1))[:, patients]
    noise = np.sqrt(common) * of_patient + np.sqrt(1 - common) * rng.standard_normal((rounds, len(y)))
    return noise + y * np.sqrt(2) * norm.ppf(area)


def coverage(y, patients, area, common, rounds, seed=0, resampled=0):
    """Share of clinics whose interval holds the truth, for each of KINDS, and the median width by patient.

    Parameters
    ----------
    y, patients : arrays (films,) as those of `even_clinic`; the patients and labels stay, scores are drawn anew
    area, common : float, as those of `draw_scores`
    rounds, seed : int
    resampled : int, how many of the rounds are bootstrapped, too

    Returns
    -------
    dict kind -> share in [0, 1] (NaN where not asked for), and 'width'. 'normal quantile' is the interval of large
    samples, 1.96 standard errors by patient; 'difference' that of two models of this AUC. Where an interval cannot be
    told it does not hold the truth.
    """
    rng = np.random.default_rng(seed)
    first, second = (draw_scores(y, patients, area, common, rounds, rng) for _ in range(2))
    limits = {kind: [] for kind in KINDS}
    for score, rival in zip(first, second, strict=True):
        parts, films = influence(y, score, patients), influence(y, score)
        limits["by film"].append(interval_around(films.auc, variance_of(films), LEVEL))
        limits["normal quantile"].append(interval_around(parts.auc, variance_of(parts), LEVEL))
        limits["by patient"].append(interval_of(parts, LEVEL))
        found = auc_difference(y, score, rival, patients, LEVEL)
        limits["difference"].append((found.low, found.high))
    if resampled:
        drawn = first[:resampled].T
        draws = bootstrap_aucs(np.broadcast_to(y[:, None], drawn.shape), drawn, patients, 1_000, seed)
        effective = influence(y, first[0], patients).effective
        limits["bootstrap"] = percentile_interval(draws, LEVEL, [effective] * draws.shape[1])
    held = {kind: _held(ends, 0.0 if kind == "difference" else area) for kind, ends in limits.items()}
    return held | {"width": float(np.median(np.diff(np.array(limits["by patient"]), axis=1)))}


def _held(ends, truth):
    low, high = np.reshape(ends, (-1, 2)).T
    return float(np.mean((low <= truth) & (truth <= high))) if len(low) else np.nan


def designs():
    """Dict name -> (y, patients): the phantom's test films finding by finding, even and uneven clinics."""
    from util.cohort import load_cohort

    films = load_cohort("phantom").split("test")
    patients = np.unique(films["PatientId"], return_inverse=True)[1]
    clinics = {f"phantom {finding}": (films[finding].to_numpy() == 1, patients) for finding in FINDINGS}
    for positives in (5, 10, 20, 50):
        clinics |= {f"{positives} patients, films of each {n}": even_clinic(positives, n) for n in (1, 3, 6)}
    clinics["15 patients, one with half of the films"] = uneven_clinic([14] + [1] * 14)
    clinics["10 patients, one with nine tenths of the films"] = uneven_clinic([81] + [1] * 9)
    clinics["10 patients beside 10 without"] = even_clinic(10, 1, 10)
    clinics["10 patients beside 400 without"] = even_clinic(10, 1, 400)
    clinics["3 patients beside 400 without"] = even_clinic(3, 1, 400)
    return clinics


def study(rounds, resampled=RESAMPLED, clinics=None):
    """Table of `coverage`, one row for each design, intra-patient share .5 and .8, and AUC .75 and .90."""
    rows = []
    clinics = clinics or designs()
    settings = [(name, common, area) for name in clinics for common in (0.5, 0.8) for area in (0.75, 0.9)]
    for seed, (name, common, area) in enumerate(progress(settings, "clinics")):
        y, patients = clinics[name]
        row = {
            "clinic": name,
            "positive films": int(y.sum()),
            "positive patients": len(np.unique(patients[y])),
            "effective": round(effective_number(np.bincount(patients[y])), 1),
            "common": common,
            "auc": area,
        }
        held = coverage(y, patients, area, common, rounds, seed, min(rounds, resampled))
        rows.append(row | {kind: round(value, 4) for kind, value in held.items()})
    return pd.DataFrame(rows)


def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m util.coverage", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000, help="clinics of each design (default 1000)")
    parser.add_argument("--out", metavar="FILE", help="write the table as CSV instead of printing it")
    options = parser.parse_args(arguments)
    try:
        if options.rounds < 1:
            raise CourseError(f"{options.rounds} rounds are no study: ask for 1000.")
        table = study(options.rounds)
        if options.out:
            table.to_csv(options.out, index=False)
        else:
            print(table.to_string(index=False))
    except (CourseError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
