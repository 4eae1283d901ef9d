"""An archive of scores, where pyarrow is: nothing lost, nothing twice, and the numbers of the table."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from tests.helpers.archives import RECIPE, engine, film, names, root, shared, table  # noqa: F401 - fixtures
from tests.helpers.scoring import PASSPORT
from tests.helpers.traps import HANGS
from util.archive import score
from util.archive.block import Worker, blocks_of, score_block
from util.archive.parts import part_files, read_manifest, read_parts
from util.archive.run import score_archive
from util.archive.sources import find_films
from util.archive.writing import open_archive
from util.data.cohort import HOME
from util.errors import CourseError
from util.findings import FINDINGS
from util.models import score_folder

# ---- numbers ------------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_table(root, tmp_path, engine, monkeypatch, capsys):
    monkeypatch.setattr(score_folder, "load_pretrained", lambda *args, **kwargs: RECIPE.load())
    assert (
        score.main(["--cohort", "nih", "--root", str(root), "--model", "tiny", "--out", str(tmp_path / "s.csv")]) == 0
    )
    score_archive(root, tmp_path / "out", RECIPE, engine)
    right, ours = pd.read_csv(tmp_path / "s.csv"), table(tmp_path / "out")
    assert list(right["Image"]) == list(ours["name"])
    for column in right.columns[1:]:
        assert [f"{value:.6g}" for value in ours[column]] == [f"{value:.6g}" for value in right[column]]


def test_the_numbers_do_not_depend_on_the_blocks(root, tmp_path, engine):
    score_archive(root, tmp_path / "a", RECIPE, engine, films=7)
    score_archive(root, tmp_path / "b", RECIPE, engine, films=20)
    assert len(part_files(tmp_path / "a")) == 3 and len(part_files(tmp_path / "b")) == 1
    pd.testing.assert_frame_equal(table(tmp_path / "a"), table(tmp_path / "b"), check_exact=True)


def test_one_block_is_what_the_stream_gives(root, shared):
    refs = list(find_films(root))
    first, *_ = blocks_of(refs, 6)
    rows = score_block(first, shared)
    assert rows["name"].to_pylist() == [ref.name for ref in refs[:6]]
    assert rows["patient"].to_pylist() == [ref.name[:8] for ref in refs[:6]]
    assert rows["logit_Mass"].null_count == 0 and rows["refused"].null_count == 6


def test_probabilities_are_calibrated(root, shared, tmp_path):
    """A passport with a calibration moves the logits by its line, as in the table."""
    line = {"slope": [2.0] * 14, "intercept": [1.0] * 14, "prevalence": "x", "fitted_on": "y"}
    loaded = RECIPE.load()
    plain = score_block(list(find_films(root))[:3], shared)
    with Worker(RECIPE, replace(loaded, passport=dict(PASSPORT, calibration=line))) as worker:
        moved = score_block(list(find_films(root))[:3], worker)
    for finding in FINDINGS:
        logits = moved[f"logit_{finding}"].to_numpy()
        assert (logits == plain[f"logit_{finding}"].to_numpy() * 2 + 1).all()
        assert moved[f"prob_{finding}"].to_numpy() == pytest.approx(1 / (1 + np.exp(-logits)))


# ---- going on -----------------------------------------------------------------------------------------------------


def test_the_same_command_goes_on_and_adds_films(root, tmp_path, engine):
    out = tmp_path / "out"

    def breaks(blocks, recipe, pretrained):
        for count, one in enumerate(engine(blocks, recipe, pretrained)):
            if count == 2:
                raise CourseError("the machine went away")
            yield one

    with pytest.raises(CourseError, match="went away"):
        score_archive(root, out, RECIPE, breaks, films=4)
    assert len(names(out)) == 8 and read_manifest(out)["films"] == 8
    done = score_archive(root, out, RECIPE, engine, films=4)
    assert (done.earlier, done.scored) == (8, 12)
    film(root, "00000003_001.png")
    done = score_archive(root, out, RECIPE, engine, films=4)
    assert (done.earlier, done.scored, done.manifest["films"]) == (20, 1, 21)
    assert names(out) == sorted(path.name for path in root.iterdir())
    assert score_archive(root, out, RECIPE, engine).scored == 0
    score_archive(root, tmp_path / "whole", RECIPE, engine)
    pd.testing.assert_frame_equal(table(out), table(tmp_path / "whole"), check_exact=True)


def test_a_film_that_changed_is_scored_again_and_its_old_row_goes(root, tmp_path, engine):
    out = tmp_path / "out"
    score_archive(root, out, RECIPE, engine, films=5)
    before = table(out).set_index("name")["logit_Mass"]
    path = film(root, "00000007_000.png", seed=99)
    os.utime(path, ns=(5, 5))
    done = score_archive(root, out, RECIPE, engine, films=5)
    assert (done.scored, done.changed, done.manifest["films"]) == (1, 1, 20)
    after = table(out).set_index("name")["logit_Mass"]
    assert list(before.index[before != after]) == ["00000007_000.png"]


def test_two_films_of_one_name(root, tmp_path, engine, capsys):
    for folder in ("images_001", "images_002/images"):
        film(root, f"{folder}/x.png", seed=len(folder))
    done = score_archive(root, tmp_path / "out", RECIPE, engine)
    assert done.twice == 1 and names(tmp_path / "out").count("x.png") == 1
    assert "Left out: x.png, since an earlier film has the same name" in capsys.readouterr().out


def test_a_bad_film_is_named_kept_as_refused_and_tried_again_on_request(root, tmp_path, engine, capsys):
    out = tmp_path / "out"
    (root / "00000004_000.png").write_bytes(b"\x89PNG and no more")
    (root / "empty.dcm").write_bytes(b"")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "pipe.png")
    done = score_archive(root, out, RECIPE, engine, films=8)
    bad = {"00000004_000.png", "empty.dcm"} | ({"pipe.png"} if hasattr(os, "mkfifo") else set())
    assert done.refused == len(bad) and done.scored == 19
    assert set(names(out, refused=True)) == bad and not bad & set(names(out))
    told = capsys.readouterr().out
    assert all(f"Refused: {name}: it " in told for name in bad)
    assert table(out, refused=True)["logit_Mass"].isna().all()
    again = score_archive(root, out, RECIPE, engine)
    assert (again.scored, again.refused) == (0, 0)
    os.utime(film(root, "00000004_000.png"), ns=(7, 7))
    again = score_archive(root, out, RECIPE, engine, again=True)
    assert (again.scored, again.refused, again.manifest["films"]) == (1, len(bad) - 1, 20)
    assert sorted([*names(out), *names(out, refused=True)]) == sorted(path.name for path in root.iterdir())


def test_nothing_but_bad_films(tmp_path, engine):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.png").write_bytes(b"")
    with pytest.raises(CourseError, match=r"No film of .* could be scored: 1 were refused"):
        score_archive(tmp_path / "films", tmp_path / "out", RECIPE, engine)


def test_of_many_bad_films_the_first_are_named(root, tmp_path, engine, monkeypatch, capsys):
    monkeypatch.setattr("util.archive.run.TOLD", 3)
    for k in range(9):
        (root / f"bad{k}.png").write_bytes(b"")
    assert score_archive(root, tmp_path / "out", RECIPE, engine, films=5).refused == 9
    told = capsys.readouterr().out
    assert told.count("Refused: ") == 3 and told.count("Further films are refused; the column `refused`") == 1


# ---- what is on the disk ------------------------------------------------------------------------------------------


def test_another_model_or_other_options_do_not_go_on(root, tmp_path, engine):
    out = tmp_path / "out"
    score_archive(root, out, RECIPE, engine)
    with pytest.raises(CourseError, match=r"was begun with maps = \[\], now it is \[\"Mass\"\]: go on as it was begun"):
        score_archive(root, out, replace(RECIPE, maps=("Mass",)), engine)
    loaded = RECIPE.load()
    other = replace(loaded, passport=dict(PASSPORT, sha256="1"))
    with pytest.raises(CourseError, match='was begun with sha256 = "0", now it is "1"'):
        score_archive(root, out, RECIPE, engine, other)
    score_archive(root, tmp_path / "other", RECIPE, engine, other)
    strange = part_files(tmp_path / "other")[0]
    strange.rename(out / strange.name.replace("part-", "part-0")[:29].ljust(29, "0"))
    strange = next(path for path in out.iterdir() if path.name.startswith("part-0"))
    strange.rename(out / "part-000000000000000000000000.parquet")
    with pytest.raises(CourseError, match=r"part-000000000000000000000000.parquet in .* is of a different model"):
        list(read_parts(out))


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda data: b"PAR1" + data[9:]])
def test_a_damaged_part_is_named_and_its_films_are_scored_again_without_it(root, tmp_path, engine, damage):
    out = tmp_path / "out"
    score_archive(root, out, RECIPE, engine, films=5)
    path = part_files(out)[1]
    path.write_bytes(damage(path.read_bytes()))
    for act in (lambda: list(read_parts(out)), lambda: score_archive(root, out, RECIPE, engine)):
        with pytest.raises(CourseError, match=f"The part {path.name} .* cannot be read: delete it"):
            act()
    path.unlink()
    assert score_archive(root, out, RECIPE, engine).scored == 5
    assert len(names(out)) == 20


def test_a_part_twice_is_noticed(root, tmp_path, engine):
    out = tmp_path / "out"
    score_archive(root, out, RECIPE, engine, films=10)
    path = part_files(out)[0]
    (out / f"part-{'f' * 24}.parquet").write_bytes(path.read_bytes())
    with pytest.raises(CourseError, match="has a film twice, in part-"):
        score_archive(root, out, RECIPE, engine)


def test_other_files_and_other_commands_are_left_alone(root, tmp_path, engine):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(CourseError, match=r"holds other files \(letter.txt\) and no archive"):
        score_archive(root, tmp_path / "full", RECIPE, engine)
    out = tmp_path / "out"
    with (
        open_archive(out, RECIPE.identity(RECIPE.load())),
        pytest.raises(CourseError, match="Another command is at work in"),
    ):
        score_archive(root, out, RECIPE, engine)
    with pytest.raises(CourseError, match="is not an archive of scores"):
        read_manifest(tmp_path)
    (out / "manifest.json").write_text("{}")
    with pytest.raises(CourseError, match=r"manifest.json is damaged"):
        list(read_parts(out))
    (out / "manifest.json").write_text('{"identity": {"format": 2}}')
    with pytest.raises(CourseError, match="has format 2, and this course reads 1: update the course"):
        list(read_parts(out))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of this kind there")
def test_a_full_disk_leaves_whole_parts(root, tmp_path, engine):
    import resource

    out, kept = tmp_path / "out", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, kept[1]))  # less than a part of ten films
    try:
        with pytest.raises(
            CourseError, match=r"part-\w+.parquet cannot be written \(File too large\): make room there"
        ):
            score_archive(root, out, RECIPE, engine, films=10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert names(out) == [] and sorted(path.name for path in out.iterdir()) == ["manifest.json"]
    assert score_archive(root, out, RECIPE, engine, films=10).scored == 20


SLOW = """
import sys
from tests.helpers.traps import PlainRecipe
from util.archive.run import score_archive
score_archive(sys.argv[1], sys.argv[2], PlainRecipe("tiny", readers=1), films=4)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_driver_killed_in_the_middle(root, tmp_path, engine):
    film(root, "00000010_000.png", HANGS)  # the third block hangs until the driver is killed
    out = tmp_path / "out"
    env = os.environ | {"PYTHONPATH": str(HOME)}
    command = [sys.executable, "-W", "ignore", "-c", SLOW, str(root), str(out)]
    driver = subprocess.Popen(command, cwd=HOME, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out.is_dir() and len(part_files(out)) >= 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    done = score_archive(root, out, RECIPE, engine)
    assert done.earlier >= 8 and done.refused == 1
    assert names(out, refused=True) == ["00000010_000.png"]
    assert sorted([*names(out), "00000010_000.png"]) == sorted(path.name for path in root.iterdir())
