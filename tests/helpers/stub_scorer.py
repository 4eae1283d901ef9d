"""A stand-in for a network that scores films of an archive in no time, in this process or another, always the same."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from tests.helpers.traps import Trap
from util.archive.block import Recipe
from util.errors import CourseError
from util.findings import FINDINGS

RULES = Trap(32, 120.0, 60.0)
PASSPORT = {"name": "stub", "sha256": "0" * 64, "films": "simulated", "training_films": []}


@dataclass(frozen=True)
class StubRecipe(Recipe):
    """A recipe without a network. `trap` names a folder in which a file says once what the next worker has to suffer."""

    trap: str = ""
    slow: float = 0.0  # seconds a batch

    def load(self):
        """What an archive asks of a network."""
        model = StubModel(self.trap, self.slow)
        return SimpleNamespace(passport=PASSPORT, preprocessing=RULES, findings=FINDINGS, model=model)


class BrokenRecipe(StubRecipe):
    """A recipe whose workers find no weights."""

    def worker(self):
        """A CourseError."""
        raise CourseError("There is no weights file here: name another with --model.")


class StubModel:
    """Logits from the gray levels of a film, by a formula."""

    def __init__(self, trap, slow):
        self.trap, self.slow = trap, slow

    def predict_on_batch(self, films):
        """float32 (n, 14) of films (n, 32, 32, 3)."""
        self._spring()
        time.sleep(self.slow)
        low = films[..., 0].reshape(len(films), -1)
        return np.stack([[np.tanh(film[k::14].mean(dtype=np.float32)) for k in range(14)] for film in low])

    def _spring(self):
        """Suffer what a file in the folder says, whoever takes it first."""
        for path in Path(self.trap).glob("trap-*") if self.trap else ():
            try:
                path.rename(path.with_name(path.name.replace("trap", "sprung")))
            except OSError:
                continue
            if path.name == "trap-exit":
                os._exit(1)
            if path.name == "trap-memory":
                _out_of_memory()


def _out_of_memory():
    """Run out of memory, as a limit of the system or of a container has it."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (2**20, resource.getrlimit(resource.RLIMIT_AS)[1]))
    np.ones(2**30)


def films(folder, count=40, seed=0):
    """Noise films as PNG: film-000.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for k in range(count):
        Image.fromarray(rng.integers(0, 256, (48, 40), dtype=np.uint8)).save(folder / f"film-{k:03}.png")
    return folder


def rows_of(out):
    """All rows of an archive by name, as Python values."""
    from util.archive.parts import mark_of, part_files, read_manifest, read_part

    mark = mark_of(read_manifest(out)["identity"])
    rows = [row for path in part_files(out) for row in read_part(path, mark).to_pylist()]
    assert len({row["name"] for row in rows}) == len(rows)  # nothing twice
    return {row["name"]: row for row in rows}
