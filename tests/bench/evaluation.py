"""Bench of the evaluation."""

import subprocess
import sys

import numpy as np

from tests.bench import best, peer, row, seconds


def bench():
    """AUCs with intervals and the bootstrap of patients, against scikit-learn and, where installed, two packages."""
    from sklearn.metrics import roc_auc_score

    from util.metrics.auc_tables import auc_table
    from util.metrics.bootstrap import bootstrap_aucs
    from util.metrics.comparison import compare_table

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
    code = "from tests.bench.evaluation import judged_films; from util.metrics.roc import auc_table; from util.course.run import peak_memory"
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


def judged_films(films):
    """Labels and scores (films, 14) with prevalences as in ChestX-ray14, patients (films,) with 3.6 films each."""
    from util.data.chestxray14 import NATURAL_PREVALENCE

    rng = np.random.default_rng(0)
    y = (rng.random((films, 14)) < list(NATURAL_PREVALENCE.values())).astype(int)
    return y, y + rng.normal(size=y.shape), rng.permutation(np.arange(films) % 6_187)
