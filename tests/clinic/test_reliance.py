"""util.clinic.reliance: the exact interval against its definition and scipy's, reliance against plain counting, the films."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from util.clinic.reliance import FILMS, WRONG, AdvisedReading, answers, exact_interval, invented_reader, reliance
from util.errors import CourseError

counts = st.integers(1, 60).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_exact_intervals_are_scipys(pair, level):
    theirs = binomtest(*pair).proportion_ci(level, method="exact")
    assert exact_interval(*pair, level) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize("of", [6, 12, 24])
def test_exact_intervals_contain_the_share_often_enough_whatever_it_is(of):
    intervals = np.array([exact_interval(hits, of) for hits in range(of + 1)])
    for share in np.linspace(0.01, 0.99, 99):
        inside = (intervals[:, 0] <= share) & (share <= intervals[:, 1])
        assert binom.pmf(np.arange(of + 1), of, share)[inside].sum() >= 0.95


def test_an_interval_of_nothing_and_of_no_share():
    assert np.isnan(exact_interval(0, 0)).all()
    for wrong in ((3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0)):
        with pytest.raises(CourseError, match="no share"):
            exact_interval(*wrong)


readings = st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=40)


@given(readings)
def test_reliance_film_by_film(films):
    table = reliance(*np.array(films).T)
    over = [f == v for t, a, v, f in films if a == t and v != t]
    under = [f != v for t, a, v, f in films if a != t and v == t]
    ill = [(a, f) for t, a, v, f in films if t]
    well = [(not a, not f) for t, a, v, f in films if not t]
    expected = {"over-reliance": over, "under-reliance": under}
    for name, pairs in (("sensitivity", ill), ("specificity", well)):
        expected |= {f"{name} alone": [a for a, _ in pairs], f"{name} with advice": [f for _, f in pairs]}
    for name, hits in expected.items():
        assert table.loc[name, ["hits", "of"]].tolist() == [sum(hits), len(hits)]


def test_readers_who_always_and_never_follow():
    test = AdvisedReading(1)
    alone = invented_reader(test.truth, test.advice, 3)[0]
    assert reliance(test.truth, alone, test.advice, test.advice).loc["over-reliance", "share"] == 1
    never = reliance(test.truth, alone, test.advice, alone)
    assert never.loc["over-reliance", "share"] == 0 and never.loc["under-reliance", "share"] == 1


def test_the_invented_reader_is_as_good_as_is_said():
    truth, advice = np.random.default_rng(1).random((2, 20_000)) < 0.5
    alone, final = invented_reader(truth, advice, 2)
    assert (alone == truth).mean() == pytest.approx(0.8, abs=0.01)
    differs = alone != advice
    assert (final == advice)[differs].mean() == pytest.approx(0.6, abs=0.02)
    assert np.array_equal(final[~differs], alone[~differs])


@pytest.mark.parametrize("seed", range(5))
def test_half_has_the_finding_and_a_third_of_each_kind_wrong_advice(seed):
    test = AdvisedReading(seed)
    wrong = test.advice != test.truth
    assert test.truth.sum() == FILMS / 2 and wrong.sum() == WRONG and wrong[test.truth].sum() == WRONG / 2


def test_advice_is_numbered_like_the_films_a_dozen_a_line():
    test = AdvisedReading(14)
    lines = [line.split(", ") for line in test.advice_text().split("\n")]
    assert [len(line) for line in lines] == [12, 12] and FILMS == 24
    told = {int(number): word for number, word in (part.split() for line in lines for part in line)}
    assert told == {number + 1: "yes" if yes else "no" for number, yes in enumerate(test.advice)}


def test_films_are_shown_in_two_small_pictures(capsys):
    test = AdvisedReading(14)
    assert test.film(1).shape == (150, 150) and not np.array_equal(test.film(1), test.film(2))
    said = test.advice_text().replace("\n", ", ").split(", ")
    assert [text.endswith("yes") for text in said] == test.advice.tolist()
    test.show(13)
    assert "Figure" in capsys.readouterr().out


def test_answers_are_letters():
    assert answers("ynYN, nn", films=6).tolist() == [True, False, True, False, False, False]
    for wrong in ("yny", "ynx1", ""):
        with pytest.raises(CourseError, match="4 answers"):
            answers(wrong, films=4)


def test_answers_of_different_length_are_refused():
    with pytest.raises(CourseError, match="one answer for each film"):
        reliance([1, 0], [1, 0], [1], [1, 0])
