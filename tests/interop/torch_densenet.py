"""DenseNet-121 in PyTorch with the names that torchvision and torchxrayvision give to its parts (Huang et al. 2017)."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn.functional import relu


class DenseLayer(nn.Sequential):
    def __init__(self, channels, growth=32):
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(4 * growth), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, super().forward(x)], 1)


class DenseNet(nn.Module):
    """Films (n, channels, h, w) -> logits (n, outputs)."""

    def __init__(self, channels=3, outputs=14, final_relu=True):
        super().__init__()
        stem = ("conv0", nn.Conv2d(channels, 64, 7, 2, 3, bias=False)), ("norm0", nn.BatchNorm2d(64))
        self.features = nn.Sequential(OrderedDict([*stem, ("relu0", nn.ReLU()), ("pool0", nn.MaxPool2d(3, 2, 1))]))
        width, self.final_relu = 64, final_relu
        for block, layers in enumerate((6, 12, 24, 16), start=1):
            parts = [(f"denselayer{k + 1}", DenseLayer(width + 32 * k)) for k in range(layers)]
            self.features.add_module(f"denseblock{block}", nn.Sequential(OrderedDict(parts)))
            width += 32 * layers
            if block < 4:
                parts = [("norm", nn.BatchNorm2d(width)), ("relu", nn.ReLU())]
                parts += [("conv", nn.Conv2d(width, width // 2, 1, bias=False)), ("pool", nn.AvgPool2d(2, 2))]
                self.features.add_module(f"transition{block}", nn.Sequential(OrderedDict(parts)))
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, outputs)

    def forward(self, x):
        x = self.features(x)
        return self.classifier((relu(x) if self.final_relu else x).mean((2, 3)))


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
