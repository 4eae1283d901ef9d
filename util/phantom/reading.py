"""A reading test: films of different simulated patients, some with a finding, and the score of the reader's answers."""

import matplotlib.pyplot as plt
import numpy as np

from util.errors import CourseError
from util.findings import FINDINGS
from util.phantom.gallery import PATIENT, draw_finding_boxes, draw_plain, patient_film
from util.plots import show

COLUMNS, LETTERS = 3, 12  # films in a row; size of the titles in points, legible when the figure is 390 pixels wide
FAINTEST, PLAINEST = 0.1, 0.9  # severities of the films with the finding


class ReadingTest:
    """Films to read for one finding.

    Parameters
    ----------
    finding : one of ``util.findings.FINDINGS``
    films : int, how many, at least 6
    seed : int, of the patients, of the films with the finding, and of their severities

    Attributes
    ----------
    severities : dict, number of a film from 1 -> severity of the finding, 0 where it is not there
    """

    def __init__(self, finding, films=9, seed=0):
        if finding not in FINDINGS:
            raise CourseError(f"There is no finding {finding!r}: choose one of {', '.join(FINDINGS)}.")
        if films < 6:
            raise CourseError(f"A test of {films} films is too short: ask for at least 6.")
        rng = np.random.default_rng([seed, FINDINGS.index(finding)])
        self.finding, ill = finding, int(rng.integers(films // 2, films // 2 + 3))
        drawn = np.zeros(films)
        drawn[:ill] = np.linspace(FAINTEST, PLAINEST, ill)
        self.severities = {number: float(s) for number, s in enumerate(rng.permutation(drawn), start=1)}
        patients = PATIENT + 1 + rng.permutation(200)[:films]
        self._films = {
            number: patient_film(
                finding if severity else None, severity, patient=int(patient), sex="MF"[int(rng.integers(2))]
            )
            for (number, severity), patient in zip(self.severities.items(), patients, strict=True)
        }

    @property
    def with_finding(self):
        """Numbers of the films with the finding: list of int."""
        return [number for number, severity in self.severities.items() if severity]

    def show(self):
        """Show the films under their numbers."""
        fig, axes = self._grid()
        for ax, (number, film) in zip(axes, self._films.items(), strict=False):
            draw_plain(ax, film.pixels, f"film {number}")
            ax.title.set_fontsize(LETTERS)
        show(fig, alt=f"{len(self._films)} numbered simulated chest films, some with {self.finding}.")

    def score(self, named):
        """Print how many films the reader got right, and show the truth, with boxes around the finding.

        Parameters
        ----------
        named : list of int, the films on which the reader sees the finding, perhaps none; or None as long as there is no
            answer, and then nothing is revealed
        """
        if named is None:
            print("Write down the films on which you see it, and run this cell again: then it shows the truth.")
            return
        named = set(np.atleast_1d(np.array(named, dtype=object)).tolist())
        if unknown := sorted(named - set(self.severities), key=str):
            raise CourseError(f"There is no film {unknown[0]!r}: the films are numbered from 1 to {len(self._films)}.")
        ill = set(self.with_finding)
        well = set(self.severities) - ill
        print(f"found: {len(named & ill)} of {len(ill)} films with {self.finding}")
        print(f"false alarms: {len(named & well)} of {len(well)} films without it")
        if missed := sorted(self.severities[number] for number in ill - named):
            print("severities missed:", ", ".join(f"{severity:.1f}" for severity in missed))
        print(
            f"your sensitivity: {len(named & ill) / len(ill):.0%}, your specificity: {len(well - named) / len(well):.0%}"
        )
        self._reveal(named)

    def _reveal(self, named):
        fig, axes = self._grid()
        for ax, (number, film) in zip(axes, self._films.items(), strict=False):
            severity = self.severities[number]
            verdict = ("found" if severity else "false alarm") if number in named else ("missed" if severity else "")
            truth = f"severity {severity:.1f}" if severity else "not there"
            draw_plain(ax, film.pixels, f"film {number}: {verdict or 'left alone'}\n{truth}")
            draw_finding_boxes(ax, film, self.finding)
            ax.title.set_fontsize(LETTERS)
        show(fig, alt=f"The same films with yellow boxes around {self.finding}, on films {self.with_finding}.")

    def _grid(self):
        rows = -(-len(self._films) // COLUMNS)
        fig, axes = plt.subplots(
            rows, COLUMNS, figsize=(5.4, 2.15 * rows), dpi=144, layout="constrained", squeeze=False
        )
        for ax in axes.flat[len(self._films) :]:
            ax.axis("off")
        return fig, axes.flat
