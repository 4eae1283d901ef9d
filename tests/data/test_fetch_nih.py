"""Real films from a server that misbehaves: verified, or named as missing; what the user put there stays as it is."""

import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.fuzz.server import CALM, LOGIN, Server
from tests.helpers.nih_folder import HEAD_2020, HEAD_BOXES
from util.data import download as downloads
from util.data import fetch_nih as fetch
from util.data.cohort import HOME, load_cohort
from util.data.download import Remote, git_sha1, raw
from util.data.fetch_nih import choose, fetch_nih, main
from util.errors import CourseError


@pytest.fixture
def server(monkeypatch):
    """A running server that CXR_MIRROR names; nobody waits long for it."""
    for name, value in CALM.items():
        monkeypatch.setattr(downloads, name, value)
    with Server().running() as server:
        monkeypatch.setenv("CXR_MIRROR", server.address)
        yield server


# ---- Real films -------------------------------------------------------------------------------------------------


def png(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


STARTER = {f"{patient:08d}_000.png": png(patient) for patient in range(1, 7)}
BOXED = {f"{patient:08d}_001.png": png(100 + patient) for patient in range(5, 12)}
MIXED = STARTER | dict(list(BOXED.items())[:2])  # patients 5 and 6 have a film in either folder


def publish(monkeypatch, add):
    """Everything that is fetched, small, through `add(path of an address, content)`; hashes are pinned as they are."""
    names = [*STARTER, *BOXED]
    labels = "\n".join([HEAD_2020, *(f"{n},Mass,0,{int(n[:8])},50,F,PA,9,9,1,1" for n in names)]) + "\n"
    boxes = f"{HEAD_BOXES}\n{next(iter(BOXED))},Mass,10,10,50,50,,,\n"
    predictions = b"Image Index,prob_Mass\n" + b"a.png,0.5\n" * 200
    contents = [gzip.compress(labels.encode(), mtime=0), gzip.compress(boxes.encode(), mtime=0), predictions]
    tables = []
    for table, content in zip(fetch.TABLES, contents, strict=True):
        add(urlsplit(table.url).path, content)
        tables.append(Remote(table.url, table.name, len(content), hashlib.sha256(content).hexdigest()))
    monkeypatch.setattr(fetch, "TABLES", tuple(tables))
    for which, films in (("starter", STARTER), ("boxed", BOXED)):
        repository, commit, path = fetch.FOLDERS[which]
        for name, content in films.items():
            add(urlsplit(raw(repository, commit, f"{path}/{name}")).path, content)
        entries = [{"name": n, "size": len(c), "sha": git_sha1(c), "type": "file"} for n, c in films.items()]
        entries.append({"name": "README.md", "size": 3, "sha": "0" * 40, "type": "file"})
        add(f"/repos/{repository}/contents/{path}", json.dumps(entries).encode())


@pytest.fixture
def published(server, monkeypatch):
    publish(monkeypatch, server.files.__setitem__)
    return server


def film_names(folder):
    return {path.name: path.read_bytes() for path in (folder / "images").iterdir()}


def film_path(name):
    which = "starter" if name in STARTER else "boxed"
    return urlsplit(raw(*fetch.FOLDERS[which][:2], f"{fetch.FOLDERS[which][2]}/{name}")).path


@pytest.mark.parametrize(
    ("films", "wanted"),
    [("starter", MIXED), ("boxed", BOXED), ("all", STARTER | BOXED), ("99", STARTER | BOXED)],
)
def test_command_fetches_what_the_course_then_reads(published, tmp_path, capsys, films, wanted):
    assert main(["nih", "--films", films, "--to", str(tmp_path / "new" / "nih")]) == 0
    assert film_names(tmp_path / "new" / "nih") == wanted
    text = capsys.readouterr().out
    assert f"{len(wanted)} films, {len(wanted)} of them to come (about 0 MB), to {tmp_path}" in text
    for phrase in (
        "NIH Clinical Center",
        "nihcc.app.box.com/v/ChestXray-NIHCC",
        "42 GB",
        "images_012",
        "Not for clinical use",
    ):
        assert phrase in text
    cohort = load_cohort("nih", tmp_path / "new" / "nih")
    assert set(cohort.films["Image"]) == set(wanted)
    assert cohort.read(next(iter(wanted))).shape == (40, 40)


def test_the_same_command_goes_on_where_it_was(published, tmp_path, capsys):
    lost = list(STARTER)[3]
    content = published.files.pop(film_path(lost))
    assert main(["nih", "--to", str(tmp_path)]) == 1
    assert f"1 of the films did not come, such as {lost}:" in capsys.readouterr().err
    assert film_names(tmp_path) == {name: film for name, film in MIXED.items() if name != lost}
    published.files[film_path(lost)] = content
    published.asked.clear()
    assert main(["nih", "--to", str(tmp_path)]) == 0
    assert film_names(tmp_path) == MIXED
    assert list(published.asked) == [film_path(lost)]


def test_a_film_of_another_hash_is_not_kept(published, tmp_path):
    """A picture that can be read all the same, in a film's place: git's hash tells."""
    name = list(STARTER)[2]
    other = bytearray(png(999))
    published.files[film_path(name)] = bytes(other[: len(STARTER[name])]).ljust(len(STARTER[name]), b"\0")
    failed, differing = fetch_nih(tmp_path)
    assert list(failed) == [name] and "not that of the pinned commit" in failed[name] and differing == {}
    assert name not in film_names(tmp_path)


def test_a_film_whose_sha256_is_pinned(published, tmp_path, monkeypatch):
    name = list(STARTER)[1]
    pd.DataFrame({"Image": [name], "sha256": ["0" * 64]}).to_csv(tmp_path / "known.csv", index=False)
    monkeypatch.setattr(fetch, "KNOWN", tmp_path / "known.csv")
    failed = fetch_nih(tmp_path / "nih").failed
    assert list(failed) == [name] and "its SHA-256 is another" in failed[name]


def test_a_network_that_fails_ends_the_rest(published, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "GIVE_UP", 2)
    monkeypatch.setattr(fetch, "TOGETHER", 1)
    for name in STARTER:
        del published.files[film_path(name)]
    failed = fetch_nih(tmp_path).failed
    assert set(failed) >= set(STARTER) and "not asked for any more" in failed.values()


def test_films_that_fail_now_and_then_do_not_end_it(published, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "GIVE_UP", 2)
    monkeypatch.setattr(fetch, "TOGETHER", 1)
    every_other = sorted(MIXED)[::2]
    for name in every_other:
        del published.files[film_path(name)]
    assert set(fetch_nih(tmp_path).failed) == set(every_other)


def test_how_patient_it_is():
    assert fetch.GIVE_UP == 5 and fetch.TOGETHER == 4 and fetch.SHOWN == 10


def add_to(mirror):
    def add(path, content):
        if "/repos/" not in path:
            file = mirror / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    return add


def test_a_mirror_folder_without_the_list_is_looked_into(tmp_path, monkeypatch, capsys):
    mirror = tmp_path / "mirror"
    publish(monkeypatch, add_to(mirror))
    monkeypatch.setenv("CXR_MIRROR", str(mirror))
    broken = mirror / film_path(list(STARTER)[4]).lstrip("/")
    (broken.parent / "readme.png").write_bytes(b"no film of NIH's")
    content = broken.read_bytes()
    broken.write_bytes(content[:-40])
    assert main(["nih", "--to", str(tmp_path / "nih")]) == 1
    assert "no hash of it is known, and it is no whole picture" in capsys.readouterr().err
    broken.write_bytes(content)
    assert main(["nih", "--to", str(tmp_path / "nih")]) == 0
    assert film_names(tmp_path / "nih") == MIXED
    for name in BOXED:
        (mirror / film_path(name).lstrip("/")).unlink()
    assert main(["nih", "--to", str(tmp_path / "nih")]) == 2
    assert "There are no films in " in capsys.readouterr().err


def test_what_cannot_be_is_said_before_anything_is_fetched(published, tmp_path, monkeypatch, capsys):
    for films in ("0", "-3", "every", "1.5", "²", "9" * 5000, ""):
        assert main(["nih", f"--films={films}", "--to", str(tmp_path)]) == 2
        assert "--films takes starter, boxed, all or a number from 1 up" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["nih", "--to", str(tmp_path / "file")]) == 2
    assert "choose another folder with --to" in capsys.readouterr().err
    assert main(["nih", "--to", str(tmp_path), "--replace", "readme.png"]) == 2
    assert "--replace readme.png: no file of that name is to come" in capsys.readouterr().err
    size = sum(map(len, MIXED.values()))
    for free, code in ((size - 1, 2), (size, 0)):
        monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _, free=free: type("Usage", (), {"free": free}))
        assert main(["nih", "--to", str(tmp_path)]) == code
        assert ("There is no room for 0 MB in" in capsys.readouterr().err) == bool(code)
        assert bool(list((tmp_path / "images").iterdir())) == (not code)


def test_the_size_that_is_told(published, tmp_path, monkeypatch, capsys):
    films = [Remote("u", f"images/{k}.png", 1_400_000 if k else None) for k in range(3)]
    monkeypatch.setattr(fetch, "list_films", lambda *_: films)
    monkeypatch.setattr(fetch, "_download_all", lambda *_: {})
    assert main(["nih", "--to", str(tmp_path)]) == 0
    assert "3 films, 3 of them to come (about 3 MB)" in capsys.readouterr().out


@pytest.mark.parametrize("listing", [b"{}", b"[]", b"no json", b'[{"name": "../x.png", "size": 1, "sha": "0"}]', LOGIN])
@pytest.mark.parametrize("there", [True, False])
def test_a_list_of_films_that_is_none(published, tmp_path, listing, there, capsys):
    repository, commit, path = fetch.FOLDERS["starter"]
    good = published.files[f"/repos/{repository}/contents/{path}"]
    published.files[f"/repos/{repository}/contents/{path}"] = listing
    if there:  # an earlier version of the command kept what it could parse
        (tmp_path / f".{path}-{commit[:8]}.json").write_bytes(listing)
    assert main(["nih", "--to", str(tmp_path)]) == 2
    assert "is not the list of films" in (text := capsys.readouterr().err) or "is not the file wanted" in text
    published.files[f"/repos/{repository}/contents/{path}"] = good
    assert main(["nih", "--to", str(tmp_path)]) == 0


def test_a_list_may_be_as_large_as_github_makes_them(tmp_path):
    entries = [{"name": f"{k:08d}_000.png", "size": fetch.LARGEST, "sha": "0" * 40} for k in range(1000)]
    listing = fetch.Listing("u", "x")
    (tmp_path / "x").write_text(json.dumps(entries))
    assert listing.problem(tmp_path / "x") is None and len(listing.films(tmp_path / "x")) == 1000
    assert fetch.LARGEST == 10_000_000 and listing.largest == 5_000_000
    for size in (0, fetch.LARGEST + 1):
        (tmp_path / "x").write_text(json.dumps([*entries[:1], entries[1] | {"size": size}]))
        assert listing.problem(tmp_path / "x") == "it is not the list of films"
    (tmp_path / "x").write_text(json.dumps([entries[0] | {"size": 1}]))
    assert listing.problem(tmp_path / "x") is None


# ---- which films ------------------------------------------------------------------------------------------------

NAMES = {
    "starter": ["01_000", "02_000", "03_000", "04_000", "05_000"],
    "boxed": ["02_000", "04_001", "04_003", "06_000", "06_002", "07_001", "08_001"],
}


@pytest.mark.parametrize(
    ("films", "chosen"),
    [
        ("starter", "01_000 02_000 03_000 04_000 04_001 04_003 05_000 06_000 06_002"),
        ("boxed", "02_000 04_001 04_003 06_000 06_002 07_001 08_001"),
        ("all", "01_000 02_000 03_000 04_000 04_001 04_003 05_000 06_000 06_002 07_001 08_001"),
        ("1", "01_000"),  # 04 has three films
        ("3", "04_000 04_001 04_003"),
        ("4", "04_000 04_001 04_003 01_000"),
        ("8", "04_000 04_001 04_003 01_000 02_000 06_000 06_002 03_000"),
        ("10", "04_000 04_001 04_003 01_000 02_000 06_000 06_002 03_000 05_000 07_001"),
        ("99", "04_000 04_001 04_003 01_000 02_000 06_000 06_002 03_000 05_000 07_001 08_001"),
    ],
)
def test_the_films_of_each_choice(films, chosen):
    assert choose(films, NAMES) == chosen.split()


@pytest.mark.parametrize("number", [1, 2, 17, 50, 300, 641])
def test_a_number_is_kept_and_takes_whole_patients_of_all_kinds(number):
    rng = np.random.default_rng(number)
    names = {
        "starter": [f"{p:08d}_000" for p in range(0, 600, 2)],
        "boxed": [f"{p:08d}_{k:03d}" for p in range(1, 301) for k in range(1, 1 + rng.integers(1, 4))],
    }
    everything = {name for some in names.values() for name in some}
    got = choose(str(number), names)
    assert len(got) == len(set(got)) == number and set(got) <= everything
    count, all_of = Counter(n[:8] for n in got), Counter(n[:8] for n in everything)
    assert all(count[patient] == all_of[patient] for patient in count)
    if number >= 17:
        assert max(count.values()) > 1
        assert number / 4 < sum(n.endswith("_000") and count[n[:8]] == 1 for n in got) or number > 300


def test_the_real_folders_are_what_is_told_of_them(nih_root):
    """The boxed folder holds the films of the box list; the course needs patients with several films to have a lesson."""
    boxed = sorted(set(pd.read_csv(nih_root / "BBox_List_2017.csv.gz")["Image Index"]))
    pinned = set(pd.read_csv(fetch.KNOWN)["Image"])
    starter = sorted(pinned - set(boxed))  # those of the 621 that somebody has had in hand
    assert len(boxed) == 880 and len(starter) == 129
    names = {"starter": starter, "boxed": boxed}
    count = Counter(name[:8] for name in choose("starter", names))
    several = [patient for patient in count if count[patient] > 1]
    assert len(several) > 100 and sum(count[patient] == 1 for patient in count) > 100
    labels = pd.read_csv(nih_root / "Data_Entry_2017_v2020.csv.gz").set_index("Image Index")["Finding Labels"]
    for films in ("50", "100", "starter"):
        chosen = choose(films, names)
        assert (labels[chosen] == "No Finding").sum() >= 6
        assert len(set(chosen) & set(boxed)) >= 25
        assert max(Counter(name[:8] for name in chosen).values()) > 1


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
    assert main(["nih", "--to", str(mine)]) == (1 if works else 2)
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
    assert main(["nih", "--to", str(mine), "--replace", *asked]) == (0 if asked == ["all"] else 1)
    after = tree(mine)
    replaced = {Path(name).name for name in before if after[name] != before[name]}
    assert replaced == ({"00000002_000.png", "Data_Entry_2017_v2020.csv.gz"} if asked == ["all"] else set(asked))
    if asked != ["Data_Entry_2017_v2020.csv.gz"]:
        assert after["images/00000002_000.png"] == STARTER["00000002_000.png"]


def test_the_old_film_stands_until_the_new_one_is_verified(published, mine, capsys):
    before = tree(mine)
    published.faults[film_path("00000002_000.png")] = "corrupt"
    assert main(["nih", "--to", str(mine), "--replace", "00000002_000.png"]) == 1
    assert "00000002_000.png: http" in capsys.readouterr().err
    assert {name: content for name, content in tree(mine).items() if name in before} == before


def test_a_film_anywhere_in_the_folder_is_the_users(published, tmp_path, capsys):
    """Beside the table, or in one of NIH's twelve folders: a second film of its name would hide it."""
    (tmp_path / "images_003" / "images").mkdir(parents=True)
    (tmp_path / "00000001_000.png").write_bytes(png(78))
    (tmp_path / "images_003" / "images" / "00000003_000.png").write_bytes(STARTER["00000003_000.png"])
    assert main(["nih", "--to", str(tmp_path)]) == 1
    assert f"{tmp_path / '00000001_000.png'}: its content" in capsys.readouterr().err
    assert set(film_names(tmp_path)) == set(MIXED) - {"00000001_000.png", "00000003_000.png"}
    assert (load_cohort("nih", tmp_path).read("00000001_000.png") == Image.open(io.BytesIO(png(78)))).all()
    assert main(["nih", "--to", str(tmp_path), "--replace", "00000001_000.png"]) == 0
    assert (tmp_path / "00000001_000.png").read_bytes() == STARTER["00000001_000.png"]


@pytest.mark.parametrize(
    "own", ["Data_Entry_2017_v2020.csv", "labels.csv", "Data_Entry_2017.csv.gz", "Data_Entry_2017.zip"]
)
def test_no_label_table_is_put_before_the_users_own(published, tmp_path, capsys, own):
    """The course reads the first of several names: a new table would hide the one that is there."""
    (tmp_path / own).write_text("mine")
    assert main(["nih", "--to", str(tmp_path)]) == 0
    assert (
        f"{own} is there and is what the course reads, so Data_Entry_2017_v2020.csv.gz is not"
        in capsys.readouterr().out
    )
    assert (tmp_path / own).read_text() == "mine"
    assert not (tmp_path / "Data_Entry_2017_v2020.csv.gz").exists() and (tmp_path / "BBox_List_2017.csv.gz").exists()


def test_boxes_of_the_users_own(published, tmp_path, capsys):
    (tmp_path / "boxes.csv").write_text("mine")
    assert main(["nih", "--to", str(tmp_path)]) == 0
    assert "boxes.csv is there" in capsys.readouterr().out and not (tmp_path / "BBox_List_2017.csv.gz").exists()


def test_many_that_differ_are_not_all_printed(published, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for name in list(STARTER | BOXED)[:11]:
        (tmp_path / "images" / name).write_bytes(png(79))
    assert main(["nih", "--films", "all", "--to", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.count(": its content") == 10 and "\nand 1 more\n" in told and "--replace all " in told
    (tmp_path / "images" / next(iter(STARTER))).unlink()
    assert main(["nih", "--films", "all", "--to", str(tmp_path)]) == 1
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
    assert main(["nih"]) == 0
    monkeypatch.setenv("CXR_ROOT", str(tmp_path))
    assert main(["nih", "--films", "7", "--replace", "a", "b"]) == 0
    assert asked == [(HOME / "data" / "nih", "starter", ()), (tmp_path, "7", ["a", "b"])]
    assert f"Verified. Now: make course COHORT=nih ROOT={tmp_path}" in capsys.readouterr().out


def test_ctrl_c_says_how_to_go_on(published, tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "download", stop)
    assert main(["nih", "--to", str(tmp_path)]) == 130
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
from tests.data import test_fetch_nih
from util.data import download
from util.data import fetch_nih as fetch
test_fetch_nih.publish(type("Patch", (), {"setattr": staticmethod(setattr)}), lambda *_: None)
download.TIMEOUT = (30, 30)
sys.exit(fetch.main(["nih", "--to", sys.argv[1]]))
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


# ---- what is pinned ---------------------------------------------------------------------------------------------


def test_addresses_are_pinned(nih_root):
    for table in fetch.TABLES:
        assert len(urlsplit(table.url).path.split("/")[3]) == 40 and len(table.sha256) == 64
    for table in fetch.TABLES:
        assert table.problem(nih_root / table.name) is None  # the very files, byte for byte
    assert fetch.PREDICTIONS.bytes == 4_188_340
    assert [fetch._listing(*folder).name for folder in fetch.FOLDERS.values()] == [
        ".starter_images-a011a9ab.json",
        ".images-e7ae5971.json",
    ]


def test_pinned_films_are_a_table_of_hashes():
    known = pd.read_csv(fetch.KNOWN)
    assert list(known) == ["Image", "sha256"] and known["Image"].is_unique
    assert known["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert known["Image"].str.fullmatch(fetch.FILM.pattern).all()


def test_the_help_says_what_each_choice_can_show(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    for phrase in (
        "patients with several films",
        "'boxed'",
        "'all'",
        "A number takes whole patients",
        "--replace NAME",
    ):
        assert phrase in told
