"""Whole patients to splits of exact sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from util.data.splits import stratify


@settings(max_examples=30)
@given(st.lists(st.integers(1, 6), min_size=3, max_size=40), st.integers(0, 99), st.data())
def test_sizes_are_met_and_patients_stay_whole(counts, seed, data):
    patients = np.repeat(np.arange(len(counts)), counts)
    cut = sorted(data.draw(st.lists(st.integers(0, len(patients)), min_size=2, max_size=2)))
    sizes = np.diff([0, *cut, len(patients)])
    traits = np.random.default_rng(seed).random((len(patients), 3)) < 0.4
    split = stratify(patients, traits, sizes, np.random.default_rng(seed))
    if split is None:
        return  # the last patients fit nowhere: the next test says when that must not be
    assert np.array_equal(np.bincount(split, minlength=3), sizes)
    assert all(len(set(split[patients == patient])) == 1 for patient in range(len(counts)))
    assert np.array_equal(split, stratify(patients, traits, sizes, np.random.default_rng(seed)))


def test_patients_with_one_film_always_fit():
    split = stratify(np.arange(10), np.zeros((10, 1)), [5, 3, 2], np.random.default_rng(0))
    assert np.bincount(split).tolist() == [5, 3, 2]


def test_no_way_out_is_told():
    assert stratify(np.zeros(4, int), np.zeros((4, 1)), [2, 2], np.random.default_rng(0)) is None


@pytest.mark.parametrize("seed", range(3))
def test_traits_are_shared_out_by_size(seed):
    """Ten patients of one film with the trait, and splits of a half, a third and a sixth of 60 films: 5, 3 or 4, 1 or 2."""
    traits = np.zeros((60, 1))
    traits[:10] = 1
    split = stratify(np.arange(60), traits, [30, 20, 10], np.random.default_rng(seed))
    assert np.abs(np.bincount(split[:10], minlength=3) - [5, 10 / 3, 5 / 3]).max() <= 1


def test_closer_than_chance():
    """Deviation of the shares of 20 traits from their overall shares, against random splits of single films."""
    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(400), rng.integers(1, 5, 400))
    traits = rng.random((len(patients), 20)) < 0.1
    sizes = np.array([len(patients) - 300, 200, 100])

    def deviation(split):
        return np.sqrt(np.mean([(traits[split == s].mean(0) - traits.mean(0)) ** 2 for s in range(3)]))

    random = np.repeat(np.arange(3), sizes)
    chance = np.mean([deviation(rng.permutation(random)) for _ in range(20)])
    assert deviation(stratify(patients, traits, sizes, rng)) < 0.4 * chance
