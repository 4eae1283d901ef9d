"""`make bench`: seconds and memory, as ratios against a peer measured in the same run. Never part of the tests.

python -m tests.bench            all rows
python -m tests.bench predict    rows of one part
"""

import importlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FILMS = 64


def row(what, value, peer=""):
    """Print one row of the table."""
    print(f"{what:62} {value:>14}  {peer}", flush=True)


def bench_notebooks():
    """Seconds and peak memory of each notebook on the phantom cohort."""
    from util.course import notebooks, run_notebook

    with tempfile.TemporaryDirectory() as folder:
        for path in notebooks():
            result = run_notebook(path, Path(folder), {"COURSE_BATCH": "1", "COHORT": "phantom"})
            row(f"notebook {result.name}: seconds", f"{result.seconds:.0f}", "limit 90")
            row(f"notebook {result.name}: peak MB", f"{result.megabytes:,.0f}", "limit 1,800")


def bench_tables():
    """Reading the label table, in the size of the real one, against pandas reading the same file as it is."""
    import pandas as pd

    from util import nih
    from util.findings import FINDINGS

    rng, n = np.random.default_rng(0), 112_120
    table = pd.DataFrame(
        {
            "Image Index": [f"{i:08d}_000.png" for i in range(n)],
            "Finding Labels": rng.choice(["No Finding", "Mass", "Effusion|Edema", *FINDINGS], n),
            "Follow-up #": 0,
            "Patient ID": np.arange(n),
            "Patient Age": rng.integers(0, 95, n),
            "Patient Gender": rng.choice(["M", "F"], n),
            "View Position": rng.choice(["PA", "AP"], n),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Data_Entry_2017_v2020.csv"
        table.to_csv(path, index=False)
        plain = seconds(lambda: pd.read_csv(path))
        ours = seconds(lambda: nih.read_labels(path))
    row("label table of 112,120 rows: seconds", f"{ours:.2f}", f"{ours / plain:.1f} x pandas.read_csv; limit 2 s")


def bench_evaluation():
    """AUCs with intervals and the bootstrap of patients, against scikit-learn and, where installed, two packages."""
    from sklearn.metrics import roc_auc_score

    from util.comparison import compare_table
    from util.evaluation import auc_table
    from util.resampling import bootstrap_aucs

    y, score, _ = judged_films(25_596)
    other = score + np.random.default_rng(1).normal(size=score.shape)

    def resample(drawn):
        return [roc_auc_score(y[drawn, k], score[drawn, k]) for k in range(14)]

    rng = np.random.default_rng(2)
    rounds = [rng.integers(0, len(y), len(y)) for _ in range(5)]
    scikit = min(seconds(lambda drawn=drawn: resample(drawn)) for drawn in rounds) * 1000
    ours = best(lambda: auc_table(y, score), rounds=5)
    row("14 findings x 25,596 films, AUC + DeLong + AP: seconds", f"{ours:.3f}", "the whole table")
    how = "scikit-learn (best of 5 rounds x 1,000); goal 1,000 x"
    row("  times faster than 1,000 bootstrap rounds", f"{scikit / ours:,.0f}", how)
    bench_peers(y, score, other, ours, best(lambda: compare_table(y, score, other), rounds=5))

    y, score, patients = judged_films(22_433)
    rng, rows = np.random.default_rng(3), [np.flatnonzero(patients == patient) for patient in range(6_187)]

    def resample_patients():
        return resample(np.concatenate([rows[patient] for patient in rng.integers(0, 6_187, 6_187)]))

    scikit = best(resample_patients, rounds=5) * 1000
    ours = best(lambda: bootstrap_aucs(y, score, patients, 1000))
    row("14 findings x 22,433 films, 1,000 patient draws: seconds", f"{ours:.2f}")
    row("  times faster than resampling", f"{scikit / ours:,.0f}", how.replace("1,000 x", "50 x"))
    code = "from tests.bench import judged_films; from util.evaluation import auc_table; from util.course import peak_memory"
    code += "; auc_table(*judged_films(22_433)); print(peak_memory())"
    peak = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    row("  peak MB of a process that makes the whole table", f"{float(peak):,.0f}", "limit 500")


def bench_peers(y, score, other, table, pairs):
    """The packages confidenceinterval and MLstatkit on the same films, for what they compute."""
    package = peer("confidenceinterval")
    if package:
        columns = [(y[:, k].tolist(), score[:, k].tolist()) for k in range(14)]
        taken = seconds(lambda: [package.roc_auc_score(*pair) for pair in columns])
        row("  times faster than confidenceinterval", f"{taken / table:,.1f}", "AUC + DeLong; ours with AP besides")
    package = peer("MLstatkit")
    if package:
        taken = seconds(lambda: [package.Delong_test(y[:, k], score[:, k], other[:, k]) for k in range(14)])
        row("  paired test: times faster than MLstatkit", f"{taken / pairs:,.1f}", f"two models, ours {pairs:.3f} s")


def peer(name):
    """A package that the course does not depend on, or None with a row that says so."""
    try:
        return importlib.import_module(name)
    except ImportError:
        row(f"  {name}", "skipped", f"not installed: pip install {name}, in another environment")
        return None


def judged_films(films):
    """Labels and scores (films, 14) with prevalences as in ChestX-ray14, patients (films,) with 3.6 films each."""
    from util.phantom.disease import NATURAL_PREVALENCE

    rng = np.random.default_rng(0)
    y = (rng.random((films, 14)) < list(NATURAL_PREVALENCE.values())).astype(int)
    return y, y + rng.normal(size=y.shape), rng.permutation(np.arange(films) % 6_187)


def bench_predict():
    """Films per second from file to logits, 320-pixel JPEG and 1,024-pixel PNG, against the bare forward pass."""
    from PIL import Image

    from util.cohort import Cohort, load_cohort
    from util.model import BATCH_SIZE, predict, predict_films
    from util.weights import load_pretrained

    phantom = load_cohort("phantom")
    pretrained = load_pretrained(check=False)
    images = list(phantom.split("test")["Image"][:FILMS])
    ready = np.stack([pretrained.preprocessing(phantom.read(image)) for image in images[:BATCH_SIZE]])
    predict_films(pretrained.model, ready)  # compiles

    def bare():
        for _ in range(FILMS // BATCH_SIZE):
            predict_films(pretrained.model, ready)

    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for image in images:
            paths[image] = Path(folder) / f"{Path(image).stem}.png"
            large = Image.fromarray(phantom.read(image)).resize((1024, 1024), Image.Resampling.BICUBIC)
            large.save(paths[image])
        png = Cohort("phantom", phantom.films, phantom.boxes, paths=paths)
        forward = best(bare)
        for name, cohort in (("320-pixel JPEG", phantom), ("1,024-pixel PNG", png)):
            taken = best(lambda cohort=cohort: predict(pretrained, cohort, images))
            row(
                f"{name} to logits: films per second",
                f"{FILMS / taken:.2f}",
                f"{forward / taken:.2f} of the bare forward pass",
            )
    row("bare forward pass: films per second", f"{FILMS / forward:.2f}")


def seconds(work):
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def best(work, rounds=2):
    """Least wall time of some calls: other work on the machine can only add."""
    return min(seconds(work) for _ in range(rounds))


PARTS = {"tables": bench_tables, "evaluation": bench_evaluation, "predict": bench_predict, "notebooks": bench_notebooks}


def main(names):
    """Run the named parts, or all."""
    unknown = set(names) - set(PARTS)
    if unknown:
        print(f"No part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    os.environ["COURSE_BATCH"] = "1"
    print(f"{os.cpu_count()} cores. Ratios are against a peer measured in this same run.")
    for name in names or PARTS:
        PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
