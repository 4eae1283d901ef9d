"""Real films from a server that misbehaves: verified, or named as missing; what the user put there stays as it is."""

import json
from collections import Counter
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest

from tests.fuzz.server import LOGIN
from tests.helpers.fetching import BOXED, MIXED, STARTER, film_names, film_path, png, publish, published, server  # noqa: F401 - fixtures
from util.data import fetch_nih as fetch
from util.data.cohort import load_cohort
from util.data.download import Remote
from util.data.fetch_nih import choose, fetch_nih, main

# ---- Real films -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("films", "wanted"),
    [("starter", MIXED), ("boxed", BOXED), ("all", STARTER | BOXED), ("99", STARTER | BOXED)],
)
def test_command_fetches_what_the_course_then_reads(published, tmp_path, capsys, films, wanted):
    assert main(["--films", films, "--to", str(tmp_path / "new" / "nih")]) == 0
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
    assert main(["--to", str(tmp_path)]) == 1
    assert f"1 of the films did not come, such as {lost}:" in capsys.readouterr().err
    assert film_names(tmp_path) == {name: film for name, film in MIXED.items() if name != lost}
    published.files[film_path(lost)] = content
    published.asked.clear()
    assert main(["--to", str(tmp_path)]) == 0
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


def test_it_asks_five_times_in_vain_and_no_more(tmp_path, monkeypatch):
    """One film after the other, so that the count of failures is never behind."""
    asked = []

    class InTurn:
        def __init__(self, _):
            self.map, self.shutdown = map, lambda **_: None

    def fails(film, *_, **__):
        asked.append(film.name)
        raise fetch.CourseError("in vain")

    monkeypatch.setattr(fetch, "ThreadPoolExecutor", InTurn)
    monkeypatch.setattr(fetch, "download", fails)
    failed = fetch._download_all([fetch.Remote("u", f"{k}.png") for k in range(8)], tmp_path)
    assert asked == [f"{k}.png" for k in range(5)] and list(failed.values())[4:6] == [
        "in vain",
        "not asked for any more",
    ]


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
    assert main(["--to", str(tmp_path / "nih")]) == 1
    assert "no hash of it is known, and it is no whole picture" in capsys.readouterr().err
    broken.write_bytes(content)
    assert main(["--to", str(tmp_path / "nih")]) == 0
    assert film_names(tmp_path / "nih") == MIXED
    for name in BOXED:
        (mirror / film_path(name).lstrip("/")).unlink()
    assert main(["--to", str(tmp_path / "nih")]) == 2
    assert "There are no films in " in capsys.readouterr().err


def test_what_cannot_be_is_said_before_anything_is_fetched(published, tmp_path, monkeypatch, capsys):
    for films in ("0", "-3", "every", "1.5", "²", "9" * 5000, ""):
        assert main([f"--films={films}", "--to", str(tmp_path)]) == 2
        assert "--films takes starter, boxed, all or a number from 1 up" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["--to", str(tmp_path / "file")]) == 2
    assert "choose another folder with --to" in capsys.readouterr().err
    assert main(["--to", str(tmp_path), "--replace", "readme.png"]) == 2
    assert "--replace readme.png: no file of that name is to come" in capsys.readouterr().err
    size = sum(map(len, MIXED.values()))
    for free, code in ((size - 1, 2), (size, 0)):
        monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _, free=free: type("Usage", (), {"free": free}))
        assert main(["--to", str(tmp_path)]) == code
        assert ("There is no room for 0 MB in" in capsys.readouterr().err) == bool(code)
        assert bool(list((tmp_path / "images").iterdir())) == (not code)


def test_the_size_that_is_told(published, tmp_path, monkeypatch, capsys):
    films = [Remote("u", f"images/{k}.png", 1_400_000 if k else None) for k in range(3)]
    monkeypatch.setattr(fetch, "list_films", lambda *_: films)
    monkeypatch.setattr(fetch, "_download_all", lambda *_: {})
    assert main(["--to", str(tmp_path)]) == 0
    assert "3 films, 3 of them to come (about 3 MB)" in capsys.readouterr().out


@pytest.mark.parametrize("listing", [b"{}", b"[]", b"no json", b'[{"name": "../x.png", "size": 1, "sha": "0"}]', LOGIN])
@pytest.mark.parametrize("there", [True, False])
def test_a_list_of_films_that_is_none(published, tmp_path, listing, there, capsys):
    repository, commit, path = fetch.FOLDERS["starter"]
    good = published.files[f"/repos/{repository}/contents/{path}"]
    published.files[f"/repos/{repository}/contents/{path}"] = listing
    if there:  # an earlier version of the command kept what it could parse
        (tmp_path / f".{path}-{commit[:8]}.json").write_bytes(listing)
    assert main(["--to", str(tmp_path)]) == 2
    assert "is not the list of films" in (text := capsys.readouterr().err) or "is not the file wanted" in text
    published.files[f"/repos/{repository}/contents/{path}"] = good
    assert main(["--to", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    "name", ["../00000001_000.png", "/00000001_000.png", "..\\00000001_000.png", "x.png", "00000001_000.png\n.png"]
)
def test_a_list_names_films_and_no_other_path(tmp_path, name):
    """Size and hash are as they should be: the name alone would lead out of the folder."""
    for listed, problem in (("00000001_000.png", None), (name, "it is not the list of films")):
        (tmp_path / "x").write_text(json.dumps([{"name": listed, "size": 1, "sha": "0" * 40}]))
        assert fetch.Listing("u", "x").problem(tmp_path / "x") == problem


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
