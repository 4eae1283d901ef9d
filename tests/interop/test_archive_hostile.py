"""Archives and films in hostile hands: every one of them ends in a refused film or in one sentence."""

import contextlib
import json
import os

import pytest

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
import pyarrow.parquet as parquet

from tests.helpers.archives import RECIPE, engine, film, names, shared  # noqa: F401 - fixtures
from util.archive.look import main
from util.archive.parts import MANIFEST, part_files, read_manifest, read_parts
from util.archive.run import score_archive
from util.errors import CourseError


@pytest.fixture
def archive(tmp_path, engine):
    """An archive of four films in two parts, and its source."""
    for k in range(4):
        film(tmp_path / "films", f"{k}.png")
    score_archive(tmp_path / "films", tmp_path / "out", RECIPE, engine, films=2)
    return tmp_path / "out"


def replaced(table, name, values):
    return table.set_column(table.schema.get_field_index(name), name, values)


HOSTILE = {
    "no name": lambda table: table.drop_columns(["name"]),
    "no reason": lambda table: table.drop_columns(["refused"]),
    "no logit": lambda table: table.drop_columns(["logit_Mass"]),
    "a key of another type": lambda table: replaced(table, "key", pa.array([1, 2])),
    "a logit in words": lambda table: replaced(table, "logit_Mass", pa.array(["high", "low"])),
    "a hash in words": lambda table: replaced(table, "hash_0", pa.array(["x", "y"])),
    "a film without a name": lambda table: replaced(table, "name", pa.nulls(2, pa.string())),
}


@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_part_that_the_course_has_not_written_is_named(spoil, archive, tmp_path, engine):
    path = part_files(archive)[0]
    table = parquet.read_table(path)
    parquet.write_table(spoil(table).replace_schema_metadata(table.schema.metadata), path)
    for act in (
        lambda: list(read_parts(archive, ["name", "logit_Mass"])),
        lambda: score_archive(tmp_path / "films", archive, RECIPE, engine),
    ):
        with pytest.raises(CourseError, match=f"The part {path.name} .* cannot be read: delete it"):
            act()
    path.unlink()
    assert score_archive(tmp_path / "films", archive, RECIPE, engine).scored == 2


def test_a_part_of_billions_of_rows_is_not_read(archive):
    """A column of one value takes a few bytes however long it is."""
    path = part_files(archive)[0]
    table = parquet.read_table(path).slice(0, 1)
    many = table.take(pa.array([0] * 1_000_001, pa.int32()))
    parquet.write_table(many.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(CourseError, match=f"The part {path.name} .* cannot be read"):
        list(read_parts(archive, ["name"]))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"identity": {"format": 1}}',
        '{"identity": {"format": 1}, "films": "x", "refused": 0, "parts": 0, "runs": []}',
        '{"identity": {"format": 1}, "films": 1, "refused": 0, "parts": 0, "runs": 7}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_manifest_that_the_course_has_not_written_is_one_sentence(text, archive, capsys):
    (archive / MANIFEST).write_text(text)
    with pytest.raises(CourseError, match="is damaged: score into a new folder, or restore it"):
        read_manifest(archive)
    assert main([str(archive), "copies"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_manifest_of_another_model_fits_no_part(archive):
    manifest = json.loads((archive / MANIFEST).read_text())
    manifest["identity"]["sha256"] = "1"
    (archive / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(CourseError, match="is of a different model or of other options: move it away"):
        list(read_parts(archive))


def test_odd_names_are_kept_and_reach_no_screen(tmp_path, engine, capsys):
    """Line ends, colors of a terminal, quotes and bytes that are no UTF-8; and the archive within its own source."""
    root = tmp_path / "films"
    plain = film(root, "plain.png").read_bytes()
    odd = [b"new\nline.png", b"bad\xff.png", b"'q\"uo te.png", b"=cmd.png"]
    for name in odd:
        with open(os.path.join(os.fsencode(root), name), "wb") as file:
            file.write(plain)
    for name in ("broken\x1b[2J\nfilm.png", "also\rbroken.png"):
        (root / name).write_bytes(b"no film")
    done = score_archive(root, root / "out", RECIPE, engine)
    assert (done.scored, done.refused) == (5, 2)
    said = capsys.readouterr().out
    assert "Refused: broken\\x1b[2J\\nfilm.png: it is no PNG" in said and not {"\x1b", "\r"} & set(said)
    assert names(root / "out") == ["'q\"uo te.png", "=cmd.png", "bad\\udcff.png", "new\nline.png", "plain.png"]
    assert score_archive(root, root / "out", RECIPE, engine).scored == 0
    with pytest.raises(CourseError, match="holds other files"):
        score_archive(root, root, RECIPE, engine)
    with contextlib.suppress(OSError):
        assert main(["no\x1b[2J", "copies"]) == 2
    assert "\x1b" not in capsys.readouterr().err
