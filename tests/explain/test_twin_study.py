"""The tables of lesson 12: what is in them, that they are read as written, and that they are those of the twins."""

import numpy as np
import pandas as pd
import pytest

from util.errors import CourseError
from util.explain import twin_study
from util.explain.heat_maps import METHODS
from util.findings import FINDINGS
from util.models.preprocessing import Preprocessing
from util.models.weights import Pretrained
from util.phantom.twins import people, twins


@pytest.fixture
def network(monkeypatch):
    """A small network in the place of the course's."""
    import keras

    from util.models import weights

    inputs = keras.Input((64, 64, 3))
    features = keras.layers.Conv2D(4, 8, strides=8, activation="relu", name="relu")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    model = keras.Model(inputs, keras.layers.Dense(14, name="logits")(pooled))
    small = Pretrained(model, FINDINGS, Preprocessing(64, 128.0, 64.0), {"name": "small"})
    monkeypatch.setattr(weights, "load_pretrained", lambda name: small)
    return small


def test_a_family_is_read_film_by_film(network):
    from util.models.predict import predict_films

    person = people(1, seed=3)[0]
    changes = {"Mass": {"Mass": 0.6}, "no side marker": {"marker": False}}
    table = twin_study.read_family(network, person, changes, size=64)
    assert table.index.tolist() == ["as is", *changes] and tuple(table.columns) == FINDINGS
    for name, change in changes.items():
        pair = twins(person, change, size=64)
        films = np.stack([network.preprocessing(film.pixels) for film in (pair.film, pair.twin)])
        np.testing.assert_allclose(table.loc[["as is", name]], predict_films(network.model, films), atol=1e-5)


def test_the_command_writes_what_the_lesson_reads(network, tmp_path, monkeypatch, capsys):
    small = twin_study.measure(1, networks=("phantom",), size=64)
    monkeypatch.setattr(twin_study, "measure", lambda count: small)
    monkeypatch.setattr(
        twin_study, "measure_maps", lambda: {"finding": np.array(["Mass"]), "what changed": np.ones((1, 5, 5))}
    )
    new = tmp_path / "not there" / "new"
    assert twin_study.main(["--out", str(new)]) == 0
    table, maps = twin_study.load_effects(new), twin_study.load_maps(new)
    pd.testing.assert_frame_equal(table, small, atol=0.001, check_dtype=False)
    assert maps["what changed"].shape == (1, 5, 5)
    first = (new / "effects.csv.gz").read_bytes()
    twin_study.main(["--out", str(new), "--only", "effects"])
    assert (new / "effects.csv.gz").read_bytes() == first  # to the byte
    assert "simulated people" in capsys.readouterr().out


def test_the_maps_of_a_small_study(network):
    found = twin_study.measure_maps(mapped=("Mass", "Effusion"), size=64)
    shape = (2, *twin_study.CELLS)
    assert all(found[name].shape == shape for name in ("what changed", "what moved the logit", "outline", *METHODS))
    assert found["logit"].shape == (2, 2) and len(set(found["patient"])) == 2
    assert (found["what changed"] >= 0).all() and found["outline"].max() <= 1


def test_the_embedded_tables_are_those_of_the_study():
    table = twin_study.load_effects()
    for _network, some in table.groupby("network"):
        assert some["patient"].nunique() == twin_study.COUNT
        for _, one in some[some["view"] == "PA"].groupby("patient"):
            names = one["change"].tolist()
            assert names[0] == "as is" and set(FINDINGS) | set(twin_study.SETTINGS) <= set(names)
            assert len(set(names)) == len(names)
    known = {(person.number, person.age, person.sex) for person in people(twin_study.COUNT, twin_study.SEED)}
    assert set(table[["patient", "age", "sex"]].itertuples(index=False, name=None)) == known
    assert np.isfinite(table[list(FINDINGS)]).all().all()
    maps = twin_study.load_maps()
    assert tuple(maps["finding"]) == twin_study.MAPPED


def test_missing_tables_are_told(tmp_path):
    with pytest.raises(CourseError, match="python -m util twins"):
        twin_study.load_effects(tmp_path)
    with pytest.raises(CourseError, match="python -m util twins"):
        twin_study.load_maps(tmp_path)


def test_everyone_s_other_sex_is_the_other_one():
    for person in people(6, seed=3):
        assert twin_study.changes_of(person)["other sex"]["sex"] != person.sex
    assert "Mass 0.3" in twin_study.changes_of(person, doses=True)
