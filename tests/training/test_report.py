"""What is reported of the weights fine-tuned on real films: calibration, tables, price; without PyTorch."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from util.data.chestxray14 import NATURAL_PREVALENCE
from util.errors import CourseError
from util.findings import FINDINGS
from util.training import learning_curve
from util.training.learning_curve import VIEWS, plan, power_law, price_table, some_patients, worth
from util.training.real_films import RealFilms
from util.training.report import auc_tables, calibration, pointing_table, reliability_table, shift_table


def judged(films=3000, seed=0):
    """Labels and logits of a model that is calibrated at a prevalence of one half, then stretched: z = 2 t + 1."""
    rng = np.random.default_rng(seed)
    y = (rng.random((films, 14)) < 0.5).astype(int)
    t = rng.normal(2 * y - 1, np.sqrt(2))  # normal, equal variances: the logit of the posterior is t itself
    return y, 2 * t + 1


def test_calibration_undoes_a_stretch_and_moves_to_the_natural_prevalence():
    y, z = judged(20_000)
    line = calibration(y, z, np.ones(y.shape, bool))
    natural = np.array([NATURAL_PREVALENCE[finding] for finding in FINDINGS])
    assert np.allclose(line["slope"], 0.5, atol=0.04)
    wanted = -0.5 + np.log(natural / (1 - natural))
    assert np.allclose(line["intercept"], wanted, atol=0.12)


def test_calibration_at_the_films_own_prevalence_keeps_the_mean():
    y, z = judged(5000)
    line = calibration(y, z, np.ones(y.shape, bool), natural=False)
    said = 1 / (1 + np.exp(-(z * line["slope"] + line["intercept"])))
    assert np.allclose(said.mean(axis=0), y.mean(axis=0), atol=2e-3)


def test_calibration_never_turns_a_ranking_round_and_leaves_out_labels_that_do_not_count():
    y, z = judged(500)
    counts = np.ones(y.shape, bool)
    counts[:250, 0] = False
    z[:250, 0] = -100 * y[:250, 0]  # nonsense, which does not count
    assert calibration(y, z, counts)["slope"][0] > 0.2
    assert calibration(y, -z, counts)["slope"][3] == 0.01


def test_reliability_of_a_calibrated_model_lies_on_the_diagonal():
    rng = np.random.default_rng(0)
    p = rng.random((4000, 14))
    counts = np.ones(p.shape, bool)
    counts[:2000, 3] = False
    y = (rng.random(p.shape) < p).astype(int)
    y[:2000, 3] = 0  # wrong, and does not count
    table = reliability_table(y, {"own": p, "flat": np.full(p.shape, 0.5)}, counts)
    own = table[table["model"] == "own"]
    assert own["labels"].sum() == p.size - 2000 and len(own) == 10
    assert np.allclose(own["said"], own["observed"], atol=0.03)
    assert own["said"].is_monotonic_increasing


def test_auc_tables_judge_each_part_apart():
    y, z = judged(400)
    films = pd.DataFrame(y, columns=list(FINDINGS)).assign(
        Image=[f"{i:08d}_000.png" for i in range(400)],
        PatientId=range(400),
        View=["PA", "AP"] * 200,
        Folder=[0] * 100 + [1] * 300,
    )
    table = auc_tables(films, {"a": z, "b": -z}).set_index(["model", "part", "finding"])
    assert table.loc[("a", "folder 1", "Mass"), "films"] == 100
    assert table.loc[("a", "PA", "Mass"), "films"] == 200
    total = table.loc[("a", "all", "Mass"), "auc"] + table.loc[("b", "all", "Mass"), "auc"]
    assert total == pytest.approx(1, abs=2e-4)


def test_shift_shows_two_kinds_apart_along_the_first_direction():
    rng = np.random.default_rng(0)
    drawn, real = rng.normal(0, 1, (50, 20)), rng.normal(3, 1, (60, 20))
    table = shift_table({"w": (drawn, real)}, (np.array(["PA"] * 50), np.array(["AP"] * 60)))
    means = table.groupby("films")["x"].mean()
    assert abs(means["real"] - means["simulated"]) > 5
    assert table["films"].value_counts().to_dict() == {"real": 60, "simulated": 50}


@given(st.integers(1, 90), st.integers(0, 5))
def test_fewer_films_are_a_part_of_more_and_only_the_last_patient_is_cut(films, seed):
    table = pd.DataFrame({"PatientId": np.random.default_rng(seed).integers(0, 30, 120)})
    rows = np.arange(10, 110)
    some, more = (some_patients(table, rows, n, seed) for n in (films, films + 10))
    assert len(some) == films and set(some) <= set(more) <= set(rows)
    inside = table["PatientId"].to_numpy()[rows]
    cut = [
        p
        for p in set(table["PatientId"].to_numpy()[some])
        if (inside == p).sum() > (table["PatientId"].to_numpy()[some] == p).sum()
    ]
    assert len(cut) <= 1
    assert np.array_equal(some_patients(table, rows, None, seed), rows)


def test_price_of_films_that_teach(monkeypatch):
    """The phantom's start ranks better: the gain is their difference, with an interval above 0."""
    monkeypatch.setattr(learning_curve, "ROUNDS", 200)
    rng, n = np.random.default_rng(0), 600
    y = (rng.random((n, 14)) < 0.3).astype(int)
    table = pd.DataFrame(y, columns=list(FINDINGS)).assign(PatientId=np.arange(n) // 2)
    fold_of = np.arange(n) // 2 % 3
    films = RealFilms(table, np.ones(y.shape, bool), np.zeros((n, 1, 1), np.uint8), pd.DataFrame())
    noise = rng.normal(size=y.shape)
    results = {}
    for start, number, fold in plan():
        held_out = fold_of == fold
        strength = 0.5 if start == "scratch" else 1.0 if number == 0 else 2.0
        results.setdefault((start, number), []).append(strength * y[held_out] + noise[held_out])
    out = price_table(films, fold_of, results).set_index(["start", "films", "finding"])
    for number in (90, 400):
        one, other, gain = (out.loc[(start, number, "mean")] for start in ("phantom", "scratch", "gain"))
        assert gain["auc"] == pytest.approx(one["auc"] - other["auc"], abs=2e-4)
        assert 0 < gain["low"] < gain["auc"] < gain["high"]
        tuning = out.loc[("tuning", number, "mean")]
        none = out.loc[("phantom", 0, "mean")]
        assert tuning["auc"] == pytest.approx(one["auc"] - none["auc"], abs=2e-4)
        assert tuning["high"] - tuning["low"] < none["high"] - none["low"]  # without pairs it would be wider than both
        assert 0 < tuning["low"] < tuning["auc"] < tuning["high"] < tuning["auc"] + (one["high"] - one["low"])
        assert one["low"] < one["auc"] < one["high"]
    assert ("scratch", 0, "mean") not in out.index and ("phantom", 0, "Mass") in out.index
    assert len(plan()) == 3 * (2 * len(VIEWS) - 1)


def test_pointing_game_counts_hits_of_maps_and_of_a_point_of_other_folds():
    """Boxes at the left or right; the maps know which, the constant point knows only which is more frequent elsewhere."""
    n = 60
    right = np.arange(n) % 3 == 0  # a third at the right
    table = pd.DataFrame({"Image": [f"{i:08d}_000.png" for i in range(n)], "PatientId": range(n)})
    boxes = pd.DataFrame(
        {"Image": table["Image"], "finding": "Mass", "x": np.where(right, 0.7, 0.1), "y": 0.4, "w": 0.2, "h": 0.2}
    )
    films = RealFilms(table, np.ones((n, 14), bool), np.zeros((n, 1, 1), np.uint8), boxes)
    maps = {}
    for row in range(n):
        maps[row] = np.zeros((14, 5, 5))
        maps[row][FINDINGS.index("Mass"), 2, 4 if right[row] else 0] = 1  # centres at x .9 and .1, just outside one box
        maps[row][FINDINGS.index("Mass"), 2, 3 if right[row] else 0] = 2  # x .7 and .1, on the borders
    table = pointing_table(films, np.arange(n) // 3 % 3, maps).set_index("finding").loc["Mass"]
    assert table["films"] == n
    assert table["map"] == 1
    assert table["constant"] == pytest.approx(2 / 3, abs=1e-3)
    assert table["gain"] == pytest.approx(1 / 3, abs=1e-3)
    assert table["low"] < table["gain"] < table["high"]


def test_power_law_finds_the_constants_of_a_curve():
    films = np.array([90, 180, 360, 720, 1440, 2600])
    a, b, c = power_law(films, 0.8 - 1.2 / films**0.45)
    assert (a, b, c) == (pytest.approx(0.8, abs=1e-3), pytest.approx(1.2, rel=0.02), pytest.approx(0.45, abs=0.01))
    with pytest.raises(CourseError, match="three constants"):
        power_law([0, 90, 180], [0.5, 0.6, 0.7])


def test_worth_is_the_place_of_an_auc_on_the_curve_from_scratch():
    films = np.array([90, 180, 360, 720, 1440])
    scratch = pd.DataFrame({"start": "scratch", "films": films, "auc": 0.8 - 1.2 / films**0.45})
    phantom = pd.DataFrame({"start": "phantom", "films": [90], "auc": [0.8 - 1.2 / 500**0.45]})
    table = pd.concat([scratch, phantom]).assign(finding="mean", low=lambda t: t["auc"] - 0.02, high=0.9)
    number, low, high = worth(table, 90)
    assert number == pytest.approx(500, rel=0.02) and low < number and np.isinf(high)
    with pytest.raises(CourseError, match="no 7 films"):
        worth(table, 7)
