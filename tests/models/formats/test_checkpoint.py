"""TensorFlow checkpoints read without TensorFlow: damaged tables, right check sums over bad entries, budgets."""

import os
import stat

import numpy as np
import pytest

from tests.fuzz import weights as files
from util.errors import CourseError
from util.models.formats import checkpoint
from util.models.formats.checkpoint import read_checkpoint
from util.models.formats.crc32c import crc32c, masked
from util.models.formats.limits import Unreadable

FOUR = np.arange(4, dtype="<f4").tobytes()
DATA = files.checkpoint()[1]


@pytest.fixture
def save(tmp_path):
    """Write both files of a checkpoint; returns its prefix."""

    def save(index, data=DATA):
        (tmp_path / "cp.index").write_bytes(index)
        (tmp_path / "cp.data-00000-of-00001").write_bytes(data)
        return tmp_path / "cp"

    return save


def with_entry(**changed):
    array = files.ARRAYS["conv.weight"]
    return files.table([(b"", files.proto([(1, 1)])), (files.layer_key(0, "kernel"), files.entry(array, 0, **changed))])


BAD_ENTRIES = {
    "an unknown kind": dict(kind=(1, 99)),
    "texts": dict(kind=(1, 7)),
    "no kind": dict(kind=None),
    "a kind that is no number": dict(kind=(1, b"x")),
    "slices": dict(slices=(7, b"")),
    "another shape": dict(shape=(2, files.proto([(2, files.proto([(1, 5)]))]))),
    "a shape of gigabytes": dict(shape=(2, files.proto([(2, files.proto([(1, 2**39)]))] * 3))),
    "many axes": dict(shape=(2, files.proto([(2, files.proto([(1, 1)]))] * 9))),
    "a shape that is none": dict(shape=(2, b"\xff\xff")),
    "a shape that is a number": dict(shape=(2, 7)),
    "a negative size": dict(shape=(2, files.proto([(2, files.proto([(1, 2**64 - 1)]))]))),
    "beyond the end": dict(offset=(4, 10**6)),
    "far beyond": dict(offset=(4, 2**60)),
    "another length": dict(size=(5, 4)),
    "another part": dict(part=(3, 1)),
    "another check sum": dict(check=(6, (b"abcd",))),
    "no check sum": dict(check=None),
    "a group": dict(kind=(1, 1), group=(9, b"x" * 3)) | dict(check=(6, (b"zzzz",))),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_right_check_sum_over_a_bad_entry(name, save):
    """These end TensorFlow's own reader, or make it take gigabytes."""
    with pytest.raises(CourseError, match="get both of its files again"):
        read_checkpoint(save(with_entry(**BAD_ENTRIES[name])))


@pytest.mark.parametrize(("number", "words"), [(2**40 - 1, "ends before"), (2**40, "an impossible shape")])
def test_the_largest_number_of_an_entry(number, words, save):
    with pytest.raises(CourseError, match=words):
        read_checkpoint(save(with_entry(offset=(4, number))))


def test_the_good_twin_of_these_entries(save):
    read = read_checkpoint(save(with_entry()))
    assert len(read.layers) == 1 and read.final_relu and not read_checkpoint(save(with_entry()), False).final_relu
    for kind in ("<f8", "<f2"):
        index, data = files.checkpoint({(0, "kernel"): np.arange(6).reshape(2, 3).astype(kind)})
        np.testing.assert_array_equal(read_checkpoint(save(index, data)).layers[0][1][0], [[0, 1, 2], [3, 4, 5]])


def test_an_axis_without_a_number_is_zero_as_in_any_protocol_buffer(save):
    none = dict(
        shape=(2, files.proto([(2, b"")])), size=(5, 0), check=(6, (masked(crc32c(b"")).to_bytes(4, "little"),))
    )
    assert read_checkpoint(save(with_entry(**none))).layers[0][1][0].shape == (0,)


def test_a_hundred_files_and_one_more(save):
    prefix = save(files.checkpoint(header=((1, 100),))[0])
    prefix.with_name("cp.data-00000-of-00001").rename(prefix.with_name("cp.data-00000-of-00100"))
    assert len(read_checkpoint(prefix).layers) == 2
    prefix = save(files.checkpoint(header=((1, 101),))[0])
    prefix.with_name("cp.data-00000-of-00100").rename(prefix.with_name("cp.data-00000-of-00101"))
    with pytest.raises(CourseError, match="none of its own"):
        read_checkpoint(prefix)


def test_an_index_of_four_megabytes_and_one_byte_more(save):
    prefix = save(b"")
    for size, words in [(4_000_000, "check sum|damaged|cut short"), (4_000_001, "no DenseNet-121 needs so many")]:
        os.truncate(f"{prefix}.index", size)
        with pytest.raises(CourseError, match=words):
            read_checkpoint(prefix)


@pytest.mark.parametrize("field", [b"\x0a\x03ab", b"\x0d\0\0\0", b"\x09" + bytes(7), b"\x0b"])
def test_a_field_that_ends_before_its_length(field):
    """A text of three bytes, a number of four and one of eight with a byte too few; a kind of field that there is none of."""
    with pytest.raises(Unreadable, match="a damaged entry"):
        checkpoint._fields(field)


def test_headers_and_tables(save):
    index, data = files.checkpoint()
    assert len(read_checkpoint(save(files.checkpoint(header=((1, 1), (2, 0), (3, b"\x08\x01")))[0])).layers) == 2
    for bad, words in [
        (files.checkpoint(header=((2, 1),))[0], "byte order of another machine"),
        (files.checkpoint(header=((1, 2),))[0], "is missing"),
        (files.checkpoint(header=((1, 10**9),))[0], "none of its own"),
        (files.checkpoint(packing=b"\1")[0], "a packed index"),
        (index[:-1], "cut short"),
        (index[:40], "cut short"),
        (b"", "cut short"),
        (bytes([index[0] ^ 1]) + index[1:], "check sum of the index is wrong"),
        (files.table([(b"a" * 1001, b"x")]), "a damaged index"),
    ]:
        with pytest.raises(CourseError, match=words):
            read_checkpoint(save(bad))
    with pytest.raises(CourseError, match="ends before those of layer_with_weights-1/bias"):
        read_checkpoint(save(index, data[:-1]))
    with pytest.raises(CourseError, match="the check sum of layer_with_weights-1/bias"):
        read_checkpoint(save(index, data[:-1] + b"\x99"))
    with pytest.raises(CourseError, match="holds no layers of a Keras model"):
        read_checkpoint(save(files.table([(b"", files.proto([(1, 1)]))])))
    with pytest.raises(CourseError, match=r"layer_with_weights-0/gamma.* is missing"):
        read_checkpoint(save(files.checkpoint({(0, "moving_variance"): np.float32([1])})[0]))
    (prefix := save(index)).with_name("cp.data-00000-of-00001").unlink()
    with pytest.raises(CourseError, match=r"cp\.data-00000-of-00001 is missing"):
        read_checkpoint(prefix)


def test_budgets_of_a_checkpoint_on_both_sides(save, monkeypatch):
    prefix, size = save(files.checkpoint()[0]), sum(a.nbytes for a in [files.ARRAYS["conv.weight"]]) + 16
    for name, most, words in [("NUMBERS", size, "bytes of numbers"), ("ENTRIES", 5, "entries")]:
        monkeypatch.setattr(checkpoint, name, most)
        assert len(read_checkpoint(prefix).layers) == 2
        monkeypatch.setattr(checkpoint, name, most - 1)
        with pytest.raises(CourseError, match=f"more than {most - 1} {words}"):
            read_checkpoint(prefix)
        monkeypatch.undo()
    length = (prefix.with_name("cp.index")).stat().st_size
    monkeypatch.setattr(checkpoint, "INDEX", length)
    assert len(read_checkpoint(prefix).layers) == 2
    monkeypatch.setattr(checkpoint, "INDEX", length - 1)
    with pytest.raises(CourseError, match="no DenseNet-121 needs so many"):
        read_checkpoint(prefix)


def test_numbers_of_any_length():
    for number in (0, 1, 127, 128, 300, 2**32, 2**63, 2**64 - 1):
        assert checkpoint._varint(files.varint(number) + b"\xff", 0) == (number, len(files.varint(number)))
    for bad in (b"", b"\x80", b"\xff" * 9, b"\xff" * 11):
        with pytest.raises(Unreadable):
            checkpoint._varint(bad, 0)


def test_check_sums_of_rfc_3720_and_byte_by_byte():
    """RFC 3720, B.4, and a plain loop."""
    for data, wanted in [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E),
                         (b"123456789", 0xE3069283), (b"", 0)]:  # fmt: skip
        assert crc32c(data) == wanted
    rng = np.random.default_rng(0)
    for length in [*range(40), 63, 64, 65, 1000, 4097]:
        data, state = rng.bytes(length), 0xFFFFFFFF
        for byte in data:
            state ^= byte
            for _ in range(8):
                state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
        assert crc32c(data) == state ^ 0xFFFFFFFF, length
    assert (
        masked(0) == 0xA282EAD8 and masked(0xE3069283) == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) % 2**32
    )
    assert stat.S_ISREG(os.stat(__file__).st_mode)
