"""Studies for training whose findings show less: what is present, what is drawn, and where places stay empty."""

import json

import numpy as np
import pytest

from util.findings import FINDINGS
from util.phantom import draw as command
from util.phantom import shards
from util.phantom.films import draw
from util.phantom.studies import sample_studies
from util.phantom.subtle import SEVERITY, STOUTEST, UNSEEN, WALL_AIR, subtle_studies


@pytest.fixture(scope="module")
def tables():
    return subtle_studies(6000, seed=5, enriched=0.1)


def test_same_seed_same_tables(tables):
    for first, again in zip(tables, subtle_studies(6000, seed=5, enriched=0.1), strict=True):
        assert first.equals(again)
    assert not tables[0].equals(subtle_studies(6000, seed=6, enriched=0.1)[0])


def test_prevalences_labels_and_patients_are_those_of_plain_studies(tables):
    plain = sample_studies(6000, 5, enriched=0.1)
    present = [table[list(FINDINGS)].to_numpy() > 0 for table in (tables[0], plain)]
    np.testing.assert_array_equal(*present)
    rest = [column for column in plain if column not in (*FINDINGS, "ChestTube")]
    assert tables[0][rest].equals(plain[rest])


def test_severities_follow_the_subtle_law(tables):
    a, b = SEVERITY
    severity = tables[0][list(FINDINGS)].to_numpy()
    # clustered by patient, hence not as sharp as sqrt(n)
    assert np.mean(severity[severity > 0]) == pytest.approx(a / (a + b), abs=0.02)
    plain = sample_studies(6000, 5, enriched=0.1)[list(FINDINGS)].to_numpy()
    assert np.all(severity[plain > 0] <= plain[plain > 0])  # the order stays, all are fainter


def test_unseen_findings_are_present_but_not_drawn(tables):
    table, drawn = tables
    for finding, share in UNSEEN.items():
        present, shown = ((each[finding] > 0) & ~table["WallAir"] for each in tables)
        assert not (shown & ~present).any()
        assert (drawn[finding][shown] == table[finding][shown]).all()
        error = np.sqrt(share * (1 - share) / present.sum())
        assert np.mean(~shown[present]) == pytest.approx(share, abs=4 * error)


def test_air_in_the_chest_wall_is_called_emphysema_and_not_drawn_in_the_lung(tables):
    table, drawn = tables
    in_wall = table["WallAir"]
    assert (table.loc[in_wall, "Emphysema"] > 0).all()
    assert (drawn.loc[in_wall, "Emphysema"] == 0).all()
    for view, share in WALL_AIR.items():
        labelled = in_wall[(table["Emphysema"] > 0) & (table["View"] == view)]
        assert labelled.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(labelled)))
    assert table.loc[in_wall, "ChestTube"].mean() >= 0.5


def test_air_in_the_chest_wall_darkens_streaks_there_and_nothing_else():
    row = sample_studies(1, 3).to_dict("records")[0] | dict.fromkeys(FINDINGS, 0.0) | {"View": "AP", "ChestTube": False}
    plain, air = (draw(row | {"WallAir": there}, 3, 160).pixels.astype(int) for there in (False, True))
    assert np.percentile(plain - air, 99) > 8  # streaks are darker
    assert np.mean(np.abs(plain - air) > 8) < 0.3


def test_shoulders_belong_to_the_patient(tables):
    table = tables[0]
    assert table["Shoulders"].between(1, STOUTEST).all()
    assert (table.groupby("PatientId")["Shoulders"].nunique() == 1).all()
    assert table["Shoulders"].std() > 0.15


def test_stout_shoulders_are_brighter_and_leave_the_released_film_alone():
    row = sample_studies(1, 3).to_dict("records")[0] | dict.fromkeys(FINDINGS, 0.0) | {"View": "AP"}
    released, same, stout = (draw(row | more, 3, 96).pixels for more in ({}, {"Shoulders": 1.0}, {"Shoulders": 1.7}))
    np.testing.assert_array_equal(released, same)
    changed = stout.astype(int) - released
    border = np.ones_like(released, bool)
    border[20:76, 20:76] = False
    assert changed[border].mean() > changed[~border].mean() + 2


def test_shards_keep_the_truth_of_what_they_do_not_draw(tmp_path, monkeypatch):
    monkeypatch.setattr("util.phantom.subtle.UNSEEN", dict.fromkeys(FINDINGS, 1.0))
    shards.render_shards(tmp_path / "shards", 12, seed=3, size=64, workers=1, enriched=0.3, subtle=True)
    _, truth, _, places = shards.open_shards(tmp_path / "shards")
    assert (truth > 0).sum() > 10
    assert not places.any()


def test_the_command_draws_subtle_films_to_train_on_only(tmp_path, capsys):
    small, out = ["--size", "64", "--workers", "1"], ["--out", str(tmp_path / "out")]
    arguments = ["--n", "3", "--seed", "4", *small, "--subtle", *out]
    assert command.main(arguments) == 2
    assert "add --shards" in capsys.readouterr().err
    assert command.main([*arguments, "--shards"]) == 0
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["subtle"] is True
