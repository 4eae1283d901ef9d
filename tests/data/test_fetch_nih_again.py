"""Fetching real films again: what the user owns stays, and an interrupted command goes on."""

import gzip
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.fetching import BOXED, MIXED, STARTER, film_names, film_path, png, published, server  # noqa: F401 - fixtures
from tests.helpers.nih_folder import HEAD_2020
from util.data import download as downloads
from util.data import fetch_nih as fetch
from util.data.cohort import HOME, load_cohort
from util.data.fetch_nih import fetch_nih, main
from util.errors import CourseError

# ---- the user's own files ---------------------------------------------------------------------------------------


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def mine(tmp_path):
    """A folder of the user's, with a film made smaller and a corrected label table."""
    folder = tmp_path / "mine"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "00000002_000.png").write_bytes(png(77))
    labels = f"{HEAD_2020}\n00000002_000.png,Hernia,0,2,50,F,PA,9,9,1,1\n"
    (folder / "Data_Entry_2017_v2020.csv.gz").write_bytes(gzip.compress(labels.encode(), mtime=0))
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.mark.parametrize("works", [True, False])
def test_nothing_of_the_users_is_removed_or_replaced(published, mine, capsys, works):
    before = tree(mine)
    if not works:
        published.fault = "error"
    assert main(["--to", str(mine)]) == (1 if works else 2)
    told = capsys.readouterr().err
    after = tree(mine)
    assert {name: after[name] for name in before} == before
    if works:
        assert set(film_names(mine)) == set(MIXED)  # the others came
        assert "others than NIH's and not written by this command: 2" in told
        assert f"{mine / 'images' / '00000002_000.png'}: its content is" in told
        assert f"{mine / 'Data_Entry_2017_v2020.csv.gz'}: it has " in told
        assert "--replace Data_Entry_2017_v2020.csv.gz 00000002_000.png " in told
        assert "make nih REPLACE='Data_Entry_2017_v2020.csv.gz 00000002_000.png'" in told
        cohort = load_cohort("nih", mine)
        assert list(cohort.films["Image"]) == ["00000002_000.png"] and cohort.films["Hernia"].sum() == 1


@pytest.mark.parametrize("asked", [["00000002_000.png"], ["Data_Entry_2017_v2020.csv.gz"], ["all"]])
def test_what_is_asked_for_by_name_is_replaced(published, mine, capsys, asked):
    before = tree(mine)
    assert main(["--to", str(mine), "--replace", *asked]) == (0 if asked == ["all"] else 1)
    after = tree(mine)
    replaced = {Path(name).name for name in before if after[name] != before[name]}
    assert replaced == ({"00000002_000.png", "Data_Entry_2017_v2020.csv.gz"} if asked == ["all"] else set(asked))
    if asked != ["Data_Entry_2017_v2020.csv.gz"]:
        assert after["images/00000002_000.png"] == STARTER["00000002_000.png"]


def test_the_old_film_stands_until_the_new_one_is_verified(published, mine, capsys):
    before = tree(mine)
    published.faults[film_path("00000002_000.png")] = "corrupt"
    assert main(["--to", str(mine), "--replace", "00000002_000.png"]) == 1
    assert "00000002_000.png: http" in capsys.readouterr().err
    assert {name: content for name, content in tree(mine).items() if name in before} == before


def test_a_film_anywhere_in_the_folder_is_the_users(published, tmp_path, capsys):
    """Beside the table, or in one of NIH's twelve folders: a second film of its name would hide it."""
    (tmp_path / "images_003" / "images").mkdir(parents=True)
    (tmp_path / "00000001_000.png").write_bytes(png(78))
    (tmp_path / "images_003" / "images" / "00000003_000.png").write_bytes(STARTER["00000003_000.png"])
    assert main(["--to", str(tmp_path)]) == 1
    assert f"{tmp_path / '00000001_000.png'}: its content" in capsys.readouterr().err
    assert set(film_names(tmp_path)) == set(MIXED) - {"00000001_000.png", "00000003_000.png"}
    assert (load_cohort("nih", tmp_path).read("00000001_000.png") == Image.open(io.BytesIO(png(78)))).all()
    assert main(["--to", str(tmp_path), "--replace", "00000001_000.png"]) == 0
    assert (tmp_path / "00000001_000.png").read_bytes() == STARTER["00000001_000.png"]


@pytest.mark.parametrize(
    "own", ["Data_Entry_2017_v2020.csv", "labels.csv", "Data_Entry_2017.csv.gz", "Data_Entry_2017.zip"]
)
def test_no_label_table_is_put_before_the_users_own(published, tmp_path, capsys, own):
    """The course reads the first of several names: a new table would hide the one that is there."""
    (tmp_path / own).write_text("mine")
    assert main(["--to", str(tmp_path)]) == 0
    assert (
        f"{own} is there and is what the course reads, so Data_Entry_2017_v2020.csv.gz is not"
        in capsys.readouterr().out
    )
    assert (tmp_path / own).read_text() == "mine"
    assert not (tmp_path / "Data_Entry_2017_v2020.csv.gz").exists() and (tmp_path / "BBox_List_2017.csv.gz").exists()


def test_boxes_of_the_users_own(published, tmp_path, capsys):
    (tmp_path / "boxes.csv").write_text("mine")
    assert main(["--to", str(tmp_path)]) == 0
    assert "boxes.csv is there" in capsys.readouterr().out and not (tmp_path / "BBox_List_2017.csv.gz").exists()


def test_many_that_differ_are_not_all_printed(published, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for name in list(STARTER | BOXED)[:11]:
        (tmp_path / "images" / name).write_bytes(png(79))
    assert main(["--films", "all", "--to", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.count(": its content") == 10 and "\nand 1 more\n" in told and "--replace all " in told
    (tmp_path / "images" / next(iter(STARTER))).unlink()
    assert main(["--films", "all", "--to", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.count(": its content") == 10 and "more\n" not in told and "--replace 0" in told


def test_files_that_differ_are_no_failing_network(published, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "GIVE_UP", 2)
    (tmp_path / "images").mkdir()
    for name in list(STARTER)[:5]:
        (tmp_path / "images" / name).write_bytes(png(80))
    left = fetch_nih(tmp_path)
    assert left.failed == {} and len(left.differing) == 5 and set(film_names(tmp_path)) == set(MIXED)


# ---- stopped, and started twice ---------------------------------------------------------------------------------


def test_the_folder_is_the_one_of_the_environment_or_the_courses(monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(fetch, "fetch_nih", lambda *given: asked.append(given) or fetch.Fetched({}, {}))
    monkeypatch.delenv("CXR_ROOT", raising=False)
    assert main([]) == 0
    monkeypatch.setenv("CXR_ROOT", str(tmp_path))
    assert main(["--films", "7", "--replace", "a", "b"]) == 0
    assert asked == [(HOME / "data" / "nih", "starter", ()), (tmp_path, "7", ["a", "b"])]
    assert f"Verified. Now: make course COHORT=nih ROOT={tmp_path}" in capsys.readouterr().out


def test_ctrl_c_says_how_to_go_on(published, tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "download", stop)
    assert main(["--to", str(tmp_path)]) == 130
    assert "The same command goes on where it was" in capsys.readouterr().err


def test_ctrl_c_does_not_wait_for_slow_films(published, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "PATIENCE", 60)
    monkeypatch.setattr(downloads, "TIMEOUT", (30, 30))
    for name in list(MIXED)[:5]:
        published.faults[film_path(name)] = "hang at once"

    def stop(iterable, label, total=None):
        if label == "fetching films":
            while sum(published.asked[film_path(name)] for name in MIXED) < fetch.TOGETHER:
                time.sleep(0.02)
            raise KeyboardInterrupt
        return iterable

    plain, told = fetch.download, []

    def noting(*given, **options):
        try:
            return plain(*given, **options)
        except CourseError as error:
            told.append(str(error))
            raise

    monkeypatch.setattr(fetch, "progress", stop)
    monkeypatch.setattr(fetch, "download", noting)
    with pytest.raises(KeyboardInterrupt):
        fetch_nih(tmp_path)
    assert len(told) == fetch.TOGETHER and all("was broken off" in text for text in told)
    assert not [path for path in (tmp_path / "images").iterdir() if path.name.endswith(".part")]
    assert sum(published.asked[film_path(name)] for name in MIXED) == fetch.TOGETHER  # those not begun were not begun


COMMAND = """
import sys
from tests.helpers import fetching
from util.data import download
from util.data import fetch_nih as fetch
fetching.publish(type("Patch", (), {"setattr": staticmethod(setattr)}), lambda *_: None)
download.TIMEOUT = (30, 30)
sys.exit(fetch.main(["--to", sys.argv[1]]))
"""


def started_command(server, folder):
    """The command in a process of its own, at the moment at which a first film is on its way."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(folder)], cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "CXR_MIRROR": server.address},
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (folder / "images").is_dir() or not [p for p in (folder / "images").iterdir() if p.suffix == ".part"]:
        assert process.poll() is None and time.monotonic() < end, process.communicate(timeout=30)
        time.sleep(0.02)
    return process


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_killed_it_leaves_no_litter_for_the_next_run(published, tmp_path, how):
    folder = tmp_path / "nih"
    slow = list(MIXED)[2]
    published.faults[film_path(slow)] = "hang"
    process = started_command(published, folder)
    with pytest.raises(CourseError, match="Another command is at work in"):  # two at once into one folder
        fetch_nih(folder)
    process.send_signal(how)
    _, told = process.communicate(timeout=60)
    if how == signal.SIGTERM:
        assert process.returncode == 130 and b"The same command goes on where it was" in told
        assert not [path for path in folder.rglob("*.part")]
    (folder / "images" / ".mine-0123456789abcdef.part").write_text("not a name that the command gives")
    del published.faults[film_path(slow)]
    assert fetch_nih(folder) == ({}, {})
    left = film_names(folder)
    assert left.pop(".mine-0123456789abcdef.part") and left == MIXED


def test_halves_of_tables_and_lists_are_swept_too(published, tmp_path):
    (tmp_path / "images").mkdir()
    tables = [table.name for table in fetch.TABLES] + [".starter_images-a011a9ab.json", ".images-e7ae5971.json"]
    halves = [tmp_path / f".{name}-0123456789abcdef.part" for name in tables]
    halves.append(tmp_path / "images" / ".00000001_000.png-0123456789abcdef.part")
    others = [tmp_path / ".scores.csv-0123456789abcdef.part", tmp_path / "images" / ".a.png-0123456789abcdef.part"]
    for half in (*halves, *others):
        half.write_text("half")
    assert fetch_nih(tmp_path) == ({}, {})
    assert not any(half.exists() for half in halves) and all(other.exists() for other in others)
