"""The command that scores a folder: its table, its calibration, and when it refuses to speak of an evaluation."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.networks import tiny_network
from util.data.cohort import HOME
from util.data.own_film import as_dicom
from util.errors import CourseError
from util.findings import FINDINGS
from util.models import score_folder, weights
from util.models.preprocessing import Preprocessing
from util.models.score_folder import calibrated, films_to_score, judgement, score_table

PASSPORT = {
    "name": "tiny", "bytes": 1, "origin": "a test", "films": "real", "training": "a few real films",
    "findings": list(FINDINGS), "output": "logits", "licence": "MIT", "sha256": "0",
    "preprocessing": {"size": 32, "mean": 120.0, "std": 60.0}, "training_films": [],
}  # fmt: skip


@pytest.fixture
def model(monkeypatch):
    """A stand-in for trained weights; the passport can be changed by the test."""
    passport = dict(PASSPORT)
    loaded = weights.Pretrained(tiny_network(), FINDINGS, Preprocessing(32, 120.0, 60.0), passport)
    monkeypatch.setattr(score_folder, "load_pretrained", lambda *args, **kwargs: loaded)
    return passport


@pytest.fixture
def folder(nih_files):
    """Forty films of twenty patients, half of them with Mass."""
    names = [f"{1 + i // 2:08d}_{i % 2:03d}.png" for i in range(40)]
    nih_files.labels(*((n, "Mass" if i % 4 < 2 else "No Finding", i % 2, 1 + i // 2) for i, n in enumerate(names)))
    for name in names:
        nih_files.film(name, (40, 48))
    return nih_files


def command(folder, out, *more):
    return score_folder.main(
        ["--cohort", "nih", "--root", str(folder.root), "--model", "tiny", "--out", str(out), *more]
    )


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
        assert score_folder._preprocessing(
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


# ---- films without a table --------------------------------------------------------------------------------------


def test_a_folder_of_ones_own_films(tmp_path, model, capsys):
    """PNG, JPEG and DICOM, the last also without a suffix, beside each other or in images/."""
    root, pixels = tmp_path / "mine", np.random.default_rng(0).integers(0, 256, (40, 48), dtype=np.uint8)
    (root / "images").mkdir(parents=True)
    for name in ("a.png", "b.JPG", "images/c.jpeg"):
        Image.fromarray(pixels).save(root / name)
    for name in ("d.dcm", "images/IM000001"):
        (root / name).write_bytes(as_dicom(pixels))
    Image.fromarray(pixels.astype(np.uint16) * 16).save(root / "deep.png")  # 12 bits in 16, as exports have it
    (root / "notes.txt").write_text("mine")
    (root / "README").write_text("mine")
    (root / "._a.png").write_bytes(b"of a Mac")
    (root / "folder.png").mkdir()
    cohort = films_to_score("nih", root)
    assert list(cohort.films["Image"]) == ["IM000001", "a.png", "b.JPG", "c.jpeg", "d.dcm", "deep.png"]
    for name in ("a.png", "d.dcm", "IM000001", "deep.png"):
        assert np.abs(cohort.read(name).astype(int) - pixels).max() <= 1
    assert (
        score_folder.main(["--cohort", "nih", "--root", str(root), "--model", "tiny", "--out", str(tmp_path / "s.csv")])
        == 0
    )
    assert len(pd.read_csv(tmp_path / "s.csv")) == 6 and "No labels" in capsys.readouterr().out


def test_a_film_that_lies_twice(tmp_path):
    (tmp_path / "images").mkdir()
    for place in (tmp_path, tmp_path / "images"):
        (place / "a.png").write_bytes(b"x")
    with pytest.raises(CourseError, match=r"There are two films a\.png, .* and .*: keep one"):
        films_to_score("nih", tmp_path)


def test_films_that_cannot_be_opened_are_no_films(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"x")

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", forbidden)
    assert score_folder.own_films(tmp_path) == {}


# ---- interruptions ----------------------------------------------------------------------------------------------


@pytest.fixture
def scored(monkeypatch):
    """Names of films in the order in which the network reads them; savings come early."""
    import util.models.predict

    plain, seen = util.models.predict.batches, []

    def batches(*args, **kwargs):
        for names, films in plain(*args, **kwargs):
            seen.extend(names)
            yield names, films

    monkeypatch.setattr(util.models.predict, "batches", batches)
    monkeypatch.setattr(score_folder, "KEEP", 16)
    return seen


def stop_after(monkeypatch, number):
    """Ctrl+C at the batch after so many."""
    import util.models.predict

    plain, calls = util.models.predict.predict_films, []

    def predict(*args):
        calls.append(args)
        if len(calls) > number:
            raise KeyboardInterrupt
        return plain(*args)

    monkeypatch.setattr(util.models.predict, "predict_films", predict)


def test_the_same_command_goes_on_after_an_interruption(folder, model, tmp_path, monkeypatch, scored, capsys):
    assert command(folder, tmp_path / "whole.csv") == 0
    names = list(folder.load().films["Image"])
    assert scored == names
    (tmp_path / "s.csv").write_text("old")
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        assert command(folder, tmp_path / "s.csv") == 130
    assert "The same command goes on where it was" in capsys.readouterr().err
    assert (tmp_path / "s.csv").read_text() == "old"
    assert sorted(path.name for path in (tmp_path / ".s.csv.kept").iterdir()) == ["000000.csv", "000001.csv"]
    scored.clear()
    assert command(folder, tmp_path / "s.csv") == 0
    assert "24 of these 40 films are scored already" in capsys.readouterr().out
    assert scored == names[24:]
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not (tmp_path / ".s.csv.kept").exists()


@pytest.mark.parametrize("changed", ["weights", "preprocessing", "labels", "film", "time", "damage", "nothing"])
def test_nothing_stale_is_ever_used(folder, model, tmp_path, monkeypatch, scored, changed, capsys):
    names = list(folder.load().films["Image"])
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        command(folder, tmp_path / "s.csv")
    scored.clear()
    film, expected = folder.root / "images" / names[0], names
    if changed == "weights":
        model["sha256"] = "1"
    elif changed == "labels":
        model["labels"] = list(reversed(FINDINGS))
    elif changed == "preprocessing":
        other = weights.Pretrained(tiny_network(), FINDINGS, Preprocessing(32, 121.0, 60.0), model)
        monkeypatch.setattr(score_folder, "load_pretrained", lambda *args, **kwargs: other)
    elif changed == "film":
        expected = [names[0], *names[32:]]
        state = film.stat()
        folder.film(names[0], (41, 48))
        os.utime(film, ns=(state.st_atime_ns, state.st_mtime_ns))
    elif changed == "time":
        expected = [names[0], *names[32:]]
        os.utime(film, ns=(1, 1))
    elif changed == "damage":
        expected = [*names[:16], *names[32:]]
        (tmp_path / ".s.csv.kept" / "000000.csv").write_bytes(b"\xff\x00,1,2")
    else:
        expected = names[32:]
    assert command(folder, tmp_path / "s.csv") == 0
    assert scored == expected
    assert ("scored already" in capsys.readouterr().out) == (len(expected) < 40)


def test_films_that_cannot_be_read_are_named_after_an_interruption_too(
    folder, model, tmp_path, monkeypatch, scored, capsys
):
    broken = folder.root / "images" / "00000001_000.png"
    broken.write_bytes(b"\x89PNG and no more")
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        command(folder, tmp_path / "s.csv")
    capsys.readouterr()
    assert command(folder, tmp_path / "s.csv") == 0
    told = capsys.readouterr().out
    assert (
        "1 of 40 films cannot be read and have no scores:\nThe film 00000001_000.png" in told
        and "39 films scored" in told
    )
    for path in (folder.root / "images").iterdir():
        path.write_bytes(b"\x89PNG and no more")
    assert command(folder, tmp_path / "s.csv") == 2
    assert "None of the 40 films can be read. The film 0" in capsys.readouterr().err


def test_what_is_kept_is_kept_exactly(folder, tmp_path):
    pretrained = weights.Pretrained(None, FINDINGS, Preprocessing(32, 120.0, 60.0), PASSPORT)
    kept = score_folder.Kept(tmp_path / "s.csv", pretrained, folder.load())
    rows = {f"{1 + k:08d}_000.png": np.random.default_rng(k).normal(size=14).astype(np.float32) for k in range(3)}
    kept.add({})
    assert kept.parts() == []
    kept.add(rows)
    again = score_folder.Kept(tmp_path / "s.csv", pretrained, folder.load()).rows([*rows, "00000009_000.png"])
    assert list(again) == list(rows) and all((again[name] == rows[name]).all() for name in rows)
    assert {row.dtype for row in again.values()} == {np.dtype(np.float32)}
    (kept.folder / "mine.txt").write_text("not of this command")
    kept.remove()
    assert [path.name for path in kept.folder.iterdir()] == ["mine.txt"]


def test_the_place_of_what_is_kept(folder, model, tmp_path, capsys):
    (tmp_path / ".s.csv.kept").write_text("a file")
    assert command(folder, tmp_path / "s.csv") == 2
    assert ".s.csv.kept cannot be written" in capsys.readouterr().err


KILLED = """
import sys, time
import pytest
from tests.models import test_score_folder
from tests.helpers.networks import tiny_network
from util.models import score_folder, weights
from util.findings import FINDINGS
from util.models.preprocessing import Preprocessing
loaded = weights.Pretrained(tiny_network(), FINDINGS, Preprocessing(32, 120.0, 60.0), test_score_folder.PASSPORT)
score_folder.load_pretrained = lambda *args, **kwargs: loaded
score_folder.KEEP = 8
import util.models.predict
plain, calls = util.models.predict.predict_films, []
def slow(*args):
    calls.append(1)
    if len(calls) == 3:
        print("READY", flush=True)
        time.sleep(60)
    return plain(*args)
util.models.predict.predict_films = slow
sys.exit(score_folder.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_killed_it_loses_nothing_that_was_kept(folder, model, tmp_path, scored, how, capsys):
    arguments = ["--cohort", "nih", "--root", str(folder.root), "--model", "tiny", "--out", str(tmp_path / "s.csv")]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], cwd=HOME, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while "READY" not in (line := process.stdout.readline()):
        assert line and time.monotonic() < end
    assert score_folder.main(arguments) == 2  # two at once
    assert "Another command is at work in" in capsys.readouterr().err
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGTERM else -9)
    scored.clear()
    assert score_folder.main(arguments) == 0
    assert "16 of these 40 films are scored already" in capsys.readouterr().out
    assert len(scored) == 24 and len(pd.read_csv(tmp_path / "s.csv")) == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nih", "s.csv"]


def test_far_logits_are_probabilities_too():
    table = score_table(pd.DataFrame([[-1000.0] * 7 + [1000.0] * 7], ["a"], list(FINDINGS)))
    assert table["prob_Cardiomegaly"].iloc[0] == 0 and table["prob_Consolidation"].iloc[0] == 1


def test_an_empty_folder_says_what_to_do(tmp_path):
    with pytest.raises(
        CourseError,
        match=r"There is no film in .* nor in .*images, and no label file: put PNG, JPEG or DICOM files there",
    ):
        films_to_score("nih", tmp_path)


def logits():
    return pd.DataFrame(np.zeros((3, 14)), index=list("abc"), columns=list(FINDINGS))


def test_calibration_is_a_line_of_each_finding():
    line = {"slope": [2.0] * 14, "intercept": list(range(14)), "prevalence": "P", "fitted_on": "held-out films"}
    moved, text = calibrated({"calibration": line}, logits() + 1)
    assert moved.loc["a"].tolist() == [2.0 + k for k in range(14)]
    assert "P" in text and "held-out films" in text


def test_weights_without_calibration_are_moved_to_their_prevalence_or_said_to_be_raw():
    moved, text = calibrated({"prevalence": dict.fromkeys(FINDINGS, 0.2)}, logits())
    assert np.allclose(score_table(moved)["prob_Mass"], 0.2)
    assert "training films" in text
    same, text = calibrated({}, logits())
    assert same.equals(logits()) and "ranks" in text


def test_simulated_films_are_not_taken_for_real_ones_of_the_same_name(phantom_cohort):
    films = phantom_cohort.split("test")
    some = dataclasses.replace(phantom_cohort, films=films)
    drawn = pd.DataFrame(np.random.default_rng(0).normal(size=(len(films), 14)), films["Image"], list(FINDINGS))
    text = judgement(
        some, drawn, {"films": "real", "training_films": [n.replace(".jpg", ".png") for n in films["Image"]]}
    )
    assert "mean" in text and "training data" not in text
