"""A block of films becomes a table of rows: the one way to read, score and write down, whichever engine spreads it.

    recipe = Recipe("nih-finetuned")              # small, goes to other processes and machines
    with recipe.worker() as worker:               # holds the network and the processes that read
        table = score_block(refs, worker)         # pyarrow.Table, one row a film, scored or refused

Films go through the network in batches of BATCH_SIZE, the last one of a block filled up with zeros. On a CPU, the
logits of a film did not depend on its neighbors in the batch, on the number of threads or on the process, to the
last bit, where it was tried (TensorFlow 2.21 on x86-64); they do depend on the size of the batch, which is why it is
part of an archive's identity.
"""

from __future__ import annotations

import contextlib
import itertools
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from util.archive.parts import LOGITS, PROBS, arrow, film_key, schema, shown_name
from util.archive.reader import Setting
from util.archive.readers import Readers
from util.errors import CourseError
from util.files import whole
from util.findings import FINDINGS
from util.models.predict import BATCH_SIZE

if TYPE_CHECKING:
    import pyarrow

    from util.archive.sources import FilmRef
    from util.models.weights import Pretrained

BLOCK = 64  # films of a part: what a crash costs at most for each worker, a few seconds of work
BLOCK_BYTES = 64_000_000  # of films that come with their bytes, from a packed tar
COURSE = "course"  # the gate of the course
NETWORKS = ("tensorflow", "openvino-f32", "openvino-bf16")


@dataclass(frozen=True)
class Recipe:
    """What makes a worker, in another process or on another machine: it can be pickled and holds no network.

    Attributes
    ----------
    model : name of weights, or path of a weights file (on a cluster, a path that every machine has)
    preprocessing, findings : of a foreign weights file without a passport, else None
    network : 'tensorflow', or 'openvino-f32' or 'openvino-bf16' where OpenVINO is installed
    maps : findings whose heat maps (Grad-CAM at the last ReLU) are kept
    features : bool, keep the inputs of the last layer
    gate : util.models.input_gate.Gate, None, or COURSE for the course's, fitted when there is a film to score: what each
        film looks like, and which DICOM films without a view are taken
    salt : bytes that names are hashed with, or None
    seconds : float, what reading a film may take by the clock
    memory : int, bytes that reading a film may take (Linux)
    readers : int, processes that read for one worker; by default one for each core

    See Also
    --------
    Worker : what it makes

    Examples
    --------
    >>> Recipe("phantom", maps=("Mass",)).network
    'tensorflow'
    """

    model: str
    preprocessing: Any = None
    findings: tuple | None = None
    network: str = "tensorflow"
    maps: tuple = ()
    features: bool = False
    gate: Any = None
    salt: bytes | None = field(default=None, repr=False)
    seconds: float = 60.0
    memory: int = 3_000_000_000
    readers: int | None = None

    def load(self, network: bool = True) -> Pretrained:
        """The network with its preprocessing and passport; without `network`, no more than it takes to know these.

        Raises
        ------
        CourseError : the weights are missing or damaged, an option is unknown, or heat maps and features are asked of OpenVINO.
        """
        from util.models.score_folder import load

        self.check()
        pretrained = load(self.model, self.preprocessing, self.findings, network)
        if self.network == "tensorflow" or not network:
            return pretrained
        from util.models.openvino import with_openvino

        return with_openvino(pretrained, self.network.removeprefix("openvino-"))

    def check(self) -> None:
        """Raise the CourseError of an option that cannot be, before anything is loaded."""
        if self.network not in NETWORKS:
            raise CourseError(f"There is no network engine {self.network!r}: use {', '.join(NETWORKS)}.")
        if self.network != "tensorflow" and (self.maps or self.features):
            raise CourseError("OpenVINO gives scores alone: leave out --maps and --features, or take tensorflow.")
        unknown = [finding for finding in self.maps if finding not in FINDINGS]
        if unknown or len(set(self.maps)) < len(self.maps):
            raise CourseError(f"--maps names {unknown or list(self.maps)}: choose each once of {', '.join(FINDINGS)}.")

    def identity(self, pretrained: Pretrained) -> dict:
        """What decides the numbers of an archive: an archive only goes on with the same."""
        passport, rules = pretrained.passport, pretrained.preprocessing
        return {
            "weights": passport["name"],
            "sha256": passport["sha256"],
            "labels": list(passport.get("labels", FINDINGS)),
            "preprocessing": {"size": rules.size, "mean": rules.mean, "std": rules.std, "aspect": rules.aspect},
            "calibration": passport.get("calibration") or passport.get("prevalence"),
            "network": self.network,
            "batch": BATCH_SIZE,
            "maps": list(self.maps),
            "features": self.features,
            "names": f"hashed with salt {_fingerprint(self.salt)}" if self.salt else "as given",
        }

    def worker(self) -> Worker:
        """Start the processes that read, and load the network meanwhile."""
        return Worker(self)


def _fingerprint(salt):
    """Eight digits by which a salt is known again, and no more."""
    from util.archive.reader import hashed

    return hashed("fingerprint of the salt", salt)[:8]


class Worker:
    """A network and the processes that read for it; use it in a `with` statement.

    Attributes
    ----------
    recipe : Recipe
    pretrained : util.models.weights.Pretrained
    readers : util.archive.readers.Readers

    See Also
    --------
    score_block : what it is for

    Examples
    --------
    Not run by the tests, since it needs TensorFlow.

    >>> with Recipe("phantom").worker() as worker: worker.pretrained  # doctest: +SKIP
    """

    def __init__(self, recipe: Recipe, pretrained: Pretrained | None = None) -> None:
        self.recipe = recipe
        self.pretrained = pretrained = pretrained or recipe.load()
        setting = Setting(pretrained.preprocessing, recipe.gate, recipe.salt, recipe.memory)
        self.readers = Readers(setting, recipe.readers, recipe.seconds)
        self.pool = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End the processes that read."""
        self.readers.close()

    def logits(self, films: np.ndarray) -> np.ndarray:
        """float32 (n, 14) of at most BATCH_SIZE films, float32 (n, size, size, 3)."""
        from util.models.predict import predict_films

        return predict_films(self.pretrained.model, films, BATCH_SIZE)

    def extras(self, films: np.ndarray) -> dict[str, np.ndarray]:
        """Features float32 (n, 1024) and maps float32 (n, rows x columns) by the name of their column."""
        found = {}
        if self.recipe.features:
            import keras

            from util.models.predict import predict_films

            if self.pool is None:
                model = self.pretrained.model
                self.pool = keras.Model(model.input, model.get_layer("pool").output)
            found["features"] = predict_films(self.pool, films, BATCH_SIZE)
        if self.recipe.maps:
            from util.explain.heat_maps import grad_cam

            filled = np.zeros((BATCH_SIZE, *films.shape[1:]), np.float32)
            filled[: len(films)] = films
            maps = grad_cam(self.pretrained.model, filled, batch_size=BATCH_SIZE)[1][: len(films)]
            for finding in self.recipe.maps:
                found[f"map_{finding}"] = maps[:, FINDINGS.index(finding)].reshape(len(films), -1)
        return found


def blocks_of(refs: Iterable[FilmRef], films: int = BLOCK) -> Iterator[list[FilmRef]]:
    """References in blocks of so many films, fewer where they come with many bytes.

    See Also
    --------
    score_blocks : scores them

    Examples
    --------
    >>> [len(block) for block in blocks_of(range(5), 2)]
    [2, 2, 1]
    """
    block, size = [], 0
    for ref in refs:
        block.append(ref)
        size += len(getattr(ref, "data", None) or b"")
        if len(block) == films or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def score_block(refs: Sequence[FilmRef], worker: Worker) -> pyarrow.Table:
    """Read, gate, preprocess and score films: one row for each, in the order given.

    Parameters
    ----------
    refs : list of util.archive.sources.FilmRef
    worker : Worker

    Returns
    -------
    pyarrow.Table with the columns of `util.archive.parts.schema`. A film that cannot be read, takes too long, ends the
    process that reads it, or is not a frontal film by its header has the reason in `refused` and no scores

    See Also
    --------
    score_blocks : many of them

    Examples
    --------
    Not run by the tests, since it needs TensorFlow.

    >>> score_block(refs, worker)["refused"]  # doctest: +SKIP
    """
    return next(score_blocks([list(refs)], worker))


def score_blocks(blocks: Iterable[Sequence[FilmRef]], worker: Worker) -> Iterator[pyarrow.Table]:
    """Tables of blocks, in order; films of the next blocks are read while the network works on this one.

    Blocks are taken from the iterable only as they are needed, and a bounded number of films ahead.

    See Also
    --------
    score_block : one of them

    Examples
    --------
    Not run by the tests, since it needs TensorFlow.

    >>> next(score_blocks([refs], worker))  # doctest: +SKIP
    """
    waiting = deque()

    def refs():
        for block in blocks:
            waiting.append(block)
            yield from block

    answers = worker.readers.in_order(refs())
    for first in answers:
        rest = itertools.islice(answers, len(waiting.popleft()) - 1)
        yield _table(itertools.chain([first], rest), worker)


def _table(answers, worker):
    """Rows of one block's films."""
    rows, batch, logits, extras = [], [], [], []

    def through_the_network():
        films = np.stack(batch)
        films = np.repeat(films, 3, axis=-1) if films.shape[-1] == 1 else films
        logits.append(worker.logits(films))
        extras.append(worker.extras(films))
        batch.clear()

    for ref, facts, film in answers:
        rows.append({"name": shown_name(ref, worker.recipe.salt), "key": film_key(ref, worker.recipe.salt)} | facts)
        if film is not None:
            batch.append(film)
            if len(batch) == BATCH_SIZE:
                through_the_network()
    if batch:
        through_the_network()
    extras = {name: np.concatenate([some[name] for some in extras]) for name in (extras[0] if extras else ())}
    return _as_arrow(rows, np.concatenate(logits) if logits else None, extras, worker)


def _as_arrow(rows, logits, extras, worker):
    from util.models.score_folder import calibrated, score_table

    pa, scored = arrow(), [row for row in rows if "refused" not in row]
    columns = {}
    if scored:
        table = pd.DataFrame(logits, index=range(len(scored)), columns=list(FINDINGS))
        scores = score_table(calibrated(worker.pretrained.passport, table)[0])
        columns = {name: scores[name].to_numpy(float) for name in (*LOGITS, *PROBS)}
    for name, values in extras.items():
        columns |= {name: values} if name == "features" else _packed_map(name, values)
    for name, values in columns.items():
        for row, value in zip(scored, values, strict=True):
            row[name] = value
    return pa.Table.from_pylist(rows, schema=schema(*_sizes(worker)))


def _sizes(worker):
    """Numbers of a film's features, findings with maps, cells of a map."""
    recipe, model = worker.recipe, worker.pretrained.model
    features = model.get_layer("pool").output.shape[-1] if recipe.features else 0
    cells = int(np.prod(model.get_layer("relu").output.shape[1:3])) if recipe.maps else 0
    return features, recipe.maps, cells


def _packed_map(name: str, maps: np.ndarray) -> dict[str, np.ndarray]:
    """Heat maps as numbers from 0 to 255, with what undoes it: a cell is low + step x number.

    Parameters
    ----------
    name : of the column
    maps : float32 (n, cells)

    Returns
    -------
    dict of arrays: uint8 (n, cells), and float32 (n,) low and step; a map is off by half a step at most

    Examples
    --------
    >>> packed = _packed_map("map_Mass", np.array([[-1.0, 0.0, 4.1]], np.float32))
    >>> packed["map_Mass"].tolist(), packed["map_Mass_low"].tolist(), round(float(packed["map_Mass_step"][0]), 4)
    ([[0, 50, 255]], [-1.0], 0.02)
    """
    low = maps.min(axis=1)
    step = ((maps.max(axis=1) - low) / np.float32(255)).astype(np.float32)
    numbers = np.rint((maps - low[:, None]) / np.where(step > 0, step, 1)[:, None]).clip(0, 255).astype(np.uint8)
    return {name: numbers, f"{name}_low": low, f"{name}_step": step}


def with_gate(recipe: Recipe, kept: Path | None = None) -> Recipe:
    """The recipe with the course's input gate, fitted on simulated films (`util.models.input_gate`).

    Parameters
    ----------
    recipe : Recipe
    kept : Path of a file (.npz) that holds the gate once it is fitted, which takes seconds; None to fit it each time

    See Also
    --------
    util.models.input_gate.fit_gate : fits it

    Examples
    --------
    Not run by the tests, since it takes seconds.

    >>> with_gate(Recipe("phantom")).gate  # doctest: +SKIP
    """
    from util.data.cohort import load_cohort
    from util.models.input_gate import Gate, fit_gate

    names = [part.name for part in fields(Gate)]
    if kept is not None and kept.is_file():
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # damaged: fit it again
            with kept.open("rb") as file, np.load(file, allow_pickle=False) as found:
                values = [found[name] if found[name].ndim else float(found[name]) for name in names]
            return replace(recipe, gate=Gate(*values))
    phantom = load_cohort("phantom")
    gate = fit_gate([phantom.read(image) for image in phantom.split("train")["Image"][:200]])
    if kept is not None:
        with whole(kept) as part, part.open("wb") as stream:
            np.savez(stream, **{name: getattr(gate, name) for name in names})
    return replace(recipe, gate=gate)
