"""What tests of archives share: films in a folder, a tiny network in a worker, and what an archive holds."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.traps import TinyRecipe
from util.archive.block import score_blocks
from util.archive.parts import read_parts

RECIPE = TinyRecipe("tiny", readers=2, seconds=10)


def film(folder, name, height=40, seed=None):
    pixels = np.random.default_rng(list(name.encode()) if seed is None else seed)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.integers(0, 256, (height, 48), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def root(tmp_path):
    for k in range(20):
        film(tmp_path / "films", f"{k:08}_000.png")
    return tmp_path / "films"


def table(out, **options):
    return pd.concat([part.to_pandas() for part in read_parts(out, **options)]).sort_values("name", ignore_index=True)


def names(out, **options):
    return sorted(name for part in read_parts(out, **options) for name in part["name"].to_pylist())


@pytest.fixture(scope="module")
def shared():
    """A worker for all tests that need no other."""
    with RECIPE.worker() as worker:
        yield worker


@pytest.fixture
def engine(shared):
    """The local engine on the shared worker: no processes are started anew."""
    return lambda blocks, recipe, pretrained: score_blocks(blocks, shared)
