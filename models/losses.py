"""What training minimises: cross-entropy and Dice, liver and tumor side by side, and a slice's verdict."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

# Tumor pixels are one in two hundred; unweighted, the early network learns that there are none.
TUMOR_POSITIVE_WEIGHT = 3.0
TUMOR_DICE_WEIGHT = 1.5
SMOOTHING_PX = 50.0
# Alone with Dice, a network is paid for marking nothing where the smoothing is not far below a tumor's size. The
# ancestor's own is not known; so little cannot be what keeps it from learning.
ANCESTOR_SMOOTHING_PX = 1e-3
LIVER_CHANNEL, TUMOR_CHANNEL = 0, 1
# A slice is called by its brightest tumor pixels; so many of them are trained to agree with whether it has tumor.
VERDICT_PX = 16
VERDICT_WEIGHT = 0.2
# Tversky's shares of what is missed and what is invented; equal shares make it Dice. These are Salehi's (2017), who
# weighs misses more because lesions are few among many pixels.
MISSED_SHARE = 0.7


def soft_dice(probabilities: Tensor, truth: Tensor, smoothing_px: float = SMOOTHING_PX) -> Tensor:
    """Return the Dice of each channel over the whole batch, (channels,).

    Over the batch rather than per slice: a slice without tumor has no Dice, and a tumor of ten pixels a very rough one.
    """
    overlap = (probabilities * truth).sum((0, 2, 3))
    total = probabilities.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    return (2 * overlap + smoothing_px) / (total + smoothing_px)


def soft_tversky(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Return the Tversky index of each channel over the whole batch, (channels,): Dice that weighs misses more."""
    overlap = (probabilities * truth).sum((0, 2, 3))
    missed = ((1 - probabilities) * truth).sum((0, 2, 3))
    invented = (probabilities * (1 - truth)).sum((0, 2, 3))
    total = overlap + MISSED_SHARE * missed + (1 - MISSED_SHARE) * invented
    return (2 * overlap + SMOOTHING_PX) / (2 * total + SMOOTHING_PX)


def verdict_loss(tumor_logits: Tensor, truth: Tensor) -> Tensor:
    """Return the cross-entropy of calling slices by their brightest pixels; both (B, S, S)."""
    brightest = tumor_logits.flatten(1).topk(VERDICT_PX).values.mean(1)
    return binary_cross_entropy_with_logits(brightest, truth.amax((1, 2)))


def liver_tumor_loss(
    logits: Tensor, truth: Tensor, agreement: Callable[[Tensor, Tensor], Tensor] = soft_dice
) -> Tensor:
    """Return the loss of (B, 2, S, S) logits against (B, 2, S, S) truth of 0 and 1, channels liver and tumor."""
    weight = torch.tensor([1.0, TUMOR_POSITIVE_WEIGHT], device=logits.device).view(1, 2, 1, 1)
    entropy = binary_cross_entropy_with_logits(logits, truth, pos_weight=weight)
    liver, tumor = 1 - agreement(torch.sigmoid(logits), truth)
    return entropy + liver + TUMOR_DICE_WEIGHT * tumor + VERDICT_WEIGHT * verdict_loss(logits[:, 1], truth[:, 1])


def dice_loss(logits: Tensor, truth: Tensor, *, channel: int) -> Tensor:
    """Return the ancestor's loss, Dice alone, of (B, 1, S, S) logits against a channel of (B, 2, S, S) truth."""
    return 1 - soft_dice(torch.sigmoid(logits), truth[:, channel, None], ANCESTOR_SMOOTHING_PX).mean()
