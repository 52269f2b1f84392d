"""What can be trained: a network with the loss and the learning rate that belong to it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor, nn

from models.losses import LIVER_CHANNEL, TUMOR_CHANNEL, dice_loss, liver_tumor_loss, soft_tversky
from models.residual_unet import ResidualUNet
from models.unet import DilatedUNet, ancestor_network


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained.

    Attributes:
        title: the network in words, for the contract and the card.
        build: makes the network for a width.
        loss: of (B, channels, S, S) logits and (B, 2, S, S) truth.
        learning_rate: the highest.
        weight_decay: decoupled, as AdamW has it; nought makes it Adam.
        annealed: whether the learning rate rises and falls, or stays.
        augmented: whether slices are turned, scaled and re-greyed.
    """

    title: str
    build: Callable[[int], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    learning_rate: float
    weight_decay: float
    annealed: bool
    augmented: bool


RESIDUAL = Recipe(
    "residual U-Net, BatchNorm, stride-2 stem, sub-pixel head",
    lambda width: ResidualUNet(width=width),
    liver_tumor_loss,
    learning_rate=2e-3,
    weight_decay=5e-2,
    annealed=True,
    augmented=True,
)
# The ancestor's exact network, loss, optimizer and lack of augmentation; its width is its own.
ANCESTOR = Recipe(
    "the ancestor's dilated U-Net, one channel",
    lambda _: ancestor_network(),
    partial(dice_loss, channel=TUMOR_CHANNEL),
    learning_rate=1e-4,
    weight_decay=0.0,
    annealed=False,
    augmented=False,
)
RECIPES = {
    "residual": RESIDUAL,
    "tversky": replace(
        RESIDUAL,
        title="residual U-Net with Tversky loss, BatchNorm, stride-2 stem, sub-pixel head",
        loss=partial(liver_tumor_loss, agreement=soft_tversky),
    ),
    "dilated": Recipe(
        "dilated U-Net, BatchNorm",
        lambda width: DilatedUNet(width=width),
        liver_tumor_loss,
        learning_rate=2e-3,
        weight_decay=1e-4,
        annealed=True,
        augmented=True,
    ),
    "ancestor": ANCESTOR,
    # With the liver for its tumor, as the ancestor's own data had it: where its network learns to see anything at all.
    "ancestor-liver": replace(
        ANCESTOR,
        title="the ancestor's dilated U-Net with the liver for its tumor, one channel",
        loss=partial(dice_loss, channel=LIVER_CHANNEL),
    ),
}
