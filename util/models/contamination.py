"""Which films a model may already know: by their names or, if names are not enough, by their pixels."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from util.data.images import read_film
from util.errors import CourseError
from util.progress import progress
from util.threads import workers

if TYPE_CHECKING:
    from pathlib import Path

    from util.data.cohort import Cohort

NIH_NAME = re.compile(r"\d{8}_\d{3}")  # patient, follow-up
SAME = 24  # bits of 256 in which two exports of one film may differ; films of two patients differ in at least 52


@dataclass(frozen=True)
class Contamination:
    """Which of some films a model may already know.

    Attributes
    ----------
    films : int, number of films in question
    seen : tuple of names that were in the training data
    related : tuple of further names, of patients with other films in the training data
    known : bool, whether anything is known about any of the films
    unknown : tuple of names about which nothing is known
    by_pixels : tuple of names that do not show the patient and whose pixels match no training film
    listed : bool, whether there is a list of the training films
    """

    films: int
    seen: tuple = ()
    related: tuple = ()
    known: bool = True
    unknown: tuple = ()
    by_pixels: tuple = ()
    listed: bool = True

    def __str__(self):
        one, data = self.films == 1, "in the model's training data"
        if not self.known:
            these = "this film was" if one else f"these {self.films:,} films were"
            return f"Whether {these} {data} is unknown, since {self._why()}: take scores as optimistic."
        told = self.films - len(self.unknown)
        if self.seen or self.related:
            text = (
                f"{'This film' if self.seen else 'Another film of its patient'} was {data}: its score flatters the "
                "model."
                if one
                else f"{len(self.seen):,} of these {self.films:,} films were {data}, and {len(self.related):,} more "
                "are of patients it was trained on: scores on them flatter it."
            )
        elif self.by_pixels:
            none = "This film was not" if one else f"None of these {told:,} films was"
            text = f"{none} {data}, as far as names and pixels tell."
        elif one:
            text = f"Neither this film nor another of its patient was {data}."
        else:
            text = f"None of these {told:,} films, and no other film of their patients, was {data}."
        if self.by_pixels:
            whose = "its patient" if one else f"the patients of {len(self.by_pixels):,} of them"
            text += f" Whether other films of {whose} were, the names do not tell."
        if self.unknown:
            text += f" Of {len(self.unknown):,} other films this is unknown, since {self._why()}: take their scores as "
            text += "optimistic."
        return text

    def _why(self):
        if not self.listed:
            return "no list of its training films is at hand"
        return "names other than those of ChestX-ray14 do not tell, and there are no pixels to compare"


def contamination(
    passport: Mapping[str, Any], images: Iterable[str], films: Cohort | Mapping[str, Path | str] | None = None
) -> Contamination:
    """Compare films to be scored with a model's training data, film by film and patient by patient.

    Parameters
    ----------
    passport : dict; its `training_films`, if present, lists names, and its `training_hashes` holds hashes of their
        pixels (see `film_hashes`). A model trained on simulated films that were drawn for it alone knows none of them.
    images : film names; those of ChestX-ray14 consist of patient and follow-up
    films : util.data.cohort.Cohort, or a dict from name to path. The pixels of films whose names are not in the list
        are then compared as well, so that a copy under a different name is found. Without it, only names of
        ChestX-ray14 are compared.

    Returns
    -------
    Contamination
    """
    images = list(images)
    trained = passport.get("training_films", () if passport["films"] == "simulated" else None)
    if trained is None:
        return Contamination(len(images), known=False, unknown=tuple(images), listed=False)
    trained = {_stem(name) for name in trained}
    patients = {name.split("_")[0] for name in trained}
    seen = {image for image in images if _stem(image) in trained}
    named = {image for image in images if NIH_NAME.fullmatch(_stem(image))}
    looked = (
        _compared(passport, [i for i in images if i not in seen], films) if trained else dict.fromkeys(images, False)
    )
    seen |= {image for image, found in looked.items() if found}
    related = {i for i in named - seen if _stem(i).split("_")[0] in patients}
    unknown = [image for image in images if not (image in seen or image in named or image in looked)]
    by_pixels = [image for image in looked if trained and image not in seen and image not in named]
    return Contamination(
        len(images),
        tuple(image for image in images if image in seen),
        tuple(image for image in images if image in related),
        len(unknown) < len(images) or not images,
        tuple(unknown),
        tuple(by_pixels),
    )


def whole_names(images: Iterable[str]) -> bool:
    """Whether all names are in the style of ChestX-ray14, which identifies patient and film."""
    return all(NIH_NAME.fullmatch(_stem(image)) for image in images)


def film_hashes(paths: Sequence[Path | str]) -> str:
    """Hashes of films for a passport: 256 bits for each film (`util.data.film_hash.film_hash`), in base 64."""
    with workers() as pool:
        hashes = list(progress(pool.map(_hash, map(str, paths)), "hashing films", total=len(paths)))
    return base64.b64encode(np.array(hashes, "<u8").tobytes()).decode()


def _compared(passport, images, films):
    """Dict film name -> whether its pixels match a training film, for the films that can be compared."""
    paths = getattr(films, "paths", films) or {}
    images = [image for image in images if image in paths]
    if not images or "training_hashes" not in passport:
        return {}
    known = np.frombuffer(base64.b64decode(passport["training_hashes"]), "<u8").reshape(-1, 4)
    with workers() as pool:
        hashes = pool.map(lambda image: _hash_or_none(paths[image]), images)
        found = zip(images, progress(hashes, "comparing films with the training data", total=len(images)), strict=True)
        return {image: _among(bits, known) for image, bits in found if bits is not None}


def _among(bits, known):
    """Whether a hash is equal or close to a known one; the negative of a film, with all bits flipped, counts too."""
    differ = np.bitwise_count(known ^ bits).sum(axis=1, dtype=int)
    return bool(np.minimum(differ, 256 - differ).min(initial=256) <= SAME)


def _hash_or_none(path):
    """The hash of a film, or None if it cannot be read."""
    try:
        return _hash(str(path), os.stat(path).st_mtime_ns)
    except (CourseError, OSError):
        return None


@lru_cache(maxsize=100_000)
def _hash(path, _=None):
    from util.data.film_hash import film_hash

    return film_hash(read_film(path))


def _stem(image):
    return str(image).rsplit(".", 1)[0]
