"""The tensors of a PyTorch file, without PyTorch and without trusting the file.

A .pt file is a pickle beside stretches of numbers. The pickle is read as data by `util.models.formats.pickles`, which runs
nothing; what is left are numbers and names. Both kinds of file are read: the zip of PyTorch 1.6 and later, and the
older stream; both kinds of content: a dictionary of tensors, or a whole module, alone or beside what a training keeps.

Formats: github.com/pytorch/pytorch, torch/serialization.py.
"""

import zipfile

import numpy as np

from util.errors import CourseError
from util.models.formats.kinds import open_zip
from util.models.formats.limits import LONGEST, NUMBERS, Budget, Unreadable, contents, reason, regular, shown
from util.models.formats.pickles import LENGTH, STEPS, Tensor, Thing, read_pickle

ENTRIES = 20_000  # of all dictionaries that are looked into; a module of DenseNet-121 takes 4,000
DEEPEST = 30  # modules within modules
LEVELS = 4  # of dictionaries and objects around a network
BFLOAT16 = "BFloat16Storage"  # the upper half of a float32
KINDS = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    BFLOAT16: "<u2",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


def read_torch(path):
    """Names and tensors of the network in a PyTorch file.

    Parameters
    ----------
    path : str or Path of a file written by torch.save, of at most 300 MB, its network of at most 64 MB: a dictionary of
        tensors or a whole module, alone or within a dictionary that also holds an optimiser's state, random states ...

    Returns
    -------
    dict, name as in ``state_dict()`` -> array; bfloat16 becomes float32

    Raises
    ------
    CourseError : the file is larger, damaged, no PyTorch file, holds no tensor or two networks; nothing in it is run.
    """
    path, _ = regular(path)
    data = contents(path)
    try:
        top, stretch = _open_zip(data) if data.startswith(b"PK") else _open_stream(data)
        tensors = _network(top)
        room = Budget(NUMBERS, "bytes of numbers in one network")
        for tensor in tensors.values():
            room.take(tensor.size * _dtype(tensor.storage).itemsize)
        arrays = {name: _array(tensor, stretch(tensor.storage)) for name, tensor in tensors.items()}
    except Unreadable as error:
        raise CourseError(
            f"{path} cannot be read as a PyTorch file ({reason(error)}): get it again from its source, or save the "
            "network's state_dict() alone."
        ) from None
    if not arrays:
        raise CourseError(
            f"{path} holds no tensors: a file of weights is needed{_keys(top)}. Nothing in it has been run."
        )
    return arrays


def _keys(top):
    """The names at the top of a file, for a message."""
    names = [shown(name, 40) for name in top if isinstance(top, dict)][:8] if isinstance(top, dict) else []
    return f", and its entries are {', '.join(names)}" if names else ""


def _dtype(storage):
    if storage.kind not in KINDS:
        raise Unreadable(f"numbers of an unknown kind, {shown(storage.kind, 40)}")
    return np.dtype(KINDS[storage.kind])


def _array(tensor, values):
    """The numbers of a tensor, given those of its storage; never outside of them."""
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.steps, strict=True))
    if tensor.size and (last >= len(values) or tensor.size > len(values)):
        raise Unreadable("a tensor larger than its storage")
    steps = [step * values.itemsize for step in tensor.steps]
    array = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, steps).copy()
    if tensor.storage.kind == BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array


# ---- Both kinds of file -----------------------------------------------------------------------------------------


def _open_zip(data):
    """(object, function storage -> its numbers) of a zip file: data.pkl beside data/KEY."""
    archive, room, known = open_zip(data), Budget(NUMBERS, "bytes of numbers"), {}
    names = archive.namelist()
    pickled = [name for name in names if name.rsplit("/", 1)[-1] == "data.pkl"]
    if len(pickled) != 1:
        raise Unreadable(f"a zip with {len(pickled)} files data.pkl")
    root = pickled[0].removesuffix("data.pkl")
    if f"{root}byteorder" in names and _entry(archive, f"{root}byteorder", 20) != b"little":
        raise Unreadable("numbers in the byte order of another machine")
    top, _, _ = read_pickle(_entry(archive, pickled[0], LENGTH))

    def stretch(storage):
        if storage.key not in known:
            size = storage.count * _dtype(storage).itemsize
            room.take(size)
            known[storage.key] = np.frombuffer(
                _entry(archive, f"{root}data/{storage.key}", size, size), _dtype(storage)
            )
        return known[storage.key]

    return top, stretch


def _entry(archive, name, most, least=0):
    """The bytes of one file in a zip; how many it unpacks to is known before it is unpacked."""
    try:
        entry = archive.getinfo(name)
        if not least <= entry.file_size <= most:
            raise Unreadable(f"{shown(name, 40)} of {entry.file_size:,} bytes, where {most:,} are the most or the rule")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable("a zip packed in a way that PyTorch does not know")
        return archive.read(entry)
    except KeyError:
        raise Unreadable(f"{shown(name, 40)} is missing") from None
    except Unreadable:
        raise
    except (zipfile.BadZipFile, zipfile.zlib.error, ValueError, RuntimeError, OSError, EOFError) as error:
        raise Unreadable(f"a damaged zip: {error}") from None


def _open_stream(data):
    """(object, function storage -> its numbers) of an older file: five pickles, then the storages in the last's order."""
    budget, end, parts = Budget(STEPS, "commands"), 0, []
    for _ in range(5):  # magic number, protocol, system, object, keys
        part, storages, end = read_pickle(data, end, budget)
        parts.append((part, storages))
    (system, _), (top, storages), (keys, _) = parts[2:]
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise Unreadable("numbers in the byte order of another machine")
    if not isinstance(keys, list) or len(set(map(id, keys))) > len(storages):
        raise Unreadable("a list of storages that is none")
    places = {}
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        if storage is None or key in places:
            raise Unreadable("a storage that is not named, or twice")
        if int.from_bytes(data[end : end + 8], "little") != storage.count:
            raise Unreadable("a storage of another length than announced")
        places[key] = end + 8
        end += 8 + storage.count * _dtype(storage).itemsize

    def stretch(storage):
        size = storage.count * _dtype(storage).itemsize
        start = places.get(storage.key, len(data))
        if start + size > len(data):
            raise Unreadable("a storage that is cut short")
        return np.frombuffer(data, _dtype(storage), storage.count, start)

    return top, stretch


# ---- Which tensors are the network's -----------------------------------------------------------------------------


def _network(top):
    """The tensors of the one network in a file, by dotted name; what a training keeps beside it is left where it is.

    A network is a module, or a dictionary of tensors, at the top of the file or in it. The one with the most tensors is
    meant (the others are random states or losses). Where another has more than half as many, either may be meant.
    """
    budget, found, waiting = Budget(ENTRIES, "entries"), [], [("", top, LEVELS)]
    while waiting:
        where, thing, levels = waiting.pop(0)
        if isinstance(thing, Thing) and "_modules" in thing.state:
            found.append((where, _of_module(thing, budget)))
            continue
        entries = _entries(thing.state | thing.items if isinstance(thing, Thing) else thing, budget)
        found.append((where, {name: value for name, value in entries if isinstance(value, Tensor)}))
        if levels:
            inner = [(f"{where}.{name}".lstrip("."), value, levels - 1) for name, value in entries]
            waiting += [entry for entry in inner if isinstance(entry[1], (dict, Thing))]
    found.sort(key=lambda entry: -len(entry[1]))
    best, *others = found
    for where, tensors in others:
        if 2 * len(tensors) > len(best[1]) and tensors != best[1]:
            raise Unreadable(f"it holds several networks, {shown(best[0])} and {shown(where)}")
    return best[1]


def _of_module(module, budget):
    """Parameters and buffers of a module and of its children, with their dotted names."""
    tensors, waiting = {}, [("", module, DEEPEST)]
    while waiting:
        prefix, thing, depth = waiting.pop()
        if not depth:
            raise Unreadable("too many or too deeply nested modules")
        for part in ("_parameters", "_buffers"):
            for name, value in _entries(thing.state.get(part), budget):
                if isinstance(value, Tensor):
                    tensors[prefix + name] = value
        children = [(prefix + name + ".", child) for name, child in _entries(thing.state.get("_modules"), budget)]
        waiting += [(name, child, depth - 1) for name, child in reversed(children) if isinstance(child, Thing)]
    return tensors


def _entries(thing, budget):
    """The entries of a dictionary, counted; nothing of anything else."""
    entries = list(thing.items()) if isinstance(thing, dict) else []
    budget.take(1 + len(entries))
    if any(len(name) > LONGEST for name, _ in entries):
        raise Unreadable(f"a name of more than {LONGEST} letters")
    return entries
