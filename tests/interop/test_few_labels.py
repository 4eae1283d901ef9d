"""The few-label test trains and reads: its own network, tiny, on films of a folder."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-interop")

from util.data.cohort import load_cohort
from util.findings import FINDINGS
from util.training import nih_finetuned
from util.training.few_labels import learn, listed_films, read_all


def test_it_learns_from_the_listed_films_and_reads_others(nih_files, tmp_path, monkeypatch):
    names = [f"{i:08d}_000.png" for i in range(1, 13)]
    nih_files.labels(*((n, "Mass" if i % 2 else "No Finding", 0, i + 1) for i, n in enumerate(names)))
    for name in names:
        nih_files.film(name)
    monkeypatch.setattr(nih_finetuned, "STAGES", ((32, 64, 8e-4), (64, 64, 3e-4)))
    monkeypatch.setattr(nih_finetuned, "BATCH", 8)
    monkeypatch.setattr(nih_finetuned, "SIMULATED", 6)
    cohort = load_cohort("nih", nih_files.root)
    arrays = learn(cohort, listed_films(cohort, names[:8]), tmp_path)
    logits = read_all(cohort, names[8:], arrays, 64)
    assert logits.index.tolist() == names[8:] and logits.columns.tolist() == list(FINDINGS)
    assert np.isfinite(logits.to_numpy()).all()
