"""util.archive.drift: no alarm without a change at the stated rate, changes found, distances against closed forms."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from util.archive import drift


def sample(rng, patients=60, shift=0.0, scale=1.0, columns=6):
    """Films of patients, one to six of each, all of a patient alike: values (films, columns) and patients."""
    who = np.repeat(np.arange(patients), rng.integers(1, 7, patients))
    values = rng.normal(size=(patients, columns))[who] + 0.5 * rng.normal(size=(len(who), columns))
    return shift + scale * values, who


def compared(one, other):
    (a, who_a), (b, who_b) = one, other
    columns = [(f"column {k}", lambda k=k: (a[:, k], b[:, k])) for k in range(a.shape[1])]
    return drift._compare(columns, (who_a, who_b + 10_000))


def test_without_a_change_alarms_are_as_rare_as_promised():
    """250 comparisons of the same kind of films; films of one patient are alike, which an interval by film would forget."""
    rng = np.random.default_rng(0)
    alarms = sum(bool(compared(sample(rng), sample(rng))["alarm"].any()) for _ in range(250))
    assert alarms <= binom(250, drift.ALARMS).ppf(0.999)


def test_by_film_there_would_be_too_many_alarms():
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(100):
        (a, _), (b, _) = sample(rng), sample(rng)
        alarms += bool(compared((a, np.arange(len(a))), (b, np.arange(len(b))))["alarm"].any())
    assert alarms > binom(100, drift.ALARMS).ppf(0.999)


def test_a_shift_has_the_distance_of_two_normal_curves():
    rng = np.random.default_rng(1)
    table = compared(sample(rng, 3000), sample(rng, 3000, shift=0.7))
    places = table[~table["what"].str.contains("spread")]
    wanted = norm.cdf(0.7 / np.sqrt(2 * 1.25))
    assert places["alarm"].all() and places["distance"].to_numpy() == pytest.approx(wanted, abs=0.03)
    assert (places["low"] < wanted).all() and (places["high"] > wanted).all()


def test_what_only_spreads_is_found_as_such():
    rng = np.random.default_rng(2)
    table = compared(sample(rng, 400), sample(rng, 400, scale=2.0))
    spread = table["what"].str.contains("spread")
    assert table["alarm"][spread].all() and (table["distance"][spread] > 0.6).all()
    assert not table["alarm"][~spread].any()


def test_the_stability_index_is_the_sum_that_defines_it():
    reference, now = np.arange(100.0), np.concatenate([np.arange(50.0), np.arange(50.0)])
    counts = np.array([np.full(10, 10.5), [20.5] * 5 + [0.5] * 5])
    shares = counts / counts.sum(axis=1, keepdims=True)
    wanted = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    assert drift.stability_index(reference, now) == pytest.approx(wanted)
    assert drift.stability_index(np.zeros(50), np.zeros(50)) == 0


def test_without_a_change_the_stability_index_is_about_its_degrees_of_freedom():
    rng = np.random.default_rng(0)
    found = [drift.stability_index(rng.normal(size=2000), rng.normal(size=2000)) for _ in range(300)]
    assert np.mean(found) == pytest.approx(9 * 2 / 2000, rel=0.1)
