"""How tests/interop/reference was made, once, with PyTorch 2.13.0 and tf-keras 2.21.0: python -m tests.interop.make_reference"""

import inspect
import json
import sys
import tempfile
import types
from pathlib import Path

FOLDER = Path(__file__).parent / "reference"


def torch_files():
    """A tiny network in all four kinds of PyTorch file, views of shared storages, and their numbers in JSON."""
    import torch
    from torch import nn

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU())
            self.classifier = nn.Linear(2, 3)

    module = types.ModuleType("torchxrayvision.models")  # a class that the reader of the file does not have
    Tiny.__module__, Tiny.__qualname__, module.Tiny = module.__name__, "Tiny", Tiny
    sys.modules |= {"torchxrayvision": types.ModuleType("torchxrayvision"), module.__name__: module}
    torch.manual_seed(0)
    tiny = Tiny()
    tiny.features[1].running_var.copy_(torch.tensor([0.5, 2.0]))

    base = torch.arange(24, dtype=torch.float64).reshape(4, 6)
    views = {"column": base[:, 2], "turned": base.T, "half": torch.tensor([1.5, -2.0]).half()}
    views |= {"whole": torch.tensor([-3, 4]), "yes": torch.tensor([True, False]), "empty": torch.zeros(0, 3)}
    torch.save(views, FOLDER / "views_zip.pt")

    def nothing(*_):
        raise TypeError("the older format would copy the source of every class into the file")

    for zipped, kind in ((True, "zip"), (False, "stream")):
        if not zipped:
            inspect.getsourcelines = inspect.getsourcefile = nothing
        torch.save(tiny, FOLDER / f"module_{kind}.pt", _use_new_zipfile_serialization=zipped)
        torch.save(tiny.state_dict(), FOLDER / f"dictionary_{kind}.pt", _use_new_zipfile_serialization=zipped)
    numbers = {name: tensor.tolist() for name, tensor in tiny.state_dict().items()}
    (FOLDER / "torch.json").write_text(json.dumps(numbers))


def keras_names():
    """Names of layers and weights in an HDF5 file of Keras 2."""
    import h5py
    import tf_keras

    model = tf_keras.applications.DenseNet121(weights=None, classes=14)
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(f"{folder}/w.h5")
        with h5py.File(f"{folder}/w.h5") as file:
            names = {name: list(file[name].attrs["weight_names"]) for name in file.attrs["layer_names"]}
    (FOLDER / "keras2_layers.json").write_text(json.dumps(names))


if __name__ == "__main__":
    keras_names()
    torch_files()
