"""util.clinic.pools: the table of the course, what a condition changes on a film, and films that are scored again."""

import numpy as np
import pandas as pd
import pytest

from util.clinic import pools as room
from util.clinic.pools import (
    CONDITIONS,
    POOLS,
    WITH,
    WITHOUT,
    draw_under,
    make_pools,
    new_marker,
    pools_of_scores,
    read_pools,
    sample_patients,
)  # fmt: skip
from util.errors import CourseError
from util.findings import FINDINGS


def test_the_table_is_small_and_has_what_it_promises():
    assert POOLS.stat().st_size < 500_000
    pools = read_pools()
    assert len(pools.films) == WITH + WITHOUT and pools.films["Truth"].sum() == WITH
    assert pools.films["Image"].is_unique and set(pools.logits) == set(CONDITIONS)
    for finding in FINDINGS:
        of = read_pools(finding)
        assert all(np.array_equal(logit, logit.round(2)) for logit in of.logits.values())
        assert 0 < of.films["Truth"].mean() < 1


def test_persons_and_truth_are_those_of_the_draw():
    table, kept = sample_patients(), read_pools().films
    assert kept["Image"].tolist() == table["Image"].tolist() and table["PatientId"].is_unique
    assert kept["Truth"].tolist() == (table["Edema"] > 0).astype(int).tolist()
    assert kept["Mined"].tolist() == table["Edema_mined"].tolist()
    assert kept["Age"].tolist() == table["Age"].tolist() and kept["View"].tolist() == table["View"].tolist()


def test_films_scored_again_have_the_logits_of_the_table(pretrained):
    from util.models.predict import predict_films

    kept = pd.read_csv(POOLS)
    row = sample_patients().iloc[7].to_dict()
    films = np.stack([pretrained.preprocessing(draw_under(row, condition)) for condition in CONDITIONS])
    expected = [[kept.loc[7, f"{condition}:{finding}"] for finding in FINDINGS] for condition in CONDITIONS]
    np.testing.assert_allclose(predict_films(pretrained.model, films), expected, atol=0.05)


def test_a_condition_changes_what_it_says_and_nothing_else():
    rows = sample_patients(8, 8).to_dict("records")
    row = next(row for row in rows if row["PatientId"] % 4 and row["View"] == "PA")
    films = {condition: draw_under(row, condition, size=96).astype(int) for condition in CONDITIONS}
    changed = films["marker"] != films["usual"]
    assert changed[:16, 67:].any() and not changed[16:].any() and not changed[:, :66].any()
    assert np.array_equal(films["update"], 255 - films["usual"])
    assert all((films[name] != films["usual"]).mean() > 0.5 for name in ("scanner", "portable"))
    spared = next(row for row in rows if row["PatientId"] % 4 == 0)
    assert np.array_equal(draw_under(spared, "update", size=96), draw_under(spared, "usual", size=96))


def test_usual_films_are_those_of_the_phantom():
    from util.phantom.films import draw

    row = sample_patients(2, 2).to_dict("records")[1]
    assert np.array_equal(draw_under(row, "usual", seed=3, size=96), draw(row, 3, 96).pixels)


def test_a_marker_leaves_the_film_that_it_is_given():
    film = np.zeros((90, 90), np.uint8)
    assert new_marker(film).any() and not film.any()


@pytest.mark.parametrize("side", [160, 320, 640])
def test_a_marker_is_a_white_plate_with_dark_letters_whatever_the_size(side):
    plate = new_marker(np.full((side, side), 100, np.uint8)) != 100
    rows, columns = np.flatnonzero(plate.any(axis=1)) / side, np.flatnonzero(plate.any(axis=0)) / side
    assert [rows[0], rows[-1], columns[0], columns[-1]] == pytest.approx([0.02, 0.16, 0.7, 0.98], abs=0.01)
    letters = new_marker(np.full((side, side), 100, np.uint8))[plate] < 128
    assert 0.05 < letters.mean() < 0.25


def test_portable_films_are_all_ap():
    pools = read_pools()
    assert (pools.views("portable") == "AP").all()
    assert pools.views("scanner").tolist() == pools.films["View"].tolist()


def test_the_command_writes_a_table_that_can_be_read(tmp_path, monkeypatch, tiny_release):
    monkeypatch.setattr(room, "make_pools", lambda: make_pools(2, 3))
    monkeypatch.setattr(room, "SIZE", 64)
    place = tmp_path / "pools.csv"
    assert room.main(["--pools", str(place)]) == 0
    first = place.read_bytes()
    assert len(read_pools(path=place).films) == 5
    assert room.main(["--pools", str(place)]) == 0 and place.read_bytes() == first
    assert room.main(["--pools", str(tmp_path / "no folder" / "pools.csv")]) == 2


def films(views="PPAA", labels=(0, 1, 0, 1)):
    view = ["PA" if letter == "P" else "AP" for letter in views]
    return pd.DataFrame({"Image": range(len(view)), "Age": 40, "Sex": "F", "View": view, "Mass": labels})


def test_pools_of_ones_own_scores():
    pools = pools_of_scores(films(), [0.1, 0.2, 0.3, 0.4], "Mass")
    assert pools.logits["usual"].tolist() == [0.1, 0.2, 0.3, 0.4] and pools.films["Truth"].tolist() == [0, 1, 0, 1]


def test_bad_pools_are_refused(tmp_path):
    with pytest.raises(CourseError, match="no finding 'Flu'"):
        read_pools("Flu")
    with pytest.raises(CourseError, match="3 logits for 4 films"):
        pools_of_scores(films(), [1, 2, 3], "Mass")
    with pytest.raises(CourseError, match="PA and AP"):
        pools_of_scores(films("PPPP"), [1, 2, 3, 4], "Mass")
    table = pd.read_csv(POOLS)
    table["usual:Edema"] = "nan"
    table.to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(CourseError, match="no numbers"):
        read_pools(path=tmp_path / "p.csv")
