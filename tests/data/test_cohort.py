"""One interface, two cohorts: the same tests for simulated and for real films."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from util.data import images
from util.data.cohort import COLUMNS, PHANTOM, load_cohort, load_table
from util.errors import CourseError
from util.findings import DEFINITIONS, FINDINGS
from util.leaks.overlap import patient_overlap

F = list(FINDINGS)


@pytest.fixture
def opened(monkeypatch):
    """Names of the films whose file is read, and the number of pixels of those that are decoded."""
    heads, pixels = [], []
    plain_read, plain_gray = images.read_bytes, images.gray_of

    def counting_read(path):
        heads.append(path.name)
        return plain_read(path)

    def counting_gray(data):
        gray = plain_gray(data)
        pixels.append(gray.size)
        return gray

    monkeypatch.setattr(images, "read_bytes", counting_read)
    monkeypatch.setattr(images, "gray_of", counting_gray)
    return heads, pixels


# ---- both cohorts -----------------------------------------------------------------------------------------------


def test_fourteen_findings_in_the_order_of_chexnet():
    # Rajpurkar et al. train on ChestX-ray14's 14 labels; this order is that of the course's weight files.
    assert len(set(F)) == 14
    assert (F[0], F[3], F[9], F[13]) == ("Cardiomegaly", "Hernia", "Pleural_Thickening", "Consolidation")
    assert list(DEFINITIONS) == F


def test_columns_and_types(cohort):
    films = cohort.films
    assert ["Image", "PatientId", "FollowUp", "Age", "Sex", "View", "Split", *F] == COLUMNS
    assert list(films) == COLUMNS + (["Portable", "ChestTube"] if cohort.simulated else [])
    assert list(films.index) == list(range(len(films)))
    assert films["Image"].is_unique
    for column in ("PatientId", "FollowUp", *F):
        assert pd.api.types.is_integer_dtype(films[column]), column
    assert pd.api.types.is_numeric_dtype(films["Age"])
    assert set(films["Sex"]) == {"M", "F"}
    assert set(films["View"]) == {"PA", "AP"}
    assert films["Age"].dropna().between(0, 120).all()
    assert (films["FollowUp"] >= 0).all()


def test_labels_are_zeros_and_ones_and_vary(cohort):
    labels = cohort.films[F].to_numpy()
    assert set(np.unique(labels)) == {0, 1}
    assert (labels.sum(axis=0) > 0).all()
    assert (labels.sum(axis=1) == 0).any()  # films without a finding are part of a cohort


def test_splits_hold_every_film_once_and_share_no_patient(cohort):
    parts = {name: cohort.split(name) for name in ("train", "valid", "test")}
    assert sorted(pd.concat(parts)["Image"]) == sorted(cohort.films["Image"])
    for name, part in parts.items():
        assert len(part)
        assert list(part.index) == list(range(len(part)))
        assert set(part["Split"]) == {name}
    assert not len(patient_overlap(parts["train"], parts["valid"]))
    assert not len(patient_overlap(parts["train"], parts["test"]))
    assert not len(patient_overlap(parts["valid"], parts["test"]))


def test_unknown_split(cohort):
    with pytest.raises(CourseError, match="no split 'dev': use 'train', 'valid' or 'test'"):
        cohort.split("dev")


def test_reversed_films_stay_apart(phantom_cohort, nih_files):
    films, apart = phantom_cohort.films, phantom_cohort.reversed
    part = phantom_cohort.split("reversed")
    pd.testing.assert_frame_equal(part, apart.films)
    pd.testing.assert_frame_equal(apart.split("reversed"), part)
    assert len(part) == 240 and set(part["Split"]) == {"reversed"}
    assert "reversed" not in set(films["Split"])
    assert not set(part["Image"]) & (set(films["Image"]) | set(phantom_cohort.boxes["Image"]))
    assert not len(patient_overlap(films, part))
    assert list(apart.truth["Image"]) == list(part["Image"])
    assert len(apart.boxes) and set(apart.boxes["Image"]) <= set(part["Image"])
    assert phantom_cohort.read(part["Image"][0]).std() > 10
    assert "240 reversed" in str(apart) and "split('reversed')" in str(phantom_cohort)
    by_view = [table.groupby("View")["Edema"].mean() for table in (films, part)]
    assert by_view[0]["AP"] > 2 * by_view[0]["PA"] and by_view[1]["AP"] < by_view[1]["PA"]


def test_real_films_have_no_reversed_split(nih_files):
    nih_files.labels(("a.png", "Mass"))
    loaded = nih_files.load()
    assert loaded.reversed is None and loaded.duplicates is None
    with pytest.raises(CourseError, match=r"nih cohort has no split 'reversed'.*Use the embedded phantom"):
        loaded.split("reversed")


def test_near_duplicates_are_recorded_look_alike_and_leak_nowhere(phantom_cohort):
    films, pairs = phantom_cohort.films.set_index("Image"), phantom_cohort.duplicates
    assert list(pairs) == ["Image", "NearDuplicateOf"] and 0.02 <= len(pairs) / len(films) <= 0.03
    copies, sources = films.loc[pairs["Image"]], films.loc[pairs["NearDuplicateOf"]]
    assert set(copies["Split"]) == set(sources["Split"]) == {"train"}
    assert list(copies["PatientId"]) == list(sources["PatientId"])

    def likeness(a, b):
        return np.corrcoef(phantom_cohort.read(a).ravel(), phantom_cohort.read(b).ravel())[0, 1]

    few = pairs.head(8)
    strangers = np.roll(few["NearDuplicateOf"], 1)
    alike = [likeness(*pair) for pair in zip(few["Image"], few["NearDuplicateOf"], strict=True)]
    other = [likeness(*pair) for pair in zip(few["Image"], strangers, strict=True)]
    assert min(alike) > 0.95 and min(alike) > max(other)


def test_prevalences_of_the_splits_agree(phantom_cohort):
    films = phantom_cohort.films
    share = films[F].mean()
    for split in ("train", "valid", "test"):
        part = phantom_cohort.split(split)
        assert (abs(part[F].mean() - share) < 2 * np.sqrt(share * (1 - share) / len(part))).all(), split
    test, truth = phantom_cohort.split("test"), phantom_cohort.truth.set_index("Image")
    assert min(test[F].sum().min(), truth.loc[test["Image"], F].sum().min()) >= 15


def test_phantom_folder_stays_small():
    assert sum(path.stat().st_size for path in PHANTOM.rglob("*") if path.is_file()) < 22e6


def test_boxes_lie_inside_their_films(cohort):
    boxes = cohort.boxes
    assert list(boxes) == ["Image", "finding", "x", "y", "w", "h"]
    assert len(boxes)
    assert set(boxes["finding"]) <= set(F)
    assert set(boxes["Image"]) <= set(cohort.films["Image"])
    assert (boxes[["x", "y"]].min() >= 0).all()
    assert (boxes[["w", "h"]].min() > 0).all()
    sample = boxes.drop_duplicates("Image").sample(12, random_state=0)["Image"]
    for image in sample:
        height, width = cohort.read(image).shape
        mine = boxes[boxes["Image"] == image]
        assert (mine["x"] + mine["w"] <= width).all()
        assert (mine["y"] + mine["h"] <= height).all()


def test_boxes_fill_the_scale_of_their_films(cohort):
    # Boxes in another film's pixels would gather in a corner: somewhere they must reach the outer fifth.
    boxes = cohort.boxes
    widths = {image: cohort.read(image).shape[1] for image in boxes["Image"].head(60)}
    boxes = boxes[boxes["Image"].isin(widths)]
    assert ((boxes["x"] + boxes["w"]) / boxes["Image"].map(widths)).max() > 0.8


def test_read_gives_gray_levels(cohort):
    for image in cohort.films["Image"].iloc[[0, len(cohort.films) // 2, -1]]:
        film = cohort.read(image)
        assert film.dtype == np.uint8
        assert film.ndim == 2
        assert min(film.shape) >= 320
        assert film.std() > 10


def test_read_an_unknown_film(cohort):
    with pytest.raises(CourseError, match=re.escape("The film no_such.png is not on disk")):
        cohort.read("no_such.png")


def test_str_tells_what_the_films_are(cohort):
    text = str(cohort)
    assert ("simulated films" in text) == cohort.simulated
    assert ("real films" in text) == (not cohort.simulated)
    assert "Not for clinical use" in text
    assert f"{len(cohort.films):,}" in text
    assert f"{cohort.films['PatientId'].nunique():,} patients" in text
    assert "/" not in text.replace("data/README.md", "")  # no folder of this machine


def test_truth_is_known_of_simulated_films_only(cohort):
    assert (cohort.truth is not None) == cohort.simulated == (cohort.name == "phantom")
    if cohort.simulated:
        assert list(cohort.truth) == ["Image", *F]
        assert list(cohort.truth["Image"]) == list(cohort.films["Image"])
        assert set(np.unique(cohort.truth[F])) == {0, 1}
        wrong = (cohort.truth[F].to_numpy() != cohort.films[F].to_numpy()).mean(axis=0)
        assert (wrong > 0).all()  # mined labels err on every finding ...
        assert (wrong < 0.25).all()  # ... and are labels of these films all the same


def test_loading_twice_gives_the_same(cohort, nih_root_or_none):
    again = load_cohort(cohort.name, nih_root_or_none)
    pd.testing.assert_frame_equal(again.films, cohort.films)
    pd.testing.assert_frame_equal(again.boxes, cohort.boxes)
    assert str(again) == str(cohort)


@pytest.fixture
def nih_root_or_none(cohort, request):
    return None if cohort.simulated else request.getfixturevalue("nih_root")


def test_no_film_is_decoded_that_is_not_asked_for(cohort, nih_root_or_none, opened):
    heads, pixels = opened
    loaded = load_cohort(cohort.name, nih_root_or_none)
    assert set(heads) <= set(loaded.boxes["Image"])  # the scale of boxes stands in the head of their films
    assert len(heads) == len(set(heads))
    assert not pixels
    heads.clear()
    first = loaded.films["Image"].iloc[0]
    film = loaded.read(first)
    assert heads == [first]
    assert pixels == [film.size]


# ---- which cohort, and where ------------------------------------------------------------------------------------


def test_phantom_is_the_default(monkeypatch, phantom_cohort):
    assert load_cohort().name == "phantom"
    monkeypatch.setenv("COHORT", "")
    monkeypatch.setenv("CXR_ROOT", "")
    assert len(load_cohort().films) == len(phantom_cohort.films)


def test_environment_variables_choose_cohort_and_folder(monkeypatch, nih_files):
    nih_files.labels(("a.png",))
    nih_files.film("a.png")
    monkeypatch.setenv("COHORT", "nih")
    monkeypatch.setenv("CXR_ROOT", str(nih_files.root))
    cohort = load_cohort()
    assert (cohort.name, cohort.simulated, list(cohort.films["Image"])) == ("nih", False, ["a.png"])
    assert load_cohort("phantom").simulated  # what is asked for comes first


def test_a_folder_of_real_films_alone_is_no_wish_for_simulated_ones(monkeypatch, nih_files):
    nih_files.labels(("a.png",))
    monkeypatch.setenv("CXR_ROOT", str(nih_files.root))
    for name in (None, ""):
        monkeypatch.setenv("COHORT", "")
        with pytest.raises(CourseError, match=r"CXR_ROOT names .* COHORT=nih to read them, or COHORT=phantom"):
            load_cohort(name)
    assert load_cohort("phantom").simulated and not load_cohort("nih").simulated
    monkeypatch.setenv("COHORT", "phantom")
    assert load_cohort().simulated
    with pytest.raises(
        CourseError, match=r"films.csv is missing.*ask for the cohort nih if that folder holds real films"
    ):
        load_cohort(root=nih_files.root)


def test_a_cohort_knows_its_folder(monkeypatch, nih_files, phantom_cohort, tmp_path):
    nih_files.labels(("a.png",))
    monkeypatch.chdir(tmp_path)
    assert load_cohort("nih", "nih").root == nih_files.root == load_table("nih").root
    assert phantom_cohort.root == phantom_cohort.reversed.root == PHANTOM
    monkeypatch.chdir(PHANTOM.parent)
    again = load_cohort("phantom", "phantom")
    assert again.root == PHANTOM and again.paths == phantom_cohort.paths


def test_arguments_come_before_the_environment(monkeypatch, nih_files):
    nih_files.labels(("a.png",))
    monkeypatch.setenv("CXR_ROOT", "no/such/folder")
    assert len(load_cohort("nih", nih_files.root).films) == 1


def test_unknown_cohort(monkeypatch):
    with pytest.raises(CourseError, match="no cohort 'chexpert': use 'phantom' or 'nih'"):
        load_cohort("chexpert")
    monkeypatch.setenv("COHORT", "NIH")
    with pytest.raises(CourseError, match="no cohort 'NIH'"):
        load_cohort()


def test_real_films_without_a_folder():
    with pytest.raises(CourseError, match="make course COHORT=nih ROOT=folder"):
        load_cohort("nih")


def test_missing_and_empty_folder(tmp_path):
    with pytest.raises(CourseError, match=r"no folder .*nowhere: name the folder"):
        load_cohort("nih", tmp_path / "nowhere")
    with pytest.raises(CourseError, match=re.escape("put NIH's Data_Entry_2017_v2020.csv there")):
        load_cohort("nih", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CourseError, match="no folder"):
        load_cohort("nih", tmp_path / "file")
    with pytest.raises(CourseError, match="restore data/phantom"):
        load_cohort("phantom", tmp_path)


@pytest.mark.parametrize(
    "patients, note",
    [
        ((3,), "No film falls into the split valid or test: a larger folder would fill all three."),
        ((0, 3), "No film falls into the split valid: a larger folder would fill all three."),
    ],
)
def test_what_a_small_cohort_lacks_is_said(nih_files, patients, note):
    nih_files.labels(*[(f"{who}.png", "Mass", 0, who) for who in patients])
    notes = nih_files.load().notes
    assert note in notes and "Every film shows Mass." in notes
    assert f"No film shows {', '.join(finding for finding in F if finding != 'Mass')}." in notes


def test_a_full_cohort_lacks_nothing(cohort):
    assert not [note for note in cohort.notes if note.startswith(("No film", "Every film"))]


# ---- a damaged phantom ------------------------------------------------------------------------------------------


@pytest.fixture
def broken_phantom(tmp_path):
    """A copy of the phantom's tables to be spoilt, without films."""
    for table in ("films", "truth", "boxes"):
        shutil.copy(PHANTOM / f"{table}.csv", tmp_path)
    return tmp_path


@pytest.mark.parametrize("table", ["films", "truth", "boxes"])
def test_phantom_table_missing_empty_or_without_its_columns(broken_phantom, table):
    path = broken_phantom / f"{table}.csv"
    for content in ("", "Image,Mass\na.jpg,1\n", "\x00\x01"):
        path.write_text(content)
        with pytest.raises(CourseError, match=f"{table}.csv.*restore data/phantom"):
            load_cohort("phantom", broken_phantom)
    path.unlink()
    with pytest.raises(CourseError, match=f"{table}.csv is missing.*restore data/phantom"):
        load_cohort("phantom", broken_phantom)


@pytest.mark.parametrize(
    "column, value",
    [("Image", None), ("PatientId", -1), ("PatientId", 1e300), ("FollowUp", "x"), ("Age", 50.5), ("Sex", "X"),
     ("View", "LL"), ("Split", "dev"), ("Mass", 2), ("Edema", ""), ("Portable", 0.5)],
)  # fmt: skip
def test_phantom_films_with_a_cell_that_cannot_be(broken_phantom, column, value):
    films = pd.read_csv(broken_phantom / "films.csv", dtype=object)
    films.loc[3, column] = films.loc[4, "Image"] if value is None else value
    films.to_csv(broken_phantom / "films.csv", index=False)
    with pytest.raises(CourseError, match=r"films.csv is damaged: restore data/phantom"):
        load_cohort("phantom", broken_phantom)


def test_phantom_truth_of_other_films(broken_phantom):
    truth = pd.read_csv(broken_phantom / "truth.csv")
    truth.iloc[1:].to_csv(broken_phantom / "truth.csv", index=False)
    with pytest.raises(CourseError, match=r"truth.csv.*restore data/phantom"):
        load_cohort("phantom", broken_phantom)


def test_phantom_truth_is_found_by_name_not_by_row(broken_phantom, phantom_cohort):
    truth = pd.read_csv(broken_phantom / "truth.csv")
    truth.iloc[::-1].to_csv(broken_phantom / "truth.csv", index=False)
    pd.testing.assert_frame_equal(load_cohort("phantom", broken_phantom).truth, phantom_cohort.truth)


def test_phantom_film_missing(broken_phantom):
    cohort = load_cohort("phantom", broken_phantom)
    with pytest.raises(CourseError, match=r"No film at .*: check the name, or fetch the film again"):
        cohort.read(cohort.films["Image"].iloc[0])
