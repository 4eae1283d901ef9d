"""Answers to the exercises of lesson 2: right ones in several styles, wrong ones and what they are told."""

import numpy as np
import pytest

from tests.helpers.bank import Bank, judge, told
from tests.helpers.taught import taught
from util.checks import explore as checks


def count_in_a_loop(films, finding):
    seen = set()
    for patient, there in zip(films["PatientId"], films[finding], strict=True):
        if there:
            seen.add(patient)
    return len(seen)


PATIENTS = Bank(
    checks.check_patients_with,
    right=[
        count_in_a_loop,
        lambda f, k: f[f[k] == 1]["PatientId"].nunique(),
        lambda f, k: int((f.groupby("PatientId")[k].max() == 1).sum()),
        lambda f, k: len(np.unique(f["PatientId"].to_numpy()[f[k].to_numpy().astype(bool)])),
        lambda f, k: np.float32(len(set(f.loc[f[k] > 0, "PatientId"]))),
        lambda f, k: f.query(f"{k} == 1").drop_duplicates("PatientId").shape[0],
        lambda f, k: f.groupby("PatientId")[k].any().sum(),
    ],
    wrong={
        "films": (lambda f, k: f[k].sum(), "films with the finding"),
        "all patients": (lambda f, k: f["PatientId"].nunique(), "all patients"),
        "rows": (lambda f, k: len(f), "a row is a film"),
        "share": (lambda f, k: f[f[k] == 1]["PatientId"].nunique() / f["PatientId"].nunique(), "share of the patients"),
        "prevalence": (lambda f, k: f[k].mean(), "prevalence"),
        "every film": (lambda f, k: f.groupby("PatientId")[k].min().sum(), "all of their films"),
        "first film": (lambda f, k: f.drop_duplicates("PatientId")[k].sum(), "one film of each patient"),
        "without": (lambda f, k: f[f[k] == 0]["PatientId"].nunique(), "without"),
        "never": (lambda f, k: (f.groupby("PatientId")[k].max() == 0).sum(), "never"),
        "exactly one": (lambda f, k: (f.groupby("PatientId")[k].sum() == 1).sum(), "exactly one"),
        "several": (lambda f, k: (f.groupby("PatientId")[k].sum() > 1).sum(), "several"),
        "one name": (lambda f, k: f[f["Mass"] == 1]["PatientId"].nunique(), "use the argument"),
        "halves": (lambda f, k: f.groupby("PatientId")[k].mean().sum(), "counts as half"),
        "follow-up": (lambda f, k: f[f["FollowUp"] == 0][k].sum(), "FollowUp"),
        "their names": (lambda f, k: f[f[k] == 1]["PatientId"].unique(), "one number is asked for"),
        "index": (lambda f, k: f[f[k] == 1].index.nunique(), "films with the finding"),
    },
)


def share(films, finding, view):
    return films.loc[films["View"] == view, finding].mean()


def ratio_in_a_loop(films, finding):
    with_it, all_of = {"AP": 0, "PA": 0}, {"AP": 0, "PA": 0}
    for view, there in zip(films["View"], films[finding], strict=True):
        with_it[view] += there
        all_of[view] += 1
    return with_it["AP"] / all_of["AP"] / (with_it["PA"] / all_of["PA"])


VIEW = Bank(
    checks.check_view_ratio,
    right=[
        ratio_in_a_loop,
        lambda f, k: share(f, k, "AP") / share(f, k, "PA"),
        lambda f, k: f[k].groupby(f["View"]).mean().loc["AP"] / f[k].groupby(f["View"]).mean().loc["PA"],
        lambda f, k: f.pivot_table(k, "View", aggfunc="mean")[k].pipe(lambda s: s["AP"] / s["PA"]),
        lambda f, k: np.mean(f[k].to_numpy()[f["View"] == "AP"]) / np.mean(f[k].to_numpy()[f["View"] == "PA"]),
        lambda f, k: np.float32(share(f, k, "AP")) / np.float32(share(f, k, "PA")),
    ],
    wrong={
        "counts": (lambda f, k: f[f["View"] == "AP"][k].sum() / f[f["View"] == "PA"][k].sum(), "numbers of films"),
        "inverse": (lambda f, k: share(f, k, "PA") / share(f, k, "AP"), "other way round"),
        "given finding": (lambda f, k: (f[f[k] == 1]["View"] == "AP").mean(), "among films with the finding"),
        "difference": (lambda f, k: share(f, k, "AP") - share(f, k, "PA"), "difference"),
        "all films": (lambda f, k: share(f, k, "AP") / f[k].mean(), "all films"),
        "AP only": (lambda f, k: share(f, k, "AP"), "divide it by the one on PA"),
        "PA only": (lambda f, k: share(f, k, "PA"), "PA films only"),
        "one name": (lambda f, k: share(f, "Edema", "AP") / share(f, "Edema", "PA"), "use the argument"),
        "odds": (
            lambda f, k: share(f, k, "AP") / (1 - share(f, k, "AP")) / share(f, k, "PA") * (1 - share(f, k, "PA")),
            "odds",
        ),
        "films": (lambda f, k: (f["View"] == "AP").sum() / (f["View"] == "PA").sum(), "plays no part"),
        "of both": (lambda f, k: share(f, k, "AP") / (share(f, k, "AP") + share(f, k, "PA")), "sum of both"),
        "without": (lambda f, k: (1 - share(f, k, "AP")) / (1 - share(f, k, "PA")), "without the finding"),
        "percent": (lambda f, k: 100 * share(f, k, "AP") / share(f, k, "PA"), "percent"),
        "both shares": (lambda f, k: f.groupby("View")[k].mean(), "one number is asked for"),
        "rounded": (lambda f, k: round(share(f, k, "AP") / share(f, k, "PA"), 2), "rounded"),
    },
)


def scale_in_a_loop(films, training):
    values = [float(v) for v in training.ravel()]
    mean = sum(values) / len(values)
    sd = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
    return [[[(float(v) - mean) / sd for v in row] for row in film] for film in films]


def each(x):
    return x.mean(axis=(1, 2), keepdims=True), x.std(axis=(1, 2), keepdims=True)


SCALE = Bank(
    checks.check_standardise,
    right=[
        scale_in_a_loop,
        lambda x, t: (x - t.mean()) / t.std(),
        lambda x, t: (x - np.mean(t)) / np.sqrt(np.var(t)),
        lambda x, t: x / t.std() - t.mean() / t.std(),
        lambda x, t: ((x.astype(np.float32) - np.float32(t.mean())) / np.float32(t.std())).astype(np.float32),
        lambda x, t: np.array([(film - t.ravel().mean()) / t.ravel().std() for film in x]),
    ],
    wrong={
        "each": (lambda x, t: (x - each(x)[0]) / each(x)[1], "by itself"),
        "own": (lambda x, t: (x - x.mean()) / x.std(), "which films come with it"),
        "pixelwise": (lambda x, t: (x - t.mean(axis=0)) / t.std(axis=0), "each pixel position"),
        "variance": (lambda x, t: (x - t.mean()) / t.var(), "variance"),
        "no SD": (lambda x, t: x - t.mean(), "divide by the SD as well"),
        "no mean": (lambda x, t: x / t.std(), "subtract the mean first"),
        "255": (lambda x, t: x / 255, "255"),
        "mean SD": (lambda x, t: (x - t.mean()) / np.mean([film.std() for film in t]), "SDs of single films"),
        "min max": (lambda x, t: (x - t.min()) / (int(t.max()) - t.min()), "darkest pixel"),
        "brackets": (lambda x, t: x - t.mean() / t.std(), "brackets"),
        "whole": (lambda x, t: ((x - t.mean()) / t.std()).astype(int), "cut to whole numbers"),
        "times": (lambda x, t: (x - t.mean()) * t.std(), "multiply by the SD"),
        "training": (lambda x, t: (t - t.mean()) / t.std(), None),
        "mixed": (lambda x, t: (x - x.mean()) / t.std(), "only the SD"),
        "mixed SD": (lambda x, t: (x - t.mean()) / x.std(), "only the mean"),
        "sign": (lambda x, t: (t.mean() - x) / t.std(), "sign is wrong"),
        "one film": (lambda x, t: ((x - t.mean()) / t.std())[0], "shape"),
    },
)

BANKS = {"patients-with": PATIENTS, "view-ratio-solution": VIEW, "standardise-solution": SCALE}


@pytest.mark.parametrize("name", BANKS)
def test_answers_are_judged(name):
    assert judge(BANKS[name]) == []


@pytest.mark.parametrize("name", BANKS)
def test_the_notebook_s_solution_passes(name):
    solution = taught("02_explore", name)[BANKS[name].check.name]
    assert told(BANKS[name].check, solution) == ""
