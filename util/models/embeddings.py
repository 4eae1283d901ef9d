"""Judge a large published model by its embeddings, with the same linear probe and intervals as for our own features.

    python -m util embeddings embeddings.npz --root FOLDER

You compute embeddings.npz elsewhere, with a GPU and an account: arrays `names` (films, str, as in NIH's label table),
`vectors` (films, d) and `model` (str). The model itself is not needed here. Read the films with the model's own
processor of Hugging Face, from 8-bit gray turned into RGB:

- RAD-DINO (microsoft/rad-dino; needs torch and transformers): `pooler_output`, 768 numbers. It learned from
  ChestX-ray14 without labels, perhaps from the same films; say so with --met.
- MedSigLIP (google/medsiglip-448; needs torch, transformers, an account and Google's terms): `get_image_features`, 1152
  numbers, films of 448 pixels. Its makers name MIMIC-CXR, not ChestX-ray14, among its chest films.
"""

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.data.cohort import Cohort, load_cohort
from util.errors import CourseError
from util.findings import FINDINGS
from util.losses.linear_heads import components, head_logits
from util.metrics.auc_tables import auc_averages, auc_table
from util.models.contamination import contamination

FOLDS, COMPONENTS = 5, 50


def read_embeddings(path: Path | str) -> tuple[str, pd.DataFrame]:
    """Read embeddings.npz without executing anything in it.

    Returns
    -------
    (str, DataFrame): the model's name, and its vectors (index: film names), float64

    Raises
    ------
    CourseError : the file is missing or damaged, an array is missing or has the wrong shape, a film appears twice, or a
        value is not a number.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"No file {path}: write it with np.savez(path, names=..., vectors=..., model=...).")
    try:
        with np.load(path, allow_pickle=False) as kept:
            absent = [name for name in ("names", "vectors", "model") if name not in kept]
            if absent:
                raise CourseError(f"{path} has no array {', '.join(absent)}: names, vectors and model are needed.")
            names, vectors, model = kept["names"], kept["vectors"], str(kept["model"])
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise CourseError(
            f"{path} cannot be read ({str(error).splitlines()[0]}): save names as text, such as np.array(names, 'U'), "
            "and vectors as numbers."
        ) from None
    if names.ndim != 1 or vectors.ndim != 2 or len(names) != len(vectors) or names.dtype.kind != "U" or not len(names):
        raise CourseError(
            f"{path}: names {names.shape} of {names.dtype} and vectors {vectors.shape} do not fit: give n names as "
            "text and n rows of numbers."
        )
    if vectors.dtype.kind not in "fiu" or not np.isfinite(vectors).all():
        raise CourseError(f"{path}: the vectors hold values that are no finite numbers: compute them again.")
    table = pd.DataFrame(vectors.astype(float), index=pd.Index([_stem(name) for name in names], name="Image"))
    if table.index.duplicated().any():
        raise CourseError(f"{path}: the film {table.index[table.index.duplicated()][0]} stands twice: keep one row.")
    return model, table


def _stem(name):
    return str(name).rsplit("/", 1)[-1].rsplit(".", 1)[0]


def probe(vectors: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Logits (films, 14) of linear heads on embeddings; each film is scored by heads not trained on its patient.

    Parameters
    ----------
    vectors : array (films, d)
    table : DataFrame with PatientId and the 14 findings as 0/1, the same films

    Returns
    -------
    float array (films, 14), NaN where all films of the other folds have the same label of a finding
    """
    from sklearn.model_selection import GroupKFold

    y, out = table[list(FINDINGS)].to_numpy(float), np.full((len(table), len(FINDINGS)), np.nan)
    if table["PatientId"].nunique() < FOLDS:
        raise CourseError(
            f"{FOLDS} folds need films of at least {FOLDS} patients, here of {table['PatientId'].nunique()}."
        )
    for learned, held in GroupKFold(FOLDS).split(y, groups=table["PatientId"]):
        training = np.zeros(len(y), bool)
        training[learned] = True
        known = np.flatnonzero((y[training].min(axis=0) == 0) & (y[training].max(axis=0) == 1))
        few = components(vectors, training, min(COMPONENTS, training.sum() - 1))
        out[np.ix_(held, known)] = head_logits(few, y[:, known], training, "weighted")[held]
    return out


def judge(
    path: Path | str, cohort: Cohort, met: Iterable[str] | None = None
) -> tuple[str, pd.DataFrame, pd.DataFrame, str]:
    """AUC table and averages over the films that have a vector, and a sentence on what the model may already know.

    Parameters
    ----------
    path : str or Path of embeddings.npz
    cohort : util.data.cohort.Cohort with labels
    met : names of the films that the model was trained on, or None if unknown

    Returns
    -------
    (str, DataFrame, DataFrame, str): model, table as of `auc_table`, averages, contamination
    """
    model, vectors = read_embeddings(path)
    films = cohort.films[cohort.films["Image"].map(_stem).isin(vectors.index)].reset_index(drop=True)
    if len(films) < FOLDS:
        raise CourseError(
            f"{path} names {len(films)} of this cohort's films: give vectors of its films, by their names."
        )
    logits = probe(vectors.loc[films["Image"].map(_stem)].to_numpy(), films)
    known = ~np.isnan(logits).any(axis=0)
    filled = pd.DataFrame(np.where(known, logits, 0.0), index=films["Image"], columns=list(FINDINGS))
    table = auc_table(films, filled, by_patient=True, rounds=0)
    table.loc[~known, ["auc", "low", "high"]] = np.nan
    passport = {"films": "real"} | ({} if met is None else {"training_films": list(met)})
    return model, table, auc_averages(films, filled, films["PatientId"]), str(contamination(passport, films["Image"]))


@command()
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code, 2 after a mistake in the arguments."""
    parser = argument_parser("embeddings", __doc__)
    parser.add_argument("path", help="embeddings.npz: names, vectors, model")
    parser.add_argument("--root", required=True, help="folder of the real films or of NIH's label table")
    parser.add_argument("--met", help="text file with the names of films that the model was trained on, one a line")
    options = parser.parse_args(arguments)
    met = Path(options.met).read_text(encoding="utf-8").split() if options.met else None
    model, table, averages, sentence = judge(options.path, load_cohort("nih", options.root), met)
    print(f"{model}: linear probe, {FOLDS} folds by patient.\n{sentence}")
    print(table[["films", "positives", "auc", "low", "high", "note"]].round(3).to_string())
    print(averages.round(3).to_string())
