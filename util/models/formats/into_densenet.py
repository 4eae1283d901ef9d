"""Foreign weights into a DenseNet-121 of ours: every name and shape is compared before the first number is put in."""

import re

import numpy as np

from util.errors import CourseError
from util.models.formats.hdf5 import EPSILON
from util.models.formats.kinds import CHECKPOINT, HDF5, Foreign
from util.models.formats.limits import shown, single

TORCH_EPSILON = 1e-5
FIRST = "features.conv0.weight"
BLOCKS = (6, 12, 24, 16)
NORM = ("weight", "bias", "running_mean", "running_var")


def read_foreign(kind, path, final_relu=True):
    """Weights of one file, or of one checkpoint, as a `Foreign`; `final_relu` where the file does not tell."""
    if kind == HDF5:
        from util.models.formats.apart import read_apart

        return read_apart(path)
    if kind == CHECKPOINT:
        from util.models.formats.checkpoint import read_checkpoint

        return read_checkpoint(path, final_relu)
    from util.models.formats.torch_pickle import read_torch

    return from_torch(read_torch(path), path, final_relu)


def torch_names():
    """Names of DenseNet-121's layers in torchvision, in the order of Keras' layers."""
    names = ["features.conv0", "features.norm0"]
    for block, layers in enumerate(BLOCKS, start=1):
        for layer in range(1, layers + 1):
            within = f"features.denseblock{block}.denselayer{layer}"
            names += [f"{within}.{part}" for part in ("norm1", "conv1", "norm2", "conv2")]
        if block < len(BLOCKS):
            names += [f"features.transition{block}.{part}" for part in ("norm", "conv")]
    return [*names, "features.norm5", "classifier"]


def from_torch(arrays, path, final_relu=True):
    """A state dictionary of torchvision's DenseNet-121 as a `Foreign`; nothing may lack, nothing may be left over."""
    arrays, count = _plain(arrays), len(arrays)
    if len(arrays) < count:
        raise CourseError(f"{path} holds more than a DenseNet-121: two of its names mean the same layer.")
    layers, wanted = [], set()
    for name in torch_names():
        parts = NORM if "norm" in name.split(".")[-1] else ("weight", "bias") if name == "classifier" else ("weight",)
        keys = [f"{name}.{part}" for part in parts]
        wanted |= set(keys) | ({f"{name}.num_batches_tracked"} if parts == NORM else set())
        absent = [key for key in keys if key not in arrays]
        if absent:
            raise CourseError(f"{path} holds no DenseNet-121 of torchvision: {absent[0]} is missing.")
        layers.append((name, tuple(_turned(single(arrays[key])) for key in keys)))
    surplus = sorted(set(arrays) - wanted - {"op_threshs"})  # thresholds that torchxrayvision keeps beside its weights
    if surplus:
        raise CourseError(f"{path} holds more than a DenseNet-121: {shown(surplus[0])} has no place in it.")
    return Foreign(layers, final_relu, TORCH_EPSILON)


def _plain(arrays):
    """The arrays under torchvision's names of today.

    Whatever a wrapper (DataParallel, a script's own module) has put before the name of the first convolution is taken
    off all names. The last layer may have any name: it is the one with a matrix.
    """
    arrays = {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", name): a for name, a in arrays.items()}
    before = [name.removesuffix(FIRST) for name in arrays if name.endswith(FIRST)]
    matrices = [name for name, array in arrays.items() if np.ndim(array) == 2 and name.endswith(".weight")]
    last = matrices[0].removesuffix("weight") if len(matrices) == 1 else "classifier."
    found = {}
    for name, array in arrays.items():
        plain = f"classifier.{name.removeprefix(last)}" if name.startswith(last) else name
        found[plain.removeprefix(before[0] if len(before) == 1 else "")] = array
    return found


def _turned(array):
    """Kernels (out, in, h, w) -> (h, w, in, out), matrices (out, in) -> (in, out)."""
    return array.transpose({4: (2, 3, 1, 0), 2: (1, 0)}.get(array.ndim, range(array.ndim)))


def put(foreign, model, labels, wanted, path):
    """Put foreign weights into a model, the outputs in the course's order.

    Parameters
    ----------
    foreign : Foreign
    model : keras.Model of util.models.densenet.build_densenet
    labels : names of the file's outputs, in their order
    wanted : names of the model's outputs
    path : for messages

    Raises
    ------
    CourseError : another number of layers, another name or shape, a number that is none; the model is left as it was.
    """
    ours = [layer for layer in model.layers if layer.weights]
    if len(foreign.layers) != len(ours):
        raise CourseError(f"{path} has {len(foreign.layers)} layers with weights, DenseNet-121 has {len(ours)}.")
    values = []
    for layer, (name, arrays) in zip(ours, foreign.layers, strict=True):
        if foreign.named and layer is not ours[-1] and name.replace("/", "_") != layer.name:
            raise CourseError(
                f"{path} has the layer {shown(name)} where DenseNet-121 has {layer.name}: another architecture."
            )
        if layer is ours[-1]:
            arrays = _columns(arrays, labels, wanted, path)
        arrays = _adapted(arrays, foreign.epsilon, layer.weights[0].shape, f"{path}: {shown(name)}")
        shapes = [[tuple(array.shape) for array in those] for those in (arrays, layer.weights)]
        if shapes[0] != shapes[1]:
            raise CourseError(f"{path}: {shown(name)} has the shapes {shapes[0]}, DenseNet-121 has {shapes[1]} there.")
        values += zip(layer.weights, arrays, strict=True)
    for variable, array in values:
        variable.assign(array)


def _columns(arrays, labels, wanted, path):
    """Kernel and bias of the last layer with the wanted outputs only, in the wanted order."""
    outputs = arrays[-1].size if [array.ndim for array in arrays] == [2, 1] else 0
    if outputs != len(labels):
        raise CourseError(f"{path} has {outputs} outputs, and {len(labels)} labels are known of it: name them all.")
    if arrays[0].shape[1] != outputs:
        raise CourseError(
            f"{path} has a last layer of {arrays[0].shape[1]} columns and {outputs} biases: get it again."
        )
    columns = [list(labels).index(finding) for finding in wanted]
    return tuple(array[..., columns] for array in arrays)


def _adapted(arrays, epsilon, shape, what):
    """Arrays of one layer as our layer wants them: same epsilon, three channels in. Refuses what is no usable number.

    A film is gray: a kernel for one channel gives the same answer as a third of it on each of three equal channels.
    """
    if not all(np.isfinite(array).all() for array in arrays) or (len(arrays) == 4 and not (arrays[3] >= 0).all()):
        raise CourseError(f"{what}: its values are not usable numbers: get the file again.")
    if len(arrays) == 4:
        return (*arrays[:3], arrays[3] + np.float32(epsilon - EPSILON))
    if arrays[0].ndim == 4 and arrays[0].shape[2] == 1 and tuple(shape[2:3]) == (3,):
        return (np.repeat(arrays[0] / 3, 3, axis=2),)
    return arrays
