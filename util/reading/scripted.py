"""Simulated readers: they know the truth, forget some of it, and are more or less bold; for the lesson and for a rehearsal.

A reader's impression of a film is the sum of what the finding's severity adds, times the reader's skill, of the film's own
difficulty, which all readers share, of a part that this reader has of this film in both readings, and of chance. This is the
idea of Roe and Metz 1997 (doi 10.1016/S1076-6332(97)80032-3) with graded findings. All numbers are chosen, not measured on people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from util.errors import CourseError
from util.reading.files import READINGS, Answers
from util.reading.room import PLAINEST, Room
from util.seal import OPEN, seed_of

PLAIN, BY_SEVERITY = 0.3, 3.4  # what a finding adds to an impression, at once and by its severity
FILM, READER, CHANCE = 0.5, 0.5, 0.4  # standard deviations of the three parts
YES = 0.55  # impressions above are a yes
CONFIDENT = (0.12, 0.35, 0.7, 1.2)  # distances from YES at which the confidence rises by a step


@dataclass(frozen=True)
class ScriptedReader:
    """A simulated reader.

    Attributes
    ----------
    name : str
    skill : float, factor of what a finding adds; 0 for guessing
    bias : float, above 0 for a bold reader, who says yes more often
    trust : float, what a model's yes adds to an impression, and its no takes away
    seed : int; a different number gives different chance

    See Also
    --------
    scripted_class : many of them

    Examples
    --------
    >>> ScriptedReader("ann").skill
    1.0

    Taught in lesson 16, section 2.
    """

    name: str
    skill: float = 1.0
    bias: float = 0.0
    trust: float = 0.0
    seed: int = 0

    def read(self, room: Room, reading: str = "alone") -> Answers:
        """Read all films of a room; with advice the room needs a model's scores.

        The same reader, room and reading give the same answers, in every process.
        """
        if reading not in READINGS:
            raise CourseError(f"There is no reading {reading!r}: use 'alone' or 'advice'.")
        if reading == "advice" and not room.advised:
            raise CourseError("No model has read this room, so there is no advice to read with.")
        films = room.films
        rng = self._rng(room, reading)
        impression = self._impression(room) + rng.normal(scale=CHANCE, size=len(films))
        if reading == "advice":
            impression = impression + self.trust * np.where(films["Advice"], 1, -1)
        finding = impression > YES
        places = [
            self._place(room, row, rng) if yes else (np.nan, np.nan)
            for yes, row in zip(finding, films.itertuples(), strict=True)
        ]
        x, y = np.array(places).T
        confidence = 1 + np.digitize(np.abs(impression - YES), CONFIDENT)
        table = pd.DataFrame(
            {"Finding": finding, "Confidence": confidence, "X": x, "Y": y}, index=pd.Index(room.names, name="Film")
        )
        return Answers(self.name, reading, table)

    def _impression(self, room):
        severity, truth = room.films["Severity"].to_numpy(), room.truth
        shared = np.random.default_rng(seed_of(OPEN, "scripted films", room.fingerprint)).normal(
            scale=FILM, size=len(truth)
        )
        own = self._rng(room, "own").normal(scale=READER, size=len(truth))
        return self.skill * truth * (PLAIN + BY_SEVERITY * severity) + self.bias + shared + own

    def _rng(self, room, use):
        return np.random.default_rng(seed_of(OPEN, "scripted", self.name, str(self.seed), room.fingerprint, use))

    def _place(self, room, row, rng):
        """Inside the outline, the likelier the plainer the finding is; else anywhere in the middle of the film."""
        seen = row.Truth and rng.random() < 0.35 + 0.6 * self.skill * row.Severity / PLAINEST
        if not seen or not room.outlines[row.Film].any():
            return rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.75)
        mask = room.outlines[row.Film]
        rows, columns = np.nonzero(mask)
        k = rng.integers(len(rows))
        return (columns[k] + 0.5) / mask.shape[1], (rows[k] + 0.5) / mask.shape[0]


def scripted_class(readers: int, seed: int = 0) -> list[ScriptedReader]:
    """Simulated readers who differ in skill, bias and trust.

    Parameters
    ----------
    readers : int, at least 1; seed : int

    Returns
    -------
    list of ScriptedReader; skills have mean 1 and standard deviation 0.2, biases mean 0 and 0.25, trusts are from 0.1 to 0.7

    Raises
    ------
    CourseError : there is no reader.

    See Also
    --------
    ScriptedReader : one of them

    Examples
    --------
    >>> [reader.name for reader in scripted_class(3)]
    ['reader 01', 'reader 02', 'reader 03']

    Taught in lesson 16, section 2.
    """
    if readers < 1:
        raise CourseError(f"A class of {readers} readers is none: ask for at least one.")
    rng = np.random.default_rng([16, seed])
    made = zip(rng.normal(1, 0.2, readers), rng.normal(0, 0.25, readers), rng.uniform(0.1, 0.7, readers), strict=True)
    return [
        ScriptedReader(f"reader {k:02}", max(float(skill), 0.0), float(bias), float(trust), seed)
        for k, (skill, bias, trust) in enumerate(made, start=1)
    ]
