"""Close pairs among a million hashes, without comparing every pair and without holding the pairs that are compared.

Two hashes that differ in few bits agree on many sets of bits. A key is such a set: films that agree on all bits of a key
meet in one bucket, and only films that meet are compared. Two kinds of keys are used. *Covering* keys leave nothing to
chance: the bits are cut into bands, and each key is a band without one of its bits. Two hashes that differ in at most
``SURE`` bits differ in at most one bit of some band, so they agree on one of its keys (the pigeonhole principle, as in
multi-index hashing: Norouzi, Punjani and Fleet 2012, arXiv 1307.2982). *Drawn* keys are bits drawn at random (Indyk and
Motwani 1998, doi 10.1145/276698.276876); how many are drawn follows from the share of pairs at ``CLOSE`` bits that may be
missed. Memory grows with the number of hashes and of pairs found, not with the number of pairs compared.
"""

from math import ceil, lgamma, log, log1p

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.leaks.near_duplicates import CLOSE, SURE, check_hashes
from util.progress import progress
from util.threads import workers

MISS = (
    0.01  # of the pairs that differ in CLOSE bits, the share that may be missed; closer ones are missed far more rarely
)
TOGETHER = 8  # keys at a time, on as many cores at most: each takes some 100 bytes a hash
MOST_PAIRS = 30_000_000  # more pairs than this are no list that can be acted on, nor one that fits the memory
STRIDE = 500_000  # pairs compared at a time
LOW = np.uint64(0xFFFFFFFF)


def indexed_pairs(hashes, most=CLOSE, sure=SURE, miss=MISS, seed=0):
    """Pairs of hashes that differ in at most `most` bits, as of `close_pairs`, in a time that suits a million of them.

    Parameters
    ----------
    hashes : uint64 (n, words), n below 2**32
    most : int, bits
    sure : int, bits; at most so many, and a pair is found for certain
    miss : float in (0, 1): the probability that a pair which differs in `most` bits is missed, whichever bits these are.
        `missed` has that of closer pairs: with the defaults, it is below 1e-6 at 45 bits of 256
    seed : int, of the keys that are drawn

    Returns
    -------
    DataFrame of int: first, second (rows of `hashes`, first < second, in ascending order), bits

    Raises
    ------
    CourseError : `hashes` is no table of uint64, `miss` is no share, or more than MOST_PAIRS pairs are close.

    See Also
    --------
    util.leaks.near_duplicates.close_pairs : compares all pairs, for some ten thousand hashes
    missed : how likely a pair is to be missed

    Examples
    --------
    >>> hashes = np.random.default_rng(0).integers(0, 2**64, (3000, 4), dtype=np.uint64)
    >>> hashes[7] = hashes[2000] ^ np.uint64(0b101)  # differs in two bits of each word
    >>> indexed_pairs(hashes).to_numpy().tolist()
    [[7, 2000, 8]]

    Taught in lesson 3.
    """
    hashes = check_hashes(hashes)
    if not 0 < miss < 1:
        raise CourseError(f"The share of pairs that may be missed is {miss}: give one between 0 and 1, such as {MISS}.")
    different, group = _distinct(hashes)
    keys = keys_for(len(different), 64 * hashes.shape[1], most, min(sure, most), miss, seed)
    columns, pairs = np.ascontiguousarray(different.T), np.zeros(0, np.uint64)
    with workers() as pool:  # numpy lets go of the interpreter meanwhile
        for start in progress(range(0, len(keys), TOGETHER), "comparing hashes"):
            some = keys[start : start + TOGETHER]
            found = pool.map(lambda key: _meeting(columns, different, key, most), some)
            pairs = _merged(pairs, *found)
    return _spread(pairs, different, group, most)


def keys_for(n, bits, most=CLOSE, sure=SURE, miss=MISS, seed=0):
    """The keys for n hashes: bool (keys, bits), the covering ones first.

    A drawn key has about as many bits as it takes to number the hashes, so that few strangers meet.
    """
    rng = np.random.default_rng(seed)
    bands = np.array_split(rng.permutation(bits), min(sure // 2 + 1, bits))
    covering = np.zeros((bits, bits), bool)
    for band in bands:
        covering[np.ix_(band, band)] = True
    np.fill_diagonal(covering, False)
    size = key_size(n, bits)
    drawn = np.zeros((number_of_keys(most, bits, size, miss) if most > sure else 0, bits), bool)
    for key in drawn:
        key[rng.choice(bits, size, replace=False)] = True
    return np.concatenate([covering, drawn])


def key_size(n, bits=256):
    """Bits of a drawn key for n hashes: int."""
    return int(np.clip(np.ceil(np.log2(max(n, 2))), 8, bits // 8))


def number_of_keys(most, bits, size, miss):
    """How many keys of `size` bits are to be drawn so that a pair at `most` bits is missed with probability `miss`: int."""
    agree = _agree(most, bits, size)
    return 0 if agree in (0, 1) else ceil(log(miss) / log1p(-agree))


def missed(distance, n, bits=256, most=CLOSE, miss=MISS):
    """Upper limit of the probability that a pair at a distance, in bits, is missed among n hashes: that of the drawn keys.

    It holds for each pair, whichever bits differ, because the keys are drawn without a look at the hashes.

    Examples
    --------
    >>> print(f"{missed(60, 1_000_000):.3f}", missed(45, 1_000_000) < 1e-6)
    0.010 True
    """
    size = key_size(n, bits)
    agree = _agree(distance, bits, size)
    return float((1 - agree) ** number_of_keys(most, bits, size, miss))


def _agree(distance, bits, size):
    """Probability that two hashes at a distance agree on all bits of a drawn key (hypergeometric)."""
    same = bits - distance
    if size > same:
        return 0.0
    return float(np.exp(lgamma(same + 1) - lgamma(same - size + 1) - lgamma(bits + 1) + lgamma(bits - size + 1)))


def _distinct(hashes):
    """Different hashes, and for each row the number of its own: equal films would meet under every key."""
    order = np.lexsort(hashes.T)
    new = np.ones(len(hashes), bool)
    new[1:] = (hashes[order[1:]] != hashes[order[:-1]]).any(axis=1)
    group = np.empty(len(hashes), np.int64)
    group[order] = np.cumsum(new) - 1
    return np.ascontiguousarray(hashes[order[new]]), group


def _meeting(columns, hashes, key, most):
    """Close pairs among the hashes that agree on a key: uint64, the two rows in the upper and the lower 32 bits."""
    masks = np.packbits(key, bitorder="little").view(np.uint64)
    mixed = np.zeros(len(hashes), np.uint64)
    odd = np.random.default_rng(masks).integers(0, 2**63, len(masks), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    for column, mask, factor in zip(columns, masks, odd, strict=True):
        if mask:
            mixed += (column & mask) * factor  # modulo 2**64: what agrees stays equal, what differs rarely becomes so
    mixed = np.sort((mixed & ~LOW) | np.arange(len(hashes), dtype=np.uint64))
    rows, found = (mixed & LOW).astype(np.int64), [np.zeros(0, np.uint64)]
    for one, other in _in_one_bucket(mixed >> np.uint64(32)):
        one, other = rows[one], rows[other]
        apart = np.bitwise_count(hashes.take(one, axis=0) ^ hashes.take(other, axis=0))
        bits = apart[:, 0].astype(np.uint16)
        for word in range(1, apart.shape[1]):  # a sum along so short an axis would take ten times as long
            bits += apart[:, word]
        close = bits <= most
        low, high = np.sort([one[close], other[close]], axis=0).astype(np.uint64)
        found.append((low << np.uint64(32)) | high)
    return np.concatenate(found)


def _in_one_bucket(bucket):
    """Yield all pairs of places with equal numbers in a sorted array, two int arrays of about STRIDE places at a time."""
    starts = np.flatnonzero(np.append(True, bucket[1:] != bucket[:-1]))
    sizes = np.diff(starts, append=len(bucket))
    ends = np.repeat(starts + sizes, sizes)
    later = ends - np.arange(len(bucket)) - 1  # how many of its bucket follow a place
    places = np.flatnonzero(later)
    until = np.cumsum(later[places])
    at = 0
    while at < len(places):
        done = until[at - 1] if at else 0
        stop = max(at + 1, int(np.searchsorted(until, done + STRIDE, side="right")))
        some = places[at:stop]
        many = later[some]
        first = np.repeat(some, many)
        yield first, first + 1 + np.arange(len(first)) - np.repeat(until[at:stop] - many - done, many)
        at = stop


def _merged(*parts):
    """All pairs of several lists, each once, or a CourseError where they are too many."""
    pairs = np.unique(np.concatenate(parts))
    _check_number(len(pairs))
    return pairs


def _check_number(pairs):
    if pairs > MOST_PAIRS:
        raise CourseError(
            f"More than {MOST_PAIRS:,} pairs of films look alike, too many to list: leave out the films that show "
            "nothing, or many copies of one film, and look for copies again."
        )


def _spread(pairs, different, group, most):
    """The table of pairs, with films of equal hashes given back their rows."""
    one, other = (pairs >> np.uint64(32)).astype(np.int64), (pairs & LOW).astype(np.int64)
    bits = np.bitwise_count(different[one] ^ different[other]).sum(axis=1, dtype=np.int64)
    order, sizes = np.argsort(group, kind="stable"), np.bincount(group, minlength=len(different))
    several = np.flatnonzero(sizes > 1)
    one, other = np.append(one, several), np.append(other, several)
    bits = np.append(bits, np.zeros(len(several), np.int64)) if most >= 0 else bits
    one, other = one[: len(bits)], other[: len(bits)]
    counts = sizes[one] * sizes[other]
    _check_number(int(counts.sum()))
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)  # within its block
    starts, across = np.cumsum(sizes) - sizes, np.repeat(sizes[other], counts)
    first = order[np.repeat(starts[one], counts) + place // np.maximum(across, 1)]
    second = order[np.repeat(starts[other], counts) + place % np.maximum(across, 1)]
    table = pd.DataFrame(
        {"first": np.minimum(first, second), "second": np.maximum(first, second), "bits": np.repeat(bits, counts)}
    )
    table = table[table["first"] < table["second"]].drop_duplicates()  # a group meets itself twice
    return table.sort_values(["first", "second"], ignore_index=True)
