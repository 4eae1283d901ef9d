"""The price of a real film: AUC on held-out real films against how many real films were learned from.

    python -m util learning-curve FOLDER [ANOTHER ...] --out build/price

From the phantom's weights and from random ones, on the same films, with the same number of views; all patients are held
out once. Then each large source of films is held out as a whole, which patients held out cannot show. Finished runs are kept,
so the same command goes on after an interruption. The results are two small tables, `price.csv`, which lesson 11 reads, and
`by_source.csv`. Needs PyTorch (pip install torch); takes about three hours on two cores.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.errors import CourseError
from util.files import whole
from util.findings import FINDINGS
from util.metrics.bootstrap import bootstrap_aucs, percentile_interval
from util.metrics.roc import auc
from util.models.weights import WEIGHTS
from util.progress import progress
from util.training.by_source import large_sources, others, source_table
from util.training.real_films import folds, read_real_films

SIZE, FOLDS, ROUNDS = 96, 3, 1000
VIEWS = {0: 0, 90: 2000, 180: 2500, 360: 3500, 720: 4500, 1440: 6000, None: 8000}  # None: all films not held out
STARTS = ("phantom", "scratch")


def some_patients(table, rows, films, seed):
    """Of the films `rows` about `films`, whole patients in random order; a smaller number takes some of a larger one's."""
    if films is None or films >= len(rows):
        return rows
    patients = table["PatientId"].to_numpy()[rows]
    place = pd.Series(np.random.default_rng(seed).permutation(pd.unique(patients))).reset_index().set_index(0)["index"]
    order = np.argsort(place.loc[patients].to_numpy(), kind="stable")
    return rows[order[:films]]


def plan():
    """Runs (start, films or None, fold); nothing is learned from scratch without a film."""
    return [(s, n, f) for f in range(FOLDS) for n in VIEWS for s in STARTS if n != 0 or s == "phantom"]


def run(films, fold_of, start, number, fold, phantom):
    """Logits (held-out films, 14) of one run."""
    from util.training.finetune import Stage, finetune
    from util.training.network import read_out

    rows = some_patients(films.table, np.flatnonzero(fold_of != fold), number, seed=fold)
    arrays = phantom if start == "phantom" else None
    if number != 0:
        arrays = finetune(films, rows, Stage(SIZE, VIEWS[number]), arrays, seed=fold)
    return read_out(arrays, films.pixels[fold_of == fold])[0]


def run_without(films, source, phantom):
    """Logits (films of the source, 14) of a run like those on all films, but with the whole source held out."""
    from util.training.finetune import Stage, finetune
    from util.training.network import read_out

    arrays = finetune(films, others(films.table, source), Stage(SIZE, VIEWS[None]), phantom, seed=0)
    return read_out(arrays, films.pixels[(films.table["Source"] == source).to_numpy()])[0]


def means(films, fold_of, logits):
    """AUC (15,): the mean over findings, then each finding, each averaged over folds; and ROUNDS draws of patients of it."""
    areas, draws = [], []
    for fold, scores in enumerate(logits):
        held_out = fold_of == fold
        y, patients = films.labels[held_out].astype(int), films.table["PatientId"].to_numpy()[held_out]
        drawn = bootstrap_aucs(y, scores, patients, ROUNDS, seed=fold)
        areas.append([auc(y[:, k], scores[:, k]) for k in range(len(FINDINGS))])
        draws.append(drawn)
    area, drawn = np.mean(areas, axis=0), _mean_of_known(np.stack(draws), axis=0)
    return np.concatenate([[area.mean()], area]), np.column_stack([_mean_of_known(drawn, axis=1), drawn])


def _mean_of_known(values, axis):
    """The mean of what is no NaN (a draw may hold no patient with a rare finding); NaN where there is nothing else."""
    known = ~np.isnan(values)
    return np.where(known.any(axis), np.where(known, values, 0).sum(axis) / np.maximum(known.sum(axis), 1), np.nan)


def price_table(films, fold_of, results):
    """Table: start, films, finding ('mean' first), auc, low, high (95 %).

    Two values of `start` are differences of AUCs, paired by patient: 'gain' is phantom minus scratch on as many films,
    and 'tuning' is the phantom after so many films minus the phantom after none.
    """
    rows, untuned = [], None
    for number in VIEWS:  # 0 is the first
        sides = {s: means(films, fold_of, results[s, number]) for s in STARTS if (s, number) in results}
        untuned = untuned or sides["phantom"]
        if len(sides) == 2:
            (area, drawn), (other, redrawn) = sides["phantom"], sides["scratch"]
            sides["gain"] = area - other, drawn - redrawn
            sides["tuning"] = area - untuned[0], drawn - untuned[1]
        learned = int(np.mean([(fold_of != f).sum() for f in range(FOLDS)])) if number is None else number
        for start, (area, drawn) in sides.items():
            limits = percentile_interval(drawn)
            for name, value, (low, high) in zip(("mean", *FINDINGS), area, limits, strict=True):
                rows.append((start, learned, name, round(value, 4), round(low, 4), round(high, 4)))
    return pd.DataFrame(rows, columns=["start", "films", "finding", "auc", "low", "high"])


def power_law(films, area):
    """Fit AUC = a - b / n^c (arXiv 2510.11553) by least squares; at least three numbers of films above 0.

    Returns
    -------
    (a, b, c) : floats; a is the plateau, at most 1. Forecast: a - b / n**c.
    """
    from scipy.optimize import least_squares

    films, area = (np.asarray(values, float) for values in (films, area))
    if len(films) < 3 or (films <= 0).any():
        raise CourseError("A power law has three constants: give AUCs of at least three numbers of films above 0.")
    plateau = min(area.max() + 0.05, 0.99)
    start = [plateau, (plateau - area.min()) * films.min() ** 0.5, 0.5]
    fit = least_squares(
        lambda p: p[0] - p[1] * films ** -p[2] - area, start, bounds=([0, 0, 0.01], [1, np.inf, 3]), x_scale=[1, 1, 1]
    )
    return tuple(float(value) for value in fit.x)


def worth(price, films, finding="mean"):
    """How many films from scratch reach what `films` films after the phantom do, by the power law of the curve from scratch.

    Returns
    -------
    (number, low, high) : floats, for the AUC and the ends of its interval; infinite where the curve never gets there
    """
    rows = price[price["finding"] == finding]
    scratch = rows[(rows["start"] == "scratch") & (rows["films"] > 0)]
    a, b, c = power_law(scratch["films"], scratch["auc"])
    reached = rows[(rows["start"] == "phantom") & (rows["films"] == films)]
    if reached.empty:
        raise CourseError(
            f"The table has no {films} films after the phantom: take one of {sorted(set(rows['films']))}."
        )
    areas = reached[["auc", "low", "high"]].iloc[0]
    return tuple(float((b / (a - area)) ** (1 / c)) if area < a else np.inf for area in areas)


def kept(file, make):
    """The array in `file`, made and written there first where an earlier call has not done so."""
    if not file.is_file():
        with whole(file) as part, part.open("wb") as stream:
            np.save(stream, make())
    return np.load(file)


@command()
def main(arguments=None):
    """Run the command; returns the exit code."""
    from safetensors.numpy import load_file

    parser = argument_parser("learning-curve", __doc__)
    parser.add_argument("roots", nargs="+", help="folders of real films in NIH's format")
    parser.add_argument("--out", default="build/price", type=Path, help="folder for runs and table (build/price)")
    parser.add_argument("--leave-out", nargs="*", default=(), help="names of films not to read")
    options = parser.parse_args(arguments)
    films = read_real_films(options.roots, SIZE, options.leave_out)
    options.out.mkdir(parents=True, exist_ok=True)
    fold_of, phantom = folds(films.table, FOLDS), load_file(WEIGHTS / "phantom.safetensors")
    results = {}
    for start, number, fold in progress(plan(), "runs"):
        file = options.out / f"{start}-{'all' if number is None else number}-{fold}.npy"
        logits = kept(file, lambda plan=(start, number, fold): run(films, fold_of, *plan, phantom))
        results.setdefault((start, number), []).append(logits)
    price_table(films, fold_of, results).to_csv(options.out / "price.csv", index=False)
    held_out = np.zeros((len(fold_of), len(FINDINGS)))
    for fold, logits in enumerate(results["phantom", None]):
        held_out[fold_of == fold] = logits
    alone = {}
    for number, source in enumerate(progress(large_sources(films.table), "sources held out")):
        alone[source] = kept(
            options.out / f"source-{number}.npy", lambda name=source: run_without(films, name, phantom)
        )
    source_table(films.table, held_out, alone).to_csv(options.out / "by_source.csv", index=False)
    print(f"Tables: price.csv and by_source.csv in {options.out}. To embed them, copy them to data/weights.")
