"""Groups, pairs between groups and the spectrum against brute force; label noise against simulation."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.scored import gaussian, pairwise, scored, steady
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics import auc_intervals, label_noise, roc, subgroups
from util.metrics.proportions import share_interval


def test_table_is_each_groups_own():
    y, score = gaussian(60, 180, 0.8, seed=1)
    view, patients = np.array(["PA", "AP"])[np.arange(240) % 2], np.arange(240) // 3
    table = subgroups.subgroup_table(y, score, view, patients)
    assert list(table.index) == ["AP", "PA"]
    for name, row in table.iterrows():
        mine = view == name
        assert (row["films"], row["positives"]) == (mine.sum(), y[mine].sum())
        assert row["auc"] == roc.auc(y[mine], score[mine])
        expected = auc_intervals.auc_interval(y[mine], score[mine], patients=patients[mine])
        assert (row["low"], row["high"]) == pytest.approx(expected, abs=1e-12)


def test_small_groups_keep_their_row():
    y, score = gaussian(30, 30, 0.8, seed=1)
    groups = {"all": np.ones(60, bool), "few": np.arange(60) > 27, "none": np.zeros(60, bool)}
    table = subgroups.subgroup_table(y, score, groups)
    assert table["note"].tolist() == ["", "too few: 2 positives", "undefined: no positive film"]
    assert table.loc[["few", "none"], ["auc", "low", "high"]].isna().all().all()
    ill = subgroups.subgroup_table(y, score, {"ill": np.arange(60) < 31})
    assert ill.loc["ill", "note"] == "too few: 1 negative"


def test_films_without_a_group_are_a_group():
    """Half of the films have no group: none of them is lost, whatever stands for nothing."""
    y, score = gaussian(40, 40, 0.8, seed=1)
    order = np.random.default_rng(0).permutation(80)
    y, score = y[order], score[order]
    for nothing in (np.nan, None, pd.NA):
        groups = pd.Series(["a", nothing] * 40, dtype=object)
        table = subgroups.subgroup_table(y, score, groups)
        assert table["films"].to_dict() == {"a": 40, "unknown": 40}
        assert subgroups.pairs_by_group(y, score, groups)["pairs"].sum() == pytest.approx(1, abs=1e-12)
    overlap = subgroups.subgroup_table(y, score, groups, np.arange(80) // 2)
    assert (overlap["positive_patients"] <= overlap["positives"]).all()


def test_groups_must_name_all_films():
    for groups in (["a"], {"a": np.ones(3, bool)}, {"a": np.array([0, 1])}):
        with pytest.raises(CourseError, match="2 films, and the group a"):
            subgroups.subgroup_table([0, 1], [0.1, 0.2], groups)


@steady
@given(scored, st.integers(0, 2**32 - 1))
def test_pairs_add_up_to_the_auc(pair, seed):
    y, score = pair
    groups = np.array(["a", "b", "c"])[np.random.default_rng(seed).integers(0, 3, len(y))]
    table = subgroups.pairs_by_group(y, score, groups)
    assert table["pairs"].sum() == pytest.approx(1, abs=1e-12)
    assert (table["pairs"] * table["auc"]).sum() == pytest.approx(roc.auc(y, score), abs=1e-12)
    wins = pairwise(y, score)
    for (mine, other), row in table.iterrows():
        cell = wins[np.ix_(groups[y] == mine, groups[~y] == other)]
        assert row["pairs"] == pytest.approx(cell.size / wins.size, abs=1e-12)
        assert row["auc"] == pytest.approx(cell.mean() if cell.size else np.nan, abs=1e-12, nan_ok=True)


def test_a_score_that_knows_the_group_alone_wins_between_groups():
    """Simpson: within each view a coin, over all films a model."""
    view = np.repeat(["AP", "PA"], [200, 800])
    y = np.concatenate([np.arange(200) % 2 == 0, np.arange(800) % 20 == 0])
    score = (view == "AP").astype(float)
    table = subgroups.pairs_by_group(y, score, view)["auc"]
    assert table["AP", "AP"] == table["PA", "PA"] == 0.5
    assert table["AP", "PA"] == 1 and table["PA", "AP"] == 0
    assert roc.auc(y, score) > 0.75


def test_age_bands():
    bands = subgroups.age_bands([0, 39.9, 40, 59, 60, 95, np.nan])
    assert bands.tolist() == ["0 to 39"] * 2 + ["40 to 59"] * 2 + ["60 and over"] * 2 + ["unknown"]


def test_spectrum():
    films = pd.DataFrame(0, index=range(4), columns=list(FINDINGS))
    films.loc[0, ["Mass", "Edema"]], films.loc[1, "Edema"], films.loc[2, "Mass"] = 1, 1, 1
    masks = {name: mask.tolist() for name, mask in subgroups.spectrum(films, "Mass").items()}
    assert masks == {
        "all others": [True] * 4,
        "other findings": [True, True, True, False],
        "no finding": [True, False, True, True],
    }
    with pytest.raises(CourseError, match="no finding 'Fracture'"):
        subgroups.spectrum(films, "Fracture")


# --- Label noise ----------------------------------------------------------------------------------


def noisy(films, prevalence, sensitivity, specificity, area, seed):
    """Truth, labels with mistakes that do not look at the score, and scores."""
    y, score = gaussian(int(films * prevalence), films - int(films * prevalence), area, seed)
    chance = np.random.default_rng(seed + 1).random(films)
    return y, np.where(y == 1, chance < sensitivity, chance >= specificity).astype(int), score


@pytest.mark.parametrize(
    ("prevalence", "sensitivity", "specificity"), [(0.1, 0.8, 0.97), (0.3, 0.6, 0.9), (0.5, 1, 0.7)]
)
def test_noise_does_what_the_formula_says(prevalence, sensitivity, specificity):
    y, label, score = noisy(200_000, prevalence, sensitivity, specificity, 0.85, seed=7)
    ppv, npv = y[label == 1].mean(), 1 - y[label == 0].mean()
    assert roc.auc(label, score) == pytest.approx(label_noise.observed_auc(roc.auc(y, score), ppv, npv), abs=0.005)
    assert roc.auc(label, y) == pytest.approx(label_noise.observed_auc(1, ppv, npv), abs=1e-12)  # a perfect reader
    expected = label_noise.attainable_auc(prevalence, sensitivity, specificity)
    assert roc.auc(label, y) == pytest.approx(expected, abs=0.01)


def test_noise_at_the_ends():
    assert label_noise.observed_auc(0.9, 1, 1) == 0.9
    assert label_noise.observed_auc(0.9, 0.5, 0.5) == 0.5  # labels that are coins
    assert label_noise.observed_auc(0.9, 0, 0) == pytest.approx(0.1)
    assert label_noise.attainable_auc(0.1, 1, 1) == 1
    rarer = label_noise.attainable_auc(np.array([0.3, 0.1, 0.01]), 0.9, 0.95)
    assert np.all(np.diff(rarer) < 0)  # the same reader of reports, a rarer finding, a lower ceiling
    with pytest.raises(CourseError, match="PPV must lie between"):
        label_noise.observed_auc(0.9, 90, 0.9)


def test_missed_films_by_brute_force():
    rng = np.random.default_rng(5)
    y, score = (rng.random(300) < 0.4).astype(int), np.round(rng.normal(size=300), 1)
    group, patients = rng.choice(["PA", "AP", "LL"], 300), rng.integers(0, 70, 300)
    threshold = float(np.sort(score)[120])
    table = subgroups.missed_table(y, score, group, threshold, patients)
    assert list(table.index) == ["AP", "LL", "PA"]
    for name, row in table.iterrows():
        ill, healthy = (group == name) & (y == 1), (group == name) & (y == 0)
        assert (row["films"], row["positives"]) == ((group == name).sum(), ill.sum())
        assert row["positive_patients"] == len(set(patients[ill]))
        missed = [value < threshold for value in score[ill]]
        assert row["missed"] == pytest.approx(sum(missed) / len(missed), abs=1e-12)
        assert row["false_alarms"] == pytest.approx(
            np.mean([value >= threshold for value in score[healthy]]), abs=1e-12
        )
        assert (row["low"], row["high"]) == share_interval(score[ill] < threshold, patients[ill])[1:]
        assert row["low"] < row["missed"] < row["high"]


def test_a_group_of_few_patients_says_so():
    y, score = np.repeat([1, 0], [40, 40]), np.tile(np.arange(40.0), 2)
    groups = {"many": np.ones(80, bool), "few": np.arange(80) < 8, "none": np.arange(80) >= 40}
    table = subgroups.missed_table(y, score, groups, 10, np.arange(80) // 2)
    assert table["note"].tolist() == ["", "too few: 4 positive patients", "too few: 0 positive patients"]
    assert table.loc["many", "missed"] == 0.25
    assert table.loc[["few", "none"], ["missed", "low", "high", "false_alarms"]].isna().all().all()
    assert np.isnan(subgroups.missed_table(y, score, {"ill": np.arange(80) < 40}, 10).loc["ill", "false_alarms"])


@pytest.mark.parametrize("threshold", [np.nan, [0.1, 0.2], None])
def test_one_threshold_for_all_groups(threshold):
    with pytest.raises(CourseError, match="no threshold"):
        subgroups.missed_table([0, 1], [0.1, 0.2], ["a", "b"], threshold)
