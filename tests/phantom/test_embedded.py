"""The sampler of the simulated cohort: prevalences, courses, labels, splits and files."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from tests.helpers.simulated_tables import F
from util.data import outlines
from util.errors import CourseError
from util.phantom import draw as command
from util.phantom import embedded as released
from util.phantom import epidemiology, films, shards
from util.phantom.render import Film
from util.phantom.studies import MINED, sample_studies

DEVICES = ["Portable", "ChestTube"]


@pytest.fixture(scope="module")
def embedded():
    return released.sample_cohort(released.SIZES, seed=7)


@pytest.fixture
def stub(monkeypatch):
    """A renderer that costs nothing: grey level from the seed and the patient, one square mask per finding."""
    calls = []

    def draw(row, seed, size):
        calls.append(row["Image"])
        rng = np.random.default_rng([seed, row["PatientId"], row["FollowUp"]])
        square = np.zeros((size, size), dtype=bool)
        square[4:10, 6:9] = True
        present = {finding: square for finding in F if row[finding] > 0}
        return SimpleNamespace(pixels=rng.integers(0, 256, (size, size), dtype=np.uint8), masks=present, measures={})

    monkeypatch.setattr(films, "draw", draw)
    return calls


# ---- splits -----------------------------------------------------------------------------------------------------


def test_splits_have_exact_sizes_and_share_no_patient(embedded):
    assert embedded["Split"].value_counts().to_dict() == released.SIZES
    assert (embedded.groupby("PatientId")["Split"].nunique() == 1).all()
    assert embedded["Image"].is_unique and embedded["Image"].is_monotonic_increasing
    middle = embedded.groupby("Split")["PatientId"].median()
    assert middle.max() - middle.min() < 0.35 * embedded["PatientId"].max()


@pytest.mark.parametrize("seed", [7, 2026])
def test_every_finding_has_enough_films(seed):
    table = released.sample_cohort(released.SIZES, seed)
    for split, least in (("test", 20), ("valid", 8), ("reversed", 10)):
        part = table[table["Split"] == split]
        assert min((part[F] > 0).sum().min(), part[MINED].sum().min()) >= least
        assert (part[MINED].sum(axis=1) == 0).mean() > 0.15  # unlike the test films of the course's ancestors


@pytest.mark.parametrize("seed", [7, 2026])
def test_splits_are_alike(seed):
    """Prevalences of each split differ from those of all three by less than one binomial standard error."""
    table = released.sample_cohort(released.SIZES, seed)
    table = table[table["Split"] != "reversed"]
    traits = pd.concat([table[F] > 0, table[MINED], table["View"] == "AP", table["Sex"] == "M"], axis=1).astype(float)
    share = traits.mean()
    for split, part in traits.groupby(table["Split"]):
        error = np.sqrt(share * (1 - share) / len(part))
        assert (abs(part.mean() - share) / error).max() < 1, split


def test_reversed_split_turns_the_confounders_round(embedded):
    """Odds ratios of Edema with AP and of Pneumothorax with a chest tube, over six seeds, with 0.5 added to cells."""
    tables = [released.sample_cohort(released.SIZES, seed) for seed in range(6)]
    table = pd.concat(tables, ignore_index=True)

    def odds_ratio(films, a, b):
        n = pd.crosstab(a[films], b[films]).to_numpy() + 0.5
        return n[0, 0] * n[1, 1] / n[0, 1] / n[1, 0]

    for finding, seen in (("Edema", table["View"] == "AP"), ("Edema", table["Portable"]),
                          ("Consolidation", table["View"] == "AP"), ("Pneumothorax", table["ChestTube"])):  # fmt: skip
        there = table[finding] > 0
        assert odds_ratio(table["Split"] == "test", there, seen) > 1.5, finding
        assert odds_ratio(table["Split"] == "reversed", there, seen) < 1 / 1.5, finding


def test_near_duplicates_stay_with_their_patient_in_training(embedded):
    copies = embedded[embedded["Exposure"] != embedded["FollowUp"]]
    assert len(copies) == 40 and set(copies["Split"]) == {"train"}  # 2.5 % of 1,620
    source = embedded.set_index(["PatientId", "FollowUp"])
    for copy in copies.to_dict("records"):
        film = source.loc[(copy["PatientId"], copy["Exposure"])]
        assert film["Exposure"] == copy["Exposure"]  # no copy of a copy
        for column in ("Split", "Age", "Sex", "View", "Portable", "ChestTube", *F, *MINED):
            assert film[column] == copy[column]
    last = embedded.groupby("PatientId")["FollowUp"].max()
    assert (embedded.groupby("PatientId")["FollowUp"].nunique() == last + 1).all()


def test_same_seed_same_table(embedded):
    pd.testing.assert_frame_equal(embedded, released.sample_cohort(released.SIZES, seed=7))
    other = released.sample_cohort(released.SIZES, seed=8)
    assert not embedded[F].equals(other[F])


@pytest.mark.parametrize("sizes", [{"train": 0}, {"train": 5, "test": -1}])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(CourseError, match="sizes"):
        released.sample_cohort(sizes, seed=1)


def test_impossible_requests_are_refused():
    with pytest.raises(CourseError, match="at least one film"):
        sample_studies(0, seed=1)
    with pytest.raises(CourseError, match="confounding"):
        sample_studies(5, seed=1, confounding=2)
    with pytest.raises(CourseError, match="negative"):
        released.root_seed(-1, "cohort")


def test_training_shards_never_share_a_seed_with_a_cohort():
    assert not {released.root_seed(s, "cohort") for s in range(50)} & {
        released.root_seed(s, "shards") for s in range(50)
    }


# ---- files ------------------------------------------------------------------------------------------------------


def test_written_cohort(tmp_path, stub):
    out = tmp_path / "deep" / "cohort"
    sizes = {"train": 25, "valid": 3, "test": 5, "reversed": 4}
    released.write_cohort(out, sizes, seed=7, size=32, workers=1)
    table = pd.read_csv(out / "films.csv")
    assert table.columns.tolist() == ["Image", "PatientId", "FollowUp", "Age", "Sex", "View", "Split", *F, *DEVICES]
    assert table[DEVICES].isin([0, 1]).all(axis=None)
    assert table["Split"].value_counts().to_dict() == sizes
    assert table[F].isin([0, 1]).all(axis=None)
    assert sorted(path.name for path in (out / "films").iterdir()) == table["Image"].tolist()
    with Image.open(out / "films" / table["Image"][0]) as film:
        assert (film.mode, film.size) == ("L", (32, 32))
    truth = pd.read_csv(out / "truth.csv")
    assert truth.columns.tolist() == ["Image", *F, "NearDuplicateOf"]
    (copied,) = truth["NearDuplicateOf"].dropna().index
    assert truth["NearDuplicateOf"][copied] == truth["Image"][copied - 1]  # the patient's film before it
    pixels = [np.asarray(Image.open(out / "films" / truth["Image"][row])).astype(float) for row in (copied - 1, copied)]
    assert pixels[0].std() > 50 and not np.array_equal(*pixels)
    present = {(row["Image"], finding) for row in truth.to_dict("records") for finding in F if row[finding] > 0}
    boxes, runs = pd.read_csv(out / "boxes.csv"), pd.read_csv(out / "masks.csv.gz")
    assert (
        set(zip(boxes["Image"], boxes["finding"], strict=False))
        == present
        == set(zip(runs["Image"], runs["finding"], strict=False))
    )
    exact = boxes["Image"] != truth["Image"][copied]  # a near-duplicate is cropped, its boxes too
    assert (boxes.loc[exact, ["x", "y", "w", "h"]] == [6, 4, 3, 6]).all(axis=None)
    assert outlines.decode(runs["rle"][exact.argmax()], (32, 32)).sum() == 18
    passport = json.loads((out / "cohort.json").read_text())
    assert passport["seed"] == 7 and passport["sizes"] == sizes and passport["generator_version"]
    assert passport["mined_positives"]["test"] == table[table["Split"] == "test"][F].sum().to_dict()
    assert "Not for clinical use" in passport["what"]


def test_failure_leaves_nothing_behind(tmp_path, stub, monkeypatch):
    def broken(row, seed, size):
        raise RuntimeError("no film")

    monkeypatch.setattr(films, "draw", broken)
    with pytest.raises(RuntimeError):
        released.write_cohort(tmp_path / "cohort", {"train": 3}, seed=1, size=32, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_a_full_folder_is_not_overwritten(tmp_path, stub):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(CourseError, match="not an empty folder"):
        released.write_cohort(tmp_path, {"train": 3}, seed=1, size=32, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"] and stub == []


def test_shards_resume_where_they_stopped(tmp_path, stub, monkeypatch):
    monkeypatch.setattr(shards, "CHUNK", 8)
    out = tmp_path / "shards"
    shards.render_shards(out, 20, seed=3, size=32, workers=1)
    chunks, truth, mined, places = shards.open_shards(out)
    assert [chunk.shape for chunk in chunks] == [(8, 32, 32), (8, 32, 32), (4, 32, 32)]
    assert np.array_equal(places[:, 1, 1], truth > 0)
    assert truth.shape == mined.shape == (20, 14) and truth.dtype == np.float32 and mined.dtype == np.uint8
    table = pd.read_csv(out / "table.csv")
    assert np.array_equal(table[MINED], mined) and np.allclose(table[F], truth)
    whole = np.concatenate(chunks)
    del chunks
    (out / "films-0001.npy").unlink()
    with pytest.raises(CourseError, match="unfinished"):
        shards.open_shards(out)
    stub.clear()
    shards.render_shards(out, 20, seed=3, size=32, workers=1)
    assert stub == table["Image"][8:16].tolist()
    assert np.array_equal(np.concatenate(shards.open_shards(out)[0]), whole)
    with pytest.raises(CourseError, match="other arguments"):
        shards.render_shards(out, 20, seed=4, size=32, workers=1)


def test_places_are_those_that_a_mask_touches(tmp_path, stub):
    shards.render_shards(tmp_path / "shards", 6, seed=3, size=70, workers=1)
    _, truth, _, places = shards.open_shards(tmp_path / "shards")
    assert places.shape == (6, 8, 8, 14) and places.dtype == bool  # the six last pixels belong to no place
    # rows 4 to 9, columns 6 to 8: the first two places, 8 pixels each, both ways
    assert (places[:, :2, :2] == (truth > 0)[:, None, None]).all() and places.sum() == 4 * (truth > 0).sum()


@pytest.mark.parametrize("least", [0.2, 0.03])
def test_enrichment_can_be_a_least_prevalence(least):
    natural, raised = epidemiology.mined_prevalence(), epidemiology.mined_prevalence(least)
    assert np.array_equal(raised, np.maximum(natural, least))


def test_number_of_workers_does_not_matter(tmp_path):
    """With the real renderer, in two processes and in one."""
    for workers in (1, 2):
        released.write_cohort(tmp_path / str(workers), {"train": 3, "test": 2}, seed=5, size=64, workers=workers)
    one, two = ({path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
                for root in (tmp_path / "1", tmp_path / "2"))  # fmt: skip
    assert one == two and len(one) == 10


# ---- command line -----------------------------------------------------------------------------------------------


def test_command_writes_a_cohort(tmp_path, stub, capsys):
    arguments = ["--n", "8", "--seed", "7", "--out", str(tmp_path / "new"), "--size", "32", "--workers", "1"]
    assert command.main(arguments) == 0
    assert len(pd.read_csv(tmp_path / "new" / "films.csv")) == 8
    assert command.main(arguments) == 2
    assert "not an empty folder" in capsys.readouterr().err


def test_the_command_draws_shards(tmp_path, stub):
    arguments = ["--n", "8", "--seed", "7", "--out", str(tmp_path / "new"), "--size", "32", "--workers", "1"]
    assert command.main([*arguments, "--shards"]) == 0
    assert len(shards.open_shards(tmp_path / "new")[1]) == 8


@pytest.mark.parametrize("size, good", [(31, False), (32, True), (2048, True), (2049, False)])
def test_limits_of_the_size(size, good):
    with nullcontext() if good else pytest.raises(CourseError, match="films are 32 to 2048 pixels a side"):
        released.check_film_arguments(size)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--n", "0"], "at least one film"), (["--n", "5", "--size", "7"], "size is 7"),
        (["--n", "5", "--workers", "0"], "workers is 0"), (["--n", "5", "--shards", "--size", "7"], "size is 7"),
        (["--n", "-3", "--shards"], "at least one film"),
    ],
)  # fmt: skip
def test_command_says_what_is_wrong(tmp_path, stub, capsys, arguments, words):
    assert command.main([*arguments, "--seed", "1", "--out", str(tmp_path / "x")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert words in said[-1]
    assert not (tmp_path / "x").exists()


def test_sizes_of_the_command():
    assert command.split_sizes(1860) == released.SIZES
    assert command.split_sizes(1) == {"train": 1, "valid": 0, "test": 0, "reversed": 0}
    for n in range(1, 60):
        assert sum(command.split_sizes(n).values()) == n and min(command.split_sizes(n).values()) >= 0


# ---- masks and duplicates ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_masks_survive_the_round_trip(mask):
    assert np.array_equal(outlines.decode(outlines.encode(mask), mask.shape), mask)


def test_code_of_a_known_mask():
    assert outlines.encode(np.array([[0, 1, 1], [1, 0, 1]])) == "1 3 5 1"
    assert outlines.encode(np.zeros((2, 2))) == ""


@pytest.mark.parametrize("code", ["1", "a b", "3 9", "-1 2", "1 0"])
def test_bad_codes_are_refused(code):
    with pytest.raises(CourseError):
        outlines.decode(code, (2, 3))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_near_duplicates_look_alike_but_differ(seed):
    y, x = np.mgrid[:100, :120]
    film = (127 + 80 * np.sin(x / 9) * np.cos(y / 13)).astype(np.uint8)
    copy = films.near_duplicate(film, np.random.default_rng(seed))
    assert copy.shape == film.shape and copy.dtype == np.uint8
    assert (copy != film).mean() > 0.5
    assert np.corrcoef(copy.ravel(), film.ravel())[0, 1] > 0.97


def test_near_duplicate_refuses_colour():
    with pytest.raises(CourseError, match="uint8"):
        films.near_duplicate(np.zeros((4, 4, 3), np.uint8), np.random.default_rng(0))


def test_near_duplicate_crops_pixels_and_masks_alike():
    y, x = np.mgrid[:200, :200]
    disc = (x - 150) ** 2 + (y - 60) ** 2 < 30**2
    film = Film(np.where(disc, 200, 60).astype(np.uint8), {"Mass": disc}, {"mass_mm": 40.0})
    for seed in range(5):
        copy = films.near_duplicate(film, np.random.default_rng(seed))
        bright = copy.pixels > copy.pixels.mean(dtype=float) + 40
        assert (bright ^ copy.masks["Mass"]).sum() < 40  # of 2,800 pixels, along the edge
        assert copy.measures == film.measures
        alone = films.near_duplicate(film.pixels, np.random.default_rng(seed))
        assert np.array_equal(alone, copy.pixels)
