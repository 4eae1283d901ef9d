"""DenseNet-121 in PyTorch, for training: the same network and the same weights as `util.models.densenet.build_densenet`.

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
    """Put arrays by Keras path, as `util.models.weights.save_weights` writes them, into the network.

    Raises CourseError when an array is missing.
    """
    for path, tensor, axes in _all_tensors(model):
        if path not in arrays:
            raise CourseError(
                f"These weights are of another network: they have no {path}. Give a file of util.training.simulated."
            )
        tensor.copy_(torch.from_numpy(np.asarray(arrays[path], np.float32).transpose(axes).copy()))
    return model


def to_arrays(model):
    """The network's weights by Keras path, float32."""
    return {
        path: np.ascontiguousarray(tensor.detach().float().cpu().numpy().transpose(np.argsort(axes)))
        for path, tensor, axes in _all_tensors(model)
    }


MEAN, STD = 120.37, 71.58  # gray levels of the phantom's training films, on which these weights began


def device():
    """'cuda' where PyTorch finds a GPU, else 'cpu'."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name():
    """What a passport says of the device: the GPU's name or 'processor', and PyTorch's version."""
    name = torch.cuda.get_device_name() if device() == "cuda" else "processor"
    return f"{name}, PyTorch {torch.__version__}"


class Tuned(nn.Module):
    """DenseNet-121 with one further head for view, sex and age, which is thrown away at the end."""

    def __init__(self, start):
        super().__init__()
        self.net, self.further = DenseNet(), nn.Linear(1024, 3)
        if start is not None:
            load_arrays(self.net, start)
            return
        for module in self.net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, films):
        logits, features, maps = self.net(films)
        return logits, self.further(features), maps


def to_input(pixels):
    """uint8 (n, h, w), array or tensor -> standardised float32 (n, 3, h, w), channels last in memory."""
    films = (torch.as_tensor(pixels).float() - MEAN) / STD
    return films[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def read_out(arrays, pixels, batch=64):
    """Logits (n, 14) and features (n, 1024) of films uint8 (n, size, size), float32, without TensorFlow."""
    parts = [(logits.numpy(), features.numpy()) for logits, features, _ in _read(arrays, pixels, batch)]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def read_maps(arrays, pixels):
    """Maps of evidence (n, 14, h, w) in units of the logit: Grad-CAM at the last ReLU (notebook 9), not rectified."""
    head = arrays["logits/kernel"]
    return np.concatenate([np.einsum("nkhw,kc->nchw", maps.numpy(), head) for *_, maps in _read(arrays, pixels, 64)])


@torch.no_grad()
def _read(arrays, pixels, batch):
    """What the network says of films, batch by batch: logits, features and maps of the last ReLU."""
    on = device()
    net = load_arrays(DenseNet(), arrays).to(on, memory_format=torch.channels_last).eval()
    for start in range(0, len(pixels), batch):
        with torch.autocast(on, torch.bfloat16):
            answers = net(to_input(torch.from_numpy(pixels[start : start + batch]).to(on)))
        yield [answer.float().cpu() for answer in answers]
