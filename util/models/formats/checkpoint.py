"""Weights in a TensorFlow checkpoint (PREFIX.index and PREFIX.data-00000-of-00001), as Keras 2 saves them.

TensorFlow's own reader ends the process, and with it the kernel, when it meets a damaged table, so it is not used: the
format is small. The index is a sorted table of LevelDB in blocks, each with its check sum; a value is a protocol buffer
that says where a tensor's numbers lie, and what their check sum is. Every check sum is compared before anything is used.

Formats: github.com/google/leveldb, doc/table_format.md; github.com/tensorflow/tensorflow,
core/protobuf/tensor_bundle.proto; protobuf.dev/programming-guides/encoding.
"""

from pathlib import Path

import numpy as np

from util.errors import CourseError
from util.models.formats.crc32c import crc32c, masked
from util.models.formats.hdf5 import EPSILON
from util.models.formats.kinds import TABLE_END, Foreign
from util.models.formats.limits import NUMBERS, Budget, Unreadable, contents, reason, shown, single

KINDS = (("gamma", "beta", "moving_mean", "moving_variance"), ("kernel", "bias"), ("kernel",))
TYPES = {1: "<f4", 2: "<f8", 19: "<f2"}  # numbers of tensorflow.DType
INDEX = 4_000_000  # bytes; a DenseNet-121 with its optimiser's state takes 200,000
ENTRIES = 20_000  # of the index; DenseNet-121 has 606, with the state 1,900
AXES = 8
HEADER = b""  # the key of the header, which comes first


def read_checkpoint(prefix, final_relu=True):
    """Layers of a checkpoint that have weights, in Keras' order.

    Parameters
    ----------
    prefix : str or Path, such as checkpoint/cp.ckpt
    final_relu : bool, which the file does not tell

    Returns
    -------
    util.models.formats.kinds.Foreign

    Raises
    ------
    CourseError : files are missing or damaged, or it is no checkpoint of a Keras model.
    """
    prefix = Path(prefix).expanduser()
    try:
        known = _table(contents(f"{prefix}.index", INDEX))
        shards = _fields(known.pop(HEADER, b""))
        if shards.get(2, [0])[-1] != 0:
            raise Unreadable("numbers in the byte order of another machine")
        parts, room, layers = _Parts(prefix, shards.get(1, [1])[-1]), Budget(NUMBERS, "bytes of numbers"), []
        while kind := next((kind for kind in KINDS if _key(len(layers), kind[-1]) in known), None):
            arrays = tuple(parts.numbers(known, _key(len(layers), name), room) for name in kind)
            layers.append((f"layer {len(layers)}", arrays))
    except Unreadable as error:
        raise CourseError(
            f"The checkpoint {prefix} cannot be read ({reason(error)}): get both of its files again."
        ) from None
    if not layers:
        raise CourseError(f"The checkpoint {prefix} holds no layers of a Keras model: it cannot be used here.")
    return Foreign(layers, final_relu, EPSILON)


def _key(layer, name):
    return f"layer_with_weights-{layer}/{name}/.ATTRIBUTES/VARIABLE_VALUE".encode()


class _Parts:
    """The files that hold a checkpoint's numbers, each read once."""

    def __init__(self, prefix, count):
        self.prefix, self.count, self.known = prefix, count, {}

    def numbers(self, known, key, room):
        """Array of one entry, float32, once its length and its check sum are found right."""
        if key not in known:
            raise Unreadable(f"{shown(key.decode())} is missing")
        kind, shape, part, offset, size, check = _entry(known[key])
        room.take(size)
        numbers = self._part(part)[offset : offset + size]
        if len(numbers) < size:
            raise Unreadable(f"the file of the numbers ends before those of {shown(key.decode())}")
        if masked(crc32c(numbers)) != check:
            raise Unreadable(f"the check sum of {shown(key.decode())} is wrong")
        return single(np.frombuffer(numbers, kind).reshape(shape))

    def _part(self, part):
        if part not in self.known:
            path = f"{self.prefix}.data-{part:05d}-of-{self.count:05d}"
            if not part < self.count <= 100:
                raise Unreadable("a number in a file that is none of its own")
            if not Path(path).exists():
                raise Unreadable(f"{Path(path).name} is missing")
            self.known = {part: memoryview(contents(path))}
        return self.known[part]


def _entry(value):
    """(dtype, shape, part, offset, bytes, check sum) of a tensor, from its entry in the index."""
    entry = _fields(value)
    shape, kind = [], TYPES.get(entry.get(1, [0])[-1])
    for axis in _fields(entry.get(2, [b""])[-1]).get(2, []):
        shape.append(_fields(axis).get(1, [0])[-1])
    numbers = [entry.get(field, [0])[-1] for field in (3, 4, 5, 6)]
    if kind is None or 7 in entry:
        raise Unreadable("numbers of a kind that Keras does not save")
    if len(shape) > AXES or not all(isinstance(n, int) and n < 2**40 for n in (*shape, *numbers)):
        raise Unreadable("an array of an impossible shape")
    size = np.dtype(kind).itemsize
    for n in shape:
        size *= n
    if size != numbers[2]:
        raise Unreadable("an array of another length than its shape")
    return (kind, shape, *numbers)


def _fields(message):
    """The fields of a protocol buffer by number: lists of int, or of bytes."""
    if not isinstance(message, bytes):
        raise Unreadable("a damaged entry")
    found, place = {}, 0
    while place < len(message):
        tag, place = _varint(message, place)
        wire = tag & 7
        if wire == 0:
            value, place = _varint(message, place)
        else:
            size, place = _varint(message, place) if wire == 2 else ({1: 8, 5: 4}.get(wire, len(message)), place)
            value, place = message[place : place + size], place + size
            if place > len(message):
                raise Unreadable("a damaged entry")
            value = value if wire == 2 else int.from_bytes(value, "little")
        found.setdefault(tag >> 3, []).append(value)
    return found


def _varint(data, place):
    """(number, place after it): seven bits a byte, the lowest first, the eighth says that more follow."""
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise Unreadable("a number that is cut short")
        byte, place = data[place], place + 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
    raise Unreadable("a number that is too long")


# ---- The table --------------------------------------------------------------------------------------------------


def _table(data):
    """All keys and values of a table: its footer names the block of blocks."""
    footer, known, budget = data[-48:], {}, Budget(ENTRIES, "entries")
    if len(footer) < 48 or footer[-8:] != TABLE_END:
        raise Unreadable("the index is cut short")
    _, place = _varint(footer, _varint(footer, 0)[1])  # of the block that describes the others
    for _, handle in _block(data, footer[place:], budget):
        known |= _block(data, handle, budget)
    return known


def _block(data, handle, budget):
    """Keys and values of one block: each key repeats so many bytes of the key before it, and adds some."""
    start, place = _varint(handle, 0)
    size, _ = _varint(handle, place)
    block, tail = data[start : start + size], data[start + size : start + size + 5]
    if len(tail) < 5 or masked(crc32c(block + tail[:1])) != int.from_bytes(tail[1:], "little"):
        raise Unreadable("the check sum of the index is wrong")
    if tail[:1] != b"\0":
        raise Unreadable("a packed index, which TensorFlow does not write")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")  # the places where keys are whole, and their count
    found, key, place = [], b"", 0
    while place < end:
        budget.take()
        shared, place = _varint(block, place)
        more, place = _varint(block, place)
        length, place = _varint(block, place)
        if shared > len(key) or place + more + length > end or shared + more > 1000:
            raise Unreadable("a damaged index")
        key = key[:shared] + block[place : place + more]
        found.append((key, block[place + more : place + more + length]))
        place += more + length
    if place != end:
        raise Unreadable("a damaged index")
    return found
