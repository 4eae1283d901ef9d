"""What tests of download share."""

import hashlib

import numpy as np
import pytest

from tests.fuzz.server import CALM, HASTY, Server
from util.data import download as downloads
from util.data.download import Remote

CONTENT = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()


@pytest.fixture
def server(monkeypatch):
    """A running server that CXR_MIRROR names; nobody waits long for it."""
    for name, value in CALM.items():
        monkeypatch.setattr(downloads, name, value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Server().running() as server:
        monkeypatch.setenv("CXR_MIRROR", server.address)
        yield server


@pytest.fixture
def remote(server):
    """A file on the server, with its hash."""
    server.files["/some/path/w.bin"] = CONTENT
    return Remote("https://example.org/some/path/w.bin", "w.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def hurry(monkeypatch, fault):
    """Wait less where the server makes one wait."""
    if fault.startswith(("hang", "drip")):
        for name, value in HASTY.items():
            monkeypatch.setattr(downloads, name, value)
