"""util.leaks.overlap: shared patients against a double loop, the split and what test films teach against their definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from util.data.cohort import load_table
from util.data.splits import split_by_patient
from util.errors import CourseError
from util.findings import FINDINGS
from util.leaks.overlap import learns_from_test, patient_overlap

FRACTIONS = {"train": 0.7, "valid": 0.1, "test": 0.2}
ids = st.lists(st.integers(1, 30), max_size=40)


def films(patients, **more):
    return pd.DataFrame({"PatientId": patients, **more})


@given(ids, ids)
def test_overlap_is_what_a_double_loop_finds(a, b):
    expected = sorted({p for p in a for q in b if p == q})
    assert patient_overlap(films(a), films(b)).tolist() == expected


@given(ids, ids)
def test_overlap_does_not_depend_on_the_order_of_tables_or_rows(a, b):
    assert np.array_equal(patient_overlap(films(a), films(b)), patient_overlap(films(b[::-1]), films(a)))


def test_overlap_of_text_ids():
    assert patient_overlap(films(["0003", "0007"]), films(["0007", "0007"])).tolist() == ["0007"]


def test_overlap_refuses_ids_that_could_never_meet():
    with pytest.raises(CourseError, match="the same way in both"):
        patient_overlap(films([3, 4]), films(["00000003"]))


@pytest.mark.parametrize("bad", [pd.DataFrame({"Patient": [1]}), films([1, None]), films(["3", None])])
def test_incomplete_patients_are_refused(bad):
    with pytest.raises(CourseError, match="PatientId"):
        patient_overlap(films([1]), bad)
    with pytest.raises(CourseError, match="PatientId"):
        split_by_patient(bad, FRACTIONS, seed=0)


cohorts = st.lists(st.integers(1, 8), min_size=40, max_size=90).map(
    lambda sizes: films(np.repeat(1000 + np.arange(len(sizes)), sizes))
)


@given(cohorts, st.integers(0, 2**32 - 1))
def test_split_keeps_patients_together_and_shares_within_one_patient(table, seed):
    split = split_by_patient(table, FRACTIONS, seed)
    assert split.index.equals(table.index) and split.name == "Split"
    assert (split.groupby(table["PatientId"]).nunique() == 1).all()
    largest = table["PatientId"].value_counts().max()
    for name, share in FRACTIONS.items():
        assert abs((split == name).sum() - share * len(table)) <= largest


@given(cohorts, st.integers(0, 999))
def test_split_does_not_depend_on_the_order_of_rows(table, seed):
    shuffled = table.sample(frac=1, random_state=seed)
    pd.testing.assert_series_equal(
        split_by_patient(shuffled, FRACTIONS, seed).loc[table.index], split_by_patient(table, FRACTIONS, seed)
    )


def test_split_depends_on_the_seed_and_only_on_it():
    table = films(np.repeat(np.arange(60), 2))
    first = split_by_patient(table, FRACTIONS, 1)
    assert first.equals(split_by_patient(table, FRACTIONS, 1))
    assert not first.equals(split_by_patient(table, FRACTIONS, 2))


def test_every_patient_is_as_likely_to_be_tested():
    """With 10 patients of one film and a share of .2, each is in the test split in 1 of 5 seeds."""
    table = films(np.arange(10))
    seeds = 800
    tested = sum((split_by_patient(table, {"train": 0.8, "test": 0.2}, seed) == "test") for seed in range(seeds))
    assert tested.sum() == 2 * seeds  # exactly 2 of 10 films each time
    assert (abs(tested - 0.2 * seeds) < 5 * np.sqrt(seeds * 0.2 * 0.8)).all()


def test_split_is_frozen():
    """Recipe: 8 patients of 1, 2, 1, 2 ... films, halves, seed 0."""
    table = films(np.repeat(np.arange(8), [1, 2] * 4))
    split = split_by_patient(table, {"a": 0.5, "b": 0.5}, 0)
    assert "".join(split) == "bbbaaabaaabb"


def errors_off(table, split):
    """How far each finding's prevalence in each split is from the whole, in sampling errors of a random draw of films."""
    labels = table[list(FINDINGS)]
    p = labels.mean()
    return [
        ((labels[split == name].mean() - p).abs() / np.sqrt(p * (1 - p) / (split == name).sum())).max()
        for name in split.unique()
    ]


@pytest.mark.parametrize("seed", range(3))
def test_every_finding_is_kept_within_its_sampling_error(cohort, seed):
    assert max(errors_off(cohort.films, split_by_patient(cohort.films, FRACTIONS, seed))) < 1


def test_the_whole_table_of_nih_is_split_alike(nih_root):
    table = load_table(nih_root).films
    assert len(table) == 112_120
    split = split_by_patient(table, FRACTIONS, 0)
    assert max(errors_off(table, split)) < 0.5
    assert (split.groupby(table["PatientId"]).nunique() == 1).all()


def test_a_random_split_of_patients_keeps_findings_less_well(phantom_cohort):
    """The test above can fail: patients drawn without looking at their findings."""
    table = phantom_cohort.films
    drawn = split_by_patient(table[["PatientId"]], FRACTIONS, 0)
    assert max(errors_off(table, drawn)) > 1


def test_a_share_of_zero_gets_no_film():
    table = films(np.arange(20))
    assert set(split_by_patient(table, {"none": 0, "train": 0.5, "test": 0.5}, 0)) == {"train", "test"}


@pytest.mark.parametrize("bad", [{}, {"train": 0.8}, {"train": 1.2, "test": -0.2}, {"train": 80, "test": 20}])
def test_fractions_must_be_shares_of_one(bad):
    with pytest.raises(CourseError, match="together 1"):
        split_by_patient(films(np.arange(20)), bad, seed=0)


def test_a_split_without_patients_is_refused():
    with pytest.raises(CourseError, match="'valid'"):
        split_by_patient(films([1, 1, 1, 2, 2]), FRACTIONS, seed=0)
    with pytest.raises(CourseError, match="too few"):
        split_by_patient(films([]), FRACTIONS, seed=0)


X = np.arange(24.0).reshape(8, 3)
Y = np.tile([[0, 1], [1, 0]], (4, 1))
TRAINING = np.arange(8) < 6


@pytest.mark.parametrize(
    ("fit", "leaks"),
    [
        (lambda x, y, training: x[training].mean(axis=0), False),
        (lambda x, y, training: (x[training].mean(), y[training].mean(axis=0)), False),
        (lambda x, y, training: x.mean(axis=0), True),
        (lambda x, y, training: y.mean(axis=0), True),
        (lambda x, y, training: (x[training].mean(), x.std()), True),
        (lambda x, y, training: [x[training].mean(), 1e-9 * x[~training].sum()], True),
        (lambda x, y, training: x[training & (y[:, 0] == 1)].mean(axis=0), False),
        (lambda x, y, training: np.nan, False),
        (lambda x, y, training: np.array(["effusion"]), False),
        (lambda x, y, training: x[~training][y[~training, 0] == 1], True),
    ],
)
def test_a_step_learns_from_test_films_or_not(fit, leaks):
    x, y = X.copy(), Y.copy()
    assert learns_from_test(fit, x, y, TRAINING) is leaks
    assert (x == X).all() and (y == Y).all()


def test_test_films_are_tried_as_negatives_at_half_the_gray_and_with_either_label():
    """What each fit is given, besides the films as they are; training films and their labels stay as they are."""
    x, y, training = np.array([[8.0], [4.0], [2.0]]), np.array([[1], [0], [1]]), np.array([True, False, False])
    given = []
    assert not learns_from_test(lambda x, y, training: given.append((x.tolist(), y.tolist())) or [1], x, y, training)
    films, labels = x.tolist(), y.tolist()
    assert given == [
        (films, labels), ([[8], [4], [6]], labels), ([[8], [2], [1]], labels),
        (films, [[1], [0], [0]]), (films, [[1], [1], [1]]),
    ]  # fmt: skip


def test_a_step_that_changes_its_films_harms_nobody():
    def careless(x, y, training):
        x -= x[training].mean()
        return x[training].std()

    assert not learns_from_test(careless, X, Y, TRAINING)
    assert X[0, 0] == 0


@pytest.mark.parametrize("training", [np.ones(8, bool), TRAINING[:5]])
def test_there_must_be_test_films(training):
    with pytest.raises(CourseError, match="not for training"):
        learns_from_test(lambda x, y, training: 0, X, Y, training)
