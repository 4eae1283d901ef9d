"""Films that do harm to the process that reads them, and a recipe whose network is made in a moment."""

import os
import time
from dataclasses import dataclass

import numpy as np

from tests.helpers.networks import tiny_network
from tests.helpers.scoring import PASSPORT
from util.archive.block import Recipe
from util.findings import FINDINGS
from util.models.preprocessing import Preprocessing
from util.models.weights import Pretrained

HANGS, ENDS, EATS = 35, 37, 39  # rows of a film


@dataclass(frozen=True)
class Trap(Preprocessing):
    """Rules that hang, end the process or take all memory on films of some heights."""

    def __call__(self, film):
        rows = len(film)
        if rows == HANGS:
            time.sleep(1000)
        if rows == ENDS:
            os._exit(9)
        if rows == EATS:
            film = np.ones(10**9) + film.mean()  # 8 GB, within a limit of less
        return super().__call__(film)


@dataclass(frozen=True)
class TinyRecipe(Recipe):
    """A recipe with a tiny network, which any process can make."""

    size: int = 32

    def load(self):
        self.check()
        return Pretrained(tiny_network(self.size), FINDINGS, Trap(self.size, 120.0, 60.0), dict(PASSPORT))


class Plain:
    """A network of NumPy: a process that scores with it starts without TensorFlow."""

    def predict_on_batch(self, films):
        return np.tile(films.mean(axis=(1, 2, 3))[:, None], len(FINDINGS)).astype(np.float32)


@dataclass(frozen=True)
class PlainRecipe(TinyRecipe):
    """The same with a network of NumPy."""

    def load(self):
        return Pretrained(Plain(), FINDINGS, Trap(self.size, 120.0, 60.0), dict(PASSPORT))
