"""Embeddings of a model elsewhere: read safely, probed on patients held out, judged by name."""

import numpy as np
import pandas as pd
import pytest

from util.data.cohort import Cohort
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.roc import auc
from util.models.embeddings import judge, main, probe, read_embeddings


def table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    y = pd.DataFrame((rng.random((n, 14)) < 0.3).astype(int), columns=list(FINDINGS))
    return y.assign(Image=[f"{i // 2:08d}_{i % 2:03d}.png" for i in range(n)], PatientId=np.arange(n) // 2)


def write(path, films, vectors, model="a model"):
    np.savez(path, names=np.array(films["Image"], "U"), vectors=vectors, model=model)
    return path


def test_probe_finds_what_a_vector_holds_and_nothing_in_noise():
    films, rng = table(), np.random.default_rng(1)
    vectors = rng.normal(size=(300, 20))
    vectors[:, 3] += 3 * films["Mass"]
    logits = probe(vectors, films)
    assert auc(films["Mass"], logits[:, FINDINGS.index("Mass")]) > 0.95
    others = [auc(films[f], logits[:, k]) for k, f in enumerate(FINDINGS) if f != "Mass"]
    assert abs(np.mean(others) - 0.5) < 0.05


def test_a_patient_is_never_on_both_sides():
    """Vectors that name the patient tell labels that films of a patient share: only where the patient has been met."""
    films = table()
    shared = np.random.default_rng(2).integers(0, 2, 150)
    films["Mass"] = np.repeat(shared, 2)
    codes = np.random.default_rng(3).normal(size=(150, 40))
    logits = probe(np.repeat(codes, 2, axis=0), films)
    assert auc(films["Mass"], logits[:, FINDINGS.index("Mass")]) < 0.62


def test_films_are_found_by_name_whatever_their_order_and_ending(tmp_path):
    films, rng = table(), np.random.default_rng(1)
    vectors = rng.normal(size=(300, 20))
    vectors[:, 3] += 3 * films["Mass"]
    cohort = Cohort("nih", films, pd.DataFrame())
    order = rng.permutation(300)
    shuffled = films.iloc[order].assign(Image=lambda t: t["Image"].str.replace(".png", ".jpg"))
    model, found, averages, sentence = judge(write(tmp_path / "e.npz", shuffled, vectors[order], "RAD-DINO"), cohort)
    assert model == "RAD-DINO" and found.loc["Mass", "auc"] > 0.95 and "unknown" in sentence
    assert averages.loc["macro", "low"] < found["auc"].mean() < averages.loc["macro", "high"]
    assert "1 of these 300 films were" in judge(tmp_path / "e.npz", cohort, ["00000000_000.png"])[3]


@pytest.mark.parametrize(
    "arrays, says",
    [
        ({"names": np.array(["a"]), "vectors": np.ones((1, 2))}, "no array model"),
        ({"names": np.array(["a", "a.png"]), "vectors": np.ones((2, 2)), "model": "m"}, "stands twice"),
        ({"names": np.array(["a"]), "vectors": np.ones((2, 2)), "model": "m"}, "do not fit"),
        ({"names": np.array(["a"]), "vectors": np.full((1, 2), np.nan), "model": "m"}, "no finite numbers"),
        ({"names": np.array(["a"], object), "vectors": np.ones((1, 2)), "model": "m"}, "save names as text"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path, arrays, says):
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(CourseError, match=says):
        read_embeddings(tmp_path / "e.npz")


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    (tmp_path / "e.npz").write_bytes(b"no archive")
    with pytest.raises(CourseError, match="cannot be read"):
        read_embeddings(tmp_path / "e.npz")
    assert main([str(tmp_path / "none.npz"), "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
