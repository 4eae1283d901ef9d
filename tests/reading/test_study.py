"""From answers to tables, by scikit-learn and by hand, with one reader and with sixty."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from util.errors import CourseError
from util.metrics.mrmc import mrmc
from util.reading.figures import draw_class
from util.reading.files import Answers
from util.reading.room import draw_room
from util.reading.scripted import ScriptedReader, scripted_class
from util.reading.study import (
    advice_study,
    changes_table,
    class_agreement,
    class_curve,
    model_against,
    places_share,
    ratings_of,
    readers_table,
)


def answers_of(room, readers=5, readings=("alone", "advice")):
    return [reader.read(room, reading) for reader in scripted_class(readers, seed=1) for reading in readings]


def without(answers, k):
    return Answers(
        answers.reader, answers.reading, answers.table.drop(answers.table.index[k]), [answers.table.index[k]]
    )


def test_each_readers_point_and_auc_are_those_of_scikit_learn(room):
    answers = answers_of(room)
    table = readers_table(answers, room)
    for one in answers:
        row = table.loc[one.reader, one.reading]
        tn, fp, fn, tp = confusion_matrix(room.truth, one.table["Finding"]).ravel()
        assert row["tpr"] == pytest.approx(tp / (tp + fn)) and row["fpr"] == pytest.approx(fp / (fp + tn))
        assert row["auc"] == pytest.approx(roc_auc_score(room.truth, one.ratings))
        assert row["tpr_low"] <= row["tpr"] <= row["tpr_high"] and row["auc_low"] <= row["auc"] <= row["auc_high"]


def test_a_reader_who_left_a_film_out_has_a_point_and_is_not_in_the_class(room):
    answers = answers_of(room, 3)
    answers[0] = without(answers[0], 4)
    table = readers_table(answers, room)
    assert table.iloc[0]["films"] == 23 and 0 < table.iloc[0]["auc"] < 1
    names, ratings = ratings_of(answers)
    assert names == ["reader 02", "reader 03"] and ratings.shape == (2, 2, 24)
    kept = answers[0].table.index
    truth = room.films.set_index("Film").loc[kept, "Truth"]
    assert table.iloc[0]["auc"] == pytest.approx(roc_auc_score(truth, answers[0].ratings))


def test_a_reader_of_one_class_only_has_no_curve(room):
    ill = room.films.loc[room.films["Truth"], "Film"]
    one = ScriptedReader("ann").read(room)
    table = readers_table([Answers("ann", "alone", one.table.loc[ill], [])], room)
    assert np.isnan(table["auc"].iloc[0]) and np.isnan(table["fpr"].iloc[0]) and table["tpr"].iloc[0] > 0


def test_advice_less_alone_is_the_analysis_of_both_readings(room):
    answers = answers_of(room)
    names, study = advice_study(answers, room)
    by = {(one.reader, one.reading): one.ratings for one in answers}
    ratings = [[by[name, reading] for name in names] for reading in ("advice", "alone")]
    assert study.differences.equals(mrmc(room.truth, ratings).differences)
    assert len(names) == 5 and study.aucs.shape == (2, 5)


def test_one_reader_and_sixty_go_through_all_of_it(room):
    for readers in (1, 60):
        answers = answers_of(room, readers)
        names, study = advice_study(answers, room)
        assert len(names) == readers and len(readers_table(answers, room)) == 2 * readers
        assert study.tests["p"].notna().sum() == (1 if readers == 1 else 3)
        assert model_against(answers, room)["low"].notna().sum() == (1 if readers == 1 else 3)
        assert (class_agreement(answers, room) is None) == (readers == 1)
        assert changes_table(answers, room)["readings"].sum() == 24 * readers
        assert len(draw_class(room, ratings_of(answers, ("alone",))[1][0]).axes[0].lines) == 4


def test_the_class_beside_the_model(room):
    answers = answers_of(room)
    _, ratings = ratings_of(answers, ("alone",))
    expected = np.mean([roc_auc_score(room.truth, r) for r in ratings[0]]) - roc_auc_score(
        room.truth, room.films["Score"]
    )
    assert model_against(answers, room)["difference"].to_numpy() == pytest.approx(expected)


def test_changes_are_counted_by_hand(room):
    answers = answers_of(room, 2)
    table, expected = changes_table(answers, room), {}
    by = {(one.reader, one.reading): one.table["Finding"].to_numpy() for one in answers}
    for name in ("reader 01", "reader 02"):
        for k, truth in enumerate(room.truth):
            sides = [room.films["Advice"].iloc[k] == truth, by[name, "alone"][k] == truth]
            key = tuple("right" if side else "wrong" for side in sides)
            expected.setdefault(key, []).append(by[name, "advice"][k] == truth)
    for key, row in table.iterrows():
        assert row["readings"] == len(expected.get(key, [])) and row["right"] == sum(expected.get(key, []))


def test_a_mean_curve_of_one_reader_is_the_readers_own_and_starts_at_both_corners(room):
    ratings = ScriptedReader("ann").read(room).ratings[None]
    curve = class_curve(room, ratings)
    assert curve[0] >= 0 and curve[-1] == 1 and (np.diff(curve) >= 0).all()
    assert np.trapezoid(curve, dx=0.01) == pytest.approx(roc_auc_score(room.truth, ratings[0]), abs=0.01)


def test_places_are_a_share_of_called_films_with_the_finding(room):
    ill = list(room.outlines)
    rows, columns = np.nonzero(room.outlines[ill[0]])
    hit = (columns[0] + 0.5) / 64, (rows[0] + 0.5) / 64
    well = room.films.loc[~room.films["Truth"], "Film"].iloc[0]
    table = pd.DataFrame(
        [[True, 3, *hit], [True, 3, np.nan, np.nan], [False, 3, *hit], [True, 3, 0.5, 0.5]],
        index=[*ill[:3], well], columns=["Finding", "Confidence", "X", "Y"],
    )  # fmt: skip
    assert places_share(Answers("ann", "alone", table), room) == 0.5
    assert np.isnan(places_share(Answers("ann", "alone", table.iloc[2:]), room))


def test_what_cannot_be_said_is_said(room):
    with pytest.raises(CourseError, match="No reader"):
        advice_study(answers_of(room, 2, ("alone",)), room)
    plain, _ = draw_room("plain", films=8, size=64)
    with pytest.raises(CourseError, match="No model"):
        model_against([], plain)
