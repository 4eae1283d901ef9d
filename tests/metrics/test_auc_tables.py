"""The table of AUCs: every finding in order, matched by name, averages said as what they are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from sklearn import metrics

from tests.helpers.scored import scored, steady
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics import auc_intervals, auc_tables, bootstrap, comparison, roc

# --- The table ------------------------------------------------------------------------------------


def test_table_has_every_finding_in_order(cohort_like):
    films, scores = cohort_like
    table = auc_tables.auc_table(films, scores)
    assert tuple(table.index) == FINDINGS and table.index.name == "finding"
    columns = ["films", "positives", "auc", "low", "high", "average_precision", "baseline", "note"]
    assert list(table.columns) == columns
    assert (table["baseline"] == films[list(FINDINGS)].mean()).all()
    assert (table["films"] == 120).all()
    assert (table["positives"] == films[list(FINDINGS)].sum()).all()
    unjudged = {
        "Hernia": "undefined: no positive film",
        "Mass": "undefined: no negative film",
        "Nodule": "too few: 3 positives",
    }
    for finding, note in unjudged.items():
        assert table.loc[finding, "note"] == note
        assert table.loc[finding, ["auc", "low", "high"]].isna().all()
    assert table.loc["Edema", "auc"] == 1 and np.isnan(table.loc["Edema", "low"])
    assert table.loc["Edema", "note"] == "no interval: the AUC is 0 or 1"
    for finding in set(FINDINGS) - {*unjudged, "Edema"}:
        y, score = films[finding], scores[finding]
        assert table.loc[finding, "auc"] == pytest.approx(metrics.roc_auc_score(y, score), abs=1e-12)
        assert tuple(table.loc[finding, ["low", "high"]]) == auc_intervals.auc_interval(y, score)
        precision = metrics.average_precision_score(y, score)
        assert table.loc[finding, "average_precision"] == pytest.approx(precision, abs=1e-12)
        assert table.loc[finding, "note"] == ""


@steady
@given(scored)
def test_average_precision_is_scikit_learns(pair):
    assert roc.average_precision(*pair) == pytest.approx(metrics.average_precision_score(*pair), abs=1e-12)
    assert np.isnan(roc.average_precision(np.zeros(3), np.arange(3)))


def test_table_by_patient_has_every_interval(cohort_like):
    films, scores = cohort_like
    table = auc_tables.auc_table(films, scores, by_patient=True, rounds=300)
    ends = ["low", "high", "delong_low", "delong_high", "bootstrap_low", "bootstrap_high"]
    first, last = ["films", "positives", "positive_patients", "auc"], ["average_precision", "baseline", "note"]
    assert list(table.columns) == [*first, *ends, *last]
    patients_of = [films.loc[films[finding] == 1, "PatientId"].nunique() for finding in FINDINGS]
    assert table["positive_patients"].tolist() == patients_of
    given_patients = auc_tables.auc_table(films, scores, films["PatientId"], rounds=300)
    pd.testing.assert_frame_equal(table, given_patients)
    y, score, patients = films["Effusion"], scores["Effusion"], films["PatientId"]
    draws = bootstrap.bootstrap_aucs(y, score, patients, 300)
    row = table.loc["Effusion"]
    assert tuple(row[ends[:2]]) == auc_intervals.auc_interval(y, score, patients=patients)
    assert tuple(row[ends[2:4]]) == auc_intervals.auc_interval(y, score)
    effective = auc_intervals.influence(y, score, patients).effective
    expected = bootstrap.percentile_interval(draws[:, None], effective=[effective])[0]
    assert tuple(row[ends[4:]]) == pytest.approx(tuple(expected), abs=1e-12)
    assert table.loc[["Hernia", "Mass", "Nodule"], ends].isna().all().all()
    short = auc_tables.auc_table(films, scores, by_patient=True, rounds=0)
    pd.testing.assert_frame_equal(short, table.drop(columns=ends[4:]))


def test_table_of_arrays_and_of_unnamed_rows(cohort_like):
    films, scores = cohort_like
    expected = auc_tables.auc_table(films, scores)
    labels = films[list(FINDINGS)]
    pd.testing.assert_frame_equal(auc_tables.auc_table(labels.to_numpy(), scores.to_numpy()), expected)
    named = labels.set_axis(scores.index, axis=0)
    pd.testing.assert_frame_equal(auc_tables.auc_table(named, scores), expected)
    pd.testing.assert_frame_equal(auc_tables.auc_table(labels, scores.to_numpy()), expected)
    pd.testing.assert_frame_equal(auc_tables.auc_table(labels.to_numpy(), scores), expected)
    pd.testing.assert_frame_equal(auc_tables.auc_table(films, scores.reset_index()), expected)
    pd.testing.assert_frame_equal(auc_tables.auc_table(named.iloc[::-1], scores), expected)
    with pytest.raises(CourseError, match="120 of 120 films, 0 for one, are named in the labels only"):
        auc_tables.auc_table(labels, scores)
    with pytest.raises(CourseError, match="119 rows of labels, 120 of scores"):
        auc_tables.auc_table(labels.iloc[1:].to_numpy(), scores)
    with pytest.raises(CourseError, match=r"shape \(120, 3\)"):
        auc_tables.auc_table(labels.to_numpy()[:, :3], scores)


def test_averages_say_what_they_average(cohort_like):
    films, scores = cohort_like
    table, averages = auc_tables.auc_table(films, scores), auc_tables.auc_averages(films, scores, films["PatientId"])
    assert averages.loc["macro", "auc"] == pytest.approx(table["auc"].mean(), abs=1e-12)
    assert "mean of 11 findings" in averages.loc["macro", "what"]
    labels, answers = films[list(FINDINGS)].to_numpy(), scores[list(FINDINGS)].to_numpy()
    assert averages.loc["micro", "auc"] == pytest.approx(
        metrics.roc_auc_score(labels.ravel(), answers.ravel()), abs=1e-12
    )
    assert "1,680 films times findings" in averages.loc["micro", "what"]


def test_intervals_of_averages_are_those_of_a_bootstrap():
    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(200), 3)
    y = (rng.random((200, 14)) < 0.3).astype(int).repeat(3, axis=0)
    score = y + rng.normal(size=(200, 1)).repeat(3, axis=0) + rng.normal(size=(600, 14))
    averages = auc_tables.auc_averages(y, score, patients)
    macro = bootstrap.bootstrap_aucs(y, score, patients, 600).mean(axis=1)
    micro = bootstrap.bootstrap_aucs(y.ravel(), score.ravel(), patients.repeat(14), 600)
    for name, draws in (("macro", macro), ("micro", micro)):
        width = averages.loc[name, "high"] - averages.loc[name, "low"]
        assert width == pytest.approx(2 * 1.96 * np.std(draws), rel=0.12)


def test_averages_of_nothing_are_nan():
    averages = auc_tables.auc_averages(np.zeros((5, 14)), np.random.default_rng(0).random((5, 14)))
    assert averages[["auc", "low", "high"]].isna().all().all()
    assert "mean of 0 findings" in averages.loc["macro", "what"]


def test_table_minimum_level_and_patients(cohort_like):
    films, scores = cohort_like
    table = auc_tables.auc_table(films, scores, minimum=2, level=0.8, by_patient=True, rounds=0)
    nodule = table.loc["Nodule"]  # all of one patient
    assert nodule["note"] == "too few: 1 positive patient" and np.isnan(nodule["low"])
    one = auc_tables.auc_table(films, scores, minimum=1, by_patient=True, rounds=0).loc["Nodule"]
    assert one["note"] == "no interval: one film or patient" and np.isnan(one["low"])
    assert one["auc"] == pytest.approx(metrics.roc_auc_score(films["Nodule"], scores["Nodule"]), abs=1e-12)
    expected = auc_intervals.auc_interval(films["Effusion"], scores["Effusion"], 0.8, films["PatientId"])
    assert tuple(table.loc["Effusion", ["low", "high"]]) == expected
    assert expected != auc_intervals.auc_interval(films["Effusion"], scores["Effusion"], 0.8)


def test_table_says_too_few_negatives(cohort_like):
    films, scores = cohort_like
    films["Fibrosis"] = [0] * 4 + [1] * 116
    assert auc_tables.auc_table(films, scores).loc["Fibrosis", "note"] == "too few: 4 negatives"
    films["Fibrosis"] = [1] + [0] * 119
    assert auc_tables.auc_table(films, scores).loc["Fibrosis", "note"] == "too few: 1 positive"


def test_table_matches_films_by_name(cohort_like):
    films, scores = cohort_like
    expected = auc_tables.auc_table(films, scores)
    shuffled = scores.sample(frac=1, random_state=1)[list(reversed(FINDINGS))]
    pd.testing.assert_frame_equal(auc_tables.auc_table(films, shuffled), expected)
    pd.testing.assert_frame_equal(auc_tables.auc_table(films.iloc[::-1], scores), expected)
    some = films.iloc[30:90]
    part = auc_tables.auc_table(some, scores)
    expected = metrics.roc_auc_score(some["Effusion"], scores["Effusion"].iloc[30:90])
    assert part.loc["Effusion", "auc"] == pytest.approx(expected, abs=1e-12)


def test_table_refuses_what_does_not_fit(cohort_like):
    films, scores = cohort_like
    with pytest.raises(CourseError, match=r"2 of 120 films, 000\.png for one, have no score"):
        auc_tables.auc_table(films, scores.iloc[2:])
    with pytest.raises(CourseError, match="No scores for Edema"):
        auc_tables.auc_table(films, scores.drop(columns="Edema"))
    for table in (auc_tables.auc_table, auc_tables.auc_averages, lambda y, s: comparison.compare_table(y, scores, s)):
        with pytest.raises(CourseError, match="column Mass stands twice in the scores"):
            table(films, pd.concat([scores, scores[["Mass"]]], axis=1))
        with pytest.raises(CourseError, match="column Nodule stands twice in the labels"):
            table(pd.concat([films, films[["Nodule"]]], axis=1), scores)
    with pytest.raises(CourseError, match=r"003\.png has more than one row of scores"):
        auc_tables.auc_table(films, pd.concat([scores, scores.iloc[3:4]]))
    with pytest.raises(CourseError, match="1 of 120 scores of Effusion are NaN"):
        auc_tables.auc_table(films, scores.assign(Effusion=scores["Effusion"].where(scores.index != "007.png")))
    with pytest.raises(CourseError, match="Labels of Pneumonia must be 0 or 1"):
        auc_tables.auc_table(films.assign(Pneumonia=2), scores)
    with pytest.raises(CourseError, match=r"004\.png has more than one row of labels"):
        auc_tables.auc_table(films.assign(Image=films["Image"].replace("005.png", "004.png")), scores)
    with pytest.raises(CourseError, match="single film of Cardiomegaly"):
        auc_tables.auc_table(films.iloc[:1], scores)
    with pytest.raises(CourseError, match="120 films and 119 patients"):
        auc_tables.auc_table(films, scores, films["PatientId"].iloc[1:])
