"""Splits by patient: their coverage follows the exact law, and follow-up films spoil what they should spoil."""

import numpy as np
import pytest

from util.errors import CourseError
from util.metrics.conformal import coverage_law
from util.metrics.repeated_splits import one_film_each, repeated_by_class, repeated_coverage


def families(rng, patients=80):
    """Scores of films of patients: a fifth have ten films, which are alike and stranger."""
    heavy = rng.random(patients) < 0.2
    who = np.repeat(np.arange(patients), np.where(heavy, 10, 1))
    level = 2.0 * heavy + rng.standard_normal(patients)
    return (level[who] + 0.2 * rng.standard_normal(len(who)))[:, None], who


def test_one_film_each():
    who = np.array([4, 4, 9, 4, 2, 9])
    picks = [one_film_each(who, np.random.default_rng(seed)) for seed in range(300)]
    assert all(sorted(who[pick]) == [2, 4, 9] for pick in picks)
    drawn = np.bincount(np.concatenate(picks), minlength=6) / 300
    assert drawn[4] == 1 and np.allclose(drawn[[0, 1, 3]], 1 / 3, atol=0.1)
    assert len({tuple(who[pick]) for pick in picks}) == 6  # patients come in any order


def test_one_film_a_patient_follows_the_exact_law():
    scores, who = families(np.random.default_rng(1))
    shares = repeated_coverage(scores, who, 0.2, splits=1_000)[:, 0]
    law = coverage_law(40, 0.2, films=40)
    assert shares.mean() == pytest.approx(law.mean() / 40, abs=0.01)
    assert shares.std() == pytest.approx(law.std() / 40, rel=0.1)
    for q in (0.1, 0.5, 0.9):
        assert np.mean(shares * 40 <= law.ppf(q)) == pytest.approx(law.cdf(law.ppf(q)), abs=0.06)


def test_follow_ups_widen_the_spread_and_shift_the_promise():
    scores, who = families(np.random.default_rng(2))
    films = repeated_coverage(scores, who, 0.2, "all films", "all films")
    law = coverage_law(len(who) // 2, 0.2, films=len(who) - len(who) // 2)
    assert films.std() > 1.5 * law.std() / (len(who) - len(who) // 2)
    assert repeated_coverage(scores, who, 0.2, "one film", "all films").mean() < 0.7
    assert repeated_coverage(scores, who, 0.2, "patients", "one film").mean() == pytest.approx(0.8, abs=0.03)


def test_seeds_and_too_few_films():
    scores, who = families(np.random.default_rng(3))
    same = [repeated_coverage(scores, who, 0.2, splits=5, seed=seed) for seed in (1, 1, 2)]
    assert np.array_equal(same[0], same[1]) and not np.array_equal(same[0], same[2])
    assert (repeated_coverage(scores[:10], np.arange(10), 0.05, splits=5) == 1).all()


def test_classes_are_covered_and_judged_by_another_truth():
    rng = np.random.default_rng(4)
    p = rng.beta(1, 5, (600, 2))
    y = rng.random(p.shape) < p
    found = repeated_by_class(y, p, np.arange(600), 0.1, splits=50)
    assert (found["one quantile"] < 0.6).all()
    assert (found["two quantiles"] > 0.87).all() and (found["all films"] > 0.87).all()
    assert (found["unsure"] > 0.2).all()
    never = repeated_by_class(y, p, np.arange(600), 0.1, truth=np.zeros_like(y), splits=5)
    assert np.isnan(never["two quantiles"]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": [0.1, 0.2]}, "finite numbers"),
        ({"scores": [[0.1], [np.nan]]}, "finite numbers"),
        ({"calibrate": "films"}, "no unit"),
        ({"judge": "patients"}, "no unit"),
        ({"patients": [1, 1]}, "one patient"),
        ({"alpha": 2}, "between 0 and 1"),
    ],
)
def test_wrong_input_is_named(change, words):
    given = {"scores": [[0.1], [0.2]], "patients": [1, 2], "alpha": 0.1} | change
    with pytest.raises(CourseError, match=words):
        repeated_coverage(**given)
    with pytest.raises(CourseError, match="films, findings"):
        repeated_by_class([1, 0], [0.5, 0.5], [1, 2], 0.1)
