"""What tests of weights share."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from tests.helpers.networks import tiny_network
from util.models.weights import (
    save_weights,
)

IMAGES = ["00000001_000.png", "00000001_001.png", "00000002_000.png"]


PHANTOM, REAL = (SimpleNamespace(simulated=s, films=pd.DataFrame({"Image": IMAGES})) for s in (True, False))


@pytest.fixture
def file(tmp_path):
    """Weights of a tiny network, without a passport."""
    save_weights(tiny_network(), tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def values(network):
    return {v.path: v.numpy() for v in network.variables}


def change_passport(file, **entries):
    passport = json.loads(file.with_suffix(".json").read_text())
    file.with_suffix(".json").write_text(json.dumps(passport | entries))
