"""What stands in for weights that somebody trained: films to compare probabilities on, and how they are compared."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from util.models.preprocessing import Preprocessing

SIZE = 64
RULES = Preprocessing(SIZE, 120.0, 60.0)


@pytest.fixture(scope="session")
def films():
    """Standardised films float32 (3, 64, 64, 3), the gray channel three times."""
    rng = np.random.default_rng(0)
    return np.stack([RULES(rng.integers(0, 256, (80, 80), dtype=np.uint8)) for _ in range(3)])


@pytest.fixture(scope="session")
def networks():
    """Networks built so far, by size and final ReLU: building one takes longer than filling it."""
    return {}


@pytest.fixture
def load(networks, monkeypatch):
    """`load_pretrained`, which builds no network twice; each is emptied before it is filled again."""
    from util.models import densenet
    from util.models.weights import load_pretrained

    build = densenet.build_densenet

    def cached(size=320, final_relu=True):
        network = networks.setdefault((size, final_relu), None) or build(size, final_relu)
        for weight in network.weights:
            weight.assign(np.full(weight.shape, np.nan, np.float32))
        networks[size, final_relu] = network
        return network

    monkeypatch.setattr(densenet, "build_densenet", cached)
    return load_pretrained


def probabilities(logits):
    return 0.5 * (1 + np.tanh(np.asarray(logits, np.float64) / 2))


def ours(pretrained, films):
    """Probabilities of a loaded model, in the course's order."""
    return probabilities(pretrained.model(films, training=False))


@pytest.fixture(scope="module")
def browser():
    """A Chromium, driven by Playwright; tests are skipped where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed here")
    from util.course.paper import chromium

    if not (program := chromium()):
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as running:
        yield running.chromium.launch(executable_path=program, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def axe():
    """The script of axe, from a package that brings it and is not imported."""
    package = importlib.util.find_spec("axe_playwright_python")
    if not package:
        pytest.skip("axe-playwright-python, which brings axe, is not installed here")
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")
