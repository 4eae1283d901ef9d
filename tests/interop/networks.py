"""The DenseNet-121 of torchvision and of torchxrayvision, built with random weights; nothing is downloaded."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import nn


def prepared():
    """Let torchvision be imported beside a PyTorch without CUDA: its compiled part, for boxes, then cannot be loaded."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None:
        pytest.skip("torchvision is not installed: make test-interop")
    compiled = Path(spec.origin).with_name("_C.so")
    if "torchvision" in sys.modules or not compiled.is_file():
        return
    try:
        torch.ops.load_library(compiled)
    except OSError:  # no DenseNet asks for the operators that torchvision expects to be there
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float overlap) -> Tensor")


def of_torchvision(outputs=14):
    """torchvision's own: films (n, 3, h, w) -> logits (n, outputs)."""
    prepared()
    models = pytest.importorskip("torchvision", reason="torchvision is not installed: make test-interop").models
    return models.densenet121(weights=None, num_classes=outputs)


def of_torchxrayvision():
    """torchxrayvision's own: films (n, 1, h, w) -> logits (n, 18)."""
    prepared()
    library = pytest.importorskip("torchxrayvision", reason="torchxrayvision is not installed: make test-interop")
    return library.models.DenseNet(num_classes=18, in_channels=1, weights=None)


def shuffled(model, seed, faint=1.0, spread=1.0):
    """The same model in a state such as training leaves: no two channels alike, statistics those of its own channels.

    faint : float, by which every other kernel of the first convolution is scaled: their variances are its square
    spread : float, SD of the films that its statistics are taken from
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.copy_(torch.randn(parameter.shape, generator=rng) * (2 / parameter[0].numel()) ** 0.5)
        model.features.conv0.weight[::2] *= faint
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
                module.weight.copy_(torch.rand(module.num_features, generator=rng) * 0.6 + 0.6)
                module.bias.copy_(torch.randn(module.num_features, generator=rng) * 0.1)
        model.train()(spread * torch.randn(8, model.features.conv0.in_channels, 64, 64, generator=rng))
    return model.eval()
