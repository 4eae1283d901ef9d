"""What tests of train share."""

import json
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from util.findings import FINDINGS
from util.training import simulated
from util.training.simulated import Films, Run, plan

SIZE, STAGES = 64, "32:16,64:4"


def shards(out, n, seed, size, enriched, subtle):
    """In place of `render_shards`: three chunks of noise that is brighter with the first finding, places and all."""
    rng = np.random.default_rng(seed)
    mined = rng.integers(0, 2, (n, len(FINDINGS)), dtype=np.uint8)
    films = rng.integers(0, 100, (n, size, size)) + 100 * mined[:, :1, None]
    places = rng.random((n, size // 8, size // 8, len(FINDINGS))) < 0.02
    out.mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(np.array_split(np.arange(n), 3)):
        np.save(out / f"films-{number:04d}.npy", films[rows].astype(np.uint8))
        np.save(out / f"places-{number:04d}.npy", places[rows])
    np.save(out / "mined.npy", mined)
    np.save(out / "truth.npy", mined.astype(np.float32))
    who = {
        "PatientId": np.arange(n) // 3,
        "View": rng.choice(["PA", "AP"], n),
        "Sex": "F",
        "Age": rng.integers(9, 90, n),
    }
    pd.DataFrame(who).to_csv(out / "table.csv", index=False)
    (out / "recipe.json").write_text(json.dumps({"enriched": enriched, "subtle": subtle}))


@contextmanager
def smaller():
    """Everything about training small: rounds of eight films of at most 64 pixels, in batches of four."""
    with pytest.MonkeyPatch.context() as patch:
        small = {"FINAL_SIZE": SIZE, "ROUND": 8, "HELD_OUT": 7, "BATCH": 4, "render_shards": shards}
        for name, value in small.items():
            patch.setattr(simulated, name, value)
        yield


@pytest.fixture
def small():
    with smaller():
        yield


@pytest.fixture
def films(small, tmp_path):
    return Films(tmp_path / "films", 20, 1, SIZE, "gross")


def tiny(out, stages=STAGES):
    """A run of three rounds of at most eight films."""
    return Run(out, plan(stages), 40, 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(run, its weights), without interruption."""
    with smaller():
        run = tiny(tmp_path_factory.mktemp("run"))
        return run, simulated.train(run, 1)


@pytest.fixture
def finished(run, small):
    """The same, where everything is still small."""
    return run
