"""Two steps of each training end at the logits that they ended at before: released weights can still be made again.

The numbers were written down once, on a processor, by `python -m tests.interop.test_frozen_training`, before the training code
was moved. bfloat16 differs a little from one processor to the next, so they hold to 0.03; the second test shows that this is
less than a seed or a step size makes. One thread adds up in another order than two do, which two steps make into 0.14: so
both trainings take two threads, on any number of cores.
"""

import json
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-interop")

from safetensors.numpy import load_file

from tests.helpers.bright_squares import films
from tests.helpers.simulated_run import smaller, tiny
from util.models.weights import WEIGHTS
from util.training import simulated
from util.training.finetune import Stage, finetune
from util.training.network import read_out

FROZEN = Path(__file__).with_name("frozen_training.json")
TOLERANCE = 0.03  # of a logit
STAGE = Stage(64, 16, batch=8)


@contextmanager
def two_threads():
    """Within the block PyTorch has two threads, and the machine two cores for who asks."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with mock.patch("os.cpu_count", return_value=2):
            yield
    finally:
        torch.set_num_threads(before)


@two_threads()
def finetuned(stage=STAGE, seed=0):
    """Logits of four films after two steps of fine-tuning: float (4, 14)."""
    start = {name: array.astype(np.float32) for name, array in load_file(WEIGHTS / "phantom.safetensors").items()}
    data = films()
    return read_out(finetune(data, np.arange(24), stage, start, seed=seed), data.pixels[:4])[0]


@two_threads()
def trained(seed=3):
    """Logits of four films after three short rounds of the training on simulated films: float (4, 14)."""
    with smaller(), tempfile.TemporaryDirectory() as folder:
        arrays = simulated.train(replace(tiny(Path(folder)), seed=seed), 1)
    return read_out(arrays, films().pixels[:4])[0]


@pytest.mark.parametrize("training", [finetuned, trained], ids=lambda training: training.__name__)
def test_two_steps_end_where_they_ended(training):
    frozen = np.array(json.loads(FROZEN.read_text())[training.__name__])
    np.testing.assert_allclose(training(), frozen, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("training", "changed"),
    [(finetuned, {"seed": 1}), (finetuned, {"stage": replace(STAGE, rate=10 * STAGE.rate)}), (trained, {"seed": 4})],
)
def test_the_tolerance_is_smaller_than_a_change(training, changed):
    frozen = np.array(json.loads(FROZEN.read_text())[training.__name__])
    assert np.abs(training(**changed) - frozen).max() > 3 * TOLERANCE


if __name__ == "__main__":
    made = {training.__name__: np.round(training().astype(float), 4).tolist() for training in (finetuned, trained)}
    FROZEN.write_text(json.dumps(made, indent=1) + "\n")
    sys.stdout.write(f"{FROZEN.name} is written.\n")
