"""Intervals hold the truth as often as they say, with few and uneven patients; data/coverage.csv is the whole study."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, norm

from util.course import coverage
from util.data.cohort import HOME
from util.findings import FINDINGS
from util.metrics import auc_intervals, auc_tables, comparison, curve_bands, roc, subgroups
from util.metrics.proportions import share_interval

TABLE = HOME / "data" / "coverage.csv"


def enough(held, rounds, share=0.93):
    """Whether so many hits of so many rounds can come from at least this share: one chance in a thousand is allowed."""
    return binom.cdf(round(held * rounds), rounds, share) > 0.001


@pytest.mark.parametrize(
    ("name", "common", "area"),
    [
        ("phantom Nodule", 0.8, 0.75),  # one patient has half of the films
        ("phantom Infiltration", 0.8, 0.9),
        ("phantom Cardiomegaly", 0.5, 0.9),
        ("5 patients, films of each 3", 0.8, 0.9),
        ("10 patients, films of each 1", 0.5, 0.9),
    ],
)
def test_the_interval_of_few_patients_holds_the_truth(name, common, area):
    held = coverage.coverage(*coverage.designs()[name], area, common, 600, seed=1)
    assert enough(held["by patient"], 600) and binom.sf(round(held["by patient"] * 600) - 1, 600, 0.985) > 0.001
    assert held["normal quantile"] < held["by patient"]
    assert enough(held["difference"], 600)


def test_one_patient_with_nearly_all_films_has_an_interval_too_wide_rather_than_too_narrow():
    held = coverage.coverage(*coverage.designs()["10 patients, one with nine tenths of the films"], 0.75, 0.5, 600)
    assert held["normal quantile"] < 0.65 and held["by patient"] > 0.93 and held["width"] > 0.6


def test_the_study_is_committed_and_keeps_its_word():
    table = pd.read_csv(TABLE)
    assert list(dict.fromkeys(table["clinic"])) == list(coverage.designs())
    asked = table[table["clinic"].str.startswith("phantom") | table["clinic"].str.contains("films of each")]
    assert len(asked) == 4 * (14 + 12) and asked["by patient"].min() >= 0.93
    assert asked["by patient"].max() <= 0.985 + 3 * np.sqrt(0.985 * 0.015 / 2000)  # the luck of 2,000 rounds
    assert table.loc[table["positive patients"] > 3, "by patient"].min() > 0.9 and (asked["difference"] > 0.93).all()
    assert asked["normal quantile"].min() < 0.86  # what the large-sample interval would do


def test_a_row_of_the_study_is_what_the_command_counts():
    """The same seed and rounds: the first row again, fewer rounds, within the luck of both."""
    row = pd.read_csv(TABLE).iloc[0]
    again = coverage.study(400, 0, {row["clinic"]: coverage.designs()[row["clinic"]]}).iloc[0]
    assert (again["positive films"], again["positive patients"]) == (row["positive films"], row["positive patients"])
    assert again["by patient"] == pytest.approx(row["by patient"], abs=0.045)
    assert np.isnan(again["bootstrap"])


def test_coverage_counts_what_lies_within():
    low, high = np.array([0.1, 0.2, np.nan, 0.25]), np.array([0.3, 0.4, np.nan, 0.3])
    assert coverage._held(low, high, 0.2) == 0.5
    assert np.isnan(coverage._held([], [], 0.2))


def test_many_rounds_at_once_are_the_courses_own_functions():
    y, who = coverage.designs()["phantom Mass"]
    first, second = np.random.default_rng(0).normal(size=(2, 5, len(y))) + y
    (aucs, parts), (_, others) = (coverage.parts_of_many(y, who, scores) for scores in (first, second))
    ends = auc_intervals.interval_around(
        aucs, np.sum(parts**2, axis=1), effective=auc_intervals.influence(y, first[0], who).effective
    )
    for k in range(5):
        found = auc_intervals.influence(y, first[k], who)
        assert aucs[k] == pytest.approx(found.auc, abs=1e-12)
        assert parts[k] == pytest.approx(found.of_positives + found.of_negatives, abs=1e-12)
        assert (ends[0][k], ends[1][k]) == pytest.approx(
            auc_intervals.auc_interval(y, first[k], patients=who), abs=1e-12
        )
        error = comparison.auc_difference(y, first[k], second[k], who).error
        assert np.sqrt(np.sum((parts[k] - others[k]) ** 2)) == pytest.approx(error, abs=1e-12)


def test_scores_have_the_auc_and_the_share_that_are_asked_for():
    y, who = coverage.even_clinic(400, 5, 400)
    score = coverage.draw_scores(y, who, 0.8, 0.6, 40, np.random.default_rng(0))
    assert np.mean([roc.auc(y, row) for row in score]) == pytest.approx(0.8, abs=0.01)
    noise = (score - y * np.sqrt(2) * norm.ppf(0.8)).reshape(40, 800, 5)
    assert noise.var() == pytest.approx(1, abs=0.02)
    assert noise.mean(axis=2).var() == pytest.approx(0.6 + 0.4 / 5, abs=0.02)


def test_clinics_by_hand():
    y, who = coverage.even_clinic(2, 3, 1)
    assert y.tolist() == [True] * 6 + [False] * 3 and who.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    y, who = coverage.uneven_clinic([3, 1], 2)
    assert y.tolist() == [True] * 4 + [False] * 2 and who.tolist() == [0, 0, 0, 1, 2, 3]


def test_averages_and_gaps_of_few_patients_hold_the_truth():
    """Twelve patients with the findings, unequal films; macro average of 14 equal findings, gap of two groups."""
    rng, held, rounds = np.random.default_rng(3), np.zeros(2), 150
    y, who = coverage.uneven_clinic([8, 6, 4, 3, *[1] * 8], 60)
    labels, group = np.tile(y[:, None], 14), np.arange(len(y)) % 2 == 0
    for _ in range(rounds):
        scores = np.stack([coverage.draw_scores(y, who, 0.8, 0.6, 1, rng)[0] for _ in FINDINGS], axis=1)
        macro = auc_tables.auc_averages(labels, scores, who).loc["macro"]
        gap = comparison.auc_gap(y, scores[:, 0], group, ~group, who)
        held += [macro["low"] <= 0.8 <= macro["high"], gap.low <= 0 <= gap.high]
    assert enough(held[0] / rounds, rounds) and enough(held[1] / rounds, rounds)


def test_a_subgroup_of_few_patients_holds_the_truth():
    rng, held = np.random.default_rng(4), 0
    y, who = coverage.uneven_clinic([6, 3, *[1] * 9], 40)
    for _ in range(300):
        score = coverage.draw_scores(y, who, 0.9, 0.6, 1, rng)[0]
        row = subgroups.subgroup_table(y, score, ["all"] * len(y), who).loc["all"]
        held += row["low"] <= 0.9 <= row["high"]
    assert enough(held / 300, 300)


@pytest.mark.parametrize("films", [(1,) * 10, (3,) * 10, (12, 6, 3, *[1] * 9)])
def test_shares_of_few_patients_hold_the_truth(films):
    rng, who = np.random.default_rng(5), np.repeat(np.arange(len(films)), films)
    for share in (0.5, 0.8, 0.95):
        shift, held = norm.ppf(share), 0
        for _ in range(500):
            latent = np.sqrt(0.6) * rng.normal(size=len(films))[who] + np.sqrt(0.4) * rng.normal(size=len(who))
            _, low, high = share_interval(latent < shift, who)
            held += low <= share <= high
        assert enough(held / 500, 500)


def test_average_precision_of_few_patients_holds_the_truth():
    rng = np.random.default_rng(6)
    for films, area in (((3,) * 10, 0.75), ((12, 6, 3, *[1] * 9), 0.9), ((1,) * 40, 0.9)):
        y, who = coverage.uneven_clinic(films, 100)
        many = rng.random(300_000) < y.mean()
        truth = roc.average_precision(many, rng.normal(many * np.sqrt(2) * norm.ppf(area)))
        drawn = coverage.draw_scores(y, who, area, 0.6, 400, rng)
        ends = np.array([curve_bands.average_precision_interval(y, score, patients=who) for score in drawn])
        assert enough(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])), 400)


def test_band_of_few_patients_holds_the_curve_at_each_rate():
    rng, rates = np.random.default_rng(7), np.array([0.05, 0.2, 0.5])
    for films, area in (((3,) * 10, 0.75), ((12, 6, 3, *[1] * 9), 0.9)):
        y, who = coverage.uneven_clinic(films, 100)
        truth = norm.sf(norm.isf(rates) - np.sqrt(2) * norm.ppf(area))
        held = np.zeros(3)
        for score in coverage.draw_scores(y, who, area, 0.6, 100, rng):
            band = curve_bands.roc_band(y, score, who, rates, rounds=60)
            held += (band["low"] <= truth) & (truth <= band["high"])
        assert all(enough(share, 100) for share in held / 100)


def test_the_command_prints_or_writes_its_table(tmp_path, monkeypatch, capsys):
    one = {"4 patients": coverage.even_clinic(4, 2, 20)}
    monkeypatch.setattr(coverage, "designs", lambda: one)
    assert coverage.main(["--rounds", "20"]) == 0
    assert capsys.readouterr().out.count("4 patients") == 4
    assert coverage.main(["--rounds", "20", "--out", str(tmp_path / "table.csv")]) == 0
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["effective"].tolist() == [4] * 4 and table["positive patients"].tolist() == [4] * 4
    assert table[list(coverage.KINDS)].stack().between(0, 1).all()
    assert coverage.main(["--rounds", "0"]) == 2 and "no study" in capsys.readouterr().err
    assert coverage.main(["--rounds", "5", "--out", str(tmp_path / "no" / "table.csv")]) == 2
