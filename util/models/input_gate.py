"""The input gate: is a picture an upright frontal chest film at all, and is it like the films a model learned from?

It checks a film of unknown origin before the model sees it. It looks at 16 x 16 ranks of gray level, too coarse to show
a finding, and at the amount of finer detail. It is fitted on the training films alone: the examples of what is *not* a
frontal film are the same films turned, inverted, cut or shuffled.

It catches gross cases only. Fitted on 200 simulated films, it refused none of 200 further ones, 6 % of 608 real films,
98 % of 300 parts of two photographs, and all of 300 smooth gradients. It refused 14 % of films turned by 30 degrees,
75 % of those turned by 45 degrees, and under 1 % of mirrored films: it does not notice left and right. It was not tried
on hands, side views or abdomens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image
from scipy.stats import rankdata

from util.errors import CourseError

SIDE, AXES, FAMILIAR = 16, 10, 0.99  # cells on each side; principal axes; share of training films called familiar
FINE = 4 * SIDE  # cells on each side of the finer grid
PLAIN = 0.5  # a picture with less than this share of the detail of the plainest training film is not a film


@dataclass(frozen=True)
class Verdict:
    """What the gate says about one film.

    Attributes
    ----------
    frontal : bool, whether it is an upright frontal chest film
    familiar : bool, whether it is frontal and as close to the training films as nearly all of them are
    sentence : str, to be shown
    """

    frontal: bool
    familiar: bool
    sentence: str


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate fitted by `fit_gate`; call it with a film, uint8 (h, w), to get a Verdict."""

    weights: np.ndarray
    bias: float
    mean: np.ndarray
    axes: np.ndarray
    spread: np.ndarray
    limit: float
    plainest: float

    def __call__(self, film: np.ndarray) -> Verdict:
        ranks = coarse_ranks(film).ravel()
        if self.weights @ ranks + self.bias <= 0 or detail(film) < self.plainest:
            return Verdict(
                False,
                False,
                "This does not look like an upright frontal chest film with air dark and bone bright: no answer is "
                "given.",
            )
        if self._distance(ranks[None])[0] > self.limit:
            return Verdict(
                True,
                False,
                f"A frontal chest film, but further from the training films than {FAMILIAR:.0%} of them: "
                "it lies outside what the model has seen, so trust no score of it.",
            )
        return Verdict(
            True,
            True,
            "A frontal chest film by its coarse grays, as like the training films as they are among themselves.",
        )

    def _distance(self, ranks):
        """Mean squared deviation along the principal axes and off them, relative to the training films' variances."""
        deviation = ranks - self.mean
        along = deviation @ self.axes.T
        beside = np.square(deviation - along @ self.axes).sum(axis=1)
        return np.square(np.column_stack([along, np.sqrt(beside)]) / self.spread).mean(axis=1)


def provenance(passport: Mapping[str, Any]) -> str:
    """A sentence on what no gate can see: where the weights come from, and what that means for a learner's film."""
    if passport["films"] == "simulated":
        return (
            "The weights have only ever seen simulated films: a real film lies outside that, even where the gate sees "
            "no difference."
        )
    return "The weights were trained on films of other hospitals: yours may differ in ways that the gate does not see."


def coarse_ranks(film: np.ndarray) -> np.ndarray:
    """Ranks of the gray levels of a film shrunk to 16 x 16: float (16, 16) from -1 to 1, the same for any window.

    film : uint8 (h, w)
    """
    film = np.asarray(film)
    if film.ndim != 2 or film.dtype != np.uint8 or min(film.shape) < SIDE:
        raise CourseError(f"The gate needs a film, uint8 (h, w) of at least {SIDE} pixels a side, here {film.shape}.")
    return _ranks(film, SIDE)


def detail(film: np.ndarray) -> float:
    """How much of a film is detail finer than 16 x 16 cells: float, 0 for a smooth gradient, about 0.065 for a film.

    It is the root mean square of the difference between 64 x 64 ranks of gray level (as shares, 0 to 1) and the same
    ranks averaged over 4 x 4 cells and interpolated.

    film : uint8 (h, w)
    """
    ranks = _ranks(film, FINE) / 2
    blocks = ranks.reshape(SIDE, FINE // SIDE, SIDE, FINE // SIDE).mean(axis=(1, 3)).astype(np.float32)
    smooth = Image.fromarray(blocks).resize((FINE, FINE), Image.Resampling.BILINEAR)
    return float(np.sqrt(np.square(ranks - np.asarray(smooth, float)).mean()))


def _ranks(film, side):
    """Ranks from -1 to 1 of the gray levels of a film shrunk to (side, side)."""
    small = np.asarray(Image.fromarray(film).resize((side, side), Image.Resampling.BILINEAR), float)
    ranks = rankdata(small.ravel()) - (side**2 + 1) / 2
    return (ranks / (side**2 - 1) * 2).reshape(side, side)


def not_frontal(film: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Pictures made from one film that are not upright frontal chest films: dict name -> uint8 (h, w).

    rng : numpy.random.Generator, for noise and shuffling
    """
    height, width = film.shape
    top, left = height // 2, width // 2
    tiles = [film[r : r + height // 4, c : c + width // 4] for r in _quarters(height) for c in _quarters(width)]
    order = rng.permutation(16)
    shuffled = np.block([[tiles[order[4 * row + column]] for column in range(4)] for row in range(4)])
    blobs = Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).resize((width, height))
    return {
        "inverted": 255 - film,
        "upside down": film[::-1],
        "turned left": np.rot90(film),
        "turned right": np.rot90(film, 3),
        "one half": film[:, :left],
        "other half": film[:, left:],
        "a corner": film[:top, :left],
        "another corner": film[top:, left:],
        "shuffled": shuffled,
        "noise": rng.integers(0, 256, film.shape, dtype=np.uint8),
        "blobs": np.asarray(blobs),
    }


def _quarters(pixels):
    return [quarter * (pixels // 4) for quarter in range(4)]


def fit_gate(films: Sequence[np.ndarray], seed: int = 0) -> Gate:
    """Fit the gate on training films, in about a second for 200.

    Parameters
    ----------
    films : list of uint8 (h, w), at least 40 upright frontal chest films, as the model was trained on
    seed : int, of noise and shuffling

    Returns
    -------
    Gate
    """
    from sklearn.linear_model import LogisticRegression

    if len(films) < 4 * AXES:
        raise CourseError(f"The gate learns what is usual: give at least {4 * AXES} training films, not {len(films)}.")
    rng = np.random.default_rng(seed)
    right = np.stack([coarse_ranks(film).ravel() for film in films])
    wrong = np.stack(
        [coarse_ranks(np.ascontiguousarray(w)).ravel() for f in films for w in not_frontal(f, rng).values()]
    )
    labels = np.repeat([1, 0], [len(right), len(wrong)])
    line = LogisticRegression(C=0.05, class_weight="balanced", max_iter=1000).fit(
        np.concatenate([right, wrong]), labels
    )
    mean = right.mean(axis=0)
    axes = np.linalg.svd(right - mean, full_matrices=False)[2][:AXES]
    along = (right - mean) @ axes.T
    beside = np.sqrt(np.square(right - mean - along @ axes).sum(axis=1))
    spread = np.sqrt(np.square(np.column_stack([along, beside])).mean(axis=0))
    plainest = PLAIN * min(detail(film) for film in films)
    gate = Gate(line.coef_[0], float(line.intercept_[0]), mean, axes, spread, np.inf, plainest)
    return replace(gate, limit=float(np.quantile(gate._distance(right), FAMILIAR)))
