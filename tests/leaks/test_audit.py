"""The audit of folders as people have them: damaged and plain films, few films, one split, one view, no age."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from util.findings import FINDINGS
from util.leaks.audit import BLIND, CLEAN, LEAK, NOTE, audit
from util.leaks.giveaways import column_aucs, judge, mark_aucs

STEPS = {
    "own": lambda x, y, training: x[training].mean(),
    "all": lambda x, y, training: (x.mean(), y.mean(axis=0)),
}
TRAIN, VALID, TEST = (3, 4, 7, 8, 9, 10, 11), (13, 20), (0, 1, 2, 5, 6)  # patients; see test_nih.py


def folder(nih_files, patients, row=("No Finding", 0), tail=(), draw=True):
    """A folder of a film for each entry of `patients`; names of the films."""
    names = [f"{k:08d}_000.png" for k in range(len(patients))]
    nih_files.labels(*[(name, row[0], row[1], who, *tail) for name, who in zip(names, patients, strict=True)])
    if draw:
        for name in names:
            nih_files.film(name)
    return names


def verdicts(seen):
    return {check.name: check.verdict for check in seen.checks}


def test_damaged_films_are_named_and_cost_no_check(nih_files):
    names = folder(nih_files, (*TRAIN, *TEST) * 4)
    images = nih_files.root / "images"
    for name in names[:6]:
        (images / name).write_bytes(b"")
    seen = audit(nih_files.load(), STEPS)
    assert verdicts(seen) == {
        "patients": CLEAN, "near-duplicates": CLEAN, "marks": BLIND, "order": BLIND, "columns": BLIND, "own": CLEAN,
        "all": LEAK, "films": BLIND,
    }  # fmt: skip
    shown = f"{', '.join(names[:4])} and 2 more"
    assert f"6 of 48 films cannot be read and are left out: {shown}" in str(seen)
    assert "no two of 42 films are one exposure" in str(seen)
    assert seen.leaks == ["all"]


def test_films_that_are_all_damaged(nih_files):
    for name in folder(nih_files, (*TRAIN, *TEST)):
        (nih_files.root / "images" / name).write_text("Not found")
    seen = audit(nih_files.load(), STEPS)
    assert verdicts(seen) == {
        "patients": CLEAN, "near-duplicates": BLIND, "marks": BLIND, "order": BLIND, "columns": BLIND, "own": BLIND,
        "all": BLIND, "films": BLIND,
    }  # fmt: skip
    assert "12 of 12 films cannot be read" in str(seen)


@pytest.mark.parametrize("gray", [0, 128])
def test_plain_films_are_no_copies(nih_files, gray):
    names = folder(nih_files, [*range(40)], draw=False)
    (nih_files.root / "images").mkdir()
    for name in names:
        Image.new("L", (64, 64), gray).save(nih_files.root / "images" / name)
    seen = audit(nih_files.load())
    assert verdicts(seen)["near-duplicates"] == BLIND and not seen.leaks
    assert f"40 films of one gray have nothing to compare: {', '.join(names[:4])} and 36 more" in str(seen)
    for name in names[:4]:
        nih_files.film(name)
    (nih_files.root / "images" / names[1]).write_bytes((nih_files.root / "images" / names[0]).read_bytes())
    seen = audit(nih_files.load())
    assert "1 pairs of films are one exposure" in str(seen) and "36 films of one gray" in str(seen)
    assert verdicts(seen)["near-duplicates"] in (LEAK, NOTE)


@pytest.mark.parametrize("patients", [(1,), (3,), (1, 1), (1, 3), (*TRAIN, *TEST), TEST, range(50)])
@pytest.mark.parametrize("row", [("No Finding", 0), ("|".join(FINDINGS), 1)])
@pytest.mark.parametrize("tail", [("50", "F", "PA"), ("400", "M", "AP")])
def test_any_folder_is_looked_at(nih_files, patients, row, tail):
    folder(nih_files, patients, row, tail)
    cohort = nih_files.load()
    seen = audit(cohort, STEPS)
    assert set(verdicts(seen)) == {"patients", "near-duplicates", "marks", "order", "columns", *STEPS}
    one_split = cohort.films["Split"].nunique() == 1
    assert verdicts(seen)["patients"] == (BLIND if one_split else CLEAN)
    assert verdicts(seen)["all"] == (BLIND if one_split else LEAK)
    assert verdicts(seen)["columns"] == verdicts(seen)["order"] == verdicts(seen)["marks"] == BLIND
    assert verdicts(seen)["near-duplicates"] == (CLEAN if len(patients) > 1 else BLIND)


def test_films_of_the_first_patient_in_two_splits_are_shown(nih_files):
    names = folder(nih_files, (*TRAIN, *TRAIN))
    cohort = nih_files.load()
    splits = ["train"] * len(TRAIN) + ["test"] * 2 + ["train"] * (len(TRAIN) - 2)
    seen = audit(replace(cohort, films=cohort.films.assign(Split=splits)), STEPS)
    check = next(check for check in seen.checks if check.name == "patients")
    assert check.verdict == LEAK and "2 patients are in two splits: 2 in train and test" in check.seen
    assert sorted(check.images) == [names[0], names[len(TRAIN)]]


def test_an_age_that_nobody_knows_tells_nothing(nih_files):
    names = [f"{k:08d}_000.png" for k in range(40)]
    nih_files.labels(*[(name, "Mass" if k % 2 else "No Finding", 0, k, 300) for k, name in enumerate(names)])
    table = column_aucs(nih_files.load().films)
    assert set(table["column"]) == {"row", "file name", "View", "Sex", "FollowUp"}
    assert set(table["finding"]) == {"Mass"} and not table["strong"].any()


def test_what_sets_one_patient_apart_from_one_other_is_no_giveaway(nih_files):
    names = [f"{k:08d}_000.png" for k in range(40)]
    nih_files.labels(*[(name, "Mass" if k < 20 else "No Finding", 0, k // 20) for k, name in enumerate(names)])
    films = nih_files.load().films
    table = column_aucs(films).set_index(["column", "finding"])
    assert table.loc[("row", "Mass"), "auc"] == 0 and not table["strong"].any()
    several = judge(films["Mass"], np.arange(40), films["Image"], 0.95)
    assert several["auc"] == 0 and several["strong"]


def test_marks_are_sought_on_the_films_that_can_be_read(nih_files):
    names = [f"{k:08d}_000.png" for k in range(40)]
    nih_files.labels(*[(name, "Mass" if k % 2 else "No Finding", 0, k) for k, name in enumerate(names)])
    (nih_files.root / "images").mkdir()
    for k, name in enumerate(names):
        film = np.full((320, 320), 60, np.uint8)
        film[5:25, 5:8] = 255 if k % 2 else 60
        Image.fromarray(film).save(nih_files.root / "images" / name)
    (nih_files.root / "images" / names[1]).write_bytes(b"")
    unreadable = {}
    best = mark_aucs(nih_files.load(), unreadable=unreadable).iloc[0]
    assert list(unreadable) == [names[1]]
    assert (best["finding"], best["auc"], bool(best["strong"])) == ("Mass", 1, True)
    assert (best["x"], best["y"]) == pytest.approx((0.05, 0.05))
