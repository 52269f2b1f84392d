"""The network that is shipped: a residual U-Net that halves the slice at its first step.

Sources: Ronneberger et al., U-Net, MICCAI 2015; He et al., Deep Residual Learning, CVPR 2016; Shi et al., Real-Time
Single Image and Video Super-Resolution (sub-pixel convolution), CVPR 2016.

The first convolution has stride 2 and the last one gives four pixels a position, so that the full resolution goes in
and comes out while all work is done on a quarter of the positions. No dilation, no transposed convolution: what is
left is fast in bfloat16 on a processor and quantises whole.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

LEVELS = 5
WIDEST = 512
# Of the deepest features, so many are left out at random in training: a hundred persons are soon known by heart.
DROPPED_SHARE = 0.3


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H, W) of (B, inputs, H, W)."""
        return self.activation(self.body(x) + self.shortcut(x))


class ResidualUNet(nn.Module):
    """(B, 1, S, S) float32 in, (B, channels, S, S) logits out; S a multiple of 32."""

    def __init__(self, *, width: int = 16, channels: int = 2) -> None:
        super().__init__()
        sizes = [min(width * 2**level, WIDEST) for level in range(LEVELS)]
        self.stem = nn.Conv2d(1, width, 4, stride=2, padding=1)
        self.down = nn.ModuleList(Block(*pair) for pair in zip([width, *sizes[:-1]], sizes, strict=True))
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout2d(DROPPED_SHARE)
        pairs = list(zip(sizes[:0:-1], sizes[-2::-1], strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(high, low, 1) for high, low in pairs)
        self.up = nn.ModuleList(Block(2 * low, low) for _, low in pairs)
        self.head = nn.Conv2d(width, 4 * channels, 1)
        self.to_pixels = nn.PixelShuffle(2)

    def forward(self, slices: Tensor) -> Tensor:
        """Return logits, (B, channels, S, S)."""
        x = self.stem(slices)  # (B, width, S / 2, S / 2)
        skips = []
        for block in self.down[:-1]:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.drop(self.down[-1](x))  # (B, 16 width, S / 32, S / 32)
        for narrow, block in zip(self.narrow, self.up, strict=True):
            x = block(torch.cat([interpolate(narrow(x), scale_factor=2.0), skips.pop()], dim=1))
        logits: Tensor = self.to_pixels(self.head(x))
        return logits
