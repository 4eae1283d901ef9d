"""Do 95 % intervals hold the truth? Simulated clinics with few patients, uneven patients, and those of the phantom films.

python -m util coverage                        prints the table; a few minutes, most of them for the bootstrap
python -m util coverage --out coverage.csv     writes it; data/coverage.csv is --rounds 2000

A patient's films share a part of their scores' scatter, and the true AUC is known. Of each clinic's scores every kind of
interval is made as the course makes it (`util.metrics.roc`), and it is counted how often the truth lies within.
"""

import numpy as np
import pandas as pd
from scipy.stats import norm

from util.command import argument_parser, command
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.auc_intervals import influence, interval_around
from util.metrics.bootstrap import bootstrap_aucs, percentile_interval
from util.metrics.proportions import effective_number, student_quantile
from util.progress import progress

LEVEL = 0.95
KINDS = ("by film", "normal quantile", "by patient", "bootstrap", "difference")
RESAMPLED = 40  # clinics of each design whose bootstrap intervals are counted: one takes as long as a hundred formulas
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


def parts_of_many(y, patients, scores):
    """AUCs (rounds,) of scores without ties (rounds, films), and the patients' parts (rounds, patients) of their errors.

    The sums of `util.metrics.auc_intervals.influence`'s parts, of all rounds at once.
    """
    order = np.argsort(scores, axis=1)
    ill = y[order]
    placed = np.where(ill, np.cumsum(~ill, axis=1) / np.sum(~y), 1 - np.cumsum(ill, axis=1) / np.sum(y))
    placements = np.empty_like(placed)
    np.put_along_axis(placements, order, placed, axis=1)
    areas, sums = placements[:, y].mean(axis=1), 0.0
    for mask in (y, ~y):
        of_patient = np.eye(patients.max() + 1)[patients[mask]] / mask.sum()
        share = of_patient.sum(axis=0)
        part = placements[:, mask] @ of_patient - areas[:, None] * share
        sums = sums + part / np.sqrt(np.where(share < 1, 1 - share, 1))
    return areas, sums


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
    rng, films = np.random.default_rng(seed), np.arange(len(y))
    first, second = (draw_scores(y, patients, area, common, rounds, rng) for _ in range(2))
    effective = influence(y, first[0], patients).effective
    (aucs, parts), (others, other_parts) = (parts_of_many(y, patients, scores) for scores in (first, second))
    by_film, by_patient = (np.sum(sums**2, axis=1) for sums in (parts_of_many(y, films, first)[1], parts))
    reach = student_quantile(LEVEL, effective - 1) * np.sqrt(np.sum((parts - other_parts) ** 2, axis=1))
    limits = {
        "by film": interval_around(aucs, by_film, LEVEL),
        "normal quantile": interval_around(aucs, by_patient, LEVEL),
        "by patient": interval_around(aucs, by_patient, LEVEL, effective=effective),
        "bootstrap": ([], []),
        "difference": (aucs - others - reach, aucs - others + reach),
    }
    if resampled:
        drawn = first[:resampled].T
        draws = bootstrap_aucs(np.broadcast_to(y[:, None], drawn.shape), drawn, patients, 1_000, seed)
        limits["bootstrap"] = percentile_interval(draws, LEVEL, [effective] * draws.shape[1]).T
    held = {kind: _held(*ends, 0.0 if kind == "difference" else area) for kind, ends in limits.items()}
    return held | {"width": float(np.nanmedian(np.subtract(*limits["by patient"][::-1])))}


def _held(low, high, truth):
    return float(np.mean((np.asarray(low) <= truth) & (truth <= np.asarray(high)))) if len(low) else np.nan


def designs():
    """Dict name -> (y, patients): the phantom's test films finding by finding, even and uneven clinics."""
    from util.data.cohort import load_cohort

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


@command()
def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argument_parser("coverage", __doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="clinics of each design (default 1000)")
    parser.add_argument("--out", metavar="FILE", help="write the table as CSV instead of printing it")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        raise CourseError(f"{options.rounds} rounds are no study: ask for 1000.")
    table = study(options.rounds)
    if options.out:
        table.to_csv(options.out, index=False)
    else:
        print(table.to_string(index=False))
