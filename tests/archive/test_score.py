"""The command chooses between a table and an archive, and says what an archive needs before anything is loaded."""

import sys

import pytest

from tests.helpers.scoring import command, folder, model  # noqa: F401 - fixtures
from util.archive import score
from util.archive.block import Recipe
from util.errors import CourseError
from util.models import score_folder


def test_a_table_is_what_it_was(folder, model, tmp_path, capsys):
    assert command(folder, tmp_path / "old.csv") == 0
    told = capsys.readouterr().out
    arguments = ["--cohort", "nih", "--root", str(folder.root), "--model", "tiny", "--out", str(tmp_path / "new.csv")]
    assert score.main(arguments) == 0
    assert capsys.readouterr().out == told.replace("old.csv", "new.csv")
    assert (tmp_path / "new.csv").read_bytes() == (tmp_path / "old.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "scores"], "An archive is written with pyarrow, which is not installed: pip install"),
        (["--out", "scores.csv", "--engine", "local"], "pyarrow, which is not installed"),
        (["--out", "scores", "--engine", "ray"], "Ray is not installed here: pip install 'chest-xray-course[ray]'"),
        (["--out", "scores", "--maps", "Mass,Mass"], "--maps names ['Mass', 'Mass']: choose each once of"),
        (["--out", "scores", "--seconds", "-1"], "--seconds is -1, not above 0"),
        (["--out", "scores.csv", "--maps", "Mass"], "--maps is for archives: name a folder with --out"),
        (["--out", "scores", "--size", "320"], "--size, --mean and --std go together"),
        (["--out", "no/such/scores.csv"], "There is no folder no"),
    ],
)
def test_what_is_missing_is_said_first(arguments, words, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(score_folder, "load_pretrained", None)
    for package in ("pyarrow", "ray"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(tmp_path)
    assert score.main(arguments) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_openvino_by_choice(model, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(CourseError, match="OpenVINO is not installed here"):
        Recipe("tiny", network="openvino-f32").load()
    with pytest.raises(CourseError, match="no network engine 'onnx': use tensorflow, openvino-f32, openvino-bf16"):
        Recipe("tiny", network="onnx").load()
    assert Recipe("tiny").load().passport["name"] == "tiny"
