"""Films at an address: what a store lists is scored as if it were here, and a store that fails costs no film."""

import re
import zipfile

import pandas as pd
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

from tests.helpers.archives import RECIPE, engine, film, names, root, shared, table  # noqa: F401 - fixtures
from tests.helpers.store import running_store
from util.archive import run
from util.archive.run import score_archive
from util.archive.sources import find_films
from util.errors import CourseError


@pytest.fixture
def store(root):
    """A store of the films of `root`."""
    with running_store(root) as running:
        yield running


def test_films_in_memory_are_listed():
    system = fsspec.filesystem("memory")
    for name in ("b.png", "a.jpg", "notes.csv"):
        system.pipe(f"/bucket/images/{name}", b"x")
    refs = list(find_films("memory://bucket"))
    assert [(ref.name, ref.size, bool(ref.stamp)) for ref in refs] == [("a.jpg", 1, True), ("b.png", 1, True)]
    with pytest.raises(CourseError, match="There are no films at memory://nowhere"):
        list(find_films("memory://nowhere"))


def test_the_numbers_are_those_of_films_that_are_here(root, store, tmp_path, engine):
    (root / "images_001" / "images").mkdir(parents=True)
    (root / "00000003_000.png").rename(root / "images_001" / "images" / "00000003_000.png")
    (root / "notes.csv").write_text("no film")
    packed = tmp_path / "films.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in root.rglob("*.png"):
            archive.write(path, path.relative_to(root))
    for source, out in ((root, "near"), (store.address, "far"), (f"zip://::file://{packed}", "packed")):
        score_archive(source, tmp_path / out, RECIPE, engine)
    near = table(tmp_path / "near").drop(columns="key")
    assert len(near) == 20
    for out in ("far", "packed"):
        pd.testing.assert_frame_equal(near, table(tmp_path / out).drop(columns="key"), check_exact=True)


def test_a_film_that_changed_in_the_store_is_scored_again(root, store, tmp_path, engine):
    score_archive(store.address, tmp_path / "out", RECIPE, engine)
    film(root, "00000007_000.png", seed=99)
    done = score_archive(store.address, tmp_path / "out", RECIPE, engine)
    assert (done.scored, done.changed, len(names(tmp_path / "out"))) == (1, 1, 20)


def test_a_store_that_ends_in_the_middle_ends_the_run_and_the_same_command_goes_on(root, store, tmp_path, engine):
    """Its films are no bad films: they would be left out for ever."""
    store.sends = lambda name: name < "00000010"
    told = r"The store did not send any of the next 5 films \(HTTPError\): see that it can be reached, .* is kept\."
    with pytest.raises(CourseError, match=told):
        score_archive(store.address, tmp_path / "out", RECIPE, engine, films=5)
    kept = names(tmp_path / "out")
    assert kept == [f"{k:08}_000.png" for k in range(10)]
    store.sends = lambda name: True
    done = score_archive(store.address, tmp_path / "out", RECIPE, engine, films=5)
    assert (done.scored, done.refused, done.earlier) == (10, 0, 10)
    assert names(tmp_path / "out") == sorted(path.name for path in root.iterdir())


def test_a_film_that_is_not_sent_is_tried_again_by_the_same_command(root, store, tmp_path, engine, capsys):
    (root / "00000002_000.png").write_bytes(b"no film")
    store.sends = lambda name: name != "00000005_000.png"
    done = score_archive(store.address, tmp_path / "out", RECIPE, engine)
    assert (done.scored, done.refused) == (18, 1)
    assert "Films that the store did not send: 1. The same command tries them again." in capsys.readouterr().out
    store.sends = lambda name: True
    done = score_archive(store.address, tmp_path / "out", RECIPE, engine)
    assert (done.scored, done.refused, done.earlier) == (1, 0, 19)


def test_a_film_that_is_gone_from_the_store_is_refused(root, store, tmp_path, engine, capsys, monkeypatch):
    refs = list(find_films(store.address))
    (root / "00000005_000.png").unlink()
    monkeypatch.setattr(run, "find_films", lambda source: refs)
    done = score_archive(store.address, tmp_path / "out", RECIPE, engine)
    assert (done.scored, done.refused) == (19, 1)
    assert "00000005_000.png: there is no such file" in capsys.readouterr().out


def damage(packed, film):
    """Other bytes in the middle of a film within a zip."""
    packed.write_bytes(packed.read_bytes().replace(film.read_bytes()[100:200], b"0" * 100))


def rewrite(packed, film, offset, value):
    """Another byte in both headers of a film: the place in its local header, which is two less than in the directory."""
    data, name = bytearray(packed.read_bytes()), film.name.encode()
    data[data.index(name) - 30 + offset] = value
    data[data.rindex(name) - 46 + offset + 2] = value
    packed.write_bytes(data)


def lock(packed, film):
    """The film's entries say that it is encrypted (bit 0 of the general purpose flags)."""
    rewrite(packed, film, 6, 1)


def pack_otherwise(packed, film):
    """The film's entries name a method of compression that Python's zipfile lacks (97, WavPack)."""
    rewrite(packed, film, 8, 97)


@pytest.mark.parametrize("prefix", ["", "zip://::file://"], ids=["a file", "an address"])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damage, "damaged|BadZipFile"),
        (lock, "locked by a password in the zip"),
        (pack_otherwise, "damaged|NotImplementedError"),
    ],
)
def test_a_film_that_cannot_be_taken_out_of_a_zip_is_a_bad_film(root, tmp_path, engine, capsys, prefix, spoil, reason):
    """It was sent: to try it again by the same command would end every later run."""
    packed, film = tmp_path / "films.zip", root / "00000005_000.png"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(root.iterdir()):
            archive.write(path, path.name)
    spoil(packed, film)
    for scored, refused in ((19, 1), (0, 0)):
        done = score_archive(f"{prefix}{packed}", tmp_path / "out", RECIPE, engine)
        assert (done.scored, done.refused) == (scored, refused)
    assert names(tmp_path / "out", refused=True) == [film.name]
    assert re.search(rf"Refused: {film.name}: it .*({reason})", capsys.readouterr().out)
