"""Files byte for byte as NIH distributes them, whole and broken."""

import numpy as np
import pytest

from tests.helpers.nih_tables import F
from util.data import nih
from util.data.cohort import load_cohort, load_table
from util.errors import CourseError

ROWS = [
    ("00000001_000.png", "Cardiomegaly|Emphysema", 0, 1, 58, "M", "PA"),
    ("00000001_001.png", "No Finding", 1, 1, 59, "M", "AP"),
    ("00000002_000.png", "Infiltration", 0, 2, 0, "F", "PA"),
]


# ---- the label file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["", ".gz", ".zip"])
@pytest.mark.parametrize("version", [2017, 2020])
def test_both_versions_in_all_packings(nih_files, version, packing):
    path = nih_files.labels(*ROWS, version=version, packing=packing)
    if not packing:
        assert path.read_bytes().count(b",\r\n") == (4 if version == 2017 else 0)
    films = nih.read_labels(path)
    assert list(films) == ["Image", "PatientId", "FollowUp", "Age", "Sex", "View", *F]
    assert films.iloc[:, :6].values.tolist() == [
        ["00000001_000.png", 1, 0, 58, "M", "PA"],
        ["00000001_001.png", 1, 1, 59, "M", "AP"],
        ["00000002_000.png", 2, 0, 0, "F", "PA"],
    ]
    assert [[f for f in F if row[f]] for _, row in films.iterrows()] == [
        ["Cardiomegaly", "Emphysema"],
        [],
        ["Infiltration"],
    ]
    assert (films[F].dtypes == np.int8).all()
    assert nih.find_file(nih_files.root, nih.LABEL_FILES) == path


def test_a_zip_named_without_csv_is_found(nih_files):
    path = nih_files.labels(("a.png", "Mass"), version=2017, packing=".zip")
    path = path.rename(path.with_name("Data_Entry_2017.zip"))
    assert nih.find_file(nih_files.root, nih.LABEL_FILES) == path
    assert list(nih_files.load().films["Mass"]) == [1]


def test_every_finding_lands_in_its_own_column(nih_files):
    films = nih.read_labels(nih_files.labels(*[(f"{i}.png", finding) for i, finding in enumerate(F)]))
    np.testing.assert_array_equal(films[F].to_numpy(), np.eye(14))


def test_impossible_ages_are_unknown_and_noted(nih_files):
    rows = [("a.png", "Mass", 0, 1, 414), ("b.png", "Mass", 0, 2, 120), ("c.png", "Mass", 0, 3, "058Y")]
    nih_files.labels(*rows, version=2017)
    for name, *_ in rows:
        nih_files.film(name)
    cohort = nih_files.load()
    np.testing.assert_array_equal(cohort.films["Age"], [np.nan, 120, 58])
    assert "1 impossible ages (over 120 years) are treated as unknown." in str(cohort)
    assert len(cohort.films) == 3  # a wrong age costs no film


def test_ages_in_months_weeks_and_days_are_whole_years(nih_files):
    ages = {
        "013M": 1,
        "001D": 0,
        "060Y": 60,
        "11M": 0,
        "24M": 2,
        "051W": 0,
        "104W": 2,
        "366D": 1,
        "58.0": 58,
        " 007 ": 7,
    }
    nih_files.labels(*[(f"{k}.png", "Mass", 0, k, age) for k, age in enumerate(ages)])
    cohort = nih_files.load()
    assert list(cohort.films["Age"]) == list(ages.values())
    assert "7 ages in months, weeks or days are read as whole years." in load_cohort("nih", nih_files.root).notes
    assert "7 ages in months" in str(load_table(nih_files.root)) and not cohort.films.attrs
    nih_files.labels(("a.png",))
    assert "months" not in str(nih_files.load())


def test_numbers_of_any_spelling_that_names_one_person(nih_files):
    patients = {
        "7": 7,
        "00000007": 7,
        "7.0": 7,
        "999999999": 999_999_999,
        "000000000000999999999.000": 999_999_999,
        "0": 0,
    }
    films = nih.read_labels(nih_files.labels(*[(f"{k}.png", "Mass", who, who) for k, who in enumerate(patients)]))
    assert list(films["PatientId"]) == list(films["FollowUp"]) == list(patients.values())


@pytest.mark.parametrize("name", nih.LABEL_FILES)
@pytest.mark.parametrize("ending", ["", ".gz", ".zip", ".xz", ".bz2"])
def test_names_of_label_files(nih_files, name, ending):
    text = nih_files.labels(("a.png", "Mass"))
    data = text.read_bytes()
    text.unlink()
    (nih_files.root / f"{name}{ending}").write_bytes(data)
    assert list(nih_files.load().films["Mass"]) == [1]


def test_the_newer_version_is_taken_where_both_are(nih_files):
    nih_files.labels(("a.png", "Mass"), version=2017, packing=".zip")
    newer = nih_files.labels(("a.png", "Mass"), version=2020, packing=".gz")
    assert nih.find_file(nih_files.root, nih.LABEL_FILES) == newer
    assert "Data_Entry_2017_v2020.csv.gz" in str(nih_files.load())


@pytest.mark.parametrize(
    "row, sentence",
    [
        (("b.png", "Mass|Cold"), "unknown finding 'Cold'"),
        (("b.png", ""), "unknown finding ''"),
        (("a.png", "Mass"), "lists the film a.png twice"),
        (("b.png", "Mass", 0, 2, -5), "the film b.png has Age '-5', not a whole number from 0 up"),
        (("b.png", "Mass", 0, 2, "old"), "the film b.png has Age 'old', not a whole number"),
        (("b.png", "Mass", 0, 2, ""), "the film b.png has Age '', not a whole number"),
        (("b.png", "Mass", 0, 2.5), "the film b.png has PatientId '2.5', not a whole number"),
        (("b.png", "Mass", 0, "inf"), "the film b.png has PatientId 'inf', not a whole number"),
        (("b.png", "Mass", -1), "the film b.png has FollowUp '-1', not a whole number"),
        (
            ("b.png", "Mass", 0, "1e300"),
            "the film b.png has PatientId '1e300', not a whole number from 0 up to 999,999,999",
        ),
        (("b.png", "Mass", 2**64 - 1), "the film b.png has FollowUp '18446744073709551615', not a whole number"),
        (("b.png", "Mass", 0, 10**9), "the film b.png has PatientId '1000000000', not a whole number"),
        (("b.png", "Mass", 0, "1E+05"), "the film b.png has PatientId '1E+05', not a whole number"),
        (("b.png", "Mass", 0, "7Y"), "the film b.png has PatientId '7Y', not a whole number"),
        (("b.png", "Mass", 0, "٣"), "the film b.png has PatientId '٣', not a whole number"),
        (("b.png", "Mass", 0, 2, "12H"), "the film b.png has Age '12H', not a whole number"),
        (("b.png", "Mass", 0, 2, "9" * 500), f"the film b.png has Age '{'9' * 77}...', not a whole number"),
        (("b.png", "No Finding|Mass"), "the film b.png has both No Finding and a finding"),
        ((" ", "Mass"), "has Image ' ', not the name of a film"),
        (("b.png", "Mass", 0, 2, 50, "male"), "the film b.png has Sex 'male', not M or F"),
        (("b.png", "Mass", 0, 2, 50, "F", "LL"), "the film b.png has View 'LL', not PA or AP"),
    ],
)
def test_a_wrong_row_is_named_with_its_file(nih_files, row, sentence):
    path = nih_files.labels(("a.png", "Mass"), row)
    with pytest.raises(CourseError) as error:
        nih.read_labels(path)
    assert str(path) in str(error.value)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("column", ["Image Index", "Finding Labels", "Patient ID", "Patient Age", "View Position"])
def test_a_missing_column_is_named(nih_files, column):
    path = nih_files.labels(*ROWS)
    path.write_text(path.read_text().replace(column, "Something"))
    with pytest.raises(CourseError, match=f"has no column {column}: is it NIH's Data_Entry_2017 file"):
        nih.read_labels(path)


def test_several_missing_columns_are_all_named(nih_files):
    path = nih_files.labels(*ROWS)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(CourseError, match=r"no column Image Index, Patient ID, .*Finding Labels"):
        nih.read_labels(path)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00", b"\xff\xfe\xfa,\n1,2\n", b'a,b\n"1,2\n'])
@pytest.mark.parametrize("packing", ["", ".gz", ".zip"])
def test_a_label_file_that_is_none(nih_files, content, packing):
    path = nih_files.root / f"Data_Entry_2017_v2020.csv{packing}"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=r"Data_Entry_2017_v2020.*(fetch it again from NIH|is it NIH's)"):
        nih_files.load()


def test_a_table_of_no_film(nih_files):
    nih_files.labels()
    with pytest.raises(CourseError, match="lists no film: fetch it again from NIH"):
        nih_files.load()


@pytest.mark.parametrize("packing", [".gz", ".zip"])
def test_a_packed_label_file_cut_short_or_damaged(nih_files, packing):
    path = nih_files.labels(*[(f"{i}.png", F[i % 14], 0, i) for i in range(500)], packing=packing)
    whole = path.read_bytes()
    for cut in range(0, len(whole), len(whole) // 20):
        path.write_bytes(whole[:cut])
        with pytest.raises(CourseError, match=r"cannot be read .*fetch it again from NIH"):
            nih.read_labels(path)
    rng = np.random.default_rng(0)
    for place in rng.integers(40, len(whole) - 200, 20):  # inside the compressed data: not one may pass
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(CourseError, match=r"cannot be read .*fetch it again from NIH"):
            nih.read_labels(path)


# ---- films on disk ----------------------------------------------------------------------------------------------


def test_films_in_all_of_nihs_folders(nih_files):
    folders = {"a.png": "images", "b.png": "images_001/images", "c.png": "images_012/images", "d.png": "images_002"}
    nih_files.labels(*[(name, "Mass") for name in (*folders, "e.png")])
    pixels = {name: nih_files.film(name, folder=folder) for name, folder in folders.items()}
    pixels["e.png"] = nih_files.film("e.png", folder=".")
    cohort = nih_files.load()
    assert list(cohort.films["Image"]) == sorted(pixels)
    for name, expected in pixels.items():
        np.testing.assert_array_equal(cohort.read(name), expected)
    assert cohort.missing == ()


def test_films_are_found_by_stem_and_keep_the_names_of_the_table(nih_files):
    names = {"1_0.png": "1_0.jpg", "1_1.png": "1_1.JPEG", "2_0.png": "2_0.png", "3_0.jpg": "3_0.PNG", "4_0": "4_0.png"}
    nih_files.labels(*[(name, "Mass", 0, int(name[0])) for name in names])
    pixels = {name: nih_files.film(file, (1024, 1024)) for name, file in names.items()}
    nih_files.film("2_0.jpg")  # beside the very film that the table names
    nih_files.film("._1_0.png")  # what macOS leaves
    nih_files.boxes(("1_0.png", "Mass", 1, 2, 3, 4), ("3_0.png", "Mass", 1, 2, 3, 4), ("9_0.png", "Mass", 1, 2, 3, 4))
    (nih_files.root / "test_list.txt").write_text("1_0.png\n1_1.png\n")
    (nih_files.root / "train_val_list.txt").write_text("2_0.png\n3_0.png\n4_0.png\n")
    cohort = nih_files.load()
    assert list(cohort.films["Image"]) == list(cohort.paths) == list(names)
    assert cohort.missing == () and list(cohort.boxes["Image"]) == ["1_0.png", "3_0.jpg"]
    assert list(cohort.split("test")["Image"]) == ["1_0.png", "1_1.png"]
    for name, expected in pixels.items():
        exact = names[name].lower().endswith("png")
        np.testing.assert_allclose(cohort.read(name), expected, atol=0 if exact else 120)
    with pytest.raises(CourseError, match="not on disk"):
        cohort.read("1_0.jpg")


@pytest.mark.parametrize("listed", ["sub/a.png", "sub\\a.png", "A.png", "a.tif", "a.png.png"])
def test_a_name_is_never_bent_into_another(nih_files, listed):
    nih_files.labels((listed,), ("b.png",))
    nih_files.film("a.png")
    nih_files.film("b.jpg")
    assert nih_files.load().missing == (listed,)


def test_two_files_that_could_be_one_film(nih_files):
    nih_files.labels(("a.png",))
    nih_files.film("a.jpg")
    nih_files.film("a.jpeg", folder="images_001")
    with pytest.raises(CourseError, match=r"The film a.png could be a.jp.* or a.jp.* on disk: keep one of them"):
        nih_files.load()


def test_one_film_under_two_endings_is_listed_twice(nih_files):
    with pytest.raises(CourseError, match=r"lists the film a.jpg twice"):
        nih.read_labels(nih_files.labels(("a.png",), ("a.jpg",)))


def test_the_folder_of_jpeg_films(nih_root):
    root = nih_root.parent / "nih-more2"
    if not root.is_dir():
        pytest.skip(f"no folder of JPEG films here ({root} is absent)")
    cohort = load_cohort("nih", root)
    assert len(cohort.films) == 1037 and not cohort.missing
    assert {path.suffix for path in cohort.paths.values()} == {".jpg"}
    assert all(image.endswith(".png") and path.stem == image[:-4] for image, path in cohort.paths.items())
    assert cohort.read(cohort.films["Image"][0]).std() > 10


def test_listed_films_that_are_missing_are_left_out_and_counted(nih_files):
    nih_files.labels(("a.png",), ("b.png",), ("c.png",))
    nih_files.film("b.png")
    nih_files.film("not_listed.png")
    cohort = nih_files.load()
    assert list(cohort.films["Image"]) == ["b.png"]
    assert cohort.missing == ("a.png", "c.png")
    assert "2 of 3 listed films are not on disk and are left out." in str(cohort)
    for name in ("a.png", "not_listed.png"):
        with pytest.raises(CourseError, match=f"The film {name} is not on disk in this cohort"):
            cohort.read(name)


def test_a_table_without_any_film_can_still_be_explored(nih_files):
    nih_files.labels(*ROWS)
    nih_files.boxes(("00000001_000.png", "Mass", 1, 2, 3, 4))
    cohort = nih_files.load()
    assert len(cohort.films) == len(cohort.missing) == 3
    assert "No film is on disk: the tables can be explored, no film can be read." in str(cohort)
    assert list(cohort.boxes) == ["Image", "finding", "x", "y", "w", "h"]
    with pytest.raises(CourseError, match="not on disk"):
        cohort.read("00000001_000.png")


def test_films_of_another_data_set(nih_files):
    nih_files.labels(*ROWS)
    nih_files.film("patient1.png")
    with pytest.raises(CourseError, match=r"lists none of the films under .*keep NIH's file names"):
        nih_files.load()


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda path, png: path.write_bytes(png[: len(png) // 2]), "damaged or cut short"),
        (lambda path, png: path.write_text("Not found"), "holds text, not an image"),
        (lambda path, png: path.write_bytes(b""), "is empty"),
        (lambda path, png: path.mkdir(), "is a folder"),
        (lambda path, png: path.write_bytes(b"\x00\x01\x02\x03" * 99), "neither PNG nor JPEG"),
    ],
)
def test_one_unreadable_film_is_named_and_costs_no_other(nih_files, make, reason):
    nih_files.labels(("a.png", "Mass"), ("b.png", "Mass"))
    whole = nih_files.film("a.png")
    make(nih_files.root / "images" / "b.png", (nih_files.root / "images" / "a.png").read_bytes())
    cohort = nih_files.load()
    with pytest.raises(CourseError, match=f"The film b.png cannot be read .*{reason}.*: fetch it again or remove it"):
        cohort.read("b.png")
    np.testing.assert_array_equal(cohort.read("a.png"), whole)


def test_rgba_films_are_gray_like_the_others(nih_files):
    nih_files.labels(("a.png", "Mass"))
    expected = nih_files.film("a.png", mode="RGBA")
    np.testing.assert_array_equal(nih_files.load().read("a.png"), expected)
