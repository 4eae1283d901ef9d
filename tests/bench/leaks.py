"""Bench of the search for copies: recall, false alarms on films of one patient, and the seconds of a large index."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np

from tests.bench import peer, row, seconds
from tests.helpers.exports import export

EXPORTS = {
    "re-exported, JPEG quality 60": {"crop": 0, "gain": 0, "shift": 0, "quality": 60},
    "re-windowed by a fifth": {"crop": 0},
    "cropped by 1 % and re-windowed": {},
    "cropped by 2 % and re-windowed": {"crop": 0.02},
    "cropped by 3 % and re-windowed (beyond its promise)": {"crop": 0.03},
}
MILLION = """
from tests.bench.leaks import like_films, planted
from util.course.run import peak_memory
print(*planted(like_films(1_000_000)), peak_memory())
"""
PATIENTS, SEED = 73, 99  # of 30 films each: more than 30,000 pairs of one patient's films


def bench():
    """Copies and follow-ups of simulated films, and as many hashes as ChestX-ray14 has films."""
    from util.data.cohort import load_cohort
    from util.leaks.near_duplicates import close_pairs, near_duplicates

    hashes = np.random.default_rng(0).integers(0, 2**64, (112_120, 4), dtype=np.uint64)
    taken = seconds(lambda: close_pairs(hashes))
    row("all pairs of 112,120 hashes of 256 bits: seconds", f"{taken:.1f}", "limit 60 s")
    index(hashes, taken)
    faiss = peer("faiss")
    if faiss:
        some = np.ascontiguousarray(hashes[:20_000])

        def theirs():
            index = faiss.IndexBinaryFlat(256)
            index.add(some.view(np.uint8))
            return index.range_search(some.view(np.uint8), 61)

        ours = seconds(lambda: close_pairs(some))
        row("  20,000 of them: times faster than faiss.IndexBinaryFlat", f"{seconds(theirs) / ours:.1f}")
    cohort = load_cohort("phantom")
    films = {image: cohort.read(image) for image in cohort.films["Image"].sample(500, random_state=0)}
    for what, how in EXPORTS.items():
        rng = np.random.default_rng(1)
        copies = {f"copy of {image}": export(film, rng, **how) for image, film in films.items()}
        everything = films | copies
        found = near_duplicates(SimpleNamespace(read=everything.get), list(everything))
        pairs = {frozenset(pair) for pair in found[["Image", "Other"]].to_numpy()}
        right = {frozenset([image, f"copy of {image}"]) for image in films}
        row(f"copies, {what}: recall", f"{len(pairs & right) / len(right):.3f}", f"{len(right)} copies")
    follow_ups()


def index(hashes, taken):
    """The index on the same hashes, 2,000 of which are made copies at 0 to 60 bits; then on a million like films'."""
    quick, near, far = planted(hashes)
    row("  by the index: seconds", f"{quick:.1f}", f"{taken / quick:.1f} times faster than all pairs")
    row("  recall up to 24 bits, from 25 to 60", f"{near:.3f}", f"{far:.3f}")
    told = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True).stdout
    quick, near, far, peak = (float(word) for word in told.split()[-4:])
    row(
        "a million hashes like films', by the index: seconds",
        f"{quick:.0f}",
        f"{peak:,.0f} MB at the peak, limit 4,000",
    )
    row("  recall up to 24 bits, from 25 to 60", f"{near:.3f}", f"{far:.3f}")


def planted(hashes):
    """(seconds of the search, share found of the pairs at 0 to 24 bits, and of those at 25 to 60) of 2,000 made copies."""
    from util.leaks.hash_index import indexed_pairs

    rng, hashes = np.random.default_rng(1), hashes.copy()
    pairs = rng.choice(len(hashes), (2000, 2), replace=False)
    far = np.arange(2000) % 61
    for (one, other), distance in zip(pairs, far, strict=True):
        flips = np.zeros(256, np.uint8)
        flips[rng.choice(256, distance, replace=False)] = 1
        hashes[other] = hashes[one] ^ np.packbits(flips).view(np.uint64)
    found = []
    quick = seconds(lambda: found.append(indexed_pairs(hashes)))
    there = {frozenset(pair) for pair in found[0][["first", "second"]].to_numpy().tolist()}
    hit = np.array([frozenset(pair) in there for pair in pairs.tolist()])
    return quick, hit[far <= 24].mean(), hit[far > 24].mean()


def like_films(count, films=1000, seed=0):
    """Hashes uint64 (count, 4) whose bits are set as often, and go together as much, as those of the embedded films."""
    from scipy.stats import norm

    from util.data.cohort import load_cohort
    from util.data.film_hash import film_hash

    cohort, rng = load_cohort("phantom"), np.random.default_rng(seed)
    hashes = np.stack([film_hash(cohort.read(image)) for image in cohort.films["Image"][:films]])
    bits = np.unpackbits(hashes.view(np.uint8), axis=1, bitorder="little").astype(np.float32)
    mean = bits.mean(axis=0).clip(0.5 / films, 1 - 0.5 / films)
    spread = np.maximum(bits.std(axis=0), 1e-3)  # some bits are the same on all films
    together = np.cov(bits, rowvar=False) / np.outer(spread, spread) + 1e-2 * np.eye(bits.shape[1])
    way = np.linalg.cholesky(together).T.astype(np.float32)
    limit, drawn = norm.ppf(1 - mean).astype(np.float32), np.empty((count, hashes.shape[1]), np.uint64)
    for start in range(0, count, 10_000):
        some = drawn[start : start + 10_000]
        set_ = rng.standard_normal((len(some), bits.shape[1]), np.float32) @ way > limit
        some[:] = np.packbits(set_, axis=1, bitorder="little").view(np.uint64)
    return drawn


def follow_ups():
    """False alarms on follow-ups: patients of 30 films each, drawn for this."""
    from util.leaks.near_duplicates import near_duplicates
    from util.phantom.films import draw
    from util.phantom.studies import sample_studies

    table = sample_studies(40_000, SEED)
    often = table["PatientId"].value_counts()
    table = table[table["PatientId"].isin(often.index[often == 30][:PATIENTS])]
    films = {film["Image"]: draw(film, SEED, 192).pixels for film in table.to_dict("records")}
    found = near_duplicates(SimpleNamespace(read=films.get), list(films))
    pairs = int((table["PatientId"].value_counts().to_numpy() * 29 / 2).sum())
    upper = 3 / pairs if found.empty else np.nan
    row("false alarms on films of one patient", f"{len(found)}", f"of {pairs:,} pairs; upper limit {upper:.1e}")
