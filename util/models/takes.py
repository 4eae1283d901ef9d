"""Several answers about one film: of takes of it, a little different each, and of several last layers of the network.

    python -m util takes
    python -m util takes --heads

write data/weights/phantom_takes.csv, logits of four takes of each simulated test film with the weights `phantom`, and
phantom_heads.csv, logits of an ensemble: eight last layers, each trained on other patients. Both need TensorFlow and take
minutes; lesson 13 reads the tables.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.data.cohort import HOME, Cohort, load_cohort
from util.data.tables import read_table
from util.errors import CourseError
from util.files import whole
from util.findings import FINDINGS
from util.models.weights import WEIGHTS

RECORDED, HEADS_RECORDED = WEIGHTS / "phantom_takes.csv", WEIGHTS / "phantom_heads.csv"
TAKES, HEADS = 4, 8
SHIFT, EXPOSURE, NOISE = 8, 0.15, 3.0  # pixels; share by which the exponent of the gray scale varies; SD in gray levels


def take(film: np.ndarray, seed: int) -> np.ndarray:
    """The same film once more: moved by up to 8 pixels, with a slightly different gray scale and fresh noise.

    Parameters
    ----------
    film : uint8 (h, w)
    seed : int; the same seed gives the same take

    Returns
    -------
    uint8 (h, w). Pixels that the shift brings in repeat the edge.

    Examples
    --------
    >>> take(np.full((20, 30), 128, np.uint8), seed=1).shape
    (20, 30)

    Taught in lesson 13, section 2.
    """
    if film.ndim != 2 or film.dtype != np.uint8:
        raise CourseError(f"A film is uint8 (h, w), and this is {film.dtype} {film.shape}: read it with cohort.read.")
    rng = np.random.default_rng(seed)
    down, right = rng.integers(0, 2 * SHIFT + 1, 2)
    moved = np.pad(film, SHIFT, mode="edge")[down : down + film.shape[0], right : right + film.shape[1]] / 255
    exposed = 255 * moved ** np.exp(rng.uniform(-EXPOSURE, EXPOSURE))
    return np.clip(np.round(exposed + rng.normal(0, NOISE, film.shape)), 0, 255).astype(np.uint8)


class Takes(Cohort):
    """A cohort whose films are named `IMAGE#1` to `IMAGE#4`, each a take of the film `IMAGE`."""

    def read(self, image: str) -> np.ndarray:
        """Pixels of one take by name: uint8 (h, w)."""
        film, _, number = image.rpartition("#")
        return take(super().read(film), crc32(f"{film} {number}".encode()))


def score_takes(cohort: Cohort, images: Sequence[str]) -> pd.DataFrame:
    """Logits of four takes of each film, by the network that goes with the cohort (TensorFlow).

    Returns
    -------
    DataFrame float: Image, Take (1 to 4), and one column of logits for each finding
    """
    from util.models.predict import predict
    from util.models.weights import load_pretrained, weights_for

    again = Takes(cohort.name, cohort.films, cohort.boxes, paths=cohort.paths)
    names = [f"{image}#{number}" for image in images for number in range(1, TAKES + 1)]
    scores = predict(load_pretrained(weights_for(cohort)), again, names).reset_index()
    parts = scores.pop("Image").str.rpartition("#")
    scores.insert(0, "Image", parts[0])
    scores.insert(1, "Take", parts[2].astype(int))
    return scores


def bootstrap_heads(
    x: np.ndarray, y: np.ndarray, patients: np.ndarray, training: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Logits of an ensemble of linear heads, each trained with the weighted loss on patients drawn with replacement.

    Parameters
    ----------
    x : float (films, features), inputs of the network's last layer
    y : 0 or 1 (films, findings); patients : (films,); training : bool (films,)
    seed : int

    Returns
    -------
    float array (films, 8, findings)

    Bagging (Breiman 1996, doi 10.1007/BF00058655) of the last layer alone; all heads see with the same features.

    Examples
    --------
    >>> x, y = np.array([[-1.0], [-1], [1], [1], [0.5]]), np.array([[0], [0], [1], [1], [0]])
    >>> training = np.array([True, True, True, True, False])
    >>> bootstrap_heads(np.tile(x, (3, 1)), np.tile(y, (3, 1)), np.arange(15), np.tile(training, 3)).shape
    (15, 8, 1)

    Taught in lesson 13, section 2.
    """
    from util.losses.linear_heads import components, head_logits

    few, rng = components(x, training), np.random.default_rng(seed)
    people, answers = np.unique(patients[training]), []
    for _ in range(HEADS):
        drawn = rng.choice(people, len(people))
        rows = np.concatenate([np.flatnonzero(training & (patients == one)) for one in drawn])
        both = np.concatenate([few[rows], few]), np.concatenate([y[rows], y])
        answers.append(head_logits(*both, np.arange(len(both[0])) < len(rows), "weighted")[len(rows) :])
    return np.stack(answers, axis=1)


def score_heads(cohort: Cohort) -> pd.DataFrame:
    """Logits of `bootstrap_heads` for the test films of a cohort (TensorFlow).

    Returns
    -------
    DataFrame: Image, Head (1 to 8), and one column of logits for each finding
    """
    from util.models.features import network_features

    films = cohort.films[cohort.films["Split"].isin(["train", "test"])].reset_index(drop=True)
    training = (films["Split"] == "train").to_numpy()
    x = network_features(cohort, films["Image"]).to_numpy()
    logits = bootstrap_heads(x, films[list(FINDINGS)].to_numpy(), films["PatientId"].to_numpy(), training)[~training]
    table = pd.DataFrame(logits.reshape(-1, len(FINDINGS)), columns=list(FINDINGS))
    table.insert(0, "Image", np.repeat(films.loc[~training, "Image"].to_numpy(), HEADS))
    table.insert(1, "Head", np.tile(np.arange(1, HEADS + 1), (~training).sum()))
    return table


def recorded_heads() -> np.ndarray:
    """Logits of the ensemble for the simulated test films: float array (films, 8, 14), otherwise as `recorded_takes`."""
    return _recorded(HEADS_RECORDED, "Head", HEADS, "an ensemble", "python -m util takes --heads")


def recorded_takes() -> np.ndarray:
    """Logits of four takes of the simulated test films, as recorded in data/weights.

    Returns
    -------
    float array (films, 4, 14): films in the order of ``load_cohort("phantom").split("test")``, findings in their order

    Raises
    ------
    CourseError : the table is missing, damaged, or of other films.
    """
    return _recorded(RECORDED, "Take", TAKES, "takes", "python -m util takes")


def _recorded(path, column, count, what, how):
    images = list(load_cohort("phantom").split("test")["Image"])
    try:
        table = read_table(path, {name: name for name in ("Image", column, *FINDINGS)}, f"a table of {what}")
        logits = table[list(FINDINGS)].to_numpy(dtype=float).reshape(-1, count, len(FINDINGS))
        if list(table["Image"][::count]) != images or not np.isfinite(logits).all():
            raise ValueError
    except (OSError, ValueError):
        raise CourseError(
            f"The table {path.relative_to(HOME).as_posix()} is missing or damaged: restore it from the repository, "
            f"or make it again with `{how}`."
        ) from None
    return logits


@command()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argument_parser("takes", __doc__)
    parser.add_argument("--heads", action="store_true", help="the ensemble of last layers in place of the takes")
    heads, cohort = parser.parse_args(arguments).heads, load_cohort("phantom")
    scores = score_heads(cohort) if heads else score_takes(cohort, list(cohort.split("test")["Image"]))
    path, what, count = (HEADS_RECORDED, "heads", HEADS) if heads else (RECORDED, "takes", TAKES)
    with whole(path) as part:
        scores.to_csv(part, index=False, float_format="%.2f")
    print(f"{len(scores):,} answers of {what} about {len(scores) // count:,} films: {path.name}")


if __name__ == "__main__":
    raise SystemExit(main())
