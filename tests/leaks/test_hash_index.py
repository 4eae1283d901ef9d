"""util.leaks.hash_index: the index against all pairs, the guarantee at its edge, the stated share of misses by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from tests.helpers.exports import export
from util.data.film_hash import film_hash
from util.errors import CourseError
from util.leaks import hash_index as hi
from util.leaks.near_duplicates import CLOSE, SURE, close_pairs


def as_list(table):
    return table.to_numpy().tolist()


def flipped(hashes, rng, distance):
    """The hashes with so many of their bits flipped, for each other ones."""
    out = []
    for row in hashes:
        bits = np.unpackbits(row.view(np.uint8))
        bits[rng.choice(len(bits), distance, replace=False)] ^= 1
        out.append(np.packbits(bits).view(np.uint64))
    return np.array(out)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 150), st.integers(0, SURE), st.integers(1, 4))
def test_pairs_up_to_the_sure_distance_are_those_of_all_pairs(seed, n, most, words):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, (n, words), dtype=np.uint64)
    hashes[rng.integers(0, n, 5)] = hashes[rng.integers(0, n, 5)]  # some are equal
    hashes[n // 2 :] = flipped(hashes[: n - n // 2], rng, int(rng.integers(0, SURE + 3)))
    assert as_list(hi.indexed_pairs(hashes, most, seed=seed)) == as_list(close_pairs(hashes, most))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, CLOSE))
def test_what_is_found_is_close_and_once(seed, distance):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, (60, 4), dtype=np.uint64)
    hashes = np.concatenate([hashes, flipped(hashes, rng, distance)])
    found, wanted = as_list(hi.indexed_pairs(hashes, seed=seed)), as_list(close_pairs(hashes))
    assert {tuple(row) for row in found} <= {tuple(row) for row in wanted} and found == sorted(found)
    assert len({tuple(row) for row in found}) == len(found) >= 0.8 * len(wanted)  # 1 % of those at 60 bits are missed


@given(st.integers(0, 1000), st.sets(st.integers(0, 255), max_size=SURE))
def test_no_set_of_24_bits_meets_all_covering_keys(seed, bits):
    covering = hi.keys_for(1000, 256, seed=seed)[:256]
    assert not covering[:, sorted(bits)].any(axis=1).all()


def test_the_guarantee_ends_where_it_says():
    """Two bits in each of the 13 bands meet every covering key: 26 bits may be missed by them, 25 may not."""
    covering = hi.keys_for(1000, 256)[:256]
    left, bits = covering.copy(), []
    while left.any(axis=1).any():
        band = np.flatnonzero(left[np.flatnonzero(left.any(axis=1))[0]])
        bits += band[:2].tolist()
        left[left[:, band].any(axis=1)] = False
    assert len(bits) == 26 and covering[:, bits].any(axis=1).all()
    assert not covering[:, bits[:-1]].any(axis=1).all()


@pytest.mark.parametrize("distance", [0, 5, 24, 45, 60, 200])
def test_the_chance_to_agree_on_a_key_is_hypergeometric(distance):
    assert hi._agree(distance, 256, 17) == pytest.approx(hypergeom(256, distance, 17).pmf(0), rel=1e-9)


def test_pairs_are_missed_as_often_as_stated(monkeypatch):
    """Without the covering keys, and with 20 % of the pairs at 60 bits to be missed: counted among 2,000 pairs."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (2000, 4), dtype=np.uint64)
    hashes = np.concatenate([hashes, flipped(hashes, rng, CLOSE)])
    monkeypatch.setattr(hi, "keys_for", lambda *args, kept=hi.keys_for: kept(*args)[256:])
    found = hi.indexed_pairs(hashes, miss=0.2)
    lost = 2000 - int((found["second"] - found["first"] == 2000).sum())
    low, high = binom(2000, hi.missed(CLOSE, 4000, miss=0.2)).ppf([0.001, 0.999])
    assert low <= lost <= high
    assert hi.missed(CLOSE, 4000, miss=0.2) == pytest.approx(0.2, abs=0.01)


def test_the_share_that_is_missed_falls_fast():
    shares = [hi.missed(distance, 1_000_000) for distance in (30, 45, 54, 60)]
    assert shares == sorted(shares) and shares[1] < 1e-6 and shares[2] < 1e-3 and shares[3] <= 0.01


def test_copies_of_films_are_those_of_all_pairs(phantom_cohort):
    """All embedded films and 100 exports of the kind that the course makes: the same table, bit by bit."""
    rng = np.random.default_rng(0)
    films = [phantom_cohort.read(image) for image in phantom_cohort.films["Image"].sample(300, random_state=1)]
    hashes = [film_hash(film) for film in films]
    for crop in (0.0, 0.01, 0.02):
        hashes += [film_hash(export(film, rng, crop)) for film in films[:100]]
    hashes = np.array(hashes)
    wanted = close_pairs(hashes)
    assert len(wanted) >= 300 and wanted["bits"].max() > SURE
    assert as_list(hi.indexed_pairs(hashes)) == as_list(wanted)


def test_films_that_are_equal_meet_once(monkeypatch):
    monkeypatch.setattr(hi, "STRIDE", 7)
    hashes = np.zeros((40, 4), np.uint64)
    hashes[20:] += np.uint64(3)
    assert as_list(hi.indexed_pairs(hashes, 2)) == as_list(close_pairs(hashes, 2))
    assert len(hi.indexed_pairs(hashes, 1)) == 2 * 20 * 19 // 2


def test_memory_is_that_of_the_hashes_and_not_of_the_pairs(monkeypatch):
    """30,000 hashes are 450 million pairs, and a table of them alone would take 3.6 GB."""
    import tracemalloc

    hashes = np.random.default_rng(0).integers(0, 2**64, (30_000, 4), dtype=np.uint64)
    monkeypatch.setattr(hi, "keys_for", lambda *args, kept=hi.keys_for: kept(*args)[::40])
    tracemalloc.start()
    try:
        hi.indexed_pairs(hashes)
        assert tracemalloc.get_traced_memory()[1] < 300e6
    finally:
        tracemalloc.stop()


def test_too_many_pairs_end_in_one_sentence(monkeypatch):
    monkeypatch.setattr(hi, "MOST_PAIRS", 100)
    with pytest.raises(CourseError, match="More than 100 pairs"):
        hi.indexed_pairs(np.zeros((20, 4), np.uint64))
    near = np.arange(20, dtype=np.uint64)[:, None] * np.ones(4, np.uint64)
    with pytest.raises(CourseError, match="More than 100 pairs"):
        hi.indexed_pairs(near)


@pytest.mark.parametrize("n", [0, 1])
def test_few_hashes_have_no_pairs(n):
    assert hi.indexed_pairs(np.zeros((n, 4), np.uint64)).empty


@pytest.mark.parametrize("bad", [np.zeros(4, np.uint64), np.zeros((3, 4))])
def test_what_is_no_hash_is_refused(bad):
    with pytest.raises(CourseError, match="use film_hash"):
        hi.indexed_pairs(bad)


@pytest.mark.parametrize("miss", [0, 1, np.nan])
def test_a_share_that_is_none_is_refused(miss):
    with pytest.raises(CourseError, match="between 0 and 1"):
        hi.indexed_pairs(np.zeros((2, 4), np.uint64), miss=miss)
