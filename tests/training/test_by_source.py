"""Whole sources held out: who is learned from, which findings are judged, and what the table says."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from util.findings import FINDINGS
from util.training.by_source import judged, large_sources, others, source_table


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    films = pd.DataFrame({"Image": [f"{n}.png" for n in range(240)], "PatientId": rng.integers(0, 90, 240)})
    films["Source"] = np.repeat(["large", "small", "sick", "other"], [100, 20, 60, 60])
    films = films.assign(**dict.fromkeys(FINDINGS, 0))
    films["Mass"] = (rng.random(240) < 0.4).astype(int)
    films["Edema"] = (rng.random(240) < 0.5).astype(int)
    films.loc[films["Source"] == "sick", ["Mass", "Edema"]] = 1
    return films


def test_nobody_of_a_held_out_source_is_learned_from(table):
    learned = table.iloc[others(table, "large")]
    held_out = table[table["Source"] == "large"]
    assert "large" not in set(learned["Source"]) and not set(learned["PatientId"]) & set(held_out["PatientId"])
    left_out = table.drop(index=learned.index)
    assert left_out["PatientId"].isin(held_out["PatientId"]).all()  # and no film more than needed is left out


def test_sources_are_large_and_have_a_finding_to_judge(table):
    assert large_sources(table) == ["large", "other"]  # nobody in 'sick' is without the findings
    assert [FINDINGS[k] for k in judged(table[table["Source"] == "other"])] == ["Mass", "Edema"]


def test_the_table_has_scikit_learns_aucs_and_no_difference_between_equal_scores(table):
    scores = np.random.default_rng(6).normal(size=(240, 14))
    here = (table["Source"] == "large").to_numpy()
    (row,) = source_table(table, scores, {"large": scores[here]}).itertuples()
    expected = np.mean([roc_auc_score(table.loc[here, f], scores[here, FINDINGS.index(f)]) for f in ("Mass", "Edema")])
    assert row.source == "large" and (row.films, row.findings) == (100, 2)
    assert row.patients_held_out == row.source_held_out == pytest.approx(expected, abs=5e-5)
    assert (row.difference, row.low, row.high) == (0, 0, 0)


def test_what_a_source_gave_away_is_missing_when_it_is_held_out(table):
    rng = np.random.default_rng(7)
    known = table[list(FINDINGS)].to_numpy() + rng.normal(0, 0.5, (240, 14))
    (row,) = source_table(table, known, {"large": rng.normal(size=(100, 14))}).itertuples()
    assert row.difference < -0.2 and row.low <= row.difference <= row.high < 0
