"""The tensors of a PyTorch file, without PyTorch and without trusting the file.

A .pt file is a pickle, and a pickle is a program: reading it with `pickle.load` runs whatever its author chose. Here
the program may call nothing but a handful of harmless stand-ins made for this one file; every other name it asks for
becomes an inert stub. What is left are numbers and names. Both kinds of file are read: the zip of PyTorch 1.6 and later,
and the older stream; both kinds of content: a dictionary of tensors, or a whole module.

Formats: github.com/pytorch/pytorch, torch/serialization.py.
"""

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

from util.errors import CourseError

LARGEST = 64_000_000  # bytes, of the file and of what it unpacks to; DenseNet-121 in float32 takes 28 million
MOST = 700  # modules in one file; DenseNet-121 has about 430
KINDS = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
REFUSED = (
    pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
    MemoryError, RecursionError, ImportError, UnicodeError, zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError,
)  # fmt: skip


class Stub:
    """Stands for any class the file names: takes anything, does nothing, keeps the state it is given."""

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, state):
        if isinstance(state, dict):
            self.__dict__.update(state)


class Storage:
    """A stretch of numbers, named in the pickle, whose bytes lie elsewhere in the file."""

    def __init__(self, kind, key, count):
        if not (isinstance(kind, str) and kind in KINDS and isinstance(key, str) and isinstance(count, int)):
            raise pickle.UnpicklingError("a storage of an unknown kind")
        self.dtype, self.key, self.count = np.dtype(KINDS[kind]), key, count

    def numbers(self, data):
        """Array (count,) of the bytes that lie elsewhere in the file."""
        if len(data) != self.count * self.dtype.itemsize:
            raise pickle.UnpicklingError("a storage that is cut short")
        return np.frombuffer(data, self.dtype)


class Tensor:
    """A view of a storage: offset, shape and steps in elements."""

    def __init__(self, storage, offset, shape, steps, *_):
        if not isinstance(storage, Storage):
            raise pickle.UnpicklingError("a tensor without a storage")
        self.storage, self.offset, self.shape, self.steps = storage, offset, tuple(shape), tuple(steps)

    def array(self, stretches):
        """The numbers, once the bytes of all storages are known; never outside of them."""
        values = stretches[self.storage.key]
        numbers = (self.offset, *self.shape, *self.steps)
        if not all(type(n) is int and n >= 0 for n in numbers) or len(self.shape) != len(self.steps):
            raise pickle.UnpicklingError("a tensor with an impossible shape")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.steps, strict=True))
        count = np.prod(self.shape, dtype=object)
        if count and (last >= len(values) or count > len(values)):
            raise pickle.UnpicklingError("a tensor larger than its storage")
        steps = [step * values.itemsize for step in self.steps]
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, steps).copy()


class Reader(pickle.Unpickler):
    """Runs the pickle with stand-ins only. All that it can reach is made anew for each file, and thrown away with it."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self.storages, self.kinds = {}, {("torch", name): type(name, (), {}) for name in KINDS}
        self.allowed = self.kinds | {
            ("collections", "OrderedDict"): OrderedDict,
            ("builtins", "set"): set,
            ("__builtin__", "set"): set,
            ("torch._utils", "_rebuild_tensor"): lambda *arguments: Tensor(*arguments),
            ("torch._utils", "_rebuild_tensor_v2"): lambda *arguments: Tensor(*arguments),
            ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
        }

    def find_class(self, module, name):
        return self.allowed.get((module, name)) or type("Stub", (Stub,), {})

    def persistent_load(self, reference):
        if isinstance(reference, tuple) and reference[:1] == ("module",):
            return reference[1]  # a class and its source, which nobody runs
        if not (isinstance(reference, tuple) and len(reference) >= 5 and reference[0] == "storage"):
            raise pickle.UnpicklingError("an unknown reference")
        kind, key, count = reference[1], reference[2], reference[4]
        name = next((name for (_, name), known in self.kinds.items() if known is kind), None)
        return self.storages.setdefault(key, Storage(name, key, count))


def read_torch(path):
    """Names and tensors of a PyTorch file.

    Parameters
    ----------
    path : str or Path of a file written by torch.save, of at most 64 MB: a dictionary of tensors, such a dictionary
        within another, or a whole module

    Returns
    -------
    dict, name as in ``state_dict()`` -> array

    Raises
    ------
    CourseError : the file is larger, damaged, no PyTorch file or holds no tensor; nothing in it has been run.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise pickle.UnpicklingError(f"it is larger than {LARGEST // 10**6} MB")
        top, stretches = _read_zip(path) if zipfile.is_zipfile(path) else _read_stream(path.read_bytes())
        tensors = {}
        _walk(top, "", tensors, [MOST])
        arrays = {name: tensor.array(stretches) for name, tensor in tensors.items()}
    except REFUSED as error:
        raise CourseError(f"{path} cannot be read as a PyTorch file ({error}): get it again from its source.") from None
    if not arrays:
        raise CourseError(f"{path} holds no tensors: a file of weights is needed. Nothing in it has been run.")
    return arrays


def _load(data, start=0):
    """(object, storages named, where the pickle ends); what asks for more memory than it has bytes is refused unread."""
    file = io.BytesIO(data)
    file.seek(start)
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("PUT", "LONG_BINPUT") and int(argument) > len(data):
            raise pickle.UnpicklingError("a memo of impossible size")
        if opcode.name.startswith(("EXT", "NEXT_BUFFER")):
            raise pickle.UnpicklingError("an extension")
    reader = Reader(data[start : file.tell()])
    return reader.load(), reader.storages, file.tell()


def _read_zip(path):
    """(object, numbers of each storage) of a zip file: data.pkl beside data/KEY."""
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
            raise pickle.UnpicklingError(f"it unpacks to more than {LARGEST // 10**6} MB")
        pickled = next((name for name in archive.namelist() if name.endswith("data.pkl")), "data.pkl")
        root = pickled.removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise pickle.UnpicklingError("numbers in the byte order of another machine")
        top, storages, _ = _load(archive.read(pickled))
        return top, {key: storage.numbers(archive.read(f"{root}data/{key}")) for key, storage in storages.items()}


def _read_stream(data):
    """(object, numbers of each storage) of an older file: five pickles, then the storages in the order of the last."""
    end, parts = 0, []
    for _ in range(5):  # magic number, protocol, system, object, keys
        part, storages, end = _load(data, end)
        parts.append((part, storages))
    top, storages = parts[3]
    stretches = {}
    for key in parts[4][0]:
        storage, start = storages[key], end + 8
        if int.from_bytes(data[end:start], "little") != storage.count:
            raise pickle.UnpicklingError("a storage of another length than announced")
        end = start + storage.count * storage.dtype.itemsize
        stretches[key] = storage.numbers(data[start:end])
    return top, stretches


def _walk(thing, prefix, tensors, left):
    """Collect the tensors of a dictionary, or of a module's parameters, buffers and children, with their dotted names."""
    left[0] -= 1
    if left[0] < 0:
        raise pickle.UnpicklingError("too many or too deeply nested modules")
    if isinstance(thing, Stub):
        state = vars(thing)
        for part in ("_parameters", "_buffers"):
            for name, value in _items(state.get(part)):
                if isinstance(value, Tensor):
                    tensors[prefix + name] = value
        for name, child in _items(state.get("_modules")):
            _walk(child, f"{prefix}{name}.", tensors, left)
        return
    for name, value in _items(thing):
        if isinstance(value, Tensor):
            tensors[prefix + name] = value
        elif name in ("state_dict", "model", "model_state_dict", "net"):
            _walk(value, "", tensors, left)


def _items(thing):
    return [(name, value) for name, value in thing.items() if isinstance(name, str)] if isinstance(thing, dict) else []
