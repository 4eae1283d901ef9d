"""Films of every kind of source: the same names, in an order that does not change, and nothing unpacked."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from util.archive import sources
from util.archive.reader import _fetch
from util.archive.sources import FilmRef, find_films, is_film_name, short_name
from util.data.formats import png_jpeg
from util.data.formats.png_jpeg import Refused
from util.data.own_film import as_dicom
from util.errors import CourseError


def png(value):
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 30), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


FILMS = {
    "images/00000001_000.png": png(1),
    "images_002/images/00000002_000.png": png(2),
    "ward/b.png": png(3),
    "ward/1.2.840.5": as_dicom(np.full((20, 20), 9, np.uint8)),
    "ward/report": b"not a film, and without a suffix" * 9,
    "ward/notes.csv": b"a,b",
    "DICOMDIR": b"\0" * 128 + b"DICM",
    ".hidden.png": png(4),
}
NAMES = {"00000001_000.png", "00000002_000.png", "ward/b.png", "ward/1.2.840.5"}


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "films"
    for name, data in FILMS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def packed(path, mode=None):
    """The films as a zip, or as a tar in a mode of tarfile."""
    if mode is None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in FILMS.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(path, mode) as archive:
            for name, data in FILMS.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def content(refs):
    return {ref.name: _fetch(ref) for ref in refs}


def test_every_source_has_the_same_films_and_bytes(root, tmp_path):
    found = content(find_films(root))
    assert set(found) == NAMES
    assert found["ward/b.png"] == FILMS["ward/b.png"]
    for path, mode in (("f.zip", None), ("f.tar", "w"), ("f.tar.gz", "w:gz"), ("f.tgz", "w:gz")):
        assert content(find_films(packed(tmp_path / path, mode))) == found, path
    listed = tmp_path / "list.txt"
    listed.write_text(
        "# films\n\nfilms/ward/b.png\n" + str(root / "images" / "00000001_000.png") + "\nfilms/gone.png\n"
    )
    refs = list(find_films(listed))
    assert [ref.size >= 0 for ref in refs] == [True, True, False]
    assert refs[0].name == "films/ward/b.png" and refs[1].name.endswith("00000001_000.png")
    assert not os.path.isabs(refs[1].name)


def test_the_order_is_that_of_the_names_and_does_not_change(root):
    names = [ref.name for ref in find_films(root)]
    assert names == [ref.name for ref in find_films(str(root))]
    assert names == ["00000001_000.png", "00000002_000.png", "ward/1.2.840.5", "ward/b.png"]


def test_what_changes_when_a_film_does(root):
    before = {ref.name: (ref.size, ref.stamp) for ref in find_films(root)}
    path = root / "ward" / "b.png"
    path.write_bytes(png(5))
    os.utime(path, ns=(1, 1))
    after = {ref.name: (ref.size, ref.stamp) for ref in find_films(root)}
    assert {name for name in before if before[name] != after[name]} == {"ward/b.png"}


def test_links_that_lead_back_are_no_trap(root):
    try:
        (root / "ward" / "again").symlink_to(root, target_is_directory=True)
    except OSError:
        pytest.skip("links cannot be made here")
    assert {ref.name for ref in find_films(root)} == NAMES


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_pipe_is_named_and_never_opened(root):
    os.mkfifo(root / "ward" / "pipe.png")
    ref = next(ref for ref in find_films(root) if ref.name == "ward/pipe.png")
    with pytest.raises(Exception, match="is no ordinary file"):
        _fetch(ref)


def test_names():
    assert short_name("images_001/images/a.png") == short_name("./images/a.png") == short_name("a.png") == "a.png"
    assert short_name("x/images/a.png") == "x/images/a.png"
    assert short_name("ward\\a.png") == "ward/a.png"
    assert [is_film_name(n) for n in ("a.JPG", "b.dcm", "c.txt", "IM0001", "1.2.3", ".x.png")] == [
        True, True, False, None, None, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p / "gone", "There are no films at"),
        (lambda p: p.joinpath("a.zip").write_bytes(b"no zip") and p / "a.zip", "a.zip cannot be opened"),
        (lambda p: p.joinpath("a.tar").write_bytes(b"no tar" * 99) and p / "a.tar", "a.tar cannot be opened"),
        (lambda p: p.joinpath("a.xls").write_bytes(b"?") and p / "a.xls", "holds no films that can be found"),
    ],
)
def test_what_is_no_source_gets_one_sentence(make, words, tmp_path):
    with pytest.raises(CourseError, match=words) as raised:
        list(find_films(make(tmp_path)))
    assert str(raised.value).count("\n") == 0


def test_a_tar_cut_short_gives_the_films_before_the_cut(root, tmp_path):
    path = packed(tmp_path / "f.tar.gz", "w:gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(CourseError, match=r"f.tar.gz is damaged|cannot be opened"):
        list(find_films(path))
    plain = packed(tmp_path / "f.tar", "w")
    refs = list(find_films(plain))
    plain.write_bytes(plain.read_bytes()[: refs[1].offset + 5])
    assert _fetch(refs[0]) == FILMS["images/00000001_000.png"]
    with pytest.raises(Exception, match="is cut short in the tar"):
        _fetch(refs[1])


def test_a_damaged_member_of_a_zip_costs_itself(root, tmp_path):
    path = packed(tmp_path / "f.zip")
    refs = list(find_films(path))
    data = bytearray(path.read_bytes())
    place = data.find(b"images/00000001_000.png") + len("images/00000001_000.png") + 12
    data[place] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(Exception, match=r"is damaged in the zip|invalid"):
        _fetch(refs[0])
    assert _fetch(refs[1]) == FILMS["images_002/images/00000002_000.png"]


def test_an_address_without_fsspec_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(CourseError, match=r"need fsspec: pip install 'chest-xray-course\[archive\]'"):
        find_films("memory://films")
        list(find_films("memory://films"))


def test_a_ref_shows_no_bytes():
    assert "secret" not in repr(FilmRef("a", "tar", "b", data=b"secret"))


def test_an_address_is_shown_without_its_password():
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    with pytest.raises(CourseError, match=r"no-such-protocol://server/films cannot be listed \(ValueError\)"):
        list(find_films("no-such-protocol://user:secret@server/films"))


def test_a_folder_that_cannot_be_listed_is_named(root, monkeypatch):
    plain = os.scandir

    def scandir(folder):
        if str(folder).endswith("ward"):
            raise PermissionError(13, "Permission denied")
        return plain(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    refs = list(find_films(root))
    assert [ref.name for ref in refs] == ["00000001_000.png", "00000002_000.png", "ward/"]
    with pytest.raises(Exception, match="could not be listed a moment ago"):
        _fetch(refs[-1])
    (root / "ward").rename(root.parent / "elsewhere")
    with pytest.raises(FileNotFoundError):
        _fetch(refs[-1])
    monkeypatch.setattr(os, "scandir", lambda _: scandir("ward"))
    with pytest.raises(CourseError, match=r"The folder .* cannot be read \(Permission denied\): check its rights"):
        list(find_films(root))


def test_folders_within_folders_without_end_are_one_refused_film(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DEEPEST", 3)
    deep = tmp_path / "films" / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    for folder in (tmp_path / "films", deep):
        (folder / "film.png").write_bytes(FILMS["ward/b.png"])
    refs = list(find_films(tmp_path / "films"))
    assert [(ref.name, ref.kind) for ref in refs] == [("a/b/c/", "deep"), ("film.png", "file")]
    with pytest.raises(Refused, match="within too many folders"):
        _fetch(refs[0])


def test_a_size_below_zero_in_a_tar_reads_nothing(tmp_path):
    """Of a damaged header; Python's own reader of a file would take it for all that is left."""
    path = packed(tmp_path / "f.tar", "w")
    with pytest.raises(Refused, match="damaged in the tar"):
        _fetch(FilmRef("a.png", "tar", str(path), "a.png", 512, -5))


def test_names_that_lead_out_of_an_archive_and_links_within_are_names_and_nothing_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        for name in ("../up.png", "/abs.png"):
            archive.writestr(name, FILMS["ward/b.png"])
    with tarfile.open(tmp_path / "f.tar", "w") as archive:
        for name, kind in (("link.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("dev.png", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert set(content(find_films(tmp_path / "f.zip"))) == {"../up.png", "/abs.png"}
    assert list(find_films(tmp_path / "f.tar")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.tar", "f.zip"]


def test_a_film_that_unpacks_to_more_than_a_film_may_have_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(png_jpeg, "BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "f.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(10_001))
    (ref,) = find_films(tmp_path / "f.zip")
    with pytest.raises(Refused, match="too many for a film"):
        _fetch(ref)
