"""A person and a model: how good is a reader alone and with advice, and when is advice followed that should not be?"""

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from util.errors import CourseError

FILMS, WRONG = 24, 8  # films to read; how many of them get wrong advice
FINDING = "Effusion"
GRID = (3, 4)  # rows and columns of a picture of films
PIXELS = 150  # a side of a film as it is shown


def exact_interval(hits: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """Interval (low, high) of a share that is never too narrow, however few films (Clopper and Pearson 1934).

    Parameters
    ----------
    hits, of : int, 0 <= hits <= of
    level : float in (0, 1)

    Returns
    -------
    (low, high) : floats; (NaN, NaN) where `of` is 0. The low end is the share at which as many hits or more happen in
    (1 - level) / 2 of all tries, the high end that for as many or fewer. Doi 10.1093/biomet/26.4.404.

    Raises
    ------
    CourseError : the numbers are no share, or the level is out of range.

    See Also
    --------
    util.metrics.proportions.wilson_interval : narrower, and right on average

    Examples
    --------
    >>> low, high = exact_interval(9, 10)
    >>> print(round(low, 3), round(high, 4))
    0.555 0.9975

    Taught in lesson 14, section 6.
    """
    if not 0 <= hits <= of or not 0 < level < 1:
        raise CourseError(
            f"{hits} of {of} at a level of {level} is no share: give 0 <= hits <= of and a level below 1."
        )
    if of == 0:
        return np.nan, np.nan
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, of - hits + 1, tail))
    return low, (1.0 if hits == of else float(betaincinv(hits + 1, of - hits, 1 - tail)))


def reliance(truth: np.ndarray, alone: np.ndarray, advice: np.ndarray, final: np.ndarray) -> pd.DataFrame:
    """How good a reader is alone and with advice, and how the advice is taken.

    Parameters
    ----------
    truth, alone, advice, final : bool (films,): the finding is there; the reader said so alone; the advice says so; the
        reader says so with the advice

    Returns
    -------
    DataFrame with the rows 'sensitivity alone', 'sensitivity with advice', 'specificity alone', 'specificity with
    advice', 'over-reliance' (of the films read rightly alone whose advice is wrong, the share that followed it) and
    'under-reliance' (of the films read wrongly alone whose advice is right, the share that did not follow it), columns
    hits, of, share, low, high (exact). These are one minus the two measures of Schemmer et al. 2023
    (doi 10.1145/3581641.3584066).

    Raises
    ------
    CourseError : the arrays differ in length.

    See Also
    --------
    exact_interval : low and high

    Examples
    --------
    >>> table = reliance([1, 0, 0], alone=[1, 0, 1], advice=[0, 0, 0], final=[0, 0, 1])
    >>> table.loc["over-reliance", ["hits", "of"]].tolist(), table.loc["under-reliance", ["hits", "of"]].tolist()
    ([1, 1], [1, 1])

    Taught in lesson 14, section 6.
    """
    truth, alone, advice, final = (np.asarray(part, dtype=bool) for part in (truth, alone, advice, final))
    if len({len(truth), len(alone), len(advice), len(final)}) != 1:
        raise CourseError("Truth, both readings and the advice must have one answer for each film.")
    tempted, helped = (alone == truth) & (advice != truth), (alone != truth) & (advice == truth)
    counts = {
        "sensitivity alone": (alone & truth, truth),
        "sensitivity with advice": (final & truth, truth),
        "specificity alone": (~alone & ~truth, ~truth),
        "specificity with advice": (~final & ~truth, ~truth),
        "over-reliance": (tempted & (final == advice), tempted),
        "under-reliance": (helped & (final != advice), helped),
    }
    rows = {}
    for name, (hits, of) in counts.items():
        hits, of = int(hits.sum()), int(of.sum())
        low, high = exact_interval(hits, of)
        rows[name] = {"hits": hits, "of": of, "share": hits / of if of else np.nan, "low": low, "high": high}
    return pd.DataFrame(rows).T.astype({"hits": int, "of": int})


def answers(text: str, films: int = FILMS) -> np.ndarray:
    """Answers, bool (films,), from a text of as many letters y and n; blanks and commas do not count.

    Raises
    ------
    CourseError : the letters are not as many as the films, or there are others.

    See Also
    --------
    invented_reader : where nobody reads

    Examples
    --------
    >>> answers("yn ny", films=4).tolist()
    [True, False, False, True]

    Taught in lesson 14, section 6.
    """
    letters = [letter for letter in text.lower() if not letter.isspace() and letter not in ",;"]
    if len(letters) != films or set(letters) - {"y", "n"}:
        raise CourseError(f"{films} answers are asked for, each y or n; here are {len(letters)} letters: {text!r}.")
    return np.array([letter == "y" for letter in letters])


def invented_reader(truth: np.ndarray, advice: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Both readings of an invented reader: right on 4 films of 5 alone, and following 6 of 10 advices that differ.

    Returns (alone, final), bool (films,).

    See Also
    --------
    answers : those of a real reader

    Examples
    --------
    >>> alone, final = invented_reader(np.array([True, False]), np.array([True, True]))
    >>> len(alone), len(final)
    (2, 2)

    Taught in lesson 14, section 6.
    """
    rng = np.random.default_rng([6, seed])
    truth, advice = np.asarray(truth, bool), np.asarray(advice, bool)
    alone = truth ^ (rng.random(len(truth)) < 0.2)
    follows = rng.random(len(truth)) < 0.6
    return alone, np.where((advice != alone) & follows, advice, alone)


class AdvisedReading:
    """Simulated films to read twice, alone and with advice that is wrong at known times.

    Parameters
    ----------
    seed : int, of patients, severities and wrong advice; half of the films have the finding, and a third of each kind gets
        wrong advice

    Attributes
    ----------
    truth, advice : bool (FILMS,); severities : float (FILMS,)

    See Also
    --------
    reliance : what is made of the answers

    Examples
    --------
    >>> test = AdvisedReading(seed=14)
    >>> int(test.truth.sum()), int((test.advice != test.truth).sum())
    (12, 8)

    Taught in lesson 14, section 6.
    """

    def __init__(self, seed: int = 0):
        rng = np.random.default_rng([24, seed])
        half = FILMS // 2
        order = rng.permutation(FILMS)
        self.severities = np.concatenate([np.linspace(0.06, 0.6, half), np.zeros(FILMS - half)])[order]
        self.truth = self.severities > 0
        wrong = np.zeros(FILMS, bool)
        for kind in (True, False):
            wrong[rng.choice(np.flatnonzero(self.truth == kind), WRONG // 2, replace=False)] = True
        self.advice = self.truth ^ wrong
        self._patients = 300 + rng.permutation(200)[:FILMS]
        self._sexes = rng.choice(["M", "F"], FILMS)

    def film(self, number: int) -> np.ndarray:
        """The film of a number from 1 on, uint8 (150, 150)."""
        import cv2

        from util.phantom.gallery import patient_film

        severity = float(self.severities[number - 1])
        whose = {"patient": int(self._patients[number - 1]), "sex": str(self._sexes[number - 1])}
        pixels = patient_film(FINDING if severity else None, severity, **whose).pixels
        return cv2.resize(pixels, (PIXELS, PIXELS), interpolation=cv2.INTER_AREA) // 8 * 8  # a small picture

    def show(self, first: int, captions: list | None = None) -> None:
        """Show twelve films from a number on, under their numbers or other captions."""
        import matplotlib.pyplot as plt

        from util.phantom.gallery import draw_plain
        from util.plots import show

        fig, axes = plt.subplots(*GRID, figsize=(6.4, 5.3), dpi=100, layout="constrained")
        for place, ax in enumerate(axes.flat):
            number = first + place
            draw_plain(ax, self.film(number), captions[place] if captions else f"film {number}")
        fig.suptitle(f"{FINDING}? (simulated)")
        show(fig, alt=f"Simulated chest films {first} to {number}, to be read for {FINDING}.")

    def advice_text(self) -> str:
        """The advice as text, twelve films a line."""
        said = [f"{number} {'yes' if yes else 'no'}" for number, yes in enumerate(self.advice, start=1)]
        return "\n".join(", ".join(said[start : start + 12]) for start in range(0, FILMS, 12))
