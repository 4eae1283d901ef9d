"""Foreign text and tables: what is read, what is refused and why, and that no file takes more than its budget."""

import bz2
import csv
import gzip
import io
import lzma
import os
import tracemalloc
import zipfile
import zlib

import pytest

from util.data import tables
from util.data.tables import MOST_BYTES, named, quoted, read_lines, read_table, read_text
from util.errors import CourseError

TEXT = "a,b,c\n1,2,3\n"
COLUMNS = {"a": "A", "c": "C"}


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    """A zip of (name, text) pairs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def put(tmp_path):
    """Write bytes or a text to a file; its path."""

    def write(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def peak():
    """Megabytes that Python held at most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()


def rows(path, columns=COLUMNS):
    table = read_table(path, columns, "the file")
    assert list(table) == list(columns.values())
    return table.to_numpy().tolist()


# ---- what is read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda data: zipped(("t.csv", data)),
        lambda data: zipped(("t.csv", data), method=zipfile.ZIP_STORED),
        lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]),
        lambda data: bz2.compress(data[:7]) + bz2.compress(data[7:]),
        lambda data: lzma.compress(data[:7]) + lzma.compress(data[7:]) + bytes(8),
        lambda data: gzip.compress(data) + bytes(512),
        lambda data: zipped(
            ("__MACOSX/._t.csv", b"\0\5\x16\7"), ("data/t.csv", data), ("data/.DS_Store", "x"), ("e/", "")
        ),
        lambda data: zipped(("t.csv", data), ("README.md", "read me")),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.zip"])  # what a file is says its beginning, not its name
def test_packed_or_not(put, pack, name):
    assert read_text(put(pack(TEXT.encode()), name)) == TEXT


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_of_any_line_ends(put, mark, end):
    text = f'{mark}a,b,c{end}{end}1,"x,""y""",3{end}ä,"\n",ü{end}'
    assert rows(put(text)) == [["1", "3"], ["ä", "ü"]]
    assert read_lines(put(text))[:2] == ["a,b,c", '1,"x,""y""",3']


def test_empty_names_and_cells_at_the_end_do_not_count(put):
    assert rows(put("a,b,c,,\n1,2,3\n4,5,6,\n7,8,9,,,,\n")) == [["1", "3"], ["4", "6"], ["7", "9"]]
    assert rows(put(",a,b,c\n0,1,2,3\n1,4,5,\n")) == [["1", "3"], ["4", ""]]


def test_a_column_of_several_names(put):
    columns = {"a": "A", ("long c", "c"): "C"}
    assert rows(put(TEXT), columns) == rows(put(TEXT.replace("c", "long c")), columns) == [["1", "3"]]
    with pytest.raises(CourseError, match="has the column c twice"):
        rows(put("a,c,long c\n1,2,3\n"), columns)


def test_a_table_of_no_row(put):
    assert rows(put("a,b,c\n")) == []


def test_lines_of_a_list(put):
    assert read_lines(put("\ufeff b.png \r\n\n\ta b.png\rc.png")) == ["b.png", "a b.png", "c.png"]


# ---- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "it is empty"),
        (b"a,b\n1,\xe9\n", r"line 2 is no text in UTF-8; save it as CSV UTF-8"),
        (b"\n\nx\xff", "line 3 is no text in UTF-8"),
        (TEXT.encode("utf-16"), "line 1 is no text in UTF-8"),
        (TEXT.encode("utf-16-le"), "binary data or text in UTF-16"),
        (gzip.compress(TEXT.encode())[:-3], "damaged or cut short"),
        (gzip.compress(TEXT.encode()) + b"more", "damaged or cut short"),
        (bz2.compress(TEXT.encode())[:-3], "damaged or cut short"),
        (b"BZh9" + b"no such data" * 9, "damaged or cut short"),
        (lzma.compress(TEXT.encode())[:-3], "damaged or cut short"),
        (lzma.compress(TEXT.encode())[:9] + b"?" * 60, "damaged or cut short"),
        (zipped(("t.csv", TEXT))[:-3], "damaged or cut short"),
        (zipped(("t.csv", TEXT)).replace(b"t.csv", b"u.csv", 1), "damaged"),
        (zipped(), "holds 0 tables where one is wanted"),
        (zipped(("t.csv", TEXT), ("u.csv", TEXT)), "holds 2 tables where one is wanted; unpack it"),
        (zipped(("t.csv", TEXT), method=zipfile.ZIP_BZIP2), "packed in an unusual way"),
        (zipped(("t.csv", TEXT), method=zipfile.ZIP_LZMA), "packed in an unusual way"),
        (zipped(("t.zip", zipped(("t.csv", TEXT)))), "an archive in an archive"),
        (gzip.compress(gzip.compress(TEXT.encode())), "an archive in an archive"),
    ],
)
def test_what_is_no_text(put, content, reason):
    path = put(content)
    with pytest.raises(
        CourseError, match=rf"^The table .*t\.csv cannot be read \(.*{reason}.*\): fetch it again from NIH\.$"
    ):
        read_text(path)


def test_a_zip_with_a_password(put):
    data = bytearray(zipped(("t.csv", TEXT)))
    for head, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(head) + place] |= 1
    with pytest.raises(CourseError, match="asks for a password; unpack it"):
        read_text(put(bytes(data)))


@pytest.mark.parametrize(
    "text, reason",
    [
        ("a,b\n1,2\n", "has no column c: is it the file"),
        ("", "it is empty"),
        ("\n\n", "has no column a, c: is it the file"),
        ("a,b,c,a\n1,2,3,4\n", "has the column a twice: remove the one that is wrong"),
        ("a,b,c\n1,2,3\n1,2\n", "line 3 has 2 cells where the header has 3"),
        ("a,b,c\n1,2,3,4\n", "line 2 has 4 cells where the header has 3"),
        ("a,b,c,\n1,2,3,4\n", "line 2 has 4 cells where the header has 3"),
        ('a,b,c\n1,2,"3\n', "is no row of a table"),
        ('a,b,c\n1,2,"3"4\n', "line 2 is no row of a table"),
        ("a,b,c\n1,2," + "3" * 140_000, "is no row of a table"),
        (",".join(map(str, range(300))), "more than 200 columns"),
    ],
)
def test_what_is_no_table(put, text, reason):
    with pytest.raises(CourseError, match=reason) as error:
        rows(put(text))
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_table_or_list_of_too_many_lines(put, monkeypatch, end):
    monkeypatch.setattr(tables, "MOST_LINES", 3)
    assert len(rows(put(f"a,c{end}" + f"1,2{end}" * 2))) == 2 and len(read_lines(put(f"a{end}" * 3))) == 3
    for read, text in ((rows, f"a,c{end}" + f"1,2{end}" * 3), (read_lines, f"a{end}" * 4)):
        with pytest.raises(CourseError, match="has more than 3 lines"):
            read(put(text))


@pytest.mark.parametrize(
    "make, kind",
    [
        (os.mkfifo, "device or a pipe"),
        (os.mkdir, "folder"),
        (lambda path: os.symlink("/dev/zero", path), "device"),
        (lambda path: os.symlink(path, path), "symbolic links"),
        (lambda path: None, "No such file"),
    ],
)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_what_is_no_file_is_not_opened(tmp_path, make, kind):
    make(tmp_path / "t.csv")
    with pytest.raises(CourseError, match=rf"t.csv cannot be read \(.*{kind}"):
        read_text(tmp_path / "t.csv")


# ---- budgets ----------------------------------------------------------------------------------------------------------


def zeros(compressor, size):
    """Packed zeros, made in pieces."""
    piece = bytes(2**20)
    return b"".join([*(compressor.compress(piece) for _ in range(size >> 20)), compressor.flush()])


BOMBS = {
    "gz": lambda: zeros(zlib.compressobj(9, zlib.DEFLATED, 31), 100 * 2**20),
    "bz2": lambda: zeros(bz2.BZ2Compressor(), 100 * 2**20),
    "xz": lambda: zeros(lzma.LZMACompressor(preset=1), 100 * 2**20),
    "zip": lambda: zipped(("t.csv", bytes(100 * 2**20))),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_archive_of_much_is_unpacked_no_further_than_a_table_goes(put, kind, peak):
    path = put(BOMBS[kind]())
    tracemalloc.reset_peak()
    with pytest.raises(CourseError, match="it holds more than 32 MB, so it is no table"):
        read_text(path)
    assert peak() < 120


def test_a_large_file_is_not_read_to_its_end(tmp_path, peak):
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)  # of holes: it takes no room on disk
    with pytest.raises(CourseError, match="it holds more than 32 MB"):
        read_text(path)
    assert peak() < 100


def test_an_xz_that_asks_for_much_memory(put):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 * 2**20}]
    head = lzma.compress(TEXT.encode(), filters=[filters[0] | {"dict_size": 2**16}])
    assert read_text(put(head)) == TEXT
    size = (
        next(place for place in range(12, 24) if head[place] == 0x21) + 2
    )  # of the filter LZMA2: one byte, the dictionary
    large = bytearray(head)
    large[size] = 36  # 1 GB
    large[20:24] = zlib.crc32(large[12:20]).to_bytes(4, "little")
    with pytest.raises(lzma.LZMAError, match=r"[Mm]emory"):
        lzma.LZMADecompressor(memlimit=tables.MOST_MEMORY).decompress(bytes(large))
    with pytest.raises(CourseError, match="damaged or cut short"):
        read_text(put(bytes(large)))


def test_archives_of_very_many_parts(put):
    with pytest.raises(CourseError, match="joined of more than 1,000 parts"):
        read_text(put(gzip.compress(b"") * 1500))
    assert read_text(put(gzip.compress(b"a") * 1000)) == "a" * 1000
    with pytest.raises(CourseError, match="holds more than 1,000 files"):
        read_text(put(zipped(*[(str(i), "") for i in range(1001)])))


@pytest.mark.parametrize(
    "text", ["," * MOST_BYTES, "\n" * MOST_BYTES, "a,c\n" + ",\n" * (MOST_BYTES // 2 - 2), "a\n" * (MOST_BYTES // 2)]
)
def test_the_worst_of_the_largest_tables(put, text, peak):
    path = put(text)
    tracemalloc.reset_peak()
    for read in (rows, read_lines):
        try:
            read(path)
        except CourseError as error:
            assert len(str(error)) < 300
    assert peak() < 500


# ---- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a.png", "", "a\nb", "x" * 10_000, "\x1b[31m", "\u202e", "it's"])
def test_a_foreign_cell_in_a_message_is_short_and_on_one_line(text):
    assert named(text) == quoted(text)[1:-1]
    assert "\n" not in quoted(text) and quoted(text).isprintable() and len(quoted(text)) <= 82
    if text.isprintable() and len(text) <= 80:
        assert named(text) == text


def test_the_csv_module_is_left_as_it_was(put):
    before = csv.field_size_limit()
    rows(put(TEXT))
    assert csv.field_size_limit() == before
