"""Files of weights that are damaged or mean harm: every reader refuses them with a sentence, or reads them right.

    python -m tests.fuzz weights

Four formats and the passport, each from a small file that is right: bytes are turned, cut out, doubled, cut off; and
files are built that ask for more than they hold. A case is a number, so that it can be tried again.
"""

import json
import pickle
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np

from util.errors import CourseError
from util.findings import FINDINGS
from util.models.formats.crc32c import crc32c, masked

HOME = Path(__file__).resolve().parents[2]
LONGEST = 60  # seconds, after which a case ends its process
KINDS = ("zip", "stream", "hdf5", "safetensors", "checkpoint", "passport")
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
MAGIC = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(4, 3, 2, 1),
    "norm.weight": np.linspace(0, 1, 4, dtype=np.float32),
    "norm.count": np.array([7], np.int64),
}
PASSPORT = {
    "name": "w", "sha256": "0" * 64, "bytes": 1000, "origin": "a test", "films": "real", "training": "few films",
    "findings": list(FINDINGS), "preprocessing": {"size": 320, "mean": 120.0, "std": [60.0, 61.0, 62.0], "aspect": "crop"},
    "output": "logits", "licence": "MIT", "known_film": {"image": "00000001_000.jpg", "logits": [0.5] * 14},
    "training_films": ["00000001_000.png"], "training_hashes": "A" * 42 + "8=", "prevalence": dict.fromkeys(FINDINGS, 0.1),
    "calibration": {"slope": [1.0] * 14, "intercept": [0.0] * 14, "prevalence": "NIH's", "fitted_on": "films"},
}  # fmt: skip


# ---- Files that are right ---------------------------------------------------------------------------------------


def storage(key="0", count=4, kind="FloatStorage"):
    """The commands that put a storage on the stack."""
    return f"((S'storage'\nctorch\n{kind}\nS'{key}'\nS'cpu'\nI{count}\nNtQ".encode()[1:]


def tensor(key, offset, shape, steps, count, kind="FloatStorage"):
    """The commands that put a tensor on the stack."""
    shape, steps = ("(" + "".join(f"I{n}\n" for n in numbers) + "t" for numbers in (shape, steps))
    return REBUILD + b"(" + storage(key, count, kind) + f"I{offset}\n{shape}{steps}I00\nNtR".encode()


def dictionary(entries):
    """A pickle of a dictionary: name -> commands that put its value on the stack."""
    return b"\x80\x02}" + b"".join(f"S'{name}'\n".encode() + value + b"s" for name, value in entries.items()) + b"."


def torch_zip(pickled, stretches, packing=zipfile.ZIP_STORED, **more):
    """A PyTorch file of today: a pickle, and the bytes of each storage by key; `more` files beside them."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, data in stretches.items():
            archive.writestr(f"archive/data/{key}", data)
        for name, data in more.items():
            archive.writestr(f"archive/{name}", data)
    return file.getvalue()


def torch_stream(pickled, stretches, magic=MAGIC):
    """An older PyTorch file; the storages are float32 unless their bytes are given with their count."""
    parts = [pickle.dumps(part, 2) for part in magic] + [pickled, pickle.dumps(list(stretches), 2)]
    for data in stretches.values():
        count, data = data if isinstance(data, tuple) else (len(data) // 4, data)
        parts.append(struct.pack("<q", count) + data)
    return b"".join(parts)


def state_pickle():
    """A pickle of ARRAYS, and the bytes of their storages."""
    entries, stretches = {}, {}
    for key, (name, array) in enumerate(ARRAYS.items()):
        steps = [step // array.itemsize for step in array.strides]
        kind = "LongStorage" if array.dtype == np.int64 else "FloatStorage"
        entries[name] = tensor(str(key), 0, array.shape, steps, array.size, kind)
        stretches[str(key)] = (array.size, array.tobytes())
    return dictionary(entries), stretches


def varint(number):
    """A number as protocol buffers and LevelDB write it."""
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def proto(fields):
    """A protocol buffer of (field, int or bytes, or (bytes,) of four bytes)."""
    text = b""
    for field, value in fields:
        if isinstance(value, tuple):
            text += varint(field << 3 | 5) + value[0]
        elif isinstance(value, bytes):
            text += varint(field << 3 | 2) + varint(len(value)) + value
        else:
            text += varint(field << 3) + varint(value)
    return text


def block(entries, packing=b"\0"):
    """A block of a table with its check sum: keys and values, the first key whole, later ones shortened."""
    text, last = b"", b""
    for key, value in entries:
        shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        text += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    text += struct.pack("<II", 0, 1)
    return text + packing + struct.pack("<I", masked(crc32c(text + packing)))


def table(entries, packing=b"\0"):
    """A whole index: one block, the block of blocks, the footer."""
    data = block(sorted(entries), packing)
    first = varint(0) + varint(len(data) - 5)
    meta_at, meta = len(data), block([])
    index_at, index = meta_at + len(meta), block([(b"\xff", first)])
    footer = varint(meta_at) + varint(len(meta) - 5) + varint(index_at) + varint(len(index) - 5)
    return data + meta + index + footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def entry(array, at, **changed):
    """The entry of an array in an index; `changed` replaces fields by name."""
    shape = b"".join(proto([(2, proto([(1, n)]))]) for n in array.shape)
    kind = {"f4": 1, "f8": 2, "f2": 19}[array.dtype.str[1:]]
    check = struct.pack("<I", masked(crc32c(array.tobytes())))
    fields = {"kind": (1, kind), "shape": (2, shape), "part": (3, 0), "offset": (4, at), "size": (5, array.nbytes)}
    fields |= {"check": (6, (check,))} | changed
    return proto(field for field in fields.values() if field)


def layer_key(layer, name):
    return f"layer_with_weights-{layer}/{name}/.ATTRIBUTES/VARIABLE_VALUE".encode()


def checkpoint(arrays=None, header=((1, 1),), packing=b"\0"):
    """(index, data) of a checkpoint with one convolution and one dense layer."""
    arrays = arrays or {
        (0, "kernel"): ARRAYS["conv.weight"],
        (1, "kernel"): np.float32([[1, 2]]),
        (1, "bias"): np.float32([3, 4]),
    }
    data, entries = b"", [(b"", proto(header))]
    for place, array in arrays.items():
        entries.append((layer_key(*place), entry(array, len(data))))
        data += array.tobytes()
    return table(entries, packing), data


def keras2(path, arrays=None, names=None):
    """A small HDF5 file as Keras 2 writes it."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(names or [b"conv", b"relu", b"dense"])
        for name, those in {"conv": {"conv/kernel:0": ARRAYS["conv.weight"]}, "relu": {}, "dense": arrays or
                            {"dense/kernel:0": np.float32([[1, 2]]), "dense/bias:0": np.float32([3, 4])}}.items():  # fmt: skip
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([key.encode() for key in those] or [], "S")
            for key, array in those.items():
                group[key] = array
    return path


def right(kind, folder):
    """A file that is right, in a folder: (its path, the bytes, what is read of it)."""
    path = Path(folder) / "w"
    if kind in ("zip", "stream"):
        pickled, stretches = state_pickle()
        if kind == "zip":
            data = torch_zip(pickled, {key: stretch for key, (_, stretch) in stretches.items()})
        else:
            data = torch_stream(pickled, stretches)
    elif kind == "hdf5":
        data = keras2(path).read_bytes()
    elif kind == "safetensors":
        from safetensors.numpy import save

        data = save({name: np.ascontiguousarray(array) for name, array in ARRAYS.items()})
    elif kind == "checkpoint":
        index, data = checkpoint()
        Path(f"{path}.data-00000-of-00001").write_bytes(data)
        path = Path(f"{path}.index")
        data = index
    else:
        path, data = Path(f"{path}.json"), json.dumps(PASSPORT).encode()
    path.write_bytes(data)
    return path, data


def read(kind, path):
    """What the reader of that kind makes of a file: arrays by name, or a passport."""
    if kind in ("zip", "stream"):
        from util.models.formats.torch_pickle import read_torch

        return read_torch(path)
    if kind == "safetensors":
        from util.models.weights import read_arrays

        return read_arrays(path)
    if kind == "passport":
        return use_passport(path)
    if kind == "hdf5":
        from util.models.formats.hdf5 import read_keras2

        layers = read_keras2(path).layers
    else:
        from util.models.formats.checkpoint import read_checkpoint

        layers = read_checkpoint(str(path).removesuffix(".index")).layers
    return {f"{name} {k}": array for name, arrays in layers for k, array in enumerate(arrays)}


def use_passport(path):
    """A passport, after everything has been done with it that the course does with passports."""
    import pandas as pd

    from util.models.contamination import contamination
    from util.models.passport import load_passport
    from util.models.preprocessing import Preprocessing
    from util.models.score_folder import calibrated
    from util.models.weights import Pretrained

    passport = load_passport(path)
    rules = Preprocessing(**passport["preprocessing"])
    Pretrained(None, FINDINGS, rules, passport).describe()
    str(contamination(passport, ["00000001_000.png", "a.png"]))
    moved, _ = calibrated(passport, pd.DataFrame(np.zeros((1, 14)), columns=list(FINDINGS)))
    assert np.isfinite(rules(np.zeros((8, 8), np.uint8))).all() and np.isfinite(moved.to_numpy()).all()
    return passport


# ---- Files that are not -----------------------------------------------------------------------------------------


def mutated(data, rng):
    """The same bytes with a few changes: turned, overwritten, cut out, doubled, moved, or cut off."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if not data:
            break
        place, length = rng.randrange(len(data)), rng.choice((1, 1, 2, 4, 8, 64))
        match rng.randrange(6):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place : place + length] = rng.randbytes(length)
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length] * rng.choice((1, 2, 50))
            case 4:
                data[place : place + length] = rng.choice((b"\xff", b"\0", b"\x7f")) * length
            case 5:
                del data[place:]
    return bytes(data)


def mutated_json(value, rng, depth=0):
    """A passport with one entry, at some depth, missing, of another kind or another value."""
    odd = (
        None,
        True,
        0,
        -1,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x" * 5000,
        "../../x",
        [],
        {},
        [[]],
        "a\nb",
        "1",
    )
    if isinstance(value, dict) and value and (depth == 0 or rng.random() < 0.6):
        key, value = rng.choice(sorted(value)), dict(value)
        if rng.random() < 0.25:
            del value[key]
        else:
            value[key] = mutated_json(value[key], rng, depth + 1)
        return value
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [
            *value[:place],
            *([mutated_json(value[place], rng, depth + 1)] * rng.choice((0, 1, 2))),
            *value[place + 1 :],
        ]
    return rng.choice(odd)


def case(kind, seed, folder):
    """Try one case; returns 'refused', 'read right', 'traceback ...' or 'wrong ...'."""
    rng = random.Random(f"{kind} {seed}")
    path, data = right(kind, folder)
    whole = read(kind, path)
    if kind == "passport" and rng.random() < 0.8:
        changed = json.dumps(mutated_json(PASSPORT, rng)).encode()
    else:
        changed = mutated(data, rng)
    if kind == "checkpoint" and rng.random() < 0.4:  # the file of the numbers, not the index
        path = Path(str(path).removesuffix(".index") + ".data-00000-of-00001")
        changed = mutated(path.read_bytes(), rng)
    path.write_bytes(changed)
    try:
        found = read(kind, Path(folder) / "w.index" if kind == "checkpoint" else path)
    except CourseError as error:
        return (
            "refused" if "\n" not in str(error) and len(str(error)) < 900 else f"traceback: no sentence: {error!s:.200}"
        )
    except Exception as error:
        return f"traceback {type(error).__name__}: {error!s:.200}"
    if kind == "passport":
        return "read right"
    if kind in ("zip", "checkpoint"):  # a check sum stands over every number and every name
        same = found.keys() == whole.keys() and all(
            found[n].shape == whole[n].shape and found[n].tobytes() == whole[n].tobytes() for n in whole
        )
        return "read right" if same else "wrong numbers under a right check sum"
    return (
        "read right"
        if sum(a.nbytes for a in found.values()) <= len(changed) + 64
        else "wrong: more than the file holds"
    )


def run(count, kinds=KINDS, first=0):
    """Try so many cases of each kind, in a process of their own: one that ends it is an abort, and the rest goes on.

    Returns
    -------
    dict : tried, refused, read_right, tracebacks, wrong, aborts, slowest_s, memory_mb (the most that a process held),
        and `told`, up to 20 cases that failed
    """
    total = {"tried": 0, "refused": 0, "read_right": 0, "tracebacks": 0, "wrong": 0, "aborts": 0, "slowest_s": 0.0}
    total |= {"memory_mb": 0.0, "told": []}
    for kind in kinds:
        seed = first
        while seed < first + count:
            command = [sys.executable, "-m", "tests.fuzz.weights", kind, str(seed), str(first + count - seed)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=HOME)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
            for result, seconds, megabytes in lines:
                total["tried"] += 1
                total["slowest_s"] = max(total["slowest_s"], seconds)
                total["memory_mb"] = max(total["memory_mb"], megabytes)
                name = {"refused": "refused", "read right": "read_right"}.get(result)
                total[name or ("wrong" if result.startswith("wrong") else "tracebacks")] += 1
                total["told"] += [] if name else [f"{kind} {seed}: {result}"]
                seed += 1
            if done.returncode:
                total["tried"] += 1
                total["aborts"] += 1
                total["told"].append(f"{kind} {seed}: the process ended with {done.returncode} {done.stderr[-300:]}")
                seed += 1
    return total | {"told": total["told"][:20]}


def _worker(kind, first, count):
    """Try cases of one kind; a line of result, seconds and megabytes for each."""
    with tempfile.TemporaryDirectory() as folder:
        read(kind, right(kind, folder)[0])  # what has to be imported is not counted
    for seed in range(first, first + count):
        signal.alarm(LONGEST)
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            result = case(kind, seed, folder)
        seconds = round(time.perf_counter() - start, 2)
        print(json.dumps([result, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000]), flush=True)


if __name__ == "__main__":
    _worker(sys.argv[1], *map(int, sys.argv[2:]))
