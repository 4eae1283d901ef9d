"""The passport of weights: every entry is checked once, when it is read, so that no other code has to."""

import base64
import binascii
import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from util.errors import CourseError
from util.files import write_text
from util.findings import FINDINGS
from util.models.preprocessing import Preprocessing

LARGEST = 8_000_000  # bytes; a passport with 2,865 training films takes 200,000
SIZES = range(32, 2049)  # pixels that DenseNet-121 can read


@dataclass(frozen=True, kw_only=True)
class Passport:
    """What is recorded about weights when they are released; an entry that is None is left out.

    Attributes
    ----------
    name, sha256, bytes, origin, films, training, findings, preprocessing, output, licence : as in ENTRIES
    command, device : str, how and on what machine the weights were made
    start_sha256, start_share, start_command : of the weights that training started from, and their share in the result
    labels : the names of the outputs, if they are not the 14 findings
    prevalence, calibration, known_film, training_films, training_hashes : as in ENTRIES
    """

    name: str
    sha256: str
    bytes: int
    origin: str
    films: str
    training: str
    command: str | None = None
    device: str | None = None
    start_sha256: str | None = None
    start_share: float | None = None
    start_command: str | None = None
    findings: tuple = FINDINGS
    labels: tuple | None = None
    preprocessing: Preprocessing
    prevalence: dict | None = None
    calibration: dict | None = None
    output: str = "logits; because of the weighted loss the sigmoid assumes a prevalence of one half"
    licence: str = "MIT"
    known_film: dict | None = None
    training_films: list | None = None
    training_hashes: str | None = None

    def entries(self) -> dict[str, Any]:
        """The passport as a dict, without entries that are None, and with lists in place of tuples."""
        found = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    def write(self, file: Path | str) -> None:
        """Write the passport as JSON, whole or not at all."""
        write_text(file, json.dumps(self.entries(), indent=2) + "\n")


def load_passport(file: Path | str) -> dict[str, Any]:
    """The passport in a JSON file.

    Raises
    ------
    CourseError : it is not JSON, lacks an entry, or has one that cannot be used; the message says which.
    """
    from util.models.formats.limits import contents

    file = Path(file)
    data = contents(file, LARGEST)
    try:
        passport = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        passport = None
    if not isinstance(passport, dict):
        raise CourseError(f"The passport {file} is damaged: restore data/weights from the repository.")
    absent = [entry for entry, (_, needed, _) in ENTRIES.items() if needed and entry not in passport]
    if absent:
        raise CourseError(f"The passport {file} has no {', '.join(absent)}: restore data/weights from the repository.")
    for entry, (usable, _, what) in ENTRIES.items():
        if entry in passport and not usable(passport[entry]):
            raise CourseError(
                f"The passport {file} has a {entry} that cannot be used; it is {what}: restore data/weights from the "
                "repository, or write your own passport anew."
            )
    if "training_hashes" in passport and not _hashes(passport):
        raise CourseError(f"The passport {file} has not one hash for each training film: restore it.")
    return passport


def _text(value):
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 2000


def _texts(value):
    return isinstance(value, list) and all(map(_text, value))


def _number(value):
    return type(value) is float or (type(value) is int and abs(value) < 2**63)


def _numbers(value):
    """One number for each finding."""
    return isinstance(value, list) and len(value) == len(FINDINGS) and all(map(_number, value))


def _preprocessing(value):
    if not isinstance(value, dict) or set(value) - {"aspect"} != {"size", "mean", "std"}:
        return False
    if type(value["size"]) is not int or value["size"] not in SIZES:
        return False
    for constant in (value["mean"], value["std"]):
        channels = constant if isinstance(constant, list) else [constant]
        if len(channels) not in (1, 3) or not all(_number(c) and abs(c) < 1e6 for c in channels):
            return False
    try:
        Preprocessing(**value)
    except CourseError:
        return False
    return True


def _known_film(value):
    if not isinstance(value, dict) or not _text(image := value.get("image")) or not _numbers(value.get("logits")):
        return False
    return re.fullmatch(r"[\w-][\w.-]*", image) is not None  # a name within the folder of films, no path


def _prevalence(value):
    return isinstance(value, dict) and all(_number(p := value.get(finding)) and 0 < p < 1 for finding in FINDINGS)


def _calibration(value):
    if not isinstance(value, dict) or not (_text(value.get("prevalence")) and _text(value.get("fitted_on"))):
        return False
    lines = [value.get(part) for part in ("slope", "intercept")]
    return all(_numbers(line) and all(map(math.isfinite, line)) for line in lines)


def _hashes(passport):
    try:
        data = base64.b64decode(passport["training_hashes"], validate=True)
    except (binascii.Error, ValueError, TypeError):
        return False
    return len(data) == 32 * len(passport.get("training_films", ()))


ENTRIES = {  # entry: (function that says whether a value can be used, whether it is required, what it is)
    "name": (_text, True, "a line of text"),
    "sha256": (lambda v: _text(v) and re.fullmatch("[0-9a-f]{64}", v), True, "64 digits of base 16"),
    "bytes": (lambda v: type(v) is int and 0 < v < 2**40, True, "a whole number above 0"),
    "origin": (_text, True, "a line of text"),
    "films": (lambda v: v in ("real", "simulated"), True, "'real' or 'simulated'"),
    "training": (_text, True, "a line of text"),
    "findings": (_texts, True, "a list of names"),
    "preprocessing": (_preprocessing, True, f"size ({SIZES[0]} to {SIZES[-1]}), mean, std (above 0) and aspect"),
    "output": (_text, True, "a line of text"),
    "licence": (_text, True, "a line of text"),
    "known_film": (_known_film, False, "the name of a film and 14 logits"),
    "training_films": (_texts, False, "a list of names"),
    "prevalence": (_prevalence, False, "a number between 0 and 1 for each finding"),
    "calibration": (_calibration, False, "14 slopes and intercepts, prevalence and fitted_on"),
    "labels": (_texts, False, "a list of names"),
}
