"""Pools of simulated films that were scored once, from which a year in the clinic is drawn: python -m util clinic --pools FILE

The same patients are filmed under five conditions, so that two pools differ in nothing else: as usual, on a loaned scanner
(another look-up table, sharper), with a new marker, with portable films only, and after a silent update of the software that
hands the films of three of four detectors to the network with black and white exchanged: DICOM knows both ways (MONOCHROME1 and 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.data.cohort import HOME
from util.data.tables import read_table
from util.errors import CourseError
from util.files import check_place, write_text
from util.findings import FINDINGS
from util.progress import progress

POOLS = HOME / "data" / "clinic.csv"
FINDING = "Edema"  # the finding that the clinic's model looks for: it has a winter, and the view moves its logit
CONDITIONS = ("usual", "scanner", "marker", "portable", "update")
WITH, WITHOUT, SEED, SIZE = 110, 210, 52, 320  # films with and without the finding; of the draw; pixels a side
SCANNER = {"look": "flat", "contrast": 0.4, "gamma": 2.0, "enhance": 3.5, "local": 0.8, "blur": 0.05}
PORTABLE = {"view": "AP", "portable": True}
PERSON = ["Image", "Age", "Sex", "View"]


@dataclass(frozen=True, eq=False)
class Pools:
    """Scored films of one finding, under each condition.

    Attributes
    ----------
    finding : str
    films : DataFrame, a row for each film: Image, Age (years), Sex ('M', 'F'), View ('PA', 'AP', as usual), Truth and
        Mined (0, 1)
    logits : dict condition -> float (films,)

    See Also
    --------
    read_pools : those of the course

    Examples
    --------
    >>> read_pools().logits["usual"].shape
    (320,)

    Taught in lesson 14, section 1.
    """

    finding: str
    films: pd.DataFrame
    logits: dict

    def views(self, condition: str) -> np.ndarray:
        """The view of each film under a condition, str (films,): all are AP where films are portable only.

        See Also
        --------
        read_pools : makes the pools

        Examples
        --------
        >>> sorted(set(read_pools().views("portable").tolist()))
        ['AP']

        Taught in lesson 14, section 1.
        """
        usual = self.films["View"].to_numpy(dtype=str)
        return np.full(len(usual), "AP") if condition == "portable" else usual


def read_pools(finding: str = FINDING, path: str | None = None) -> Pools:
    """The pools that come with the course.

    Parameters
    ----------
    finding : one of ``util.findings.FINDINGS``
    path : a table that ``python -m util clinic --pools`` wrote; by default the one of the course

    Raises
    ------
    CourseError : the finding is unknown, or the table is damaged.

    See Also
    --------
    pools_of_scores : pools of films of your own
    util.clinic.year.simulate_year : draws a year from them

    Examples
    --------
    >>> pools = read_pools()
    >>> pools.finding, len(pools.films), int(pools.films["Truth"].sum())
    ('Edema', 320, 110)

    Taught in lesson 14, section 1.
    """
    if finding not in FINDINGS:
        raise CourseError(f"There is no finding {finding!r}: choose one of {', '.join(FINDINGS)}.")
    logits = {condition: f"{condition}:{finding}" for condition in CONDITIONS}
    names = [*PERSON, f"truth:{finding}", f"mined:{finding}", *logits.values()]
    table = read_table(POOLS if path is None else path, {name: name for name in names}, "a table of pools")
    films = (
        table[PERSON]
        .astype({"Age": int})
        .assign(Truth=table[f"truth:{finding}"].astype(int), Mined=table[f"mined:{finding}"].astype(int))
    )
    values = {condition: table[name].to_numpy(dtype=float) for condition, name in logits.items()}
    if not all(np.isfinite(value).all() for value in values.values()):
        raise CourseError(
            f"The pools {POOLS if path is None else path} have logits that are no numbers: make them anew."
        )
    return Pools(finding, films, values)


def pools_of_scores(films: pd.DataFrame, logits: np.ndarray, finding: str) -> Pools:
    """Pools of films that were really taken: as usual, and those in the AP view in place of portable films only.

    Parameters
    ----------
    films : DataFrame with Image, Age, Sex, View and the finding's labels (0, 1), which count as the truth here
    logits : float (films,), of the finding
    finding : str, a column of `films`

    Returns
    -------
    Pools with the one condition 'usual'

    Raises
    ------
    CourseError : the numbers of films and logits differ, or a view or label lacks films to draw from.

    See Also
    --------
    read_pools : the simulated pools, of five conditions

    Examples
    --------
    >>> films = pd.DataFrame({"Image": list("abcd"), "Age": 50, "Sex": "F", "View": ["PA", "PA", "AP", "AP"], "Mass": [0, 1, 0, 1]})
    >>> list(pools_of_scores(films, [-1.0, 1, 0, 2], "Mass").logits)
    ['usual']

    Taught in lesson 14, section 5.
    """
    logits = np.asarray(logits, dtype=float)
    if len(logits) != len(films):
        raise CourseError(f"{len(logits)} logits for {len(films)} films: give one for each film.")
    kept = (
        films[PERSON].assign(Truth=films[finding].astype(int), Mined=films[finding].astype(int)).reset_index(drop=True)
    )
    if kept.groupby(["View", "Truth"]).size().reindex([(v, t) for v in ("PA", "AP") for t in (0, 1)]).isna().any():
        raise CourseError(f"A year of {finding} needs PA and AP films with and without it: choose another finding.")
    return Pools(finding, kept, {"usual": logits})


def sample_patients(with_it: int = WITH, without: int = WITHOUT, seed: int = SEED) -> pd.DataFrame:
    """The table of the films to draw: one film of each patient, as many with and without the finding as wanted.

    See Also
    --------
    util.phantom.studies.sample_studies : the columns

    Examples
    --------
    >>> (sample_patients(3, 5)["Edema"] > 0).sum()
    np.int64(3)
    """
    from util.phantom.studies import sample_studies

    drawn = sample_studies(max(2000, 60 * (with_it + without)), [seed, 1], enriched=True).drop_duplicates("PatientId")
    has = drawn[FINDING] > 0
    return pd.concat([drawn[has].iloc[:with_it], drawn[~has].iloc[:without]]).sort_index().reset_index(drop=True)


def draw_under(row: dict, condition: str, seed: int = SEED, size: int = SIZE) -> np.ndarray:
    """The film, uint8 (size, size), of a row of ``sample_patients`` under a condition; body and findings are the same.

    See Also
    --------
    util.phantom.films.draw : draws it as usual

    Examples
    --------
    >>> row = sample_patients(1, 1).to_dict("records")[0]
    >>> draw_under(row, "marker", size=64).shape
    (64, 64)
    """
    from util.phantom.acquisition import make_acquisition
    from util.phantom.anatomy import make_anatomy
    from util.phantom.render import render

    taken = {"view": row["View"], "portable": bool(row["Portable"]), "chest_tube": bool(row["ChestTube"])}
    taken |= {"scanner": SCANNER, "portable": PORTABLE}.get(condition, {})
    exposure = make_acquisition(seed, row["PatientId"], row["FollowUp"], taken.pop("view"), **taken)
    body = make_anatomy(seed, row["PatientId"], row["BaseAge"], row["Sex"])
    severities = {finding: row[finding] for finding in FINDINGS if row[finding] > 0}
    episodes = {finding: row[f"{finding}_episode"] for finding in severities}
    film = render(body, exposure, severities, seed, size=size, episodes=episodes).pixels
    if condition == "update" and row["PatientId"] % 4:  # the films of three of four detectors
        return 255 - film
    return new_marker(film) if condition == "marker" else film


def new_marker(film: np.ndarray) -> np.ndarray:
    """A copy of a film, uint8 (h, w), with a bright plate that names the department in its upper right corner.

    See Also
    --------
    util.explain.shortcut.stamp : a marker that a network learns from

    Examples
    --------
    >>> int(new_marker(np.zeros((100, 100), np.uint8)).max())
    255
    """
    film, side = film.copy(), film.shape[0]
    corner, end = (int(0.70 * side), int(0.02 * side)), (int(0.98 * side), int(0.16 * side))
    cv2.rectangle(film, corner, end, 255, -1)
    place = (int(0.72 * side), int(0.12 * side))
    cv2.putText(film, "NORTH", place, cv2.FONT_HERSHEY_SIMPLEX, 0.75 * side / 320, 20, max(1, side // 160))
    return film


def make_pools(with_it: int = WITH, without: int = WITHOUT, seed: int = SEED) -> pd.DataFrame:
    """Draw all films under all conditions and score them: the table of the course, logits rounded to two decimals.

    It needs TensorFlow and the weights `phantom`, and takes about six minutes on two cores.

    See Also
    --------
    draw_under : draws a film under a condition

    Examples
    --------
    Not run by the tests, since it needs TensorFlow and minutes.

    >>> len(make_pools())  # doctest: +SKIP
    320
    """
    from util.models.predict import BATCH_SIZE, predict_films
    from util.models.weights import load_pretrained

    table = sample_patients(with_it, without, seed)
    pretrained, rows = load_pretrained("phantom"), table.to_dict("records")
    found = {condition: [] for condition in CONDITIONS}
    for condition in progress(CONDITIONS, "pools"):
        for start in range(0, len(rows), BATCH_SIZE):
            films = [draw_under(row, condition, seed) for row in rows[start : start + BATCH_SIZE]]
            inputs = np.stack([pretrained.preprocessing(film) for film in films])
            found[condition].append(predict_films(pretrained.model, inputs))
    blocks = [table[PERSON].reset_index(drop=True)]
    blocks += [pd.DataFrame({f"truth:{f}": (table[f] > 0).astype(int) for f in FINDINGS})]
    blocks += [pd.DataFrame({f"mined:{f}": table[f"{f}_mined"].astype(int) for f in FINDINGS})]
    for condition, parts in found.items():
        logits = np.concatenate(parts).astype(float).round(2) + 0.0  # no '-0.0'
        blocks.append(pd.DataFrame(logits, columns=[f"{condition}:{f}" for f in FINDINGS]))
    return pd.concat(blocks, axis=1)


@command()
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code, 2 after a mistake in the arguments.

    See Also
    --------
    make_pools : does the work

    Examples
    --------
    Not run by the tests, since it needs TensorFlow and minutes.

    >>> main(["--pools", "data/clinic.csv"])  # doctest: +SKIP
    0
    """
    parser = argument_parser("clinic", __doc__)
    parser.add_argument("--pools", required=True, metavar="FILE", help="table to write, such as data/clinic.csv")
    options = parser.parse_args(arguments)
    check_place(options.pools)
    write_text(options.pools, make_pools().to_csv(index=False, lineterminator="\n"))
    print(
        f"{WITH + WITHOUT} simulated films under {len(CONDITIONS)} conditions in {options.pools}. Not for clinical use."
    )
