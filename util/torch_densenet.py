"""DenseNet-121 in PyTorch, for training on a CPU: the same network and the same weights as `util.model.build_densenet`.

In bfloat16, with channels last, a step takes a half to a third of the time it takes through Keras. Only training
uses this module, and it is the only one that needs PyTorch (`pip install torch`).
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from util.errors import CourseError
from util.findings import FINDINGS

GROWTH, BOTTLENECK, BLOCKS = 32, 128, (6, 12, 24, 16)  # Huang et al. 2017, table 1
EPSILON = 1.001e-5  # of batch norm, as in keras.applications


def _batch_norm(channels):
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=0.1)


class DenseLayer(nn.Module):
    """Batch norm, ReLU, 1 x 1 convolution, batch norm, ReLU, 3 x 3 convolution; the input is kept beside the result."""

    def __init__(self, channels):
        super().__init__()
        self.bn0, self.bn1 = _batch_norm(channels), _batch_norm(BOTTLENECK)
        self.conv1 = nn.Conv2d(channels, BOTTLENECK, 1, bias=False)
        self.conv2 = nn.Conv2d(BOTTLENECK, GROWTH, 3, padding=1, bias=False)

    def forward(self, maps):
        narrow = self.conv1(F.relu(self.bn0(maps), inplace=True))
        return torch.cat([maps, self.conv2(F.relu(self.bn1(narrow), inplace=True))], dim=1)


class Transition(nn.Module):
    """Batch norm, ReLU, 1 x 1 convolution to half the channels, 2 x 2 average."""

    def __init__(self, channels):
        super().__init__()
        self.bn, self.conv = _batch_norm(channels), nn.Conv2d(channels, channels // 2, 1, bias=False)

    def forward(self, maps):
        """The maps passed on, and those that the transition began with, normalised."""
        normalised = F.relu(self.bn(maps), inplace=True)
        return F.avg_pool2d(self.conv(normalised), 2), normalised


class DenseNet(nn.Module):
    """Films (n, 3, size, size) -> logits (n, 14), features (n, 1024) and maps of the last ReLU (n, 1024, h, w)."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), _batch_norm(64)
        self.names, layers, channels = [], [], 64
        for block, depth in enumerate(BLOCKS, start=2):
            for layer in range(1, depth + 1):
                self.names.append(f"conv{block}_block{layer}")
                layers.append(DenseLayer(channels))
                channels += GROWTH
            if block <= len(BLOCKS):
                self.names.append(f"pool{block}")
                layers.append(Transition(channels))
                channels //= 2
        self.layers, self.bn = nn.ModuleList(layers), _batch_norm(channels)
        self.logits = nn.Linear(channels, len(FINDINGS))

    def levels(self, films):
        """Maps at the end of each dense block, of 4, 8, 16 and 32 pixels of the film, after batch norm and ReLU."""
        maps, levels = F.max_pool2d(F.relu(self.bn1(self.conv1(films)), inplace=True), 3, stride=2, padding=1), []
        for layer in self.layers:
            if isinstance(layer, Transition):
                maps, normalised = layer(maps)
                levels.append(normalised)
            else:
                maps = layer(maps)
        return [*levels, F.relu(self.bn(maps), inplace=True)]

    def pooled(self, maps):
        """Logits and features of the last maps."""
        features = maps.float().mean(dim=(2, 3))
        return self.logits(features), features

    def forward(self, films):
        maps = self.levels(films)[-1]
        return *self.pooled(maps), maps

    def keras_modules(self):
        """Pairs of (name of the Keras layer, module), in no order of importance."""
        pairs = [("conv1_conv", self.conv1), ("conv1_bn", self.bn1), ("bn", self.bn), ("logits", self.logits)]
        for name, layer in zip(self.names, self.layers, strict=True):
            if isinstance(layer, Transition):
                pairs += [(f"{name}_bn", layer.bn), (f"{name}_conv", layer.conv)]
            else:
                pairs += [(f"{name}_0_bn", layer.bn0), (f"{name}_1_conv", layer.conv1)]
                pairs += [(f"{name}_1_bn", layer.bn1), (f"{name}_2_conv", layer.conv2)]
        return pairs


def _tensors(name, module):
    """Pairs of (Keras path, tensor, axes from Keras to PyTorch) of one module."""
    if isinstance(module, nn.Conv2d):
        return [(f"{name}/kernel", module.weight, (3, 2, 0, 1))]
    if isinstance(module, nn.Linear):
        return [(f"{name}/kernel", module.weight, (1, 0)), (f"{name}/bias", module.bias, (0,))]
    parts = {"gamma": module.weight, "beta": module.bias}
    parts |= {"moving_mean": module.running_mean, "moving_variance": module.running_var}
    return [(f"{name}/{part}", tensor, (0,)) for part, tensor in parts.items()]


def _all_tensors(model):
    return [entry for name, module in model.keras_modules() for entry in _tensors(name, module)]


@torch.no_grad()
def load_arrays(model, arrays):
    """Put arrays by Keras path, as `util.weights.save_weights` writes them, into the network.

    Raises CourseError when an array is missing.
    """
    for path, tensor, axes in _all_tensors(model):
        if path not in arrays:
            raise CourseError(f"These weights are of another network: they have no {path}. Give a file of util.train.")
        tensor.copy_(torch.from_numpy(np.asarray(arrays[path], np.float32).transpose(axes).copy()))
    return model


def to_arrays(model):
    """The network's weights by Keras path, float32."""
    return {
        path: np.ascontiguousarray(tensor.detach().float().cpu().numpy().transpose(np.argsort(axes)))
        for path, tensor, axes in _all_tensors(model)
    }
