"""PyTorch files: which tensors are the network's, what a file may cost, and files that mean harm."""

import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from tests.fuzz import weights as files
from util.errors import CourseError
from util.models.formats import torch_pickle
from util.models.formats.kinds import TORCH, look_inside
from util.models.formats.torch_pickle import read_torch

FOUR = np.arange(4, dtype="<f4").tobytes()


def both(pickled, stretches=None):
    stretches = {"k": FOUR} if stretches is None else stretches
    return [files.torch_zip(pickled, stretches), files.torch_stream(pickled, stretches)]


def test_many_tensors_over_one_storage(write, monkeypatch):
    """6 GB out of one storage: refused before any of it is taken."""
    count = 1_000_000
    big = {"k": np.ones(count, "<f4").tobytes()}
    pickled = files.dictionary({f"t{i}": files.tensor("k", 0, (count,), (1,), count) for i in range(1500)})
    for data in both(pickled, big):
        path = write(data)
        tracemalloc.start()
        with pytest.raises(CourseError, match="more than 64,000,000 bytes of numbers in one network"):
            read_torch(path)
        assert tracemalloc.get_traced_memory()[1] < 60e6
        tracemalloc.stop()
    monkeypatch.setattr(torch_pickle, "NUMBERS", 32)
    two = {f"t{i}": files.tensor("k", 0, (4,), (1,), 4) for i in range(3)}
    assert len(read_torch(write(both(files.dictionary(dict(list(two.items())[:2])))[1]))) == 2
    with pytest.raises(CourseError, match="more than 32 bytes"):
        read_torch(write(both(files.dictionary(two))[1]))


def test_a_zip_that_unpacks_to_more_than_a_network(write, monkeypatch):
    count = 5_000_000
    entries = {f"t{i}": files.tensor(str(i), 0, (1,), (1,), count) for i in range(4)}
    data = files.torch_zip(
        files.dictionary(entries), {str(i): bytes(4 * count) for i in range(4)}, zipfile.ZIP_DEFLATED
    )
    assert len(data) < 200_000
    with pytest.raises(CourseError, match="more than 64,000,000 bytes of numbers"):
        read_torch(write(data))
    three = files.torch_zip(
        files.dictionary(dict(list(entries.items())[:3])),
        {str(i): bytes(4 * count) for i in range(3)},
        zipfile.ZIP_DEFLATED,
    )
    assert len(read_torch(write(three))) == 3


def test_what_a_zip_must_be(write):
    good = files.dictionary({"a": files.tensor("k", 0, (4,), (1,), 4)})
    assert look_inside(write(files.torch_zip(good, {"k": FOUR})))[0] == TORCH
    for data, words in [
        (files.torch_zip(good, {}), "data/k is missing"),
        (files.torch_zip(good, {"k": FOUR[:-1]}), "data/k of 15 bytes"),
        (files.torch_zip(good, {"k": FOUR + b"x"}), "data/k of 17 bytes"),
        (files.torch_zip(good, {"k": FOUR}, byteorder=b"big"), "byte order of another machine"),
        (files.torch_zip(good, {"k": FOUR}, zipfile.ZIP_LZMA), "packed in a way that PyTorch does not know"),
        (files.torch_zip(good, {"k": FOUR}, **{"more/data.pkl": good}), "a zip with 2 files data.pkl"),
        (b"PK\x03\x04" + bytes(100), "a damaged zip"),
    ]:
        with pytest.raises(CourseError, match=words):
            read_torch(write(data))
    np.testing.assert_array_equal(
        read_torch(write(files.torch_zip(good, {"k": FOUR}, byteorder=b"little")))["a"], [0, 1, 2, 3]
    )
    np.testing.assert_array_equal(
        read_torch(write(files.torch_zip(good, {"k": FOUR}, zipfile.ZIP_DEFLATED)))["a"], [0, 1, 2, 3]
    )


def test_what_a_stream_must_be(write):
    good = files.dictionary({"a": files.tensor("k", 0, (4,), (1,), 4)})
    big_endian = (*files.MAGIC[:2], {"little_endian": False})
    for data, words in [
        (files.torch_stream(good, {"k": FOUR}, big_endian), "byte order of another machine"),
        (files.torch_stream(good, {"k": (5, FOUR)}), "another length than announced"),
        (files.torch_stream(good, {"k": FOUR[:-1]} | {}), "another length than announced"),
        (files.torch_stream(good, {"k": FOUR})[:-1], "cut short"),
        (files.torch_stream(good, {}), "cut short"),
        (files.torch_stream(good, {"x": FOUR}), "not named, or twice"),
        (files.torch_stream(good, {"k": FOUR, "x": FOUR}), "a list of storages that is none"),
    ]:
        with pytest.raises(CourseError, match=words):
            read_torch(write(data))
    np.testing.assert_array_equal(read_torch(write(files.torch_stream(good, {"k": FOUR})))["a"], [0, 1, 2, 3])


def test_views_end_with_their_storage(write):
    for offset, shape, steps, fits in [(1, (3,), (1,), True), (2, (3,), (1,), False), (0, (2, 2), (2, 1), True),
                                       (0, (2, 2), (3, 1), False), (0, (5,), (0,), False), (0, (4,), (0,), True), (4, (0,), (1,), True)]:  # fmt: skip
        for data in both(files.dictionary({"a": files.tensor("k", offset, shape, steps, 4)})):
            if fits:
                wanted = np.lib.stride_tricks.as_strided(np.arange(4.0)[offset:], shape, [8 * s for s in steps])
                np.testing.assert_array_equal(read_torch(write(data))["a"], wanted)
            else:
                with pytest.raises(CourseError, match="larger than its storage"):
                    read_torch(write(data))


def test_kinds_of_number(write):
    values = np.array([1.0, -2.5, 3.140625], np.float32)  # bfloat16 has them all
    upper = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    data = files.torch_zip(
        files.dictionary({"a": files.tensor("k", 0, (3,), (1,), 3, "BFloat16Storage")}), {"k": upper}
    )
    found = read_torch(write(data))["a"]
    assert found.dtype == np.float32 and found.tolist() == values.tolist()
    odd = files.torch_zip(files.dictionary({"a": files.tensor("k", 0, (3,), (1,), 3, "QInt8Storage")}), {"k": b"abc"})
    with pytest.raises(CourseError, match="an unknown kind, QInt8Storage"):
        read_torch(write(odd))


def network(*names):
    """Commands that put a dictionary of tensors on the stack."""
    return files.dictionary({name: files.tensor("k", 0, (4,), (1,), 4) for name in names})[2:-1]


def beside(**entries):
    return files.dictionary(entries)


@pytest.mark.parametrize("name", ["state_dict", "model", "model_state", "net", "anything"])
def test_the_network_is_found_whatever_it_is_called_and_what_lies_beside_it_is_not_in_it(name, write):
    one, state = files.tensor("k", 0, (4,), (1,), 4), b"}I0\n}S'step'\nI3\nsS'exp_avg'\n" + network("m") + b"ss"
    pickled = beside(
        **{
            "epoch": b"I3\n",
            "best_loss": one,
            name: network(*"abcde"),
            "rng_state": one,
            "optimizer": beside(state=state)[2:-1],
        }
    )
    for data in both(pickled):
        assert set(read_torch(write(data))) == set("abcde")
    deeper = beside(outer=beside(**{name: network(*"abcde")})[2:-1])
    assert set(read_torch(write(both(deeper)[0]))) == set("abcde")


def test_two_networks_in_one_file(write):
    for other, refused in [(("a.w", "a.b"), False), (("b.w", "b.b"), True), (("a.w",), False)]:
        data = both(beside(model=network("a.w", "a.b"), ema=network(*other)))[0]
        if refused:
            with pytest.raises(CourseError, match="it holds several networks, model and ema"):
                read_torch(write(data))
        else:
            assert set(read_torch(write(data))) == {"a.w", "a.b"}


def test_a_file_without_tensors_names_what_it_has(write):
    with pytest.raises(
        CourseError, match="holds no tensors: a file of weights is needed, and its entries are epoch, args"
    ):
        read_torch(write(both(beside(epoch=b"I3\n", args=b"N"))[0]))
    with pytest.raises(CourseError, match=r"a file of weights is needed\. Nothing"):
        read_torch(write(both(b"N.")[0]))


def chain(depth):
    """A module within a module, so many, the innermost with a tensor."""
    module = lambda inner: b"c__main__\nNet\n)\x81}S'_parameters'\n" + inner[0] + b"sS'_modules'\n" + inner[1] + b"sb"  # noqa: E731
    text = module((network("w"), b"}"))
    for _ in range(depth - 1):
        text = module((b"}", b"}S'a'\n" + text + b"s"))
    return b"\x80\x02" + text + b"."


def test_depth_of_modules_on_both_sides(write):
    assert torch_pickle.DEEPEST == 30
    assert list(read_torch(write(both(chain(30))[0]))) == ["a." * 29 + "w"]
    with pytest.raises(CourseError, match="too many or too deeply nested modules"):
        read_torch(write(both(chain(31))[0]))


def test_depth_of_dictionaries_and_length_of_names_on_both_sides(write):
    pickled = network("w")
    for level in range(torch_pickle.LEVELS):
        pickled = beside(**{f"l{level}": pickled})[2:-1]
    assert list(read_torch(write(both(b"\x80\x02" + pickled + b".")[0]))) == ["w"]
    with pytest.raises(CourseError, match="holds no tensors"):
        read_torch(write(both(beside(more=pickled))[0]))
    assert list(read_torch(write(both(beside(**{"x" * 200: files.tensor("k", 0, (4,), (1,), 4)}))[0]))) == ["x" * 200]
    with pytest.raises(CourseError, match="a name of more than 200 letters"):
        read_torch(write(both(beside(**{"x" * 201: b"N"}))[0]))


def test_entries_that_are_looked_at_on_both_sides(write, monkeypatch):
    monkeypatch.setattr(torch_pickle, "ENTRIES", 4)
    assert len(read_torch(write(both(b"\x80\x02" + network("a", "b", "c") + b".")[0]))) == 3
    with pytest.raises(CourseError, match="more than 4 entries"):
        read_torch(write(both(b"\x80\x02" + network("a", "b", "c", "d") + b".")[0]))


def test_as_many_entries_are_looked_into_as_the_limit_says(write):
    """A dictionary below the limit is searched for a network, and holds none; one more entry is not looked at."""
    for count, words in ((19_999, "holds no tensors"), (20_000, "more than 20,000 entries")):
        pickled = pickle.dumps({f"k{i}": i for i in range(count)}, 2)
        with pytest.raises(CourseError, match=words):
            read_torch(write(files.torch_zip(pickled, {"k": FOUR})))


def test_a_byte_changed_in_a_zip_is_noticed(write):
    """The archive's own check sum; the numbers would be wrong without a word."""
    data = files.torch_zip(files.dictionary({"a": files.tensor("k", 0, (4,), (1,), 4)}), {"k": FOUR})
    spoilt = data.replace(FOUR, FOUR[:-1] + b"\x01")
    assert spoilt != data
    with pytest.raises(CourseError, match="a damaged zip: Bad CRC"):
        read_torch(write(spoilt))


def test_a_stream_whose_numbers_begin_with_any_byte_is_read(write):
    numbers = np.array([1.1, -2.7, 3.3, 4.9], "<f4")
    assert all(byte for byte in numbers.tobytes())
    pickled = files.dictionary({"a": files.tensor("k", 0, (4,), (1,), 4)})
    for data in both(pickled, {"k": numbers.tobytes()}):
        np.testing.assert_array_equal(read_torch(write(data))["a"], numbers)


def test_a_network_lies_at_most_four_dictionaries_deep():
    assert torch_pickle.LEVELS == 4  # SECURITY.md promises it


@pytest.mark.parametrize(("held", "kept"), [("a", ""), ("", "b"), ("a", "b")])
def test_an_object_that_holds_tensors_as_a_dictionary_does_or_as_attributes(held, kept, write):
    one = files.tensor("k", 0, (4,), (1,), 4)
    items = b"".join(f"S'{name}'\n".encode() + one + b"s" for name in held)
    state = b"}" + b"".join(f"S'{name}'\n".encode() + one + b"s" for name in kept)
    for data in both(b"\x80\x02c__main__\nNet\n)\x81" + items + state + b"b."):
        assert set(read_torch(write(data))) == set(held + kept)
