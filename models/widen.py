"""Begin a wide network where a narrow one ended: every channel becomes several that share its work.

Source: Chen et al., Net2Net: Accelerating Learning via Knowledge Transfer, ICLR 2016.
"""

import torch
from torch import Tensor

# Copies of a channel would stay equal for ever; so much of a weight's own spread sets them apart.
NOISE_SHARE = 0.1


def widen(narrow: dict[str, Tensor], wide: dict[str, Tensor], *, noise_share: float = NOISE_SHARE) -> dict[str, Tensor]:
    """Return weights of the wide network's shapes that compute what the narrow one does, but for noise.

    Args:
        narrow: the state of a trained network.
        wide: the state of a new network of the same layers, each dimension a multiple of the narrow one's.
        noise_share: standard deviation of the noise, as a share of the weight's own.
    """
    return {name: widen_weight(weight, wide[name].shape, noise_share) for name, weight in narrow.items()}


def widen_weight(weight: Tensor, shape: torch.Size, noise_share: float) -> Tensor:
    """Return one weight repeated to a shape: outputs as they are, inputs shared out among the copies."""
    if weight.shape == shape:
        return weight
    result = weight.repeat_interleave(shape[0] // weight.shape[0], dim=0)
    if weight.dim() == 4:  # (outputs, inputs, rows, columns) of a convolution
        copies = shape[1] // weight.shape[1]
        result = result.repeat_interleave(copies, dim=1) / copies
        result += noise_share * result.std() * torch.randn(result.shape)
    return result
