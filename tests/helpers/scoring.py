"""What tests of score_folder share."""

import numpy as np
import pandas as pd
import pytest

from tests.helpers.networks import tiny_network
from util.findings import FINDINGS
from util.models import score_folder, weights
from util.models.preprocessing import Preprocessing

PASSPORT = {
    "name": "tiny", "bytes": 1, "origin": "a test", "films": "real", "training": "a few real films",
    "findings": list(FINDINGS), "output": "logits", "licence": "MIT", "sha256": "0",
    "preprocessing": {"size": 32, "mean": 120.0, "std": 60.0}, "training_films": [],
}  # fmt: skip


@pytest.fixture
def model(monkeypatch):
    """A stand-in for trained weights; the passport can be changed by the test."""
    passport = dict(PASSPORT)
    loaded = weights.Pretrained(tiny_network(), FINDINGS, Preprocessing(32, 120.0, 60.0), passport)
    monkeypatch.setattr(score_folder, "load_pretrained", lambda *args, **kwargs: loaded)
    return passport


@pytest.fixture
def folder(nih_files):
    """Forty films of twenty patients, half of them with Mass."""
    names = [f"{1 + i // 2:08d}_{i % 2:03d}.png" for i in range(40)]
    nih_files.labels(*((n, "Mass" if i % 4 < 2 else "No Finding", i % 2, 1 + i // 2) for i, n in enumerate(names)))
    for name in names:
        nih_files.film(name, (40, 48))
    return nih_files


def command(folder, out, *more):
    return score_folder.main(
        ["--cohort", "nih", "--root", str(folder.root), "--model", "tiny", "--out", str(out), *more]
    )


@pytest.fixture
def scored(monkeypatch):
    """Names of films in the order in which the network reads them; savings come early."""
    import util.models.predict

    plain, seen = util.models.predict.batches, []

    def batches(*args, **kwargs):
        for names, films in plain(*args, **kwargs):
            seen.extend(names)
            yield names, films

    monkeypatch.setattr(util.models.predict, "batches", batches)
    monkeypatch.setattr(score_folder, "KEEP", 16)
    return seen


def logits():
    return pd.DataFrame(np.zeros((3, 14)), index=list("abc"), columns=list(FINDINGS))
