import numpy as np
import pandas as pd
import pytest

from tests.helpers.hospitals import SECRET
from util.findings import FINDINGS
from util.hospital import faults
from util.hospital.claims import members
from util.hospital.cohort import draw_people, draw_roles


@pytest.fixture(scope="module")
def people():
    return draw_people("student-0", SECRET, draw_roles("student-0", SECRET), 600, 0)


@pytest.fixture(scope="module")
def filed(people):
    return faults.add_copies(people, True, [f"{number:016x}.png" for number in range(620)], np.random.default_rng(1))


def crowd(films):
    """Many films of as many people, half of them with each finding."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"Image": [f"{n}.png" for n in range(films)], "Sex": rng.choice(["F", "M"], films)})
    table = table.assign(Source=table["Image"], Age=50, View="PA", Site="A", Split=rng.choice(["train", "test"], films))
    return table.assign(**{finding: rng.integers(0, 2, films) * 0.5 for finding in FINDINGS})


def shared(table):
    sides = [set(table.loc[table["Split"] == split, "Person"]) for split in ("train", "test")]
    return sides[0] & sides[1]


def test_ten_patients_get_films_on_both_sides_only_if_planted(people):
    leaky = faults.share_patients(people, True, np.random.default_rng(0))
    assert len(shared(leaky)) == faults.SHARED_PATIENTS
    assert shared(faults.share_patients(people, False, np.random.default_rng(0))) == set()
    moved = leaky["Split"] != people["Split"]
    assert set(people.loc[moved, "Split"]) == {"test"}
    assert set(leaky.loc[moved, "Split"]) == {"train"}


def test_copies_show_the_exposure_of_another_film(people, filed):
    copies = filed[filed["Source"] != filed["Image"]]
    originals = filed.set_index("Image").loc[copies["Source"]]
    assert len(filed) == len(people) + faults.COPIES + faults.INNER_COPIES
    assert (copies["PatientId"].to_numpy() == originals["PatientId"].to_numpy()).all()  # the phantom's body
    assert (copies["FollowUp"].to_numpy() == originals["FollowUp"].to_numpy()).all()  # and its exposure
    assert set(copies["Split"]) == {"train"}
    abroad = originals["Split"].to_numpy() == "test"
    assert abroad.sum() == faults.COPIES
    assert not copies["Person"][abroad].isin(people["Person"]).any()
    assert (copies["Person"].to_numpy() == originals["Person"].to_numpy())[~abroad].all()
    assert filed["Image"].is_monotonic_increasing
    assert filed["Image"].is_unique
    assert not filed.duplicated(["Person", "Visit"]).any()


def test_without_the_fault_copies_stay_within_training(people):
    names = [f"{number:016x}.png" for number in range(604)]
    honest = faults.add_copies(people, False, names, np.random.default_rng(1))
    copies = honest[honest["Source"] != honest["Image"]]
    assert len(copies) == faults.INNER_COPIES
    assert set(honest.set_index("Image").loc[copies["Source"], "Split"]) == {"train"}


@pytest.mark.parametrize("planted", [False, True])
def test_labels_miss_as_often_as_they_are_said_to(planted):
    table = crowd(40_000)
    labels = faults.mine(table, "Mass", "women", planted, np.random.default_rng(2))
    women, present = members(table, "women"), table["Mass"] > 0
    in_group = 1 - labels.loc[present & women, "Mass"].mean()
    elsewhere = 1 - labels.loc[present & ~women, "Mass"].mean()
    assert in_group == pytest.approx(faults.MISSED_MORE if planted else faults.MISSED, abs=0.02)
    assert elsewhere == pytest.approx(faults.MISSED, abs=0.01)
    assert labels.loc[~present, "Mass"].mean() == pytest.approx(faults.FALSE_ALARMS, abs=0.005)
    assert 1 - labels.loc[table["Edema"] > 0, "Edema"].mean() == pytest.approx(faults.MISSED, abs=0.01)


def test_a_copy_has_the_label_and_the_word_of_its_exposure(filed):
    rng = np.random.default_rng(4)
    labels = faults.mine(filed, "Mass", "women", True, rng)
    carries = faults.print_word(filed, labels["Mass"].to_numpy(), True, rng)
    rows = faults._source_rows(filed)
    assert np.array_equal(labels.to_numpy(), labels.to_numpy()[rows])
    assert np.array_equal(carries, carries[rows])


def test_a_word_goes_with_the_label_only_if_planted():
    table, label = crowd(40_000), np.arange(40_000) % 2
    with_fault, honest = (faults.print_word(table, label, planted, np.random.default_rng(5)) for planted in (1, 0))
    assert with_fault[label == 1].mean() == pytest.approx(faults.WORD_WITH, abs=0.01)
    assert with_fault[label == 0].mean() == pytest.approx(faults.WORD_WITHOUT, abs=0.01)
    assert [honest[label == value].mean() for value in (0, 1)] == pytest.approx([faults.WORD_ANYWHERE] * 2, abs=0.01)


def test_test_films_are_brighter_in_every_hospital():
    table = crowd(40_000)
    level = faults.gray_levels(table, np.random.default_rng(6))
    test = (table["Split"] == "test").to_numpy()
    assert level[test].mean() - level[~test].mean() == pytest.approx(faults.BRIGHTER, abs=0.5)
    assert faults.GRAY_LIMITS[0] <= level.min() <= level.max() <= faults.GRAY_LIMITS[1]
    assert np.array_equal(level, np.round(level, 2))


def test_the_radiologist_rereads_a_random_sample_without_error(filed):
    seen = faults.reread(filed, "Mass", np.random.default_rng(7))
    assert len(seen) == round(faults.REREAD * len(filed))
    assert seen["Image"].is_unique
    truth = filed.set_index("Image").loc[seen["Image"], "Mass"] > 0
    assert (seen["Mass"].to_numpy() == truth.to_numpy()).all()
