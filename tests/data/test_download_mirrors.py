"""Downloads from a mirror, and files that are there already."""

import hashlib
import os
import re

import pytest

from tests.helpers.downloads import CONTENT, hurry, remote, server  # noqa: F401 - fixtures
from util.data.download import Differs, Remote, download, git_sha1, source
from util.errors import CourseError

# ---- mirrors ----------------------------------------------------------------------------------------------------


def test_mirror_folder(remote, tmp_path, monkeypatch):
    mirror, to = tmp_path / "mirror", tmp_path / "to"
    (mirror / "some" / "path").mkdir(parents=True)
    to.mkdir()
    monkeypatch.setenv("CXR_MIRROR", str(mirror))
    with pytest.raises(CourseError, match=r"w\.bin is not there: complete the mirror, or unset CXR_MIRROR"):
        download(remote, to)
    (mirror / "some" / "path" / "w.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(CourseError, match=r"4,999 bytes in place of 5,000"):
        download(remote, to)
    assert list(to.iterdir()) == []
    (mirror / "some" / "path" / "w.bin").write_bytes(CONTENT)
    assert download(remote, to).read_bytes() == CONTENT
    (to / "w.bin").unlink()
    (mirror / "some" / "path" / "w.bin").unlink()
    (mirror / "some" / "path" / "w.bin").mkdir()
    with pytest.raises(CourseError, match=r"w\.bin cannot be read \(Is a directory\): complete the mirror"):
        download(remote, to)


@pytest.mark.parametrize("mirror", ["file:///tmp/mirror", "ftp://example.org", "s3://bucket/x"])
def test_mirrors_that_are_neither_folder_nor_server(remote, tmp_path, monkeypatch, mirror):
    monkeypatch.setenv("CXR_MIRROR", mirror)
    scheme = mirror.split(":")[0]
    with pytest.raises(
        CourseError, match=f"CXR_MIRROR is {mirror}, and from {scheme}:// nothing is taken: name a folder"
    ):
        download(remote, tmp_path)


def test_where_a_file_is_taken_from(monkeypatch):
    url = "https://api.github.com/repos/x?ref=1"
    monkeypatch.delenv("CXR_MIRROR", raising=False)
    assert source(url) == url
    for mirror, place in {
        "": url,
        "http://localhost:8000/": "http://localhost:8000/repos/x?ref=1",
        "https://m.org/nih": "https://m.org/nih/repos/x?ref=1",
        "folder/": "folder/repos/x",
    }.items():
        monkeypatch.setenv("CXR_MIRROR", mirror)
        assert source(url) == place


# ---- what lies there already ------------------------------------------------------------------------------------


def test_what_somebody_else_put_there_stays(server, remote, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"mine")
    with pytest.raises(
        Differs, match=r"w\.bin is another file than https://example.*4 bytes in place of 5,000.*left as it"
    ):
        download(remote, tmp_path)
    assert (tmp_path / "w.bin").read_bytes() == b"mine" and not server.asked
    (tmp_path / "w.bin").unlink()
    (tmp_path / "w.bin").mkdir()
    with pytest.raises(Differs, match="it is no file"):
        download(remote, tmp_path)


@pytest.mark.parametrize("fault", ["missing", "corrupt", "truncate", "hang", "drip", "endless"])
def test_the_old_file_stands_until_the_new_one_is_verified(server, remote, tmp_path, monkeypatch, fault):
    (tmp_path / "w.bin").write_bytes(b"mine")
    server.fault = fault
    hurry(monkeypatch, fault)
    with pytest.raises(CourseError):
        download(remote, tmp_path, replace=True)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("w.bin", b"mine")]


def test_and_then_the_new_one_stands_there(server, remote, tmp_path):
    (tmp_path / "w.bin").write_bytes(b"mine")
    assert download(remote, tmp_path, replace=True).read_bytes() == CONTENT


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_left_alone(server, remote, tmp_path, there):
    """What it leads to may be somebody's archive, or not mounted today."""
    if there:
        (tmp_path / "archive").write_bytes(b"old")
    (tmp_path / "w.bin").symlink_to(tmp_path / "archive")
    with pytest.raises(Differs):
        download(remote, tmp_path, replace=True)
    assert (tmp_path / "w.bin").is_symlink() and (tmp_path / "archive").exists() == there
    (tmp_path / "archive").write_bytes(CONTENT)
    assert download(remote, tmp_path) == tmp_path / "w.bin" and not server.asked


def test_a_folder_that_cannot_be_written(server, remote, tmp_path):
    with pytest.raises(CourseError, match=r"There is no folder .*absent: make it"):
        download(remote, tmp_path / "absent")


def test_problems_are_told_in_words(tmp_path, monkeypatch):
    file = tmp_path / "x"

    def problem(content, *args):
        file.write_bytes(content)
        return Remote("u", "x", *args).problem(file)

    assert problem(CONTENT) is None and problem(CONTENT, 5000) is None
    assert problem(CONTENT, 4999) == "it has 5,000 bytes in place of 4,999"
    assert (
        problem(b"  \n<html>", 8)
        == problem(b"version https://git-lfs.github", 3)
        == ("it is a web page or a link, perhaps a page to log in")
    )
    assert "web page" in problem(b" " * 999 + b"<") and problem(b" " * 1000 + b"<") is None  # its first 1,000 bytes
    assert problem(CONTENT, None, None, git_sha1(CONTENT)) is None
    assert problem(CONTENT, None, None, "0" * 40) == "its content is not that of the pinned commit"
    assert problem(CONTENT, None, "0" * 64) == "its SHA-256 is another"
    assert Remote("u", "x").problem(tmp_path) == Remote("u", "x").problem(tmp_path / "absent") == "it is no file"
    big = CONTENT * 500  # more than is read at once
    assert problem(big, None, hashlib.sha256(big).hexdigest(), git_sha1(big)) is None

    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Remote, "_problem", forbidden)
    assert problem(CONTENT) == "it cannot be read, Permission denied"


def test_a_film_without_a_hash_must_be_a_picture(tmp_path):
    (tmp_path / "x").write_bytes(CONTENT)
    told = Remote("u", "x.png", 5000).problem(tmp_path / "x")
    assert re.match("no hash of it is known, and it is no whole picture: The film x cannot be read", told)
    assert Remote("u", "x.bin", 5000).problem(tmp_path / "x") is None
    assert Remote("u", "x.png", None, hashlib.sha256(CONTENT).hexdigest()).problem(tmp_path / "x") is None
    assert Remote("u", "x.png", None, None, git_sha1(CONTENT)).problem(tmp_path / "x") is None


def test_git_names_bytes_as_git_does():
    assert git_sha1(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # git hash-object /dev/null
    assert git_sha1(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_git_names_bytes_where_sha1_is_no_longer_a_proof(monkeypatch):
    """A machine under FIPS rules refuses SHA-1 for security, and gives it for a name."""

    def strict(data=b"", *, usedforsecurity=True, sha1=hashlib.sha1):
        if usedforsecurity:
            raise ValueError("disabled for FIPS")
        return sha1(data, usedforsecurity=False)

    monkeypatch.setattr(hashlib, "sha1", strict)
    assert git_sha1(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_importing_it_is_cheap():
    import subprocess
    import sys

    from util.data.cohort import HOME

    code = "import sys, util.data.fetch_nih, util.models.public; assert not {'pooch', 'requests', 'tensorflow', 'h5py'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=HOME, check=True, env=os.environ)
