"""Every interval of the room has its level, and every table its least number of patients: asked of all of them alike."""

import numpy as np
import pandas as pd
import pytest

from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.auc_intervals import auc_interval
from util.metrics.auc_tables import auc_averages, auc_table
from util.metrics.calibration import calibration_line, reliability
from util.metrics.comparison import auc_difference, auc_gap, compare_table
from util.metrics.curve_bands import average_precision_interval
from util.metrics.subgroups import missed_table, subgroup_table
from util.metrics.thresholds import rates

RNG = np.random.default_rng(5)
PATIENTS = np.repeat(np.arange(60), 2)
TABLE = (RNG.random((120, 14)) < 0.4).astype(int)
SCORES, OTHERS = (TABLE + RNG.normal(0, spread, TABLE.shape) for spread in (1.1, 1.4))
Y, SCORE = TABLE[:, 0], SCORES[:, 0]
P = 1 / (1 + np.exp(-(SCORE - 0.6)))
GROUPS = np.where(np.arange(120) % 3 == 0, "AP", "PA")


def limits(table):
    return table[["low", "high"]].to_numpy(float)


INTERVALS = {
    "auc_interval": lambda level: auc_interval(Y, SCORE, level, PATIENTS),
    "average_precision_interval": lambda level: average_precision_interval(Y, SCORE, level, PATIENTS),
    "auc_table": lambda level: limits(auc_table(TABLE, SCORES, PATIENTS, level=level, rounds=0)),
    "auc_averages": lambda level: limits(auc_averages(TABLE, SCORES, PATIENTS, level=level)),
    "reliability": lambda level: limits(reliability(Y, P, 4, level, PATIENTS)),
    "calibration_line": lambda level: [
        calibration_line(Y, P, PATIENTS, level).slope_interval,
        calibration_line(Y, P, PATIENTS, level).intercept_interval,
    ],
    "auc_difference": lambda level: (lambda d: (d.low, d.high))(
        auc_difference(Y, SCORE, OTHERS[:, 0], PATIENTS, level)
    ),
    "auc_gap": lambda level: (lambda d: (d.low, d.high))(
        auc_gap(Y, SCORE, GROUPS == "AP", GROUPS == "PA", PATIENTS, level)
    ),
    "compare_table": lambda level: limits(compare_table(TABLE, SCORES, OTHERS, PATIENTS, level=level)),
    "subgroup_table": lambda level: limits(subgroup_table(Y, SCORE, GROUPS, PATIENTS, level=level)),
    "missed_table": lambda level: limits(missed_table(Y, SCORE, GROUPS, 0.5, PATIENTS, level=level)),
    "rates": lambda level: limits(rates((30, 12, 9, 40), level)),
}


@pytest.mark.parametrize("name", INTERVALS)
def test_a_higher_level_is_a_wider_interval_around_the_lower_one(name):
    half, most, nearly_all = (np.array(INTERVALS[name](level), float).reshape(-1, 2) for level in (0.5, 0.95, 0.99))
    assert np.isfinite(half).all()
    for inner, outer in ((half, most), (most, nearly_all)):
        assert (outer[:, 0] < inner[:, 0]).all() and (inner[:, 1] < outer[:, 1]).all()


TABLES = {
    "auc_table": lambda minimum: auc_table(TABLE, SCORES, PATIENTS, minimum=minimum, rounds=0)["low"],
    "compare_table": lambda minimum: compare_table(TABLE, SCORES, OTHERS, PATIENTS, minimum)["low"],
    "subgroup_table": lambda minimum: subgroup_table(Y, SCORE, GROUPS, PATIENTS, minimum)["low"],
    "missed_table": lambda minimum: missed_table(Y, SCORE, GROUPS, 0.5, PATIENTS, minimum)["low"],
}


@pytest.mark.parametrize("name", TABLES)
def test_a_row_has_numbers_exactly_from_the_minimum_on(name):
    """The rarer class of patients decides, or for missed films the patients with the finding."""
    people = pd.DataFrame({"patient": PATIENTS, "group": GROUPS})
    if "group" in TABLES[name](1).index.names or name in ("subgroup_table", "missed_table"):
        columns = {group: [(Y[group == GROUPS], people.patient[group == GROUPS])] for group in ("AP", "PA")}
    else:
        columns = {finding: [(TABLE[:, k], people.patient)] for k, finding in enumerate(FINDINGS)}
    sides = (1,) if name == "missed_table" else (0, 1)
    for row, ((y, patients),) in columns.items():
        fewest = min(patients[y == side].nunique() for side in sides)
        assert np.isfinite(TABLES[name](fewest)[row]) and np.isnan(TABLES[name](fewest + 1)[row])


def test_averages_leave_out_findings_below_the_minimum():
    rare = TABLE.copy()
    rare[:, 3] = 0
    rare[:5, 3] = 1  # three patients
    assert auc_averages(rare, SCORES, PATIENTS, minimum=3).loc["macro", "what"].startswith("mean of 14 findings")
    assert auc_averages(rare, SCORES, PATIENTS, minimum=4).loc["macro", "what"].startswith("mean of 13 findings")


def test_the_bootstrap_of_a_table_follows_its_seed():
    first, again, other = (auc_table(TABLE, SCORES, PATIENTS, rounds=50, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


@pytest.mark.parametrize("level", [0, 1, 95, np.nan])
@pytest.mark.parametrize("name", INTERVALS)
def test_a_level_in_percent_is_refused(name, level):
    with pytest.raises(CourseError, match="level"):
        INTERVALS[name](level)
