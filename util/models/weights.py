"""Trained weights with their passport: what they are, where they come from, and a film to test them on.

The course's own weights are in a safetensors file (numbers only, nothing that can be executed), with kernels in half
precision; next to it is a passport in JSON. Nothing in the file is used before its SHA-256 agrees with the passport.
Public weights and users' own files are loaded through `util.models.public`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from util.data.cohort import HOME, PHANTOM
from util.data.images import read_film
from util.errors import CourseError
from util.files import whole
from util.findings import FINDINGS
from util.models.contamination import contamination, whole_names
from util.models.passport import load_passport
from util.models.preprocessing import Preprocessing
from util.notes import note

if TYPE_CHECKING:
    import keras

    from util.data.cohort import Cohort

WEIGHTS = HOME / "data" / "weights"
REAL = "nih-finetuned"  # the embedded weights that learned from real films
TOLERANCE = 1e-3  # of a logit, on the known film
TF32_TOLERANCE = 5e-3  # if a GPU rounds factors to 10 bits (TF32); an emulation gave a difference of 0.0013
_UNPROVED = {False: "none is on record, so only the structure is proved", True: "compared where the network is loaded"}
LARGEST = 64_000_000  # bytes of a file of the course's own format; the embedded ones have 14.5 million


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A model with its labels and the preprocessing that it was trained with, kept together so that they always fit.

    Attributes
    ----------
    model : keras.Model, float32 (n, size, size, 3) -> logits (n, 14); None where only the passport was asked for
    findings : tuple of 14 str, the order of the logits
    preprocessing : util.models.preprocessing.Preprocessing
    passport : dict
    """

    model: object
    findings: tuple
    preprocessing: Preprocessing
    passport: dict

    def describe(self, cohort: Cohort | None = None) -> str:
        """The passport as text; with a cohort, also what these weights can say about it."""
        p, rules = self.passport, self.preprocessing
        square = "; the middle square of a film is taken" if rules.aspect == "crop" else ""
        known = p.get("known_film", {}).get("image")
        proof = f"logits of {known} are as recorded{_roughly()}" if known and self.model else _UNPROVED[bool(known)]
        lines = [
            f"Weights: {p['name']} ({p['bytes'] / 1e6:.1f} MB), {p['origin']}.",
            f"Trained on: {p['training']}.",
            *_labels(p),
            f"Input: {rules.size} x {rules.size} pixels, "
            f"(gray level - {_constant(rules.mean)}) / {_constant(rules.std)}{square}.",
            f"Output: {p['output']}.",
            f"Known film: {proof}.",
            f"Licence: {p['licence']}. Not for clinical use.",
        ]
        return "\n".join(lines if cohort is None else [*lines, scope(p, cohort)])


def _roughly():
    """The tolerance of the known film and its reason, if it is larger here than elsewhere."""
    most, why = tolerance()
    return f" within {most:g}, since {why}" if most > TOLERANCE else ""


def _constant(value):
    """One decimal for gray levels, four digits for the small divisors of some foreign weights."""
    texts = [f"{v:.1f}" if v == 0 or abs(v) >= 10 else f"{v:.4g}" for v in np.atleast_1d(value)]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def _labels(passport):
    """A line on a file's own labels, if they are not the course's."""
    labels = passport.get("labels", passport["findings"])
    if list(labels) == list(FINDINGS):
        return []
    return [f"Labels: {len(FINDINGS)} of the file's {len(labels)} outputs, put into the course's order by name."]


def scope(passport: Mapping[str, Any], cohort: Cohort) -> str:
    """What scores of these weights on this cohort can show, in a sentence or two."""
    if cohort.simulated and passport["films"] == "simulated":
        return "These films are simulated, like those the model was trained on: scores say nothing about patients."
    if cohort.simulated:
        return "These films are simulated, and the model was trained on real ones: scores say nothing about patients."
    if passport["films"] == "simulated":
        sentence = (
            "These films are real, and the model has only ever seen simulated ones: poor scores are to be expected, "
            "and are a finding, not a failure."
        )
        taught = f" The weights {REAL} learned from most of these films, so nobody may judge them here."
        return sentence + taught * (passport.get("name") == "phantom" and _mostly_met(cohort))
    sentence = "These films are real, like those the model was trained on."
    return f"{sentence} {_met(passport, cohort)}"


def weights_for(cohort: Cohort) -> str:
    """Name of the embedded weights that the course uses for a cohort: `phantom` for simulated films, else REAL.

    Weights cannot be judged on films that they learned from. If most of the real films, or other films of their
    patients, were in REAL's training data, the course uses `phantom`, which has seen no real film, and `scope` says so.
    """
    return "phantom" if cohort.simulated or _mostly_met(cohort) else REAL


def _mostly_met(cohort):
    """Whether REAL learned from most of a cohort's films or from their patients."""
    if not (WEIGHTS / f"{REAL}.json").is_file():
        return False
    met = _met(read_passport(REAL), cohort)
    return len(met.seen) + len(met.related) > met.films / 2


def _met(passport, cohort):
    """What a model knows of a cohort: by NIH's names or, if there are other names, by pixels too, which is slower."""
    images = cohort.films["Image"]
    return contamination(passport, images, None if whole_names(images) else cohort)


def read_passport(name: str = "phantom", path: Path | str | None = None) -> dict[str, Any]:
    """The passport of embedded weights by name, or of the weights file at `path` (NAME.json next to it)."""
    file = Path(path).expanduser().with_suffix(".json") if path else WEIGHTS / f"{name}.json"
    if not file.exists():
        known = ", ".join(sorted(p.stem for p in WEIGHTS.glob("*.json"))) or "none"
        raise CourseError(
            f"No passport {file.name} in {file.parent}: known weights are {known}; public ones {', '.join(_public())}."
        )
    return load_passport(file)


def load_pretrained(
    name: str | None = None,
    path: Path | str | None = None,
    check: bool = True,
    findings: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    network: bool = True,
) -> Pretrained:
    """Load trained weights into DenseNet-121: the course's own, public ones, or a file of yours.

    Parameters
    ----------
    name : str, embedded weights ('phantom', the default) or public ones of `util.models.public.RECORDS` ('xrv-all',
        which is downloaded once); the name of a record together with `path` reads that record's file from your disk
    path : str or Path of a .safetensors file written by `save_weights`, with its .json passport next to it, or of a
        Keras 2 HDF5 file, a PyTorch file or a TensorFlow checkpoint of DenseNet-121, recognized by its content
    check : bool, compare the logits of the known film with the recorded ones (the course's own weights only)
    findings, preprocessing : for a foreign file without a record: names of its outputs in their order, and the
        `util.models.preprocessing.Preprocessing` of its training films
    network : bool; False reads only the passport of the course's own weights, for a command whose workers load them

    Returns
    -------
    Pretrained, its logits in the order of FINDINGS; without the network, its model is None. The passport of foreign
    weights is printed.

    Raises
    ------
    CourseError : file or passport is missing, damaged, of a different architecture, not the file of its record, or
        cannot be downloaded; or the known film gives different logits.
    """
    from util.models.formats.kinds import SAFETENSORS, look_inside

    if not isinstance(name, str | None):
        raise CourseError(f"A name of weights is a text, here {type(name).__name__}: give a file as path=.")
    public = name is not None and name in _public() and not (WEIGHTS / f"{name}.json").is_file()
    if not public and (path is None or look_inside(path)[0] == SAFETENSORS):
        if findings is not None or preprocessing is not None:
            raise CourseError("The passport of these weights names findings and preprocessing: leave both out.")
        return _load_own(name or "phantom", path, check, network)
    from util.models.public import load_foreign

    model, preprocessing, passport = load_foreign(name, path, findings, preprocessing)
    pretrained = Pretrained(model, FINDINGS, preprocessing, passport)
    note(pretrained.describe())
    return pretrained


def _public():
    from util.models.public import RECORDS

    return RECORDS


def _load_own(name, path, check, network):
    """Weights in the course's own format, tested on the known film; or their passport alone."""
    passport = read_passport(name, path)
    file = Path(path).expanduser() if path else WEIGHTS / f"{name}.safetensors"
    if tuple(passport["findings"]) != FINDINGS:
        raise CourseError(f"{file.name} speaks of other findings than the course's 14: it cannot be used here.")
    preprocessing = Preprocessing(**passport["preprocessing"])
    if not network:
        return Pretrained(None, FINDINGS, preprocessing, passport)
    from util.models.densenet import build_densenet

    model = build_densenet(preprocessing.size)
    read_weights(model, file, passport["sha256"])
    pretrained = Pretrained(model, FINDINGS, preprocessing, passport)
    if check:
        check_known_film(pretrained)
    return pretrained


def save_weights(model: keras.Model, file: Path | str) -> str:
    """Write a model's weights to a safetensors file, kernels as float16, all else as float32; return its SHA-256.

    Batch-norm variances exceed the range of float16 and stay in float32.
    """
    from safetensors.numpy import save_file

    arrays = {v.path: np.asarray(v.numpy() if hasattr(v, "numpy") else v) for v in _variables(model)}
    half = {name: a.astype(np.float16 if a.ndim == 4 else np.float32) for name, a in arrays.items()}
    file = Path(file)
    with whole(file) as part:
        save_file({name: np.ascontiguousarray(a) for name, a in half.items()}, part)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def release_arrays(arrays: Mapping[str, np.ndarray], size: int, file: Path | str) -> tuple[keras.Model, str]:
    """Write weights, given as arrays by path, as `save_weights` does; return the network and the SHA-256 of the file.

    The network is for films of size x size pixels and has the weights as they were written, with their rounding.
    """
    from util.models.densenet import build_densenet

    model = build_densenet(size)
    for variable in model.variables:
        variable.assign(arrays[variable.path])
    sha256 = save_weights(model, file)
    read_weights(model, file)
    return model, sha256


def read_arrays(file: Path | str, sha256: str | None = None) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file by name; a CourseError if it is missing, damaged, or has a different SHA-256."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from util.models.formats.limits import contents

    file = Path(file).expanduser()
    if not file.exists():
        raise CourseError(f"No weights at {file}: restore data/weights from the repository, or name another path.")
    data = contents(file, LARGEST)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise CourseError(f"{file} is not the file of its passport (SHA-256 differs): restore it from the repository.")
    try:
        return load(data)
    except (SafetensorError, KeyError, ValueError, TypeError):  # KeyError: a type of number that NumPy does not have
        raise CourseError(f"{file} is damaged or no safetensors file: restore it from the repository.") from None


def read_weights(model: keras.Model, file: Path | str, sha256: str | None = None) -> None:
    """Load the weights of a safetensors file into a model of the same architecture, after all checks."""
    from util.models.formats.limits import shown, single

    file = Path(file)
    arrays = {name: single(array) for name, array in read_arrays(file, sha256).items()}
    wanted = {v.path: tuple(v.shape) for v in _variables(model)}
    found = {name: a.shape for name, a in arrays.items()}
    if wanted != found:
        other = sorted(set(wanted.items()) ^ set(found.items()))[0]
        raise CourseError(
            f"{file} holds weights of another architecture (first difference: {shown(other[0])} {other[1]})."
        )
    for name, a in arrays.items():
        if not np.isfinite(a).all() or (name.endswith("moving_variance") and not (a > 0).all()):
            raise CourseError(f"{file}: the values of {name} are not usable numbers: restore the file.")
    for variable in _variables(model):
        variable.assign(arrays[variable.path])


def _variables(model):
    """Weights and batch-norm statistics, without states of random layers (DenseNet has none)."""
    return [v for v in model.variables if "seed_generator" not in v.path]


def tolerance() -> tuple[float, str]:
    """(how much a logit of the known film may differ here, why): more on a GPU that multiplies in TF32.

    Recent NVIDIA GPUs (compute capability 8 and later: A100, L4, RTX 30 ...) round the factors of float32 products to
    10 bits, unless this is turned off (`tf.config.experimental.enable_tensor_float_32_execution(False)`).
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        if devices and tf.config.experimental.tensor_float_32_execution_enabled():
            details = [tf.config.experimental.get_device_details(device) for device in devices]
            if any(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details):
                return TF32_TOLERANCE, "this GPU rounds to TF32"
    return TOLERANCE, "float32"


def check_known_film(pretrained: Pretrained) -> float:
    """Compare the logits of the passport's known film with the recorded ones.

    Returns
    -------
    float, the largest difference

    Raises
    ------
    CourseError : they differ by more than `tolerance`, so weights, preprocessing or library have changed; or the
        passport names no known film.
    """
    from util.models.predict import predict_films

    known, (most, why) = pretrained.passport.get("known_film"), tolerance()
    if known is None:
        raise CourseError(
            f"The passport of {pretrained.passport['name']} names no known film to prove the weights on: "
            "load_pretrained(..., check=False) does without."
        )
    film = pretrained.preprocessing(read_film(PHANTOM / "films" / known["image"]))
    difference = float(np.abs(predict_films(pretrained.model, film[None])[0] - np.array(known["logits"])).max())
    if not difference <= most:
        raise CourseError(
            f"The known film {known['image']} gives logits that differ by {difference:.3g} from the recorded ones, and "
            f"{most:g} is allowed here ({why}): weights or preprocessing are not the released ones, restore data/ from "
            "the repository."
        )
    return difference
