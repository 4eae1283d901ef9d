"""Trained weights with their passport: what they are, where they come from, and a film to prove them on.

Weights lie in a safetensors file (numbers only, nothing that can be executed), kernels in half precision; beside
it a passport in JSON. Nothing in the file is used before its SHA-256 agrees with the passport.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from util.cohort import HOME, PHANTOM
from util.errors import CourseError
from util.findings import FINDINGS
from util.images import Preprocessing, read_film

WEIGHTS = HOME / "data" / "weights"
TOLERANCE = 1e-3  # of a logit, on the known film
ENTRIES = ("name", "sha256", "bytes", "origin", "films", "training", "findings", "preprocessing", "output", "licence")


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A model, the labels it speaks of and the preprocessing it was trained with: one thing, never to be mixed.

    Attributes
    ----------
    model : keras.Model, float32 (n, size, size, 3) -> logits (n, 14)
    findings : tuple of 14 str, the order of the logits
    preprocessing : util.images.Preprocessing
    passport : dict
    """

    model: object
    findings: tuple
    preprocessing: Preprocessing
    passport: dict

    def describe(self, cohort=None):
        """The passport as text; with a cohort, also what it means to use these weights on it."""
        p = self.passport
        lines = [
            f"Weights: {p['name']} ({p['bytes'] / 1e6:.1f} MB), {p['origin']}.",
            f"Trained on: {p['training']}.",
            f"Input: {p['preprocessing']['size']} x {p['preprocessing']['size']} pixels, "
            f"(gray level - {p['preprocessing']['mean']:.1f}) / {p['preprocessing']['std']:.1f}.",
            f"Output: {p['output']}.",
            f"Licence: {p['licence']}. Not for clinical use.",
        ]
        return "\n".join(lines if cohort is None else [*lines, scope(p, cohort)])


def scope(passport, cohort):
    """A sentence on what scores of these weights on this cohort can mean."""
    if cohort.simulated and passport["films"] == "simulated":
        return "These films are simulated, like those the model was trained on: scores say nothing about patients."
    if cohort.simulated:
        return "These films are simulated, and the model was trained on real ones: scores say nothing about patients."
    if passport["films"] == "simulated":
        return (
            "These films are real, and the model has only ever seen simulated ones: poor scores are to be expected, "
            "and are a finding, not a failure."
        )
    return "These films are real, like those the model was trained on."


def weights_for(cohort):
    """Name of the embedded weights that the course takes for a cohort: `phantom`, or for real films `nih-finetuned`."""
    real = "nih-finetuned"
    return "phantom" if cohort.simulated or not (WEIGHTS / f"{real}.json").is_file() else real


def read_passport(name="phantom", path=None):
    """The passport of embedded weights by name, or of the weights file at `path` (NAME.json beside it)."""
    file = Path(path).with_suffix(".json") if path else WEIGHTS / f"{name}.json"
    if not file.is_file():
        known = ", ".join(sorted(p.stem for p in WEIGHTS.glob("*.json"))) or "none"
        raise CourseError(f"No passport {file.name} in {file.parent}: known weights are {known}.")
    try:
        passport = json.loads(file.read_text(encoding="utf-8"))
        absent = [entry for entry in ENTRIES if entry not in passport]
    except (ValueError, TypeError):
        raise CourseError(f"The passport {file} is damaged: restore data/weights from the repository.") from None
    if absent:
        raise CourseError(f"The passport {file} has no {', '.join(absent)}: restore data/weights from the repository.")
    return passport


def load_pretrained(name="phantom", path=None, check=True):
    """Load trained weights into DenseNet-121 and prove them on the known film.

    Parameters
    ----------
    name : str, embedded weights
    path : str or Path of a .safetensors file written by `save_weights`, with its .json passport beside it
    check : bool, compare the logits of the known film with the recorded ones

    Returns
    -------
    Pretrained

    Raises
    ------
    CourseError : file or passport missing, damaged, of another architecture, or the known film gives other logits.
    """
    from util.model import build_densenet

    passport = read_passport(name, path)
    file = Path(path) if path else WEIGHTS / f"{name}.safetensors"
    preprocessing = Preprocessing(**passport["preprocessing"])
    model = build_densenet(preprocessing.size)
    read_weights(model, file, passport["sha256"])
    if tuple(passport["findings"]) != FINDINGS:
        raise CourseError(f"{file.name} speaks of other findings than the course's 14: it cannot be used here.")
    pretrained = Pretrained(model, FINDINGS, preprocessing, passport)
    if check:
        check_known_film(pretrained)
    return pretrained


def save_weights(model, file):
    """Write a model's weights to a safetensors file: kernels as float16, all else as float32; return its SHA-256.

    Batch-norm variances leave the range of float16 and stay in float32.
    """
    from safetensors.numpy import save_file

    arrays = {v.path: np.asarray(v.numpy() if hasattr(v, "numpy") else v) for v in _variables(model)}
    half = {name: a.astype(np.float16 if a.ndim == 4 else np.float32) for name, a in arrays.items()}
    file = Path(file)
    partial = file.with_name(file.name + ".part")
    save_file({name: np.ascontiguousarray(a) for name, a in half.items()}, partial)
    partial.replace(file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def read_weights(model, file, sha256=None):
    """Put the weights of a safetensors file into a model of the same architecture; all checks come first."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = Path(file)
    if not file.is_file():
        raise CourseError(f"No weights at {file}: restore data/weights from the repository, or name another path.")
    data = file.read_bytes()
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise CourseError(f"{file} is not the file of its passport (SHA-256 differs): restore it from the repository.")
    try:
        arrays = load(data)
    except (SafetensorError, KeyError):  # KeyError: a kind of number that NumPy does not have
        raise CourseError(f"{file} is damaged or no safetensors file: restore it from the repository.") from None
    wanted = {v.path: tuple(v.shape) for v in _variables(model)}
    found = {name: a.shape for name, a in arrays.items()}
    if wanted != found:
        other = sorted(set(wanted.items()) ^ set(found.items()))[0]
        raise CourseError(f"{file} holds weights of another architecture (first difference: {other[0]} {other[1]}).")
    for name, a in arrays.items():
        if not np.isfinite(a).all() or (name.endswith("moving_variance") and not (a > 0).all()):
            raise CourseError(f"{file}: the values of {name} are not usable numbers: restore the file.")
    for variable in _variables(model):
        variable.assign(arrays[variable.path].astype(np.float32))


def _variables(model):
    """Weights and batch-norm statistics; states of random layers (none in DenseNet) are left out."""
    return [v for v in model.variables if "seed_generator" not in v.path]


def check_known_film(pretrained):
    """Compare the logits of the passport's known film with the recorded ones.

    Raises
    ------
    CourseError : they differ by more than TOLERANCE: weights, preprocessing or library are not what they were.
    """
    from util.model import predict_films

    known = pretrained.passport["known_film"]
    film = pretrained.preprocessing(read_film(PHANTOM / "films" / known["image"]))
    difference = float(np.abs(predict_films(pretrained.model, film[None])[0] - np.array(known["logits"])).max())
    if not difference <= TOLERANCE:
        raise CourseError(
            f"The known film {known['image']} gives logits that differ by {difference:.3g} from the recorded ones: "
            "weights or preprocessing are not the released ones, restore data/ from the repository."
        )
    return difference
