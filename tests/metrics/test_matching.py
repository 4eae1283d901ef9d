"""Rows of two tables find each other by name, or are refused: no AUC of mismatched rows comes out."""

import numpy as np
import pandas as pd
import pytest

from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.auc_tables import auc_averages, auc_table
from util.metrics.comparison import compare_table
from util.metrics.matching import matched, matched_patients
from util.metrics.roc import auc

F = list(FINDINGS)


@pytest.fixture
def pair():
    """Labels and scores of 200 films, numbered from 0, nearly separated; patients of two films."""
    rng = np.random.default_rng(0)
    y = pd.DataFrame(rng.integers(0, 2, (200, 14)), columns=F)
    return y, pd.DataFrame(rng.normal(size=(200, 14)), columns=F) + 3 * y


def tables(y, score, patients=None):
    yield auc_table(y, score, patients, rounds=0)["auc"].mean()
    yield auc_averages(y, score, patients).loc["macro", "auc"]
    yield compare_table(y, score, score, patients)["first"].mean()
    yield compare_table(y, -score, score, patients)["second"].mean()


def test_shuffled_rows_are_brought_back_whichever_side_was_shuffled(pair):
    y, score = pair
    right = list(tables(y, score))
    assert min(right) > 0.95
    named = [table.set_axis([f"{i}.png" for i in range(200)], axis=0) for table in pair]
    images = named[1].rename_axis("Image").reset_index()
    for labels, scores in (
        (y, score.sample(frac=1, random_state=0)),
        (y.sample(frac=1, random_state=0), score),
        (named[0], named[1].sample(frac=1, random_state=0)),
        (named[0].rename_axis("Image").reset_index(), images.set_index("Image").iloc[::-1]),
        (y.assign(Image=images["Image"]).iloc[::-1], named[1]),
        (y.to_numpy(), score),
        (y, score.to_numpy()),
        (y.iloc[:, ::-1], score),
        (y, score.sample(frac=1, random_state=0).iloc[:, ::-1]),
    ):
        if isinstance(scores, pd.DataFrame):
            assert list(tables(labels, scores)) == pytest.approx(right, abs=1e-12)
        assert auc_table(labels, scores)["auc"].mean() == pytest.approx(right[0], abs=1e-12)


def test_labels_may_be_fewer_than_scores_and_not_more(pair):
    y, score = pair
    assert matched(y.iloc[50:90], score)[1].tolist() == score.iloc[50:90].to_numpy().tolist()
    with pytest.raises(CourseError, match="100 of 200 films, 0 for one, are named in the labels only"):
        matched(y, score.iloc[100:])
    with pytest.raises(CourseError, match="100 rows of labels, 200 of scores"):
        matched(y.iloc[:100].to_numpy(), score.to_numpy())


def test_rows_of_the_same_name_are_refused_unless_in_one_order(pair):
    y, score = pair
    twice = [0, *range(199)]
    assert len(matched(y.set_axis(twice, axis=0), score.set_axis(twice, axis=0))[0]) == 200
    with pytest.raises(CourseError, match="The film 0 has more than one row of scores"):
        matched(y, score.set_axis(twice, axis=0))
    with pytest.raises(CourseError, match="The film 0 has more than one row of labels"):
        matched(y.set_axis(twice, axis=0), score)


def test_a_column_that_stands_twice_is_named(pair):
    y, score = pair
    for table, what in (((y, pd.concat([score, score[["Mass"]]], axis=1)), "scores"),):
        with pytest.raises(CourseError, match=f"The column Mass stands twice in the {what}"):
            matched(*table)
    named = y.assign(Image=[f"{i}.png" for i in range(200)])
    with pytest.raises(CourseError, match="The column Image stands twice in the labels"):
        matched(pd.concat([named, named[["Image"]]], axis=1), score)
    assert matched(y, pd.concat([score, pd.DataFrame({"x": score["Mass"]})], axis=1))[1].shape == (200, 14)


def test_patients_follow_the_labels_rows(pair):
    y, score = pair
    patients = pd.Series(np.arange(200) // 4)
    right = auc_table(y, score, patients, rounds=0)
    for given in (patients.sample(frac=1, random_state=1), patients.to_numpy(), list(patients)):
        pd.testing.assert_frame_equal(auc_table(y, score, given, rounds=0), right)
    pd.testing.assert_frame_equal(auc_table(y.iloc[::-1], score, patients, rounds=0), right)
    pd.testing.assert_frame_equal(auc_table(y.assign(PatientId=patients), score, by_patient=True, rounds=0), right)
    images = y.assign(Image=[f"{i}.png" for i in range(200)])
    by_image = patients.set_axis(images["Image"]).iloc[::-1]
    assert matched_patients(images, by_image).tolist() == patients.tolist()
    with pytest.raises(CourseError, match="patients' rows are named otherwise"):
        matched_patients(y, patients.set_axis(range(200, 400)))
    for labels in (y, y.to_numpy()):
        with pytest.raises(CourseError, match="needs labels with a column PatientId"):
            auc_table(labels, score, by_patient=True)


def test_two_columns_in_different_orders_are_refused(pair):
    y, score = pair[0]["Mass"], pair[1]["Mass"]
    with pytest.raises(CourseError, match="name the same rows in another order"):
        auc(y, score.iloc[::-1])
    assert auc(y.iloc[::-1], score.iloc[::-1]) == auc(y, score)
    assert auc(y, score.set_axis([f"{i}.png" for i in range(200)])) == auc(y, score)  # other names, taken in order


@pytest.mark.parametrize("kind", ["Int64", "boolean", "Float64", object])
def test_labels_as_pandas_makes_them(pair, kind):
    y, score = pair
    right = auc_table(y, score)
    other = y.astype(bool).astype("boolean") if kind == "boolean" else y.astype(kind)
    pd.testing.assert_frame_equal(auc_table(other, score), right)
    other = other.copy()
    other.iloc[3, 0] = None if kind is object else pd.NA
    with pytest.raises(CourseError, match="Labels of Cardiomegaly must be 0 or 1"):
        auc_table(other, score)
    scores = score.astype("Float64")
    pd.testing.assert_frame_equal(auc_table(y, scores), right)
    scores.iloc[3, 1] = pd.NA
    with pytest.raises(CourseError, match="1 of 200 scores of Emphysema are NaN"):
        auc_table(y, scores)


def test_text_is_no_score_and_no_label(pair):
    y, score = pair
    words = score.astype(object)
    words.iloc[0, 2] = "high"
    with pytest.raises(CourseError, match="scores of Effusion must be numbers"):
        auc_table(y, words)
    for labels in (["a", "b"], np.array(["0", "x"]), pd.to_datetime(["2020-01-01", "2020-01-02"])):
        with pytest.raises(CourseError, match="must be"):
            auc(labels, [0.1, 0.2])
    with pytest.raises(CourseError, match="scores must be numbers"):
        auc([0, 1], np.array([1j, 2]))
    assert auc(["0", "1"], ["0.1", "0.2"]) == 1
