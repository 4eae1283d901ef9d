"""What a leak is worth: one quick model, trained and tested on the clean and on the leaky version of the same films.

The model needs no network and seconds on two cores: a film of 64 x 64 pixels becomes a histogram of edge directions
in each of 8 x 8 cells (Dalal and Triggs 2005, doi 10.1109/CVPR.2005.177), and ridge regression makes a score for each
finding of these 512 numbers. It is no good reader, and need not be: what counts is the difference between two splits.

    python -m util leak-cost              the table of lesson 3
    python -m util leak-cost --network    the same with the frozen features of the course's DenseNet-121; some minutes
"""

from pathlib import Path

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.data.cohort import load_cohort
from util.errors import CourseError
from util.leaks.plant import FEWEST, PLANTS, clean_split
from util.metrics.bootstrap import bootstrap_aucs, percentile_interval
from util.metrics.roc import auc
from util.models.features import label_frequencies, network_features, quick_features, quick_scores
from util.progress import progress


def leak_cost(leak, features, rounds=1000, level=0.95, extract=quick_features):
    """AUC of the quick model on the clean and on the leaky version, and how much too good the leak makes it look.

    Parameters
    ----------
    leak : util.leaks.plant.Leak
    features : DataFrame of `extract` of the clean films; changed films are read
    rounds, level : of the bootstrap of test patients, the same draws for both
    extract : function of a cohort and film names, `quick_features` or `network_features`

    Returns
    -------
    dict: leak, findings (how many), test_films, clean, clean_low, clean_high, leaky, leaky_low, leaky_high (mean AUC
    over the leak's findings) and points, low, high (100 times the difference, with its paired interval)

    Raises
    ------
    CourseError : no finding has enough test films on both sides to be asked about.
    """
    if not leak.findings:
        raise CourseError(
            f"What the leak {leak.name!r} is worth cannot be measured: no finding has {FEWEST} test films with it and "
            f"{FEWEST} without. Give more films."
        )
    sides = [_tested(leak, features, leaky, extract) for leaky in (False, True)]
    y, patients = sides[0][0], sides[0][2]
    if not np.array_equal(y, sides[1][0]):
        raise AssertionError(f"the leak {leak.name} changes the test films")  # a mistake in util.leaks.plant
    means = [np.mean([auc(y[:, k], score[:, k]) for k in range(y.shape[1])]) for _, score, _ in sides]
    draws = [_means(bootstrap_aucs(y, score, patients, rounds, seed=0)) for _, score, _ in sides]
    columns = np.column_stack([*draws, 100 * (draws[1] - draws[0])])
    limits = percentile_interval(columns, level)
    row = {"leak": leak.name, "findings": len(leak.findings), "test_films": len(y)}
    for name, value, (low, high) in zip(("clean", "leaky"), means, limits, strict=False):
        row |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return row | {"points": 100 * (means[1] - means[0]), "low": limits[2, 0], "high": limits[2, 1]}


def _means(draws):
    """Means of AUCs (rounds, findings) over the findings that a round could judge; NaN where it could judge none."""
    judged = ~np.isnan(draws)
    return np.where(judged.any(axis=1), np.nansum(draws, axis=1) / np.maximum(judged.sum(axis=1), 1), np.nan)


def _tested(leak, features, leaky, extract):
    """Labels, scores and patients of the test films, in an order that is the same for both versions."""
    cohort = leak.leaky if leaky else leak.clean
    films = cohort.films
    sources = [cohort.changed.get(image, (image, None))[0] for image in films["Image"]]
    same = {image for image in films["Image"] if cohort.changed.get(image, (image, None))[1] is None}
    x = np.array(features.reindex(sources), np.float32)
    changed = [row for row, image in enumerate(films["Image"]) if image not in same]
    if changed:
        x[changed] = extract(cohort, films["Image"].iloc[changed]).to_numpy()
    y, training = films[leak.findings].to_numpy(int), (films["Split"] == "train").to_numpy()
    everything = np.ones(len(films), bool)
    counted = everything if leaky else training
    if leak.told == "row":
        place = np.arange(len(films)) if leaky else np.random.default_rng(0).permutation(len(films))
        x = np.column_stack([x, place])
    if leak.told == "frequencies":
        x = np.column_stack([x, label_frequencies(films, leak.findings, counted)])
    scores = quick_scores(x, y, training, counted if leak.told == "scale" else None)
    order = np.argsort(sources)
    order = order[~training[order]]
    return y[order], scores[order], films["PatientId"].to_numpy()[order]


@command()
def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argument_parser("leak-cost", __doc__)
    parser.add_argument("--cohort", help="phantom or nih (else the environment variable COHORT, else phantom)")
    parser.add_argument("--root", type=Path, help="folder of the real films (else the environment variable CXR_ROOT)")
    parser.add_argument("--network", action="store_true", help="frozen features of the DenseNet-121; needs TensorFlow")
    options = parser.parse_args(arguments)
    cohort = load_cohort(options.cohort, options.root)
    extract = network_features if options.network else quick_features
    base = clean_split(cohort)
    features = extract(base, base.films["Image"])
    rows = [leak_cost(plant(base), features, extract=extract) for plant in progress(PLANTS, "measuring")]
    print(cohort)
    print(pd.DataFrame(rows).set_index("leak").round(3).to_string())
