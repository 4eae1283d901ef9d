"""The command that scores a folder: its table, its calibration, and when it refuses to speak of an evaluation."""

import os

import numpy as np
import pandas as pd
import pytest

from tests.helpers.scoring import command, folder, model, scored  # noqa: F401 - fixtures
from util.errors import CourseError
from util.findings import FINDINGS
from util.models import score_folder
from util.models.preprocessing import Preprocessing


def test_table_has_logits_and_probabilities_of_every_film(folder, model, tmp_path, capsys):
    assert command(folder, tmp_path / "scores.csv") == 0
    table = pd.read_csv(tmp_path / "scores.csv")
    assert list(table) == ["Image", *(f"logit_{f}" for f in FINDINGS), *(f"prob_{f}" for f in FINDINGS)]
    assert list(table["Image"]) == list(folder.load().films["Image"])
    assert np.allclose(table["prob_Mass"], 1 / (1 + np.exp(-table["logit_Mass"])), atol=1e-5)
    text = capsys.readouterr().out
    assert "40 films scored" in text and "Not for clinical use" in text
    assert "Mass" in text and "undefined: no positive film" in text
    assert "None of these 40 films" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nih", "scores.csv"]


def test_films_of_the_training_are_no_evaluation(folder, model, tmp_path, capsys):
    model["training_films"] = list(folder.load().films["Image"])
    assert command(folder, tmp_path / "scores.csv") == 0
    text = capsys.readouterr().out
    assert "this is no evaluation" in text
    assert "positives" not in text
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 40


def test_other_films_of_its_patients_are_left_out_too(folder, model, tmp_path, capsys):
    model["training_films"] = [f"{1 + i:08d}_000.png" for i in range(5)]
    command(folder, tmp_path / "scores.csv")
    text = capsys.readouterr().out
    assert "AUCs of the other 30 films only" in text
    row = next(line for line in text.splitlines() if line.startswith("Mass"))
    assert int(row.split()[1]) == 14  # of 20, the first five patients had six


def test_without_labels_there_are_scores_and_no_judgement(nih_files, model, tmp_path, capsys):
    nih_files.film("a.png")
    nih_files.film("b.png", mode="RGBA")
    assert command(nih_files, tmp_path / "s.csv") == 0
    assert "No labels" in capsys.readouterr().out
    assert list(pd.read_csv(tmp_path / "s.csv")["Image"]) == ["a.png", "b.png"]


def test_a_damaged_film_is_named_and_the_rest_is_scored(folder, model, tmp_path, capsys):
    (folder.root / "images" / "00000001_000.png").write_bytes(b"\x89PNG and no more")
    assert command(folder, tmp_path / "s.csv") == 0
    assert "00000001_000.png" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "s.csv")) == 39


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cohort", "nih", "--root", "no-such-folder"], "There is no folder"),
        (["--cohort", "nowhere"], "There is no cohort"),
        (["--out", "no-such-folder/s.csv"], "There is no folder no-such-folder"),
        (["--root", "."], "The simulated films are embedded; for the films in . add --cohort nih (COHORT=nih)."),
        (["--out", "."], ". is a folder, where a file is to be written"),
        (["--out", os.devnull], f"{os.devnull} is a device"),
        (["--model", "none.h5"], "There is no weights file none.h5: name another with --model"),
        (["--size", "320"], "--size, --mean and --std go together"),
        (["--mean", "1", "--std", "1"], "--size, --mean and --std go together"),
        (["--aspect", "crop"], "--size, --mean and --std go together"),
        (["--size", "320", "--mean", "1,2", "--std", "1"], "--mean is '1,2', not one number or three"),
        (["--size", "320", "--mean", "1", "--std", "one"], "--std is 'one', not one number or three"),
        (["--size", "320", "--mean", "1", "--std", "0"], "std is above 0"),
        (["--size", "31", "--mean", "1", "--std", "1"], "--size is 31, not a number of pixels from 32 to 2048"),
        (["--size", "2049", "--mean", "1", "--std", "1"], "--size is 2049, not"),
    ],
)
def test_mistakes_get_one_sentence_before_anything_is_loaded(arguments, message, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(score_folder, "load_pretrained", None)
    monkeypatch.chdir(tmp_path)
    assert score_folder.main(arguments) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir()) and os.path.exists(os.devnull) and not os.path.isfile(os.devnull)


def test_no_film_on_disk_is_told_before_anything_is_loaded(nih_files, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(score_folder, "load_pretrained", None)
    nih_files.labels(("00000001_000.png", "Mass"))
    assert command(nih_files, tmp_path / "s.csv") == 2
    assert "None of the listed films is on disk" in capsys.readouterr().err


def test_nothing_that_is_read_is_written_over(folder, model, tmp_path, capsys):
    folder.boxes()
    weights_file = tmp_path / "own.h5"
    weights_file.write_bytes(b"weights")
    root = folder.root
    for path in (root / "Data_Entry_2017_v2020.csv", root / "BBox_List_2017.csv", root / "images" / "00000001_000.png"):
        before = path.read_bytes()
        assert command(folder, path) == 2
        assert "is one of the files that are read: name another with --out" in capsys.readouterr().err
        assert path.read_bytes() == before
    assert command(folder, weights_file, "--model", str(weights_file)) == 2
    assert "is one of the files that are read" in capsys.readouterr().err
    (tmp_path / "00000001_000.png").write_text("an older table of a strange name")
    assert command(folder, tmp_path / "00000001_000.png") == 0


def test_a_packed_table(folder, model, tmp_path):
    assert command(folder, tmp_path / "s.csv.gz") == command(folder, tmp_path / "s.csv") == 0
    assert (tmp_path / "s.csv.gz").read_bytes()[:2] == b"\x1f\x8b"
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "s.csv.gz"), pd.read_csv(tmp_path / "s.csv"))


def test_one_film_with_a_label(nih_files, model, tmp_path, capsys):
    nih_files.labels(("00099999_000.png", "Mass", 0, 99999))
    nih_files.film("00099999_000.png")
    assert command(nih_files, tmp_path / "s.csv") == 0
    told = capsys.readouterr().out
    assert "1 films scored" in told and "One film can be scored but not judged" in told
    assert len(pd.read_csv(tmp_path / "s.csv")) == 1


def test_scores_stand_where_they_cannot_be_judged(folder, model, tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise CourseError("Nothing to compare.")

    monkeypatch.setattr(score_folder, "auc_table", refuse)
    assert command(folder, tmp_path / "s.csv") == 0
    assert "No AUC is given: Nothing to compare." in capsys.readouterr().out


# ---- weights of one's own ---------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """What load_pretrained is asked for; it then refuses."""
    calls = []

    def load(*args, **kwargs):
        calls.append((args, kwargs))
        raise CourseError("w does not say how its films were prepared: give preprocessing=Preprocessing(...).")

    monkeypatch.setattr(score_folder, "load_pretrained", load)
    return calls


def test_options_for_weights_without_a_passport(folder, asked, tmp_path, capsys):
    file = tmp_path / "own.h5"
    file.write_bytes(b"weights")
    own = ["--model", str(file), "--size", "320", "--mean", "123.5", "--std", "1,2,3.5"]
    assert command(folder, tmp_path / "s.csv", *own, "--aspect", "crop", "--findings", "Mass,Nodule") == 2
    assert command(folder, tmp_path / "s.csv", "--model", str(file)) == 2
    told = capsys.readouterr().err.splitlines()
    rules = Preprocessing(320, 123.5, (1.0, 2.0, 3.5), "crop")
    assert asked[0] == ((), {"path": str(file), "preprocessing": rules, "findings": ("Mass", "Nodule")})
    assert asked[1] == ((), {"path": str(file)})
    assert "With this command: --size 320 --mean 123.7 --std 58.4" in told[1]
    for size in (32, 2048):
        assert score_folder.preprocessing_of(
            score_folder._parser().parse_args(f"--size {size} --mean 1 --std 2".split())
        ) == (Preprocessing(size, 1.0, 2.0))


def test_a_prefix_of_a_checkpoint_is_a_file_too(folder, asked, tmp_path, monkeypatch):
    (tmp_path / "model.ckpt.index").write_bytes(b"x")
    command(folder, tmp_path / "s.csv", "--model", str(tmp_path / "model.ckpt"))
    command(folder, tmp_path / "s.csv", "--model", "phantom")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phantom").mkdir()  # a folder of the name of embedded weights is not meant
    (tmp_path / "weights").write_bytes(b"x")
    command(folder, tmp_path / "s.csv", "--model", "phantom")
    command(folder, tmp_path / "s.csv", "--model", "weights")
    assert asked == [
        ((), {"path": str(tmp_path / "model.ckpt")}), (("phantom",), {}), (("phantom",), {}), ((), {"path": "weights"}),
    ]  # fmt: skip


def test_other_mistakes_of_weights_are_told_as_they_are(folder, monkeypatch, tmp_path, capsys):
    (tmp_path / "own.h5").write_bytes(b"weights")

    def load(**_):
        raise CourseError("own.h5 is damaged.")

    monkeypatch.setattr(score_folder, "load_pretrained", load)
    assert command(folder, tmp_path / "s.csv", "--model", str(tmp_path / "own.h5")) == 2
    assert capsys.readouterr().err == "own.h5 is damaged.\n"
