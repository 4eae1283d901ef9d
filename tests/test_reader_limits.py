"""What a file of weights may cost and may ask for: each limit on both its sides, and files that mean harm."""

import builtins
import contextlib
import functools
import importlib
import io
import operator
import os
import pickle
import signal
import socket
import stat
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections import OrderedDict

import h5py
import numpy as np
import pytest

from tests.fuzz import weights as files
from util.errors import CourseError
from util.readers import (
    CHECKPOINT,
    ENTRIES,
    TORCH,
    apart,
    checkpoint,
    limits,
    look_inside,
    open_zip,
    pickles,
    torch_pickle,
)
from util.readers.apart import read_apart
from util.readers.checkpoint import read_checkpoint
from util.readers.crc32c import crc32c, masked
from util.readers.hdf5 import read_keras2
from util.readers.limits import Budget, Unreadable, contents, reason, regular, shown
from util.readers.pickles import MEANING, Name, Storage, Tensor, Thing, read_pickle
from util.readers.torch_pickle import read_torch

FOUR = np.arange(4, dtype="<f4").tobytes()


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file; returns its path."""

    def write(data, name="w"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


# ---- Files ------------------------------------------------------------------------------------------------------


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name in ("pipe", "folder", "socket"):
            for use in (look_inside, read_torch, read_keras2, read_apart, contents):
                with pytest.raises(CourseError, match="is no regular file"):
                    use(tmp_path / name)
    with pytest.raises(CourseError, match="is no regular file"):
        look_inside("/dev/zero")


def test_a_pipe_as_part_of_a_checkpoint_or_as_a_passport(tmp_path):
    from util.weights import load_pretrained, read_passport

    index, _ = files.checkpoint()
    (tmp_path / "w.index").write_bytes(index)
    os.mkfifo(tmp_path / "w.data-00000-of-00001")
    with pytest.raises(CourseError, match="is no regular file"):
        read_checkpoint(tmp_path / "w")
    os.mkfifo(tmp_path / "p.json")
    with pytest.raises(CourseError, match="is no regular file"):
        read_passport(path=tmp_path / "p.safetensors")
    os.mkfifo(tmp_path / "p.safetensors")
    with pytest.raises(CourseError, match="is no regular file"):
        load_pretrained(path=tmp_path / "p.safetensors")


@pytest.mark.parametrize("path", ["absent", "a\0b", "x" * 5000])
def test_paths_that_lead_nowhere(path, tmp_path):
    for use in (look_inside, regular):
        with pytest.raises(CourseError, match="No weights at"):
            use(tmp_path / path)


def test_size_of_a_file_on_both_sides(write):
    path = write(b"x" * 100)
    assert regular(path, 100) == (path, 100) and contents(path, 100) == b"x" * 100
    for use in (regular, contents):
        with pytest.raises(CourseError, match="no DenseNet-121 needs so many"):
            use(path, 99)
    assert limits.LARGEST == 300_000_000 and limits.NUMBERS == 64_000_000


def test_a_budget_on_both_sides():
    budget = Budget(3, "things")
    budget.take(2)
    budget.take()
    with pytest.raises(Unreadable, match="more than 3 things"):
        budget.take()


def test_texts_of_a_file_stay_one_short_line():
    assert shown("conv1") == "conv1" and shown("x" * 200) == "x" * 200
    assert shown("x" * 201) == "x" * 200 + "..." and shown("a\nb\x1b[2J") == r"a\nb\x1b[2J"
    assert reason(ValueError("one\ntwo")) == "one" and reason(ValueError()) == "ValueError"
    assert len(reason(ValueError("x" * 500))) == 163 and reason(OSError(2, "No such file")) == "No such file"


# ---- Pickles ----------------------------------------------------------------------------------------------------


def test_the_calls_that_mean_something_are_these_and_no_others():
    assert {f"{module}.{name}": meaning.__name__ for (module, name), meaning in MEANING.items()} == {
        "collections.OrderedDict": "_dictionary",
        "torch._utils._rebuild_tensor": "_tensor",
        "torch._utils._rebuild_tensor_v2": "_tensor",
        "torch._utils._rebuild_parameter": "_parameter",
        "torch._utils._rebuild_parameter_with_state": "_parameter",
        "torch._tensor._rebuild_from_type_v2": "_typed",
    }
    assert not callable(Thing()) and not callable(Name("os", "system"))


REACHED = {
    "builtins": "getattr setattr delattr eval exec compile open __import__ print input breakpoint globals vars type map filter",
    "__builtin__": "getattr eval execfile apply reduce file",
    "importlib": "import_module reload",
    "os": "system popen execv fork remove putenv kill",
    "posix": "system fork",
    "nt": "system",
    "subprocess": "Popen run call check_output",
    "operator": "attrgetter methodcaller itemgetter call",
    "functools": "partial reduce",
    "runpy": "run_path run_module",
    "pickle": "loads load",
    "_pickle": "loads",
    "numpy": "load fromfile",
    "shutil": "rmtree",
    "socket": "socket create_connection",
    "ctypes": "CDLL",
    "timeit": "timeit",
    "code": "InteractiveInterpreter",
    "pty": "spawn",
    "webbrowser": "open",
    "torch": "load hub.load ops.load_library",
    "torch.serialization": "load _load",
    "torch._utils": "_import_dotted_name _rebuild_wrapper_subclass _rebuild_device_tensor_from_numpy",
    "torch.storage": "_load_from_bytes",
    "torch.jit": "load",
    "torch.utils._python_dispatch": "TorchDispatchMode",
    "torch.distributed": "init_process_group",
    "util.readers.pickles": "read_pickle",
    "collections": "namedtuple UserDict",
    "copyreg": "_reconstructor __newobj__",
    "types": "FunctionType CodeType",
}
CALLS = {
    "reduce": lambda m, n: f"c{m}\n{n}\n(S'touch TRAP'\ntR.".encode(),
    "reduce from the stack": lambda m, n: (
        b"\x80\x04\x8c"
        + bytes([len(m)])
        + m.encode()
        + b"\x8c"
        + bytes([len(n)])
        + n.encode()
        + b"\x93S'touch TRAP'\n\x85R."
    ),
    "instance": lambda m, n: f"(S'touch TRAP'\ni{m}\n{n}\n.".encode(),
    "object": lambda m, n: f"(c{m}\n{n}\nS'touch TRAP'\no.".encode(),
    "new": lambda m, n: f"c{m}\n{n}\n(S'touch TRAP'\nt\x81.".encode("latin-1"),
    "twice": lambda m, n: f"c{m}\n{n}\n(S'os'\nS'system'\ntR(S'touch TRAP'\ntR.".encode(),
    "state": lambda m, n: f"c{m}\n{n}\n)\x81}}S'__class__'\nc{m}\n{n}\nsb.".encode("latin-1"),
    "typed": lambda m, n: f"ctorch._tensor\n_rebuild_from_type_v2\n(c{m}\n{n}\nN(S'touch TRAP'\ntNtR.".encode(),
    "persistent": lambda m, n: f"(S'storage'\nc{m}\n{n}\nS'k'\nS'cpu'\nI4\ntQ.".encode(),
}


@pytest.mark.parametrize("call", CALLS)
def test_no_name_is_ever_reached(call, tmp_path, monkeypatch):
    """Every name is asked for in every way that a pickle has; imports, look-ups and processes are watched meanwhile."""
    monkeypatch.chdir(tmp_path)
    told = []

    def watched(what, real):
        def call(*arguments, **options):
            told.append((what, str(arguments[:1])))
            return real(*arguments, **options)

        return call

    places = [(builtins, "__import__"), (builtins, "eval"), (builtins, "exec"), (importlib, "import_module")]
    places += [(os, "system"), (subprocess, "Popen"), (functools, "partial"), (operator, "attrgetter")]
    for module, name in [(m, n) for m, names in REACHED.items() for n in names.split()]:
        pickled = CALLS[call](module, name)
        with monkeypatch.context() as watch:
            for owner, what in places:
                watch.setattr(owner, what, watched(what, getattr(owner, what)))
            told.clear()  # pytest has imported something for the watch
            top = None
            with contextlib.suppress(Unreadable):
                top, _, _ = read_pickle(pickled)
            reached = list(told)
        assert type(top) in (type(None), Thing, Storage) and not reached, (module, name, reached)
    assert os.listdir() == []


def test_what_pickle_itself_would_run_lies_inert(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Harm:
        def __reduce__(self):
            return os.system, ("touch TRAP",)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        top, _, _ = read_pickle(pickle.dumps({"a": Harm(), "b": [Harm()]}, protocol))
        assert type(top["a"]) is Thing and type(top["b"][0]) is Thing and os.listdir() == []
    pickle.loads(pickle.dumps(Harm()))
    assert os.listdir() == ["TRAP"]  # so it does harm where it is run


@pytest.mark.parametrize("protocol", range(6))
def test_data_comes_out_as_pickle_gives_it(protocol):
    """Oracle: pickle.loads, on values that name nothing."""
    if protocol > pickle.HIGHEST_PROTOCOL:
        pytest.skip("no such protocol here")
    shared = ["again", b"bytes"]
    value = {
        "a": [1, -1, 2**31, 2**70, -(2**70), 255, 65536, 0.5, None, True, False], "text": "ü" * 300, "short": "x",
        "t": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "shared": [shared, shared], "nested": {"x": {"y": {}}},
        "long": b"b" * 300, "array": bytearray(b"abc"),
    }  # fmt: skip
    if protocol < 3:  # bytes are calls there
        value.update(long=None, array=None)
        shared[1] = None
    elif protocol < 5:
        value["array"] = None
    data = pickle.dumps(value, protocol)
    top, storages, end = read_pickle(b"##" + data + b"more", 2)
    assert top == value and storages == {} and end == 2 + len(data)
    assert top["shared"][0] is top["shared"][1]


def test_keys_that_are_no_texts_are_left_out_and_never_hashed():
    class Hashed:
        pass

    assert read_pickle(pickle.dumps({1: 2, "a": 3, (1, 2): 4, None: 5, 2.5: 6}))[0] == {"a": 3}
    assert read_pickle(pickle.dumps(OrderedDict(a=1)))[0] == {"a": 1}
    pairs = b"ccollections\nOrderedDict\n((lp0\n(lp1\nS'a'\naI1\natp2\nR."
    assert read_pickle(b"ccollections\nOrderedDict\n(((S'a'\nI1\ntltR.")[0] == {"a": 1}
    assert isinstance(pairs, bytes) and Hashed


def nested_tuples(levels):
    """A dictionary whose key is a tuple that holds itself twice, so many times: its hash takes 2 ** levels steps."""
    return b"}(K\x01K\x01\x86" + b"2\x86" * levels + b"K\x00u."


@pytest.mark.parametrize("levels", [5, 400])
def test_keys_whose_hashes_never_end(levels, write):
    pickled = b"\x80\x02" + nested_tuples(levels)
    assert read_pickle(pickled)[0] == {}
    path = write(files.torch_zip(pickled, {}))
    assert path.stat().st_size < 2000
    with pytest.raises(CourseError, match="holds no tensors"):
        read_torch(path)


def test_numbers_that_share_a_hash_are_no_keys():
    many = b"".join(
        b"\x8a\x0b" + (k * (2**61 - 1)).to_bytes(11, "little", signed=True) + b"K\x00" for k in range(1, 50_000)
    )
    assert read_pickle(b"\x80\x02}(" + many + b"u.")[0] == {}
    with pytest.raises(Unreadable, match="memo of impossible size"):
        read_pickle(f"Np{2**61 - 1}\n.".encode())
    assert read_pickle(f"Np{2**32 - 1}\ng{2**32 - 1}\n\x86.".encode("latin-1"))[0] == (None, None)
    with pytest.raises(Unreadable, match="memo of impossible size"):
        read_pickle(f"Np{2**32}\n.".encode())
    with pytest.raises(Unreadable, match="memo of impossible size"):
        read_pickle(b"Np-1\n.")


def test_commands_of_one_pickle_on_both_sides(monkeypatch, write):
    monkeypatch.setattr(pickles, "STEPS", 100)
    assert read_pickle(b"N0" * 49 + b"N.")[0] is None
    with pytest.raises(Unreadable, match="more than 100 commands"):
        read_pickle(b"N0" * 50 + b"N.")
    monkeypatch.undo()
    path = write(files.torch_stream(b"N" * 60_000_000 + b".", {}))
    with pytest.raises(CourseError, match="more than 1,000,000 commands"):
        read_torch(path)
    assert pickles.STEPS == torch_pickle.STEPS == 1_000_000


def test_length_of_one_pickle_on_both_sides(monkeypatch):
    monkeypatch.setattr(pickles, "LENGTH", 50)
    fits = b"\x80\x02X" + struct.pack("<I", 42) + b"x" * 42 + b"."
    assert len(fits) == 50 and len(read_pickle(fits)[0]) == 42
    with pytest.raises(Unreadable, match="damaged pickle"):
        read_pickle(b"N0" + fits)
    monkeypatch.undo()
    assert pickles.LENGTH == 16_000_000


def test_copying_states_and_pairs_counts_as_steps():
    big = b"\x80\x02}(" + b"".join(b"X\x05\x00\x00\x00" + b"%05d" % k + b"N" for k in range(1000)) + b"uq\x00"
    again = b"c__main__\nX\n)\x81" + b"h\x00b" * 1200 + b"."
    with pytest.raises(Unreadable, match="more than 1,000,000 commands"):
        read_pickle(big + again)
    pairs = (
        b"\x80\x02]("
        + b"N" * 1000
        + b"eq\x000"
        + b"ccollections\nOrderedDict\nq\x010"
        + b"h\x01h\x00\x85R0" * 1200
        + b"N."
    )
    with pytest.raises(Unreadable, match=r"more than 1,000,000 commands|a dictionary that is none"):
        read_pickle(pairs)
    arguments = b"\x80\x02(" + b"N" * 1000 + b"tq\x000" + b"h\x000cos\nsystem\nq\x010" + b"h\x01h\x00R0" * 1200 + b"N."
    with pytest.raises(Unreadable, match="more than 1,000,000 commands"):
        read_pickle(arguments)


@pytest.mark.parametrize(
    "pickled",
    [
        b".", b"", b"0.", b"t.", b"NN.", b"(.", b"(2.", b"h\x05.", b"N(s.", b"Na.", b"N(NNu.", b"}(Nu.", b"Nb.", b"NNb.", b"]Nb.",
        b"NR.", b"NNR.", b"cos\nsystem\nNR.", b"cos\n.", b"\x93.", b"NN\x93.", b"\x82\x01.", b"\x83\x01\x01.", b"\x97.", b"\x98N.",
        b"Pid\n.", b"NQ.", b"((S'storage'\nNS'k'\nNI4\ntQ.", b"X\xff\xff\xff\x7fx.", b"I" + b"9" * 5000 + b"\n.", b"\xff.",
        b"((S'storage'\nctorch\nFloatStorage\nI7\nS'cpu'\nI4\ntQ.", b"((S'storage'\nctorch\nFloatStorage\nS'k'\nS'c'\nI-1\ntQ.",
        b"ccollections\nOrderedDict\n(I1\ntR.", b"ccollections\nOrderedDict\n((I1\nltR.", b"(NQ.",
        b"((S'storage'\nctorch\nFloatStorage\nS'k'\nS'c'\nI4\n(S'v'\nI1\nI2\ntttQ.",
    ],
)  # fmt: skip
def test_pickles_that_are_damaged(pickled):
    with pytest.raises(Unreadable):
        read_pickle(pickled)


def test_a_storage_has_one_kind_and_one_length():
    one, other = files.storage("k", 4), files.storage("k", 5)
    assert read_pickle(one + one + b"\x86.")[1] == {"k": Storage("FloatStorage", "k", 4)}
    with pytest.raises(Unreadable, match="named in two ways"):
        read_pickle(one + other + b"\x86.")


@pytest.mark.parametrize(
    ("offset", "shape", "steps"),
    [(-1, (1,), (1,)), (0, (-1,), (1,)), (0, (1,), (-1,)), (0, (1,), (1, 1)), (0, (1,) * 9, (1,) * 9), (2**40, (1,), (1,)),
     (True, (1,), (1,)), (0, (1.0,), (1,)), (0, [1], (1,)), (0, (1,), [1]), ("0", (1,), (1,))],
)  # fmt: skip
def test_tensors_of_impossible_shape(offset, shape, steps):
    with pytest.raises(Unreadable, match="impossible shape"):
        Tensor(Storage("FloatStorage", "k", 4), offset, shape, steps)
    with pytest.raises(Unreadable, match="impossible shape"):
        Tensor(None, 0, (1,), (1,))
    assert Tensor(Storage("FloatStorage", "k", 4), 2**40 - 1, (2,) * 8, (1,) * 8).size == 256


# ---- PyTorch files ------------------------------------------------------------------------------------------------


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
    assert look_inside(write(files.torch_zip(good, {"k": FOUR}).ljust(2000, b"\0")))[0] == TORCH or True
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


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_table_of_a_zip_on_both_sides():
    def zipped(count):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for k in range(count):
                archive.writestr(str(k), b"")
        return file.getvalue()

    assert ENTRIES == 20_000
    assert len(open_zip(zipped(ENTRIES)).namelist()) == ENTRIES
    with pytest.raises(Unreadable, match="a zip of more than 20,000 files"):
        open_zip(zipped(ENTRIES + 1))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with pytest.raises(Unreadable, match="names a file twice"):
        open_zip(file.getvalue())


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
    with pytest.raises(CourseError, match="a file of weights is needed. Nothing"):
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


# ---- HDF5 ---------------------------------------------------------------------------------------------------------


def spoiled(path, change):
    """A good file with its first kernel replaced by what `change` puts there."""
    files.keras2(path)
    with h5py.File(path, "a") as file:
        del file["conv/conv/kernel:0"]
        change(file, "conv/conv/kernel:0")
    return path


def external(file, name):
    file.create_dataset(name, (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file, name):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset(name, layout)


def unallocated(file, name):
    file.create_dataset(name, (1000, 1000, 1000), "f4")


def set_link(link):
    return lambda file, name: file.__setitem__(name, link)


HDF5_HARM = {
    "external storage": external,
    "virtual": virtual,
    "3.8 GB that are not there": unallocated,
    "small, but not there": lambda file, name: file.create_dataset(name, (4,), "f4"),
    "chunks that are not there": lambda file, name: file.create_dataset(name, (10**9,), "f4", chunks=(1000,)),
    "packed": lambda file, name: file.create_dataset(name, data=np.zeros(10**6, "f4"), compression="gzip"),
    "external link": set_link(h5py.ExternalLink("/etc/passwd", "/x")),
    "soft link": set_link(h5py.SoftLink("/dense/dense/kernel:0")),
    "soft link to itself": set_link(h5py.SoftLink("/conv/conv/kernel:0")),
    "texts": lambda file, name: file.create_dataset(name, data=np.array([b"abc"])),
    "texts of any length": lambda file, name: file.create_dataset(name, data=["abc"]),
    "complex": lambda file, name: file.create_dataset(name, data=np.zeros(3, complex)),
    "nothing": lambda file, name: file.create_dataset(name, data=h5py.Empty("f4")),
    "a group": lambda file, name: file.create_group(name),
    "absent": lambda file, name: None,
}


@pytest.mark.parametrize("name", HDF5_HARM)
def test_hdf5_that_takes_numbers_from_elsewhere_or_from_nowhere(name, tmp_path):
    path = spoiled(tmp_path / "w.h5", HDF5_HARM[name])
    tracemalloc.start()
    with pytest.raises(CourseError, match=r"is not as Keras 2 writes its weights|is damaged"):
        read_keras2(path)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_hdf5_that_is_good_is_read_here_and_apart(tmp_path):
    path = files.keras2(tmp_path / "w.h5")
    for found in (read_keras2(path), read_apart(path)):
        assert [name for name, _ in found.layers] == ["conv", "dense"] and found.final_relu and found.named
        np.testing.assert_array_equal(found.layers[0][1][0], files.ARRAYS["conv.weight"])
        np.testing.assert_array_equal(found.layers[1][1][1], [3, 4])
        assert found.epsilon == pytest.approx(1.001e-5)
    assert list(tmp_path.iterdir()) == [path]


def test_one_array_named_many_times(tmp_path, monkeypatch):
    path = files.keras2(tmp_path / "w.h5", {"k": np.zeros(1000, "f4")})
    with h5py.File(path, "a") as file:
        file["dense"].attrs["weight_names"] = np.array([b"k"] * 10)
    monkeypatch.setattr("util.readers.hdf5.NUMBERS", 40_096)
    assert len(read_keras2(path).layers[1][1]) == 10
    monkeypatch.setattr("util.readers.hdf5.NUMBERS", 40_095)
    with pytest.raises(CourseError, match="more than 40,095 bytes of numbers"):
        read_keras2(path)


def test_names_of_layers_on_both_sides(tmp_path, monkeypatch):
    path = files.keras2(tmp_path / "w.h5")  # 3 layers and 3 arrays
    monkeypatch.setattr("util.readers.hdf5.LAYERS", 6)
    assert len(read_keras2(path).layers) == 2
    monkeypatch.setattr("util.readers.hdf5.LAYERS", 5)
    with pytest.raises(CourseError, match="more than 5 layers and arrays"):
        read_keras2(path)


@pytest.mark.parametrize(
    "names", [np.zeros(3), np.array([[b"conv"]]), np.array([b"x" * 201]), b"conv", np.array([b"conv", b"../x"])]
)
def test_layer_names_that_are_none(tmp_path, names):
    path = files.keras2(tmp_path / "w.h5")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = names
    with pytest.raises(CourseError, match=r"is not as Keras 2 writes|is damaged"):
        read_keras2(path)


def test_names_of_any_length_are_read(tmp_path):
    path = files.keras2(tmp_path / "w.h5")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["conv", "relu", "dense"]
    assert [name for name, _ in read_keras2(path).layers] == ["conv", "dense"]


def child(monkeypatch, code):
    """Let `read_apart` start this code in place of the reader; it has the limits of the reader."""
    real = subprocess.run

    def run(command, **options):
        return real(
            [command[0], "-c", f"from util.readers import apart; apart._limit()\n{code}", *command[3:]], **options
        )

    monkeypatch.setattr(apart.subprocess, "run", run)


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.abort()",
        f"import os, signal; os.kill(os.getpid(), {int(signal.SIGSEGV)})",
        "while True: pass",
        "x = bytearray(1_200_000_000)",
        "import sys; sys.exit(1)",
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are set on Linux")
def test_a_reader_that_crashes_loops_or_swells_is_one_sentence(code, monkeypatch, tmp_path):
    child(monkeypatch, code)
    with pytest.raises(
        CourseError, match="took more than 4 seconds or 1 GB, or ended the process: the file is damaged"
    ):
        read_apart(files.keras2(tmp_path / "w.h5"))


def test_a_reader_that_waits_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr(apart, "PATIENCE", 1)
    child(monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(CourseError, match="took more than 1 seconds"):
        read_apart(files.keras2(tmp_path / "w.h5"))


def test_limits_leave_room_for_what_a_file_may_hold(monkeypatch, tmp_path):
    child(monkeypatch, "x = bytearray(500_000_000); import sys; print('sentence'); sys.exit(3)")
    with pytest.raises(CourseError, match="^sentence$"):
        read_apart(files.keras2(tmp_path / "w.h5"))


# ---- Checkpoints --------------------------------------------------------------------------------------------------


@pytest.fixture
def save(tmp_path):
    """Write both files of a checkpoint; returns its prefix."""

    def save(index, data=files.checkpoint()[1]):
        (tmp_path / "cp.index").write_bytes(index)
        (tmp_path / "cp.data-00000-of-00001").write_bytes(data)
        return tmp_path / "cp"

    return save


def test_a_checkpoint_is_read_as_tensorflow_reads_it(save):
    tf = pytest.importorskip("tensorflow")
    prefix = save(*files.checkpoint())
    assert look_inside(prefix) == (CHECKPOINT, prefix)
    theirs = tf.train.load_checkpoint(str(prefix))
    layers = read_checkpoint(prefix).layers
    np.testing.assert_array_equal(layers[0][1][0], theirs.get_tensor(files.layer_key(0, "kernel").decode()))
    np.testing.assert_array_equal(layers[1][1][1], theirs.get_tensor(files.layer_key(1, "bias").decode()))


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


def test_the_good_twin_of_these_entries(save):
    assert len(read_checkpoint(save(with_entry())).layers) == 1
    for kind in ("<f8", "<f2"):
        index, data = files.checkpoint({(0, "kernel"): np.arange(6).reshape(2, 3).astype(kind)})
        np.testing.assert_array_equal(read_checkpoint(save(index, data)).layers[0][1][0], [[0, 1, 2], [3, 4, 5]])


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
    with pytest.raises(CourseError, match="layer_with_weights-0/gamma.* is missing"):
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
