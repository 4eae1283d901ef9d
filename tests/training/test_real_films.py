"""Real films in memory: folds by patient, labels that would teach a source and the places of boxes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from util.errors import CourseError
from util.findings import FINDINGS
from util.training.real_films import folds, learnable, read_real_films, sources


def table(films, patients, seed=0):
    rng = np.random.default_rng(seed)
    labels = pd.DataFrame((rng.random((films, 14)) < 0.15).astype(int), columns=list(FINDINGS))
    return labels.assign(PatientId=rng.integers(0, patients, films), Folder=rng.integers(0, 2, films))


@given(st.integers(0, 20))
def test_folds_keep_patients_together_and_findings_spread(seed):
    films = table(600, 250, seed)
    fold = folds(films, 3, seed)
    assert films.groupby("PatientId")["PatientId"].transform("size").gt(0).all()
    assert pd.Series(fold).groupby(films["PatientId"]).nunique().max() == 1
    assert np.bincount(fold).min() > 150
    shares = films[list(FINDINGS)].groupby(fold).mean()
    assert (shares.max() - shares.min()).max() < 0.12


def test_folds_are_the_same_for_the_same_seed():
    assert np.array_equal(folds(table(300, 100), 3), folds(table(300, 100), 3))


def test_a_finding_of_one_source_counts_in_that_source_only(tmp_path):
    films = table(100, 100).assign(Image=[f"{i:08d}_000.png" for i in range(100)])
    films["Pneumonia"] = 0
    films.loc[:39, "Pneumonia"] = (np.arange(40) % 4 == 0).astype(int)  # ten positives, all of the first source
    films["Mass"] = np.arange(100) % 5 == 0  # in both
    manifest = pd.DataFrame({"Image Index": films["Image"], "repo": ["one"] * 40 + ["other"] * 60})
    manifest.to_csv(tmp_path / "manifest.csv", index=False)
    counts = learnable(films, tmp_path)
    assert np.array_equal(counts[:, FINDINGS.index("Pneumonia")], np.arange(100) < 40)
    assert counts[:, FINDINGS.index("Mass")].all()
    films.loc[:39, "Pneumonia"] = np.arange(40) % 2  # half of a source's films: it was put together by the finding
    assert not learnable(films, tmp_path)[:, FINDINGS.index("Pneumonia")].any()


def test_sources_are_those_of_the_manifest_or_the_folder(tmp_path):
    films = pd.DataFrame({"Image": ["a.png", "b.png"]})
    assert sources(films, tmp_path).tolist() == [tmp_path.name] * 2
    pd.DataFrame({"Image Index": ["a.png"], "source": ["one"]}).to_csv(tmp_path / "manifest.csv", index=False)
    assert sources(films, tmp_path).tolist() == ["one", tmp_path.name]


def test_without_a_manifest_every_label_counts(tmp_path):
    films = table(10, 10).assign(Image="x")
    assert learnable(films, tmp_path).all()
    pd.DataFrame({"Image Index": ["x"], "source": ["y"]}).to_csv(tmp_path / "manifest.csv", index=False)
    assert learnable(films, tmp_path).all()


def test_folders_are_read_shrunk_and_joined(nih_files, tmp_path):
    nih_files.labels(("00000001_000.png", "Mass"), ("00000002_000.png", "No Finding", 0, 2))
    nih_files.boxes(("00000001_000.png", "Mass", 512, 256, 256, 128))
    nih_files.film("00000001_000.png")
    nih_files.film("00000002_000.png", mode="RGBA")
    films = read_real_films([nih_files.root], 32)
    assert films.pixels.shape == (2, 32, 32) and films.pixels.dtype == np.uint8
    assert films.labels.sum() == 1 and films.counts.all()
    assert films.boxes[["x", "y", "w", "h"]].to_numpy().tolist() == [[0.5, 0.25, 0.25, 0.125]]
    assert np.argwhere(films.places(0)).tolist() == [[1, 2, FINDINGS.index("Mass")]]  # of four rows and columns
    assert films.places(1) is None
    assert list(read_real_films([nih_files.root], 32, ["00000001_000.png"]).table["Image"]) == ["00000002_000.png"]
    with pytest.raises(CourseError, match="lies in two folders"):
        read_real_films([nih_files.root, nih_files.root], 32)
