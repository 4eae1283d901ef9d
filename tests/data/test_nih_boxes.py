"""NIH's boxes, splits, and the real files."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.helpers.nih_tables import F, real_file
from util.data import nih
from util.errors import CourseError

# Films per finding of the whole data set, counted in NIH's Data_Entry_2017_v2020.csv (112,120 films) with
# `grep -c`; the same counts stand in Wang et al., arXiv 1705.02315v5, for the release with 14 findings.
FILMS = {
    "Infiltration": 19894, "Effusion": 13317, "Atelectasis": 11559, "Nodule": 6331, "Mass": 5782,
    "Pneumothorax": 5302, "Consolidation": 4667, "Pleural_Thickening": 3385, "Cardiomegaly": 2776, "Emphysema": 2516,
    "Edema": 2303, "Fibrosis": 1686, "Pneumonia": 1431, "Hernia": 227,
}  # fmt: skip


# Boxes per finding of NIH's BBox_List_2017.csv.
BOXES = {
    "Infiltration": 123, "Effusion": 153, "Atelectasis": 180, "Nodule": 79, "Mass": 85, "Pneumothorax": 98,
    "Cardiomegaly": 146, "Pneumonia": 120,
}  # fmt: skip


# ---- boxes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["", ".gz", ".zip"])
def test_boxes_in_the_pixels_of_the_film_on_disk(nih_files, packing):
    nih_files.labels(("a.png",), ("b.png",), ("c.png",), ("d.png",))
    nih_files.film("a.png", (1024, 1024))
    nih_files.film("b.png", (512, 512), "RGBA")
    nih_files.film("c.png", (256, 768))  # not square: each direction has a scale of its own
    nih_files.boxes(
        ("a.png", "Infiltrate", 100, 200, 300, 400),
        ("b.png", "Mass", 100.5, 200, 300, 400),
        ("c.png", "Nodule", 512, 512, 512, 256),
        ("d.png", "Mass", 1, 2, 3, 4),  # its film is not on disk
        packing=packing,
    )
    boxes = nih_files.load().boxes
    assert boxes.values.tolist() == [
        ["a.png", "Infiltration", 100, 200, 300, 400],
        ["b.png", "Mass", 50.25, 100, 150, 200],
        ["c.png", "Nodule", 384, 128, 384, 64],
    ]
    assert (boxes[["x", "y", "w", "h"]].dtypes == np.float64).all()


def test_a_box_list_of_six_plain_columns_and_one_of_no_box(nih_files):
    nih_files.labels(("a.png",))
    nih_files.film("a.png", (1024, 1024))
    (nih_files.root / "boxes.csv").write_text("Image Index,Finding Label,x,y,w,h,stored_size\na.png,Mass,1,2,3,4,512\n")
    assert nih_files.load().boxes.values.tolist() == [["a.png", "Mass", 1, 2, 3, 4]]
    nih_files.boxes()
    assert nih_files.load().boxes.empty


def test_boxes_reach_the_edges_of_a_film(nih_files):
    nih_files.labels(("a.png",))
    nih_files.film("a.png", (1024, 1024))
    nih_files.boxes(("a.png", "Mass", 0, 0, 1024, 1024), ("a.png", "Mass", "1.5e1", ".5", "1.", 3))
    assert nih_files.load().boxes.iloc[:, 2:].to_numpy().tolist() == [[0, 0, 1024, 1024], [15, 0.5, 1, 3]]


@pytest.mark.parametrize("head", ["Image Index,Finding Label,h,w,y,x", ",Image Index,Finding Label,Bbox [x,y,w,h]"])
def test_columns_of_a_box_list_are_found_by_name(nih_files, head):
    nih_files.labels(("a.png",))
    nih_files.film("a.png", (1024, 1024))
    row = "a.png,Mass,4,3,2,1" if head[0] == "I" else "0,a.png,Mass,1,2,3,4"
    (nih_files.root / "boxes.csv").write_text(f"{head}\n{row}\n")
    assert nih_files.load().boxes.iloc[:, 2:].to_numpy().tolist() == [[1, 2, 3, 4]]
    (nih_files.root / "boxes.csv").write_text("Image Index,Finding Label,left,top,w,h\na.png,Mass,1,2,3,4\n")
    with pytest.raises(CourseError, match="has no column x, y: is it NIH's BBox_List_2017 file"):
        nih_files.load()


def test_boxes_of_films_that_no_table_lists_are_left_out(nih_files):
    nih_files.labels(("a.png",))
    nih_files.film("a.png")
    nih_files.film("stranger.png")
    nih_files.boxes(("a.png", "Mass", 1, 2, 3, 4), ("stranger.png", "Mass", 1, 2, 3, 4))
    assert list(nih_files.load().boxes["Image"]) == ["a.png"]


def test_no_box_list_is_no_boxes(nih_files):
    nih_files.labels(("a.png",))
    nih_files.film("a.png")
    boxes = nih_files.load().boxes
    assert boxes.empty
    assert list(boxes) == ["Image", "finding", "x", "y", "w", "h"]


@pytest.mark.parametrize(
    "row, sentence",
    [
        (("a.png", "Cold", 1, 2, 3, 4), "unknown finding 'Cold'"),
        (("a.png", "", 1, 2, 3, 4), "unknown finding ''"),
        (("a.png", "Mass", 1, 2, 3, "wide"), "the box 1, 2, 3, wide of the film a.png is not x, y, w, h"),
        (("a.png", "Mass", 1, 2, 3, ""), "the box 1, 2, 3,  of the film a.png is not"),
        (("a.png", "Mass", 1, 2, "nan", 4), "the box 1, 2, nan, 4 of the film a.png is not"),
        (("a.png", "Mass", -1, 2, 3, 4), "the box -1, 2, 3, 4 of the film a.png is not"),
        (("a.png", "Mass", 1, -2, 3, 4), "the box 1, -2, 3, 4 of the film a.png is not"),
        (("a.png", "Mass", 1, 2, 3, 0), "the box 1, 2, 3, 0 of the film a.png is not"),
        (("a.png", "Mass", 1, 1000, 3, 24.1), "the box 1, 1000, 3, 24.1 of the film a.png is not"),
        (("a.png", "Mass", "inf", 2, 3, 4), "the box inf, 2, 3, 4 of the film a.png is not"),
        (("a.png", "Mass", "1_0", 2, 3, 4), "the box 1_0, 2, 3, 4 of the film a.png is not"),
        (("a.png", "Mass", 1, 2, 0, 4), "the box 1, 2, 0, 4 of the film a.png is not"),
        (
            ("a.png", "Mass", 1000, 2, 30, 4),
            "the box 1000, 2, 30, 4 of the film a.png is not x, y, w, h in a film of 1024",
        ),
    ],
)
def test_a_wrong_box_is_named_with_its_file(nih_files, row, sentence):
    nih_files.labels(("a.png",))
    nih_files.film("a.png")
    path = nih_files.boxes(("a.png", "Mass", 1, 2, 3, 4), row)
    with pytest.raises(CourseError, match=re.escape(sentence)) as error:
        nih_files.load()
    assert str(path) in str(error.value)


def test_a_box_list_cut_short(nih_files):
    nih_files.labels(("a.png",))
    nih_files.film("a.png")
    path = nih_files.boxes(("a.png", "Mass", 1, 2, 3, 4), packing=".gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CourseError, match=r"BBox_List_2017.csv.gz cannot be read"):
        nih_files.load()


def test_a_boxed_film_that_is_none(nih_files):
    nih_files.labels(("a.png",))
    nih_files.film("a.png")
    (nih_files.root / "images" / "a.png").write_text("Not found")
    nih_files.boxes(("a.png", "Mass", 1, 2, 3, 4))
    with pytest.raises(
        CourseError, match=r"The film a.png cannot be read .it holds text, not an image.: fetch it again"
    ):
        nih_files.load()


# ---- splits -----------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(nih_files):
    """A label file of 2,000 films of 500 patients, none on disk."""
    nih_files.labels(*[(f"{p:08d}_{k:03d}.png", "No Finding", k, p) for p in range(500) for k in range(4)])
    return nih_files


def test_the_courses_own_split_is_by_patient_and_does_not_depend_on_which_films_are_there(crowd):
    whole = crowd.load()
    assert "The split by patient is the course's own, not NIH's." in str(whole)
    assert (whole.films.groupby("PatientId")["Split"].nunique() == 1).all()
    shares = whole.films["Split"].value_counts(normalize=True)
    for split, share in {"train": 0.6, "valid": 0.1, "test": 0.3}.items():  # 500 patients: 4 SE of a share
        assert shares[split] == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 500))
    part = whole.films.sample(100, random_state=1)
    again, _ = nih.assign_splits(part.drop(columns="Split"), crowd.root)
    np.testing.assert_array_equal(again, part["Split"])


def test_split_of_some_patients_is_frozen(crowd):
    # Recipe: int.from_bytes(sha256(b"patient 1").digest()[:6], "big") / 2**48 = 0.994 is over 0.70: a test patient.
    first = crowd.load().films.query("PatientId < 12").drop_duplicates("PatientId")
    assert list(first["PatientId"][first["Split"] == "test"]) == [0, 1, 2, 5, 6]
    assert list(first["PatientId"][first["Split"] == "train"]) == [3, 4, 7, 8, 9, 10, 11]


def test_official_lists_are_kept(crowd):
    whole = crowd.load().films
    test = whole["Image"][whole["PatientId"] % 5 == 0]
    (crowd.root / "test_list.txt").write_text("\n".join(test))
    (crowd.root / "train_val_list.txt").write_text("\r\n".join(set(whole["Image"]) - set(test)))
    cohort = crowd.load()
    assert "Test films are NIH's official list" in str(cohort)
    assert set(cohort.split("test")["Image"]) == set(test)
    assert (cohort.films.groupby("PatientId")["Split"].nunique() == 1).all()
    assert 0.06 < len(cohort.split("valid")) / 1600 < 0.19  # an eighth of 400 patients, 4 SE


def test_official_lists_as_editors_save_them(nih_files):
    nih_files.labels(*[(f"{k}.png", "No Finding", 0, k) for k in range(4)])
    (nih_files.root / "test_list.txt").write_bytes(b"\xef\xbb\xbf0.png\r\n\r\n 1.png \r\n")
    assert "NIH's (train_val_list.txt is missing)." in str(nih_files.load())
    (nih_files.root / "train_val_list.txt").write_bytes(b"2.png\r3.png")
    assert list(nih_files.load().split("test")["Image"]) == ["0.png", "1.png"]
    (nih_files.root / "train_val_list.txt").write_bytes(b"# fran\xe7ais\n2.png\n3.png\n")
    with pytest.raises(CourseError, match=r"train_val_list.txt cannot be read \(line 1 is no text in UTF-8"):
        nih_files.load()
    (nih_files.root / "train_val_list.txt").write_text("1.png\n2.png\n3.png\n")
    with pytest.raises(
        CourseError, match=r"the film 1.png is in both train_val_list.txt and test_list.txt: fetch both"
    ):
        nih_files.load()


def test_a_film_on_no_official_list(crowd):
    (crowd.root / "test_list.txt").write_text("00000000_000.png\n")
    (crowd.root / "train_val_list.txt").write_text("00000000_001.png\n")
    with pytest.raises(
        CourseError, match=r"the film 00000000_002.png is in neither train_val_list.txt nor test_list.txt"
    ):
        crowd.load()


# ---- the real files ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def older(nih_root):
    return nih.read_labels(real_file(nih_root, "Data_Entry_2017.csv"))


def test_the_whole_table_has_the_published_counts(newer):
    assert len(newer) == 112_120
    assert newer["PatientId"].nunique() == 30_805
    assert newer["PatientId"].value_counts().max() == 184
    assert newer["View"].value_counts().to_dict() == {"PA": 67_310, "AP": 44_810}
    assert newer["Sex"].value_counts().to_dict() == {"M": 63_340, "F": 48_780}
    assert newer[F].sum().to_dict() == FILMS
    assert (newer[F].sum(axis=1) == 0).sum() == 60_361
    assert (newer[F].sum(axis=1) > 1).sum() == 20_796
    assert (newer["Age"].min(), newer["Age"].max()) == (0, 95)
    assert (newer["Age"] < 18).sum() == 5_402


def test_the_findings_of_both_versions_are_equal(older, newer):
    assert len(older) == len(newer)
    a, b = older.set_index("Image"), newer.set_index("Image").loc[older["Image"]]
    assert (a[F].to_numpy() == b[F].to_numpy()).all()
    assert (a["PatientId"] == b["PatientId"]).all()
    ages = a["Age"].fillna(-1) != b["Age"]
    assert ages.sum() == 27_498
    assert (a["FollowUp"] != b["FollowUp"]).sum() == 24_106
    assert 0 < a["Age"].isna().sum() < 50  # the impossible ages, up to 414
    assert a["Age"].max() <= 120


def test_the_real_box_list(nih_root, newer):
    path = real_file(nih_root, "BBox_List_2017.csv")
    listed = pd.read_csv(path, header=None, skiprows=1)
    assert len(listed) == 984
    assert listed[0].nunique() == 880
    films = newer[newer["Image"].isin(listed[0])]
    assert films["PatientId"].nunique() == 726
    assert listed[1].replace("Infiltrate", "Infiltration").value_counts().to_dict() == BOXES


def test_real_boxes_agree_with_the_list(nih_cohort, nih_root):
    listed = pd.read_csv(real_file(nih_root, "BBox_List_2017.csv"), header=None, skiprows=1)
    listed = listed[listed[0].isin(nih_cohort.films["Image"])].reset_index(drop=True)
    boxes = nih_cohort.boxes
    assert list(boxes["Image"]) == list(listed[0])
    ratio = boxes[["x", "y", "w", "h"]].to_numpy() / listed[[2, 3, 4, 5]].to_numpy()
    np.testing.assert_allclose(ratio, ratio[:, :1].repeat(4, axis=1))
    shown = np.unique(np.round(ratio[:, 0], 6), return_index=True)[1]  # one film of each size on disk
    for row in shown:
        assert nih_cohort.read(boxes["Image"][row]).shape[0] == pytest.approx(1024 * ratio[row, 0])


def test_all_real_films_are_read(nih_cohort):
    films = nih_cohort.films
    if len(films) > 1000:
        films = films.sample(600, random_state=0)
    for image in films["Image"]:
        film = nih_cohort.read(image)
        assert film.dtype == np.uint8
        assert film.shape in ((512, 512), (1024, 1024))
        assert film.std() > 5, image
    assert (nih_cohort.films["Image"].str[:8].astype(int) == nih_cohort.films["PatientId"]).all()


def test_odd_real_films_are_read(nih_root):
    from util.data.images import read_film

    odd = sorted((nih_root / "odd").glob("*.png"))
    if not odd:
        pytest.skip("no folder odd/ beside the real films")
    shapes = {path.name: read_film(path).shape for path in odd}
    assert all(len(shape) == 2 and min(shape) >= 64 for shape in shapes.values()), shapes


def test_boxes_of_no_film_at_hand_are_an_empty_table_of_the_same_kind(nih_files):
    path = nih_files.boxes(("00000001_000.png", "Mass", 100, 100, 50, 50))
    boxes = nih.read_boxes(path, {})
    assert boxes.empty and pd.api.types.is_string_dtype(boxes["Image"])
    named = pd.DataFrame({"Image": ["00000001_000.png"]})
    assert named.merge(boxes).empty  # as a table of films meets them in the notebooks
