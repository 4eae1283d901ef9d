"""Folders of films as people have them: few, one a patient, one view, no boxes. Made of phantom films in NIH's formats."""

from PIL import Image

from tests.helpers.nih_folder import HEAD_2020, HEAD_BOXES
from util.data.cohort import load_cohort
from util.data.nih import BOX_PIXELS, assign_splits
from util.findings import FINDINGS

FIRST = 40_000  # patients of ChestX-ray14 have smaller numbers: no weights have met these


def single(films):
    """One film, for testing."""
    return films[films["Split"] == "test"].head(1)


def twelve(films):
    """One film a patient, as `make nih` brings them, but few."""
    return films.drop_duplicates("PatientId").head(12)


def alike(films):
    """One view, one sex, one film a patient; all have one finding, none has two others."""
    films = films[(films["View"] == "PA") & (films["Sex"] == "M")].drop_duplicates("PatientId")
    return films.head(50).assign(Effusion=1, Hernia=0, Mass=0)


def ill(films):
    """Films with findings only, of patients with several, as `make nih FILMS=boxed` brings them."""
    films = films[films[list(FINDINGS)].any(axis=1)]
    return films[films.groupby("PatientId")["Image"].transform("size") > 1].head(90)


def well(films):
    """No finding at all."""
    return films[~films[list(FINDINGS)].any(axis=1)].head(40)


FOLDERS = {  # name -> (choice of films, boxes, films on disk, NIH's split lists)
    "one film": (single, False, True, False),
    "twelve of twelve patients": (twelve, True, True, False),
    "one view, one sex": (alike, False, True, False),
    "findings only": (ill, True, True, True),
    "no finding": (well, False, True, False),
    "labels without films": (ill, True, False, False),
}


def make_folder(root, name):
    """Write the folder `name` of FOLDERS into the new folder `root`; returns its films as the course will number them."""
    choose, boxed, on_disk, lists = FOLDERS[name]
    cohort = load_cohort("phantom")
    films = cohort.films.assign(PatientId=cohort.films["PatientId"] + FIRST, Phantom=cohort.films["Image"])
    films["Image"] = [f"{film.PatientId:08}_{film.FollowUp:03}.png" for film in films.itertuples()]
    films = choose(films.assign(Split=assign_splits(films, root)[0]))
    (root / "images").mkdir(parents=True)
    for film in films.itertuples() if on_disk else ():
        Image.fromarray(cohort.read(film.Phantom)).save(root / "images" / film.Image, compress_level=1)
    rows = [HEAD_2020, *(_row(film) for film in films.to_dict("records"))]
    (root / "Data_Entry_2017_v2020.csv").write_text("\n".join(rows) + "\n")
    if boxed:
        names, side = films.set_index("Phantom")["Image"], cohort.read(films["Phantom"].iloc[0]).shape[0]
        boxes = cohort.boxes[cohort.boxes["Image"].isin(names.index)]
        corners = (boxes[["x", "y", "w", "h"]] * BOX_PIXELS / side).astype(str).agg(",".join, axis=1)
        rows = boxes["Image"].map(names) + "," + boxes["finding"] + "," + corners
        (root / "BBox_List_2017.csv").write_text("\n".join([HEAD_BOXES, *rows]) + "\n")
    if lists:
        test = films["PatientId"] % 3 == 0
        (root / "train_val_list.txt").write_text("\n".join(films["Image"][~test]))
        (root / "test_list.txt").write_text("\n".join(films["Image"][test]))
    return films


def _row(film):
    findings = "|".join(finding for finding in FINDINGS if film[finding]) or "No Finding"
    columns = [
        film["Image"],
        findings,
        film["FollowUp"],
        film["PatientId"],
        int(film["Age"]),
        film["Sex"],
        film["View"],
    ]
    return ",".join(map(str, [*columns, 2500, 2048, 0.168, 0.168]))
