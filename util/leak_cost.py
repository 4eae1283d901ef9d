"""What a leak is worth: one quick model, trained and tested on the clean and on the leaky version of the same films.

The model needs no network and seconds on two cores: a film of 64 x 64 pixels becomes a histogram of edge directions
in each of 8 x 8 cells (Dalal and Triggs 2005, doi 10.1109/CVPR.2005.177), and ridge regression makes a score for each
finding of these 512 numbers. It is no good reader, and need not be: what counts is the difference between two splits.

    python -m util.leak_cost              the table of notebook 1
    python -m util.leak_cost --network    the same with the frozen features of the course's DenseNet-121; some minutes
"""

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from util.cohort import HOME, load_cohort
from util.errors import CourseError
from util.evaluation import auc
from util.leaks import FEWEST, PLANTS, clean_split
from util.progress import progress
from util.resampling import bootstrap_aucs, percentile_interval

SIZE, CELLS, DIRECTIONS = 64, 8, 8
PENALTY = 1000.0  # of the ridge; chosen on splits by patient of the embedded cohort
CACHE = HOME / "build" / "features"


def quick_features(cohort, images, known=None):
    """Edge directions of films.

    Parameters
    ----------
    cohort : util.cohort.Cohort
    images : film names
    known : DataFrame of an earlier call, or None; films in its index are not read again

    Returns
    -------
    DataFrame float32, index Image, 512 columns: how much edge (root of the gray levels' slope) each cell has in each
    of 8 directions
    """
    images = list(images)
    known = pd.DataFrame(index=pd.Index([], name="Image")) if known is None else known
    unread = [image for image in images if image not in known.index]
    if unread:
        rows = [_edges(cohort.read(image)) for image in progress(unread, "reading films")]
        new = pd.DataFrame(np.stack(rows), index=pd.Index(unread, name="Image"))
        known = pd.concat([known, new]) if len(known) else new
    return known.loc[images]


def _edges(film):
    """Histogram of edge directions of one film: float32 (512,)."""
    import cv2

    small = cv2.resize(film, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
    slope, angle = cv2.cartToPolar(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
    direction = (angle * (DIRECTIONS / np.pi)).astype(int) % DIRECTIONS  # from dark to bright or back is one direction
    parts = np.where(direction == np.arange(DIRECTIONS)[:, None, None], slope, 0)
    cells = parts.reshape(DIRECTIONS, CELLS, SIZE // CELLS, CELLS, SIZE // CELLS).mean(axis=(2, 4))
    return np.sqrt(cells).ravel().astype(np.float32)


def quick_scores(x, y, training, scaled_on=None):
    """Scores of all films by a ridge regression learned from the training films.

    Parameters
    ----------
    x : array (films, features)
    y : array (films, findings) of 0 and 1
    training : bool array (films,)
    scaled_on : bool array (films,), the films that give mean and SD of each feature; by default the training films

    Returns
    -------
    float array (films, findings)
    """
    from sklearn.linear_model import Ridge

    z = standardised(x, training if scaled_on is None else scaled_on)
    return np.asarray(Ridge(alpha=PENALTY).fit(z[training], y[training]).predict(z)).reshape(len(x), -1)


def standardised(x, rows):
    """Features (films, features) less their mean over the films `rows` (bool), over their SD there."""
    return (x - x[rows].mean(axis=0)) / np.maximum(x[rows].std(axis=0), 1e-6)


def label_frequencies(films, findings, counted):
    """How often each film's patient has each finding among the films `counted` (bool): float (films, findings).

    A patient of none of these films gets the mean of all that were counted.
    """
    seen = films[counted]
    of_patient = seen.groupby("PatientId")[findings].mean()
    return of_patient.reindex(films["PatientId"]).fillna(seen[findings].mean()).to_numpy(float)


def network_features(cohort, images):
    """What the course's DenseNet-121 makes of films before its last layer: DataFrame float32, index Image, 1,024 columns.

    Needs TensorFlow, and about a tenth of a second a film on two cores; kept under build/features for the same
    weights and the same films on disk.
    """
    from util.model import batches, keras, predict_films
    from util.weights import load_pretrained, read_passport, weights_for

    images, changed = list(images), getattr(cohort, "changed", {})
    name = "\n".join([read_passport(weights_for(cohort))["sha256"], *(str(cohort.paths.get(i)) for i in images)])
    kept = CACHE / f"{cohort.name}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.npy"
    if kept.is_file():
        return pd.DataFrame(np.load(kept), index=pd.Index(images, name="Image"))
    pretrained = load_pretrained(weights_for(cohort))
    network = keras.Model(pretrained.model.input, pretrained.model.get_layer("pool").output)
    work = batches(cohort, images, pretrained.preprocessing)
    parts = [predict_films(network, films) for _, films in progress(work, "reading films", total=-(-len(images) // 8))]
    features = np.concatenate(parts)
    if not set(images) & set(changed):
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".part.npy")
        np.save(partial, features)
        partial.replace(kept)
    return pd.DataFrame(features, index=pd.Index(images, name="Image"))


def leak_cost(leak, features, rounds=1000, seed=0, level=0.95, extract=quick_features):
    """AUC of the quick model on the clean and on the leaky version, and how much too good the leak makes it look.

    Parameters
    ----------
    leak : util.leaks.Leak
    features : DataFrame of `extract` of the clean films; changed films are read
    rounds, seed, level : of the bootstrap of test patients, the same draws for both
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
        raise AssertionError(f"the leak {leak.name} changes the test films")  # a mistake in util.leaks
    means = [np.mean([auc(y[:, k], score[:, k]) for k in range(y.shape[1])]) for _, score, _ in sides]
    draws = [_means(bootstrap_aucs(y, score, patients, rounds, seed)) for _, score, _ in sides]
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


def main(arguments=None):
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argparse.ArgumentParser(prog="python -m util.leak_cost", description=__doc__.split("\n")[0])
    parser.add_argument("--cohort", help="phantom or nih (else the environment variable COHORT, else phantom)")
    parser.add_argument("--root", type=Path, help="folder of the real films (else the environment variable CXR_ROOT)")
    parser.add_argument("--network", action="store_true", help="frozen features of the DenseNet-121; needs TensorFlow")
    options = parser.parse_args(arguments)
    try:
        cohort = load_cohort(options.cohort, options.root)
        extract = network_features if options.network else quick_features
        base = clean_split(cohort)
        features = extract(base, base.films["Image"])
        rows = [leak_cost(plant(base), features, extract=extract) for plant in progress(PLANTS, "measuring")]
    except CourseError as error:
        print(error, file=sys.stderr)
        return 2
    print(cohort)
    print(pd.DataFrame(rows).set_index("leak").round(3).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
