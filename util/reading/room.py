"""A reading room: simulated films to be read by a class, whose truth follows from an instructor's secret.

The films are drawn, so that the truth is known and so is the place of each finding. Bodies, order, severities and names all
follow from the secret and the room's name (`util.seal`): with the same secret the room can be drawn again, and without it the
program is of no help. The key of self-study, `util.seal.OPEN`, is known to everyone and hides nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from util.data.tables import quoted, read_text
from util.errors import CourseError
from util.files import write_text
from util.findings import FINDINGS
from util.phantom.acquisition import make_acquisition
from util.phantom.render import render
from util.phantom.twins import body_of, people
from util.seal import OPEN, derive, seed_of

FORMAT = 1  # of the room's file
FILMS, SIZE, FINDING = 48, 512, "Nodule"
FEWEST, MOST = 8, 200  # films of a room
FAINTEST, PLAINEST = 0.03, 0.5  # severities of the films with the finding
OTHERS = ("Infiltration", "Fibrosis", "Pleural_Thickening", "Cardiomegaly", "Effusion")
OTHER_SHARE, OTHER_SEVERITY = (
    1 / 3,
    0.4,
)  # share of the films without the finding that show something else; its severity
LONGEST_NAME = 60
MARGIN = 0.02  # of a film's width: a click this close to the outline counts as inside


@dataclass(frozen=True, eq=False)
class Room:
    """Films to be read for one finding, and what only the instructor knows of them.

    Attributes
    ----------
    name, finding, fingerprint : str; the fingerprint is on the pages and in the answers, and says nothing of the truth
    films : DataFrame, a row for each film in the order of the first reading: Film (its name), Truth (bool), Severity (0 to 1),
        Other (another finding that is drawn, or ''), Patient (int), Second (its place in the second reading, from 0), and,
        where a model has read the films, Score (float) and Advice (bool)
    outlines : dict of a film's name -> bool (h, w), only of films with the finding

    See Also
    --------
    draw_room : makes one, with its pixels

    Examples
    --------
    >>> room, pixels = draw_room("demo", films=8, size=96)
    >>> int(room.films["Truth"].sum()), pixels[room.names[0]].shape
    (4, (96, 96))

    Taught in lesson 16, section 1.
    """

    name: str
    finding: str
    fingerprint: str
    films: pd.DataFrame
    outlines: dict = field(repr=False)

    @property
    def names(self) -> list[str]:
        """The films' names in the order of the first reading."""
        return self.films["Film"].tolist()

    @property
    def truth(self) -> np.ndarray:
        """Whether the finding is there: bool (films,)."""
        return self.films["Truth"].to_numpy(bool)

    @property
    def patients(self) -> np.ndarray:
        """The patient of each film: int (films,)."""
        return self.films["Patient"].to_numpy(int)

    @property
    def advised(self) -> bool:
        """Whether a model has read the films."""
        return "Advice" in self.films

    def inside(self, film: str, x: float, y: float) -> bool:
        """Whether a place is inside the outline of the finding, or nearer to it than MARGIN of the film's width.

        film : str; x, y : shares of width and height, 0 left and 0 above. False on a film without the finding.
        """
        if (
            film not in self.outlines or not self.outlines[film].any()
        ):  # a faint finding may cover no pixel of a small film
            return False
        rows, columns = np.nonzero(self.outlines[film])
        height, width = self.outlines[film].shape
        away = np.hypot((columns + 0.5) / width - x, ((rows + 0.5) / height - y) * height / width)
        return bool(away.min() <= MARGIN)

    def with_scores(self, scores: np.ndarray, threshold: float) -> Room:
        """The room with a model's scores (films,) and its advice, 'yes' from the threshold on."""
        scores = np.asarray(scores, dtype=float)
        if scores.shape != (len(self.films),) or not np.isfinite(scores).all():
            raise CourseError(f"Scores have shape {scores.shape}: give one number for each of {len(self.films)} films.")
        return replace(self, films=self.films.assign(Score=scores, Advice=scores >= threshold))


def plan_room(name: str, finding: str = FINDING, films: int = FILMS, secret: bytes = OPEN) -> pd.DataFrame:
    """The table of a room's films (`Room.films`), without drawing any.

    Parameters
    ----------
    name : str, of the room: letters, digits, blanks, and - _ . in between, at most 60 characters
    finding : one of ``util.findings.FINDINGS``
    films : int from 8 to 200; half of them have the finding
    secret : bytes

    Raises
    ------
    CourseError : an argument is out of range.

    See Also
    --------
    draw_room : draws the films, too

    Examples
    --------
    >>> plan = plan_room("demo", films=10)
    >>> int(plan["Truth"].sum()), float(plan["Severity"].max())
    (5, 0.5)

    Taught in lesson 16, section 1.
    """
    _check(name, finding, films)
    rng = np.random.default_rng(seed_of(secret, "reading room", name, finding, "plan"))
    ill = films // 2
    severity = np.zeros(films)
    severity[:ill] = np.linspace(FAINTEST, PLAINEST, ill).round(4)
    other = np.full(films, "", dtype=object)
    some = round(OTHER_SHARE * (films - ill))
    names = [one for one in OTHERS if one != finding]
    other[ill : ill + some] = [names[k % len(names)] for k in range(some)]
    order = rng.permutation(films)
    return pd.DataFrame(
        {
            "Film": _film_names(secret, name, finding, films),
            "Truth": severity[order] > 0,
            "Severity": severity[order],
            "Other": other[order],
            "Patient": np.arange(films),
            "Second": rng.permutation(films),
        }
    )


def _check(name, finding, films):
    fine = isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip()
    if not fine:
        raise CourseError(f"A room needs a name of 1 to {LONGEST_NAME} characters on one line, such as 'spring'.")
    if finding not in FINDINGS:
        raise CourseError(f"There is no finding {quoted(str(finding))}: choose one of {', '.join(FINDINGS)}.")
    if films != int(films) or not FEWEST <= films <= MOST:
        raise CourseError(f"A room of {films} films is out of range: give a number from {FEWEST} to {MOST}.")


def _film_names(secret, name, finding, films):
    """Names that say nothing, not even the order: six hexadecimal digits each, all different."""
    names, k = [], 0
    while len(names) < films:
        made = derive(secret, "reading room", name, finding, "film", str(k)).hex()[:6]
        k += 1
        if made not in names:
            names.append(made)
    return names


def draw_room(
    name: str, finding: str = FINDING, films: int = FILMS, secret: bytes = OPEN, size: int = SIZE
) -> tuple[Room, dict[str, np.ndarray]]:
    """Draw a room's films.

    Parameters
    ----------
    name, finding, films, secret : as in `plan_room`
    size : int, pixels of a side, from 64 to 1024

    Returns
    -------
    (Room, dict of a film's name -> uint8 (size, size)). The same arguments give the same films, in every process.

    Raises
    ------
    CourseError : an argument is out of range.

    See Also
    --------
    write_room : what the instructor keeps

    Examples
    --------
    >>> room, pixels = draw_room("demo", films=8, size=96)
    >>> sorted(pixels) == sorted(room.names)
    True

    Taught in lesson 16, section 1.
    """
    from util.progress import progress

    plan = plan_room(name, finding, films, secret)
    seed = seed_of(secret, "reading room", name, finding, "people") % 2**60
    persons, pixels, outlines = people(films, seed), {}, {}
    for row, person in progress(zip(plan.itertuples(), persons, strict=True), "drawing films", total=films):
        film = _film(row, person, finding, size)
        pixels[row.Film] = film.pixels
        if row.Truth:
            outlines[row.Film] = film.masks[finding]
    fingerprint = derive(secret, "reading room", name, finding, str(films), "fingerprint").hex()[:12]
    return Room(name, finding, fingerprint, plan, outlines), pixels


def _film(row, person, finding, size):
    taken = make_acquisition(person.seed, person.number, 0, "PA", portable=False, chest_tube=False)
    severities = {finding: row.Severity} if row.Truth else {row.Other: OTHER_SEVERITY} if row.Other else {}
    return render(body_of(person), taken, severities, person.seed, size)


# ---- The instructor's file --------------------------------------------------------------------------------


def write_room(room: Room, path: str | Path) -> None:
    """Write what only the instructor knows into a file: truth, severities, outlines and advice; not the secret.

    Raises
    ------
    CourseError : the file cannot be written.

    See Also
    --------
    read_room : reads it again

    Examples
    --------
    Not run by the tests, since it writes a file.

    >>> write_room(room, "room.json")  # doctest: +SKIP

    Taught in lesson 16, section 1.
    """
    films = json.loads(room.films.to_json(orient="records", double_precision=10))
    outlines = {name: [*mask.shape, _packed(mask)] for name, mask in room.outlines.items()}
    kept = {"format": FORMAT, "name": room.name, "finding": room.finding, "fingerprint": room.fingerprint}
    write_text(path, json.dumps({**kept, "films": films, "outlines": outlines}, indent=1, sort_keys=True) + "\n")


def _packed(mask):
    return base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode()


def _unpacked(height, width, text):
    if not (isinstance(height, int) and isinstance(width, int) and 1 <= height <= 4096 and 1 <= width <= 4096):
        raise ValueError("the size of an outline is out of range")
    reader = zlib.decompressobj()
    bits = np.frombuffer(reader.decompress(base64.b64decode(text, validate=True), height * width // 8 + 2), np.uint8)
    return np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)


def read_room(path: str | Path) -> Room:
    """The Room in a file that `write_room` made.

    Raises
    ------
    CourseError : there is no such file, or it is not a room's file.

    See Also
    --------
    write_room : makes the file

    Examples
    --------
    Not run by the tests, since there is no such file.

    >>> read_room("room.json").finding  # doctest: +SKIP
    'Nodule'

    Taught in lesson 16, section 1.
    """
    text = read_text(path, "name the room's file, which `make` wrote for the instructor")
    try:
        kept = json.loads(text)
        if kept["format"] != FORMAT:
            raise ValueError(f"its format is {kept['format']!r}")
        films = pd.DataFrame(kept["films"]).astype(
            {"Film": str, "Truth": bool, "Severity": float, "Patient": int, "Second": int}
        )
        outlines = {str(film): _unpacked(*packed) for film, packed in kept["outlines"].items()}
        room = Room(str(kept["name"]), str(kept["finding"]), str(kept["fingerprint"]), films, outlines)
        if set(outlines) != set(films.loc[films["Truth"], "Film"]) or films["Film"].duplicated().any():
            raise ValueError("films and outlines do not fit")
        _check(room.name, room.finding, len(films))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, zlib.error, binascii.Error) as error:
        why = type(error).__name__ if isinstance(error, KeyError | RecursionError) else error
        raise CourseError(f"{path} is not a reading room's file ({why}): name the one that `make` wrote.") from None
    return room
