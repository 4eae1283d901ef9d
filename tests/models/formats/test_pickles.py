"""Pickles, read as data: what comes out is what Python's own reader gives, and nothing is ever reached."""

import builtins
import contextlib
import functools
import importlib
import operator
import os
import pickle
import struct
import subprocess
from collections import OrderedDict

import numpy as np
import pytest

from tests.fuzz import weights as files
from util.errors import CourseError
from util.models.formats import pickles, torch_pickle
from util.models.formats.limits import Unreadable
from util.models.formats.pickles import MEANING, Name, Storage, Tensor, Thing, read_pickle
from util.models.formats.torch_pickle import read_torch

FOUR = np.arange(4, dtype="<f4").tobytes()


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
    "util.models.formats.pickles": "read_pickle",
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


def test_a_tensor_with_attributes_is_a_tensor_only_where_its_maker_makes_tensors():
    def typed(maker):
        arguments = b"(" + files.storage("k", 4) + b"I0\n(I4\nt(I1\ntt"
        return read_pickle(b"ctorch._tensor\n_rebuild_from_type_v2\n(" + maker + b"N" + arguments + b"}tR.")[0]

    assert typed(files.REBUILD) == Tensor(Storage("FloatStorage", "k", 4), 0, (4,), (1,))
    for maker in (b"N", b"cos\nsystem\n", b"ctorch._utils\n_rebuild_parameter\n"):
        assert type(typed(maker)) is Thing


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x02}K\x01a.",  # a number appended to a dictionary
        b"\x80\x04K\x01\x8c\x01a\x93.",  # a module that is a number
        b"\x80\x04\x8c\x01aK\x01\x93.",  # a name that is a number
        b"(S'storage'\nctorch\nFloatStorage\nS'k'\nS'cpu'\nI-4\ntQ.",  # a storage of less than nothing
        b"(S'storage'\nctorch\nFloatStorage\nS'k'\nS'cpu'\nI4\nI4\ntQ.",  # a view of a storage, which nobody writes any more
        b"\x80\x02]}S'a'\nI1\nsb.",  # a list that is given a state
    ],
)
def test_commands_that_make_no_sense_are_refused(code):
    with pytest.raises(Unreadable):
        read_pickle(code)


def test_things_take_what_they_are_given():
    both, _, _ = read_pickle(b"cfoo\nbar\n)\x81(}S'a'\nI1\ns}S'b'\nI2\nstb.")
    assert both.state == {"a": 1, "b": 2}  # an object's dictionary and its slots
    listed, _, _ = read_pickle(b"cfoo\nbar\n)\x81I1\na.")
    assert isinstance(listed, Thing) and listed.state == {}


@pytest.mark.parametrize(
    "code", [b"cfoo\nbar\n)\x81", b"cfoo\nbar\n)}\x92", b"(cfoo\nbar\nNo", b"(Nifoo\nbar\n", b"(NN\x91"]
)
def test_an_object_takes_its_own_arguments_and_nothing_below_them(code):
    (below, made), _, _ = read_pickle(b"\x80\x04K\x07" + code + b"\x86.")
    assert below == 7 and type(made) is Thing


def test_a_class_with_its_source_is_its_name():
    """What torch.save before 1.6 wrote for a module: its class, the file and the text of its source."""
    reference = b"(S'module'\ncfoo\nbar\nS'foo.py'\nS'import os'\ntQ"
    assert read_pickle(b"\x80\x02K\x07" + reference + b"\x86.")[0] == (7, Name("foo", "bar"))


def test_a_dictionary_made_at_once():
    """The opcode DICT, which no pickler of today writes: all that lies above the mark, in pairs."""
    pairs = b"X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00bK\x02"
    assert (
        read_pickle(b"\x80\x02(" + pairs + b"d.")[0] == {"a": 1, "b": 2} == pickle.loads(b"\x80\x02(" + pairs + b"d.")
    )


@pytest.mark.parametrize("reference", [b"K\x07", b"X\x07\x00\x00\x00storage", b"(K\x01K\x02t"])
def test_a_reference_to_nothing_known_is_refused(reference):
    with pytest.raises(Unreadable, match="an unknown reference"):
        read_pickle(b"\x80\x02" + reference + b"Q.")


def test_the_length_of_a_storage_is_eight_bytes(tmp_path):
    """The first number after it may begin with any byte."""
    numbers = np.full(4, 1.2345678, "<f4")
    assert numbers.tobytes()[0] != 0
    pickled = files.dictionary({"x": files.tensor("0", 0, (4,), (1,), 4, "FloatStorage")})
    path = tmp_path / "w.pt"
    path.write_bytes(files.torch_stream(pickled, {"0": numbers.tobytes()}))
    np.testing.assert_array_equal(read_torch(path)["x"], numbers)
