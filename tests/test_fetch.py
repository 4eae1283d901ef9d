"""Downloads from a server that misbehaves in every way a server can: whole and verified, or nothing at all."""

import gzip
import http.server
import io
import json
import threading
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import HEAD_2020, HEAD_BOXES
from util import fetch
from util.cohort import load_cohort
from util.errors import CourseError
from util.fetch import Remote, download, fetch_nih, git_sha1, main, raw

CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8))
LOGIN = b"<!DOCTYPE html><title>Log in</title>"


class Server(http.server.ThreadingHTTPServer):
    """Serves what it is given by path; `fault` says how it misbehaves, for so many requests of a path."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.fault, self.times, self.asked = {}, None, 10**9, Counter()
        self.release = threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_):
        pass  # a client that hangs up on a hanging server is what is tested


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, server = urlsplit(self.path).path, self.server
        server.asked[path] += 1
        content = server.files.get(path)
        fault = server.fault if server.asked[path] <= server.times else None
        if path == "/login":
            return self.answer(200, LOGIN)
        if content is None or fault == "missing":
            return self.answer(404, b"404: Not Found")
        if fault == "error":
            return self.answer(500, b"oh")
        if fault == "login":
            return self.answer(302, b"", Location="/login")
        if fault == "corrupt":
            content = content[:100] + bytes([content[100] ^ 1]) + content[101:]
        if fault == "truncate silently":
            content = content[:-7]
        if fault == "endless":
            return self.answer(200, content + b"\0" * 30_000_000)
        half = fault in ("truncate", "hang")
        self.answer(200, content[: len(content) // 2] if half else content, length=len(content))
        if fault == "hang":
            server.release.wait(20)

    def answer(self, status, content, length=None, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content) if length is None else length)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A running server that CXR_MIRROR names; nobody waits long for it."""
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("CXR_MIRROR", server.address)
    monkeypatch.setattr(fetch, "TIMEOUT", (2, 0.5))
    monkeypatch.setattr(fetch, "PAUSE", 0)
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def remote(server):
    """A file on the server, with its hash."""
    import hashlib

    server.files["/some/path/w.bin"] = CONTENT
    return Remote("https://example.org/some/path/w.bin", "w.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


# ---- One file ---------------------------------------------------------------------------------------------------


def test_download_once_and_verify_ever_after(server, remote, tmp_path):
    path = download(remote, tmp_path)
    assert path == tmp_path / "w.bin" and path.read_bytes() == CONTENT
    assert download(remote, tmp_path) == path and server.asked["/some/path/w.bin"] == 1
    path.write_bytes(CONTENT[:-1] + b"?")
    assert download(remote, tmp_path).read_bytes() == CONTENT and server.asked["/some/path/w.bin"] == 2


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("missing", r"w\.bin is not there \(404\): get w\.bin by hand and put it at"),
        ("error", r"answers with an error \(500\): try again, or get https://example\.org/some/path/w\.bin by hand"),
        ("login", "is not the file wanted .*perhaps a page to log in"),
        ("corrupt", "is not the file wanted .its SHA-256 is another"),
        ("truncate", "cannot be reached, or broke off: try again, or get https://example"),
        ("truncate silently", "4,993 bytes in place of 5,000"),
        ("hang", "stopped answering|broke off"),
        ("endless", "The answer is longer than the file"),
    ],
)
def test_a_bad_answer_is_named_and_leaves_nothing(server, remote, tmp_path, fault, sentence):
    server.fault = fault
    with pytest.raises(CourseError, match=sentence):
        download(remote, tmp_path)
    assert list(tmp_path.iterdir()) == []
    server.fault = None
    assert download(remote, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["error", "truncate", "hang"])
def test_a_passing_fault_is_tried_once_more(server, remote, tmp_path, fault):
    server.fault, server.times = fault, 1
    assert download(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked["/some/path/w.bin"] == 2


def test_nobody_there(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_MIRROR", "http://127.0.0.1:9")  # the port of 'discard', where nobody listens
    with pytest.raises(
        CourseError, match=r"cannot be reached.*get https://example\.org/some/path/w\.bin by hand and put"
    ):
        download(remote, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_mirror_folder(remote, tmp_path, monkeypatch):
    mirror, to = tmp_path / "mirror", tmp_path / "to"
    (mirror / "some" / "path").mkdir(parents=True)
    to.mkdir()
    monkeypatch.setenv("CXR_MIRROR", str(mirror))
    with pytest.raises(CourseError, match="complete the mirror, or unset CXR_MIRROR"):
        download(remote, to)
    (mirror / "some" / "path" / "w.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(CourseError, match="4,999 bytes in place of 5,000"):
        download(remote, to)
    assert list(to.iterdir()) == []
    (mirror / "some" / "path" / "w.bin").write_bytes(CONTENT)
    assert download(remote, to).read_bytes() == CONTENT


def test_git_names_bytes_as_git_does():
    assert git_sha1(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # git hash-object /dev/null
    assert git_sha1(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


# ---- Real films -------------------------------------------------------------------------------------------------


def png(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


STARTER = {f"{patient:08d}_000.png": png(patient) for patient in range(1, 7)}
BOXED = {f"{patient:08d}_001.png": png(100 + patient) for patient in range(5, 12)}


def publish(monkeypatch, add):
    """Everything that is fetched, small, through `add(path of an address, content)`; hashes are pinned as they are."""
    import hashlib

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
    [("starter", STARTER), ("boxed", BOXED), ("2", dict(list(STARTER.items())[:2])), ("99", STARTER | BOXED)],
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
    assert f"1 films did not come, such as {lost}:" in capsys.readouterr().err
    assert film_names(tmp_path) == {name: film for name, film in STARTER.items() if name != lost}
    (tmp_path / "images" / next(iter(STARTER))).write_bytes(b"half a film")
    published.files[film_path(lost)] = content
    published.asked.clear()
    assert main(["nih", "--to", str(tmp_path)]) == 0
    assert film_names(tmp_path) == STARTER
    assert {path for path in published.asked if path.endswith(".png")} == {
        film_path(lost),
        film_path(next(iter(STARTER))),
    }


def test_a_film_of_another_hash_is_not_kept(published, tmp_path):
    """A picture that can be read all the same, in a film's place: git's hash tells."""
    name = list(STARTER)[2]
    other = bytearray(png(999))
    published.files[film_path(name)] = bytes(other[: len(STARTER[name])]).ljust(len(STARTER[name]), b"\0")
    failed = fetch_nih(tmp_path)
    assert list(failed) == [name] and "not that of the pinned commit" in failed[name]
    assert name not in film_names(tmp_path)


def test_a_film_whose_sha256_is_pinned(published, tmp_path, monkeypatch):
    name = list(STARTER)[1]
    pd.DataFrame({"Image": [name], "sha256": ["0" * 64]}).to_csv(tmp_path / "known.csv", index=False)
    monkeypatch.setattr(fetch, "KNOWN", tmp_path / "known.csv")
    failed = fetch_nih(tmp_path / "nih")
    assert list(failed) == [name] and "its SHA-256 is another" in failed[name]


def test_a_network_that_fails_ends_the_rest(published, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "GIVE_UP", 2)
    monkeypatch.setattr(fetch, "TOGETHER", 1)
    for name in STARTER:
        del published.files[film_path(name)]
    failed = fetch_nih(tmp_path)
    assert set(failed) == set(STARTER) and "not asked for any more" in failed.values()


def test_a_mirror_folder_without_the_list_is_looked_into(tmp_path, monkeypatch, capsys):
    mirror = tmp_path / "mirror"

    def add(path, content):
        if "/repos/" not in path:
            file = mirror / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    publish(monkeypatch, add)
    monkeypatch.setenv("CXR_MIRROR", str(mirror))
    broken = mirror / film_path(list(STARTER)[4]).lstrip("/")
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-40])
    assert main(["nih", "--to", str(tmp_path / "nih")]) == 1
    assert "no hash of it is known, and it is no whole picture" in capsys.readouterr().err
    broken.write_bytes(whole)
    assert main(["nih", "--to", str(tmp_path / "nih")]) == 0
    assert film_names(tmp_path / "nih") == STARTER


def test_what_cannot_be_is_said_before_anything_is_fetched(published, tmp_path, monkeypatch, capsys):
    for films in ("0", "-3", "all", "1.5"):
        assert main(["nih", f"--films={films}", "--to", str(tmp_path)]) == 2
        assert "--films takes starter, boxed or a number from 1 up" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["nih", "--to", str(tmp_path / "file")]) == 2
    assert "choose another folder with --to" in capsys.readouterr().err
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    assert main(["nih", "--to", str(tmp_path)]) == 2
    assert "There is no room" in capsys.readouterr().err
    assert not list((tmp_path / "images").iterdir())


@pytest.mark.parametrize("listing", [b"{}", b"[]", b"no json", b'[{"name": "../x.png", "size": 1, "sha": "0"}]', LOGIN])
def test_a_list_of_films_that_is_none(published, tmp_path, listing, capsys):
    repository, _, path = fetch.FOLDERS["starter"]
    published.files[f"/repos/{repository}/contents/{path}"] = listing
    assert main(["nih", "--to", str(tmp_path)]) == 2
    assert "is not the list of films" in (text := capsys.readouterr().err) or "is not the file wanted" in text
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_addresses_are_pinned(nih_root):
    for table in fetch.TABLES:
        assert len(urlsplit(table.url).path.split("/")[3]) == 40 and len(table.sha256) == 64
    for table in fetch.TABLES:
        assert table.problem(nih_root / table.name) is None  # the very files, byte for byte


def test_pinned_films_are_a_table_of_hashes():
    known = pd.read_csv(fetch.KNOWN)
    assert list(known) == ["Image", "sha256"] and known["Image"].is_unique
    assert (
        known["sha256"].str.fullmatch("[0-9a-f]{64}").all() and known["Image"].str.fullmatch(r"\d{8}_\d{3}\.png").all()
    )


def test_ctrl_c_says_how_to_go_on(published, tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "download", stop)
    assert main(["nih", "--to", str(tmp_path)]) == 130
    assert "The same command goes on where it was" in capsys.readouterr().err


def test_importing_it_is_cheap():
    import subprocess
    import sys

    code = "import sys, util.fetch, util.registry; assert not {'pooch', 'requests', 'tensorflow', 'h5py'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(fetch.HOME), check=True)
