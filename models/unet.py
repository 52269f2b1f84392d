"""The ancestor's network, exact, and its shape with what it lacked: both for comparison.

Source: Ronneberger et al., U-Net, MICCAI 2015; dilation 2 and the layer list follow the ancestor's listing.
"""

import torch
from torch import Tensor, nn

# Levels 1 to 9 in the ancestor's count: 1-4 down, 5 the bottom, 6-9 up. In these the second convolution has dilation 1.
SECOND_UNDILATED = {5, 6, 7, 9}


class Level(nn.Sequential):
    """Two 3x3 convolutions with dilation 2 (the second with 1 where the ancestor had it so)."""

    def __init__(self, inputs: int, outputs: int, number: int, *, norm: bool, dropout: float) -> None:
        layers: list[nn.Module] = []
        for index, channels in enumerate((inputs, outputs)):
            dilation = 1 if index == 1 and number in SECOND_UNDILATED else 2
            layers.append(nn.Conv2d(channels, outputs, 3, padding=dilation, dilation=dilation, bias=not norm))
            if norm:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.ReLU(inplace=True))
            if index == 0 and dropout:
                layers.append(nn.Dropout(dropout))
        super().__init__(*layers)


class DilatedUNet(nn.Module):
    """A U-Net of five resolutions; (B, 1, S, S) float32 in, (B, channels, S, S) logits out; S a multiple of 16."""

    def __init__(self, *, width: int = 32, channels: int = 2, norm: bool = True) -> None:
        super().__init__()
        sizes = [width * 2**i for i in range(5)]
        dropouts = [0.1, 0.1, 0.0, 0.0, 0.0]
        self.down = nn.ModuleList(
            Level(inputs, outputs, number, norm=norm, dropout=dropouts[number - 1])
            for number, (inputs, outputs) in enumerate(zip([1, *sizes[:-1]], sizes, strict=True), 1)
        )
        self.pool = nn.MaxPool2d(2)
        self.rise = nn.ModuleList(
            nn.ConvTranspose2d(high, low, 2, stride=2) for high, low in zip(sizes[:0:-1], sizes[-2::-1], strict=True)
        )
        self.up = nn.ModuleList(
            Level(2 * size, size, number, norm=norm, dropout=0.0) for number, size in enumerate(sizes[-2::-1], 6)
        )
        self.head = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, (B, channels, S, S)."""
        skips = []
        for level in self.down[:-1]:
            x = level(x)  # (B, width * 2^i, S / 2^i, S / 2^i)
            skips.append(x)
            x = self.pool(x)
        x = self.down[-1](x)  # (B, 16 width, S / 16, S / 16)
        for rise, level in zip(self.rise, self.up, strict=True):
            x = level(torch.cat([rise(x), skips.pop()], dim=1))
        return self.head(x)


def ancestor_network() -> DilatedUNet:
    """Build the ancestor's exact network: one channel, no normalisation, 7,759,521 parameters, input 128x128."""
    network = DilatedUNet(width=32, channels=1, norm=False)
    network.apply(begin_as_keras_does)
    return network


def begin_as_keras_does(layer: nn.Module) -> None:
    """Give a layer the first weights it had in the ancestor's framework.

    Source: Glorot and Bengio, AISTATS 2010.
    """
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.xavier_uniform_(layer.weight)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
