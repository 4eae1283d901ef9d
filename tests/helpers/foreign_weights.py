"""Weights in the formats of other people's networks: written here, and read back into one network."""

import io
import json
import pickle
import struct
import sys
import types
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from util.models.formats.into_densenet import torch_names
from util.models.preprocessing import Preprocessing

REFERENCE = Path(__file__).parents[1] / "interop" / "reference"  # made by PyTorch and tf-keras, see make_reference.py


KERAS2_NAMES = json.loads((REFERENCE / "keras2_layers.json").read_text())


RULES = Preprocessing(32, 120.0, 60.0)


@pytest.fixture(scope="module")
def model():
    """A DenseNet-121 whose weights the tests change as they like."""
    from util.models.densenet import build_densenet

    return build_densenet(32)


def shapes():
    """Shapes of the weights of a DenseNet-121 with 14 outputs, layer by layer, in Keras' order (Huang 2017, table 1)."""
    channels, found = 64, [[(7, 7, 3, 64)], 4 * [(64,)]]
    for layers in (6, 12, 24, 16):
        for _ in range(layers):
            found += [4 * [(channels,)], [(1, 1, channels, 128)], 4 * [(128,)], [(3, 3, 128, 32)]]
            channels += 32
        if layers != 16:
            found += [4 * [(channels,)], [(1, 1, channels, channels // 2)]]
            channels //= 2
    return [*found, 4 * [(channels,)], [(channels, 14), (14,)]]


@pytest.fixture(scope="module")
def layers():
    """Random weights of a DenseNet-121 with 14 outputs: a list of tuples of arrays in Keras' order and shapes."""
    rng = np.random.default_rng(0)
    return [tuple(rng.uniform(0.01, 1, shape).astype(np.float32) for shape in those) for those in shapes()]


class Weight:
    """A variable of Keras, as far as weights are put into it."""

    def __init__(self, shape):
        self.shape, self.array = shape, np.full(shape, np.nan, np.float32)

    def assign(self, array):
        self.array = np.array(array, np.float32)

    def numpy(self):
        return self.array


@pytest.fixture
def shell():
    """The names and the weights of a DenseNet-121 without TensorFlow, which takes ten seconds to build one."""
    names = [name.replace("/", "_") for name, weights in KERAS2_NAMES.items() if weights]
    found = [SimpleNamespace(name=n, weights=[*map(Weight, s)]) for n, s in zip(names, shapes(), strict=True)]
    return SimpleNamespace(layers=[SimpleNamespace(name="input", weights=[]), *found])


def held(model):
    """The weights of a model, layer by layer."""
    return [tuple(weight.numpy() for weight in layer.weights) for layer in model.layers if layer.weights]


@pytest.fixture
def load(model, monkeypatch):
    """`load_pretrained` into one and the same model, emptied before."""
    from util.models.weights import load_pretrained

    def load(*arguments, **options):
        for weight in model.weights:
            weight.assign(np.full(weight.shape, np.nan, np.float32))
        monkeypatch.setattr("util.models.densenet.build_densenet", lambda size, final_relu=True: model)
        return load_pretrained(*arguments, **options)

    return load


@pytest.fixture
def write_torch(tmp_path, monkeypatch):
    """Write a dictionary of arrays as an older PyTorch file; returns its path. The modules it names are gone when it is read."""

    def write(arrays, name="w.pt"):
        torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
        torch._utils = utils
        for kind in ("FloatStorage", "LongStorage"):
            setattr(torch, kind, type(kind, (), {"__module__": "torch"}))
        exec("def _rebuild_tensor_v2(): pass", utils.__dict__)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "torch", torch)
            patch.setitem(sys.modules, "torch._utils", utils)
            file, content = io.BytesIO(), io.BytesIO()
            pickler = Pickler(content, torch)
            pickler.dump(OrderedDict((key, AsTensor(array, torch)) for key, array in arrays.items()))
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(part, file, 2)
        file.write(content.getvalue())
        pickle.dump(list(pickler.stretches), file, 2)
        for stretch in pickler.stretches.values():
            file.write(struct.pack("<q", stretch.size) + stretch.tobytes())
        (tmp_path / name).write_bytes(file.getvalue())
        return tmp_path / name

    return write


def state_dict(layers, channels=3):
    """The same weights under torchvision's names and in PyTorch's order of axes."""
    state = {}
    for name, arrays in zip(torch_names(), layers, strict=True):
        parts = ("weight", "bias", "running_mean", "running_var")[: len(arrays)]
        for part, array in zip(parts, arrays, strict=True):
            turned = array.transpose({4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, (0,)))
            state[f"{name}.{part}"] = np.ascontiguousarray(turned)
        if len(arrays) == 4:
            state[f"{name}.num_batches_tracked"] = np.array([7])
    first = state["features.conv0.weight"]
    state["features.conv0.weight"] = np.ascontiguousarray(first[:, :channels])
    return state


def write_keras2(path, layers, names=KERAS2_NAMES, whole=False):
    """An HDF5 file with the names and the structure that tf-keras gives to it."""
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        if whole:
            file.attrs["model_config"] = "{}"
            file.create_group("optimizer_weights")
        group.attrs["layer_names"] = np.array([name.encode() for name in names])
        left = iter(layers)
        for name, weights in names.items():
            layer = group.create_group(name)
            layer.attrs["weight_names"] = np.array([weight.encode() for weight in weights] or [], "S")
            for weight, array in zip(weights, next(left) if weights else (), strict=True):
                layer[weight] = array
    return path


class Pickler(pickle.Pickler):
    """Writes tensors as PyTorch does, without PyTorch."""

    def __init__(self, file, torch):
        super().__init__(file, 2)
        self.torch, self.stretches = torch, {}

    def persistent_id(self, thing):
        if isinstance(thing, np.ndarray) and thing.ndim == 1 and not hasattr(thing, "wrapped"):
            key = str(id(thing))
            self.stretches[key] = thing
            kind = self.torch.LongStorage if thing.dtype == np.int64 else self.torch.FloatStorage
            return "storage", kind, key, "cpu", thing.size, None


class AsTensor:
    """Pickled as PyTorch pickles a tensor."""

    def __init__(self, array, torch):
        self.array, self.torch = np.ascontiguousarray(array), torch

    def __reduce__(self):
        steps = tuple(step // self.array.itemsize for step in self.array.strides)
        arguments = self.array.reshape(-1), 0, self.array.shape, steps, False, OrderedDict()
        return self.torch._utils._rebuild_tensor_v2, arguments
