"""util.leaks.near_duplicates: hashes against the library, the index against all pairs, copies that were planted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.exports import export
from util.data import film_hash
from util.errors import CourseError
from util.leaks import near_duplicates as nd


class Films:
    """Films in memory with the interface of a cohort."""

    def __init__(self, films):
        self.films_of = films

    def read(self, image):
        return self.films_of[image]


def bits(a, b):
    return int(np.bitwise_count(a ^ b).sum())


@given(st.integers(0, 10_000), st.integers(2, 150), st.integers(0, 256))
def test_close_pairs_are_all_pairs_within_the_distance(seed, n, most):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, (n, 4), dtype=np.uint64)
    hashes[rng.integers(0, n, 5)] = hashes[rng.integers(0, n, 5)]  # some are equal
    hashes[0] = ~hashes[1]  # all 256 bits differ: more than a byte holds
    pairs = nd.close_pairs(hashes, most)
    wanted = [(i, j, d) for i in range(n) for j in range(i + 1, n) if (d := bits(hashes[i], hashes[j])) <= most]
    assert pairs.to_numpy().tolist() == [list(pair) for pair in wanted]


def test_blocks_meet_without_gap_or_repeat(monkeypatch):
    monkeypatch.setattr(nd, "ROWS", 5)
    monkeypatch.setattr(nd, "COLUMNS", 7)
    hashes = np.zeros((23, 4), np.uint64)
    assert len(nd.close_pairs(hashes, 0)) == 23 * 22 // 2


@pytest.mark.parametrize("n", [0, 1])
def test_few_hashes_have_no_pairs(n):
    assert nd.close_pairs(np.zeros((n, 4), np.uint64)).empty


@pytest.mark.parametrize("bad", [np.zeros(4, np.uint64), np.zeros((3, 4)), np.zeros((3, 4), np.int64)])
def test_what_is_no_hash_is_refused(bad):
    with pytest.raises(CourseError, match="use film_hash"):
        nd.close_pairs(bad)


def drawn(kind):
    """A film of 90 x 120 pixels by a formula."""
    row, column = np.mgrid[:90, :120]
    film = {
        "rings": ((row - 40) ** 2 + (column - 50) ** 2) // 20 % 256,
        "slope": (2 * row + column) % 256,
        "checks": (row // 9 + column // 11) % 2 * 200,
        "product": row * column // 50 % 256,
    }[kind]
    return film.astype(np.uint8)


# Recipe, with imagehash 4.3.2: np.packbits(imagehash.phash(Image.fromarray(film), hash_size=16).hash.ravel()).view("<u8")
# of the films drawn above; on 2,008 films of both cohorts and 3,000 drawn ones all bits were equal as well.
HASHES = {
    "rings": [0x552D55D5552A55BD, 0x5A35AAD25555AAD5, 0x4A15ADD22AA5ABD2, 0x2A15A5D26A15ADD2],
    "slope": [0x97A56D53BA2C4090, 0xB2546D6AD7B5AA4A, 0x939A4D6DBA5645A9, 0x5213AD65D7BA2855],
    "checks": [0x1A00D5551A0055C5, 0x1A00FD551A005447, 0xE5FFFF5D1A005154, 0xE5FFFF7DE5FF5154],
    "product": [0x775F5D71FF7DAA88, 0xA65DD7EC7D75505B, 0x145242CC8451C08C, 0x28544EC9505F51E1],
}


@pytest.mark.parametrize("kind", HASHES)
def test_hash_is_that_of_imagehash(kind):
    assert film_hash.film_hash(drawn(kind)).tolist() == HASHES[kind]


@pytest.mark.parametrize("gray", [0, 1, 128, 255])
def test_films_of_one_gray_are_no_copies(gray, phantom_cohort):
    rng = np.random.default_rng(0)
    plain = {f"{k}.png": np.full((64, 64 + k), gray, np.uint8) for k in range(8)}
    noise = (gray + rng.integers(-1, 2, (500, 500))).clip(0, 255).astype(np.uint8)  # as JPEG leaves it
    shown = {f"film {k}": phantom_cohort.read(image) for k, image in enumerate(phantom_cohort.films["Image"][:3])}
    dark = {f"dark {name}": film // 16 for name, film in shown.items()}  # 12 bits read as 16: dark, not plain
    found = nd.near_duplicates(Films(plain | {"noise": noise} | dark), [*plain, "noise", *dark])
    assert found.empty and found.attrs["plain"] == (*plain, "noise")
    found = nd.near_duplicates(Films(plain | shown | dark), [*plain, *shown, *dark])
    assert found[["Image", "Other"]].to_numpy().tolist() == [[name, f"dark {name}"] for name in shown]


def test_a_film_that_cannot_be_read_is_named_and_costs_no_other(nih_files):
    nih_files.labels(("a.png",), ("b.png",), ("c.png",))
    for name in ("a.png", "b.png", "c.png"):
        nih_files.film(name)
    images = nih_files.root / "images"
    (images / "c.png").write_bytes((images / "a.png").read_bytes())
    (images / "b.png").write_bytes(b"")
    unreadable = {}
    found = nd.near_duplicates(nih_files.load(), unreadable=unreadable)
    assert found[["Image", "Other"]].to_numpy().tolist() == [["a.png", "c.png"]]
    assert list(unreadable) == ["b.png"] and "The film b.png cannot be read" in unreadable["b.png"]
    with pytest.raises(CourseError, match=r"The film b\.png cannot be read"):
        nd.near_duplicates(nih_files.load())


def test_the_planted_copies_of_the_cohort_are_found_and_nothing_else(phantom_cohort):
    found = nd.near_duplicates(phantom_cohort)
    assert list(found) == nd.COPIES
    assert {frozenset(pair) for pair in found[["Image", "Other"]].to_numpy()} == {
        frozenset(pair) for pair in phantom_cohort.duplicates.to_numpy()
    }


def test_exports_are_found_and_films_of_one_patient_are_not(cohort):
    """Recall on exports of 60 films, false alarms on follow-ups of the patients with most films."""
    rng = np.random.default_rng(3)
    known = set() if cohort.duplicates is None else set(cohort.duplicates["Image"])
    films = cohort.films[~cohort.films["Image"].isin(known)]
    often = films["PatientId"].value_counts().index[:6]
    names = [*films["Image"][films["PatientId"].isin(often)], *films["Image"].sample(60, random_state=0)]
    films = {name: cohort.read(name) for name in names}
    copied = {f"copy of {name}": export(films[name], rng) for name in names[-60:]}
    found = nd.near_duplicates(Films(films | copied), [*films, *copied])
    wanted = {frozenset([name, name.removeprefix("copy of ")]) for name in copied}
    assert {frozenset(pair) for pair in found[["Image", "Other"]].to_numpy()} == wanted


@pytest.mark.parametrize("crop", [0.0, 0.02])
def test_likeness_tells_a_copy_from_a_follow_up(phantom_cohort, crop):
    films = phantom_cohort.films[~phantom_cohort.films["Image"].isin(phantom_cohort.duplicates["Image"])]
    patient = films["PatientId"].value_counts().index[0]
    one, other = (phantom_cohort.read(image) for image in films["Image"][films["PatientId"] == patient].iloc[:2])
    copy = export(one, np.random.default_rng(0), crop)
    assert nd.likeness(one, copy) > nd.ALIKE > nd.likeness(one, other)
    assert nd.likeness(one, one) == pytest.approx(1)


def test_likeness_of_nothing_is_none():
    flat = np.full((50, 60), 7, np.uint8)
    assert nd.likeness(flat, flat) == -1
    assert nd.likeness(flat, np.eye(50, dtype=np.uint8)) == -1


def test_a_close_pair_is_settled_by_likeness(monkeypatch, phantom_cohort):
    """With SURE at -1 every pair is looked at, and copies stay copies."""
    monkeypatch.setattr(nd, "SURE", -1)
    pairs = phantom_cohort.duplicates.head(5)
    found = nd.near_duplicates(phantom_cohort, [*pairs["Image"], *pairs["NearDuplicateOf"]])
    assert len(found) == 5 and (found["correlation"] >= nd.ALIKE).all()


def test_no_film_no_pair(phantom_cohort):
    assert nd.near_duplicates(phantom_cohort, []).empty
    with pytest.raises(CourseError, match="not on disk"):
        nd.near_duplicates(phantom_cohort, ["nobody.jpg"])
