"""Train the network.

    python -m models.train --data ../shared/data/msd_liver --out runs/a --minutes 90
    python -m models.train --data ../shared/data/msd_liver --out runs/a --minutes 90     # again: resumes
    python -m models.train --data ../shared/data/msd_liver --out runs/b --start runs/a --width 32  # wider
    python -m models.train --data ../shared/data/msd_liver --out runs/c --start models/liver_tumor.onnx
    python -m models.export --run runs/a --data ../shared/data/msd_liver

The learning rate follows the share of `--minutes` already trained, so that every run ends annealed, however slow the
machine. Ctrl-C or SIGTERM ends a run with a checkpoint. `log.jsonl` in the run's folder holds the curves.
"""

import argparse
import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

from models.checkpoint import Progress, load, save
from models.dataset import Slices, augment, graft, load_slices, plain, sampling_weights, targets
from models.metrics import rank_auc
from models.phantom import draw_phantom_slice
from models.recipes import RECIPES, Recipe
from models.start import begun_from, starting_weights
from models.widen import widen

SEED = 20_260_101
WARM_UP_SHARE = 0.02
# The running average forgets slowly at the end, fast at the beginning, when the network is of no use yet.
EMA_DECAY = 0.999
EMA_WARM_UP = 10
GRADIENT_LIMIT = 5.0
# So many phantoms among the slices that the demonstration's scans behave; none counts in any metric.
PHANTOM_SHARE = 0.05
# So many slices get another person's tumor into their liver.
GRAFT_SHARE = 0.2
VALIDATE_EVERY_S = 420
# Of the validation slices, one in so many is looked at during training; export looks at all.
VALIDATION_STRIDE = 8


def learning_rate(recipe: Recipe, highest: float, share: float) -> float:
    """Return the learning rate at a share 0..1 of the training time: a short rise, then a cosine to zero."""
    if not recipe.annealed:
        return highest
    if share < WARM_UP_SHARE:
        return highest * (share + 0.001) / WARM_UP_SHARE
    return highest * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def running_average(average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """Return a weight's running average after `count` steps; counters are taken as they are."""
    if not average.is_floating_point():
        return current
    decay = min(EMA_DECAY, (1 + int(count)) / (EMA_WARM_UP + int(count)))
    return average + (current - average) * (1 - decay)


def make_batch(
    slices: Slices, weights: np.ndarray, size: int, random: np.random.Generator, *, augmented: bool
) -> tuple[Tensor, Tensor]:
    """Draw and, if asked, augment a batch: (B, 1, S, S) float32 in 0..1 and (B, 2, S, S) float32 of 0 and 1."""
    side = slices.images.shape[1]
    with_tumor = np.flatnonzero([info.tumor_px > 0 for info in slices.infos])
    images, truths = [], []
    for index in random.choice(len(slices.infos), size, p=weights):
        image, mask = slices.images[index], slices.masks[index]
        if random.random() < PHANTOM_SHARE:
            image, mask = draw_phantom_slice(int(random.integers(2**31)), side)
        grey, mask = augment(image, mask, random) if augmented else plain(image, mask)
        if augmented and random.random() < GRAFT_SHARE:
            donor = random.choice(with_tumor)
            grey, mask = graft(grey, mask, *augment(slices.images[donor], slices.masks[donor], random))
        images.append(grey[None])
        truths.append(targets(mask))
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(truths))


def batches(slices: Slices, size: int, seed: int, *, augmented: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches for ever, the next one being made while the last is used."""
    random = np.random.default_rng(seed)
    weights = sampling_weights(slices.infos)
    draw = partial(make_batch, slices, weights, size, random, augmented=augmented)
    with ThreadPoolExecutor(1) as pool:
        following: Future[tuple[Tensor, Tensor]] = pool.submit(draw)
        while True:
            batch = following.result()
            following = pool.submit(draw)
            yield batch


@torch.inference_mode()
def validate(network: torch.nn.Module, slices: Slices, device: str) -> dict[str, float]:
    """Return global Dice of each channel at threshold 0.5, and how well slices with tumor are told apart (AUC)."""
    network.eval()
    overlaps, totals, scores = [], [], []
    for start in range(0, len(slices.infos), 16):
        images = torch.from_numpy(slices.images[start : start + 16, None].astype(np.float32) / 255).to(device)
        found = torch.sigmoid(network(images)).cpu().numpy()  # (B, channels, S, S)
        truth = np.stack([targets(mask) for mask in slices.masks[start : start + 16]])[:, -found.shape[1] :]
        overlaps.append(((found > 0.5) * truth).sum((0, 2, 3)))
        totals.append((found > 0.5).sum((0, 2, 3)) + truth.sum((0, 2, 3)))
        scores += found[:, -1].reshape(len(found), -1).max(1).tolist()
    has_tumor = np.array([info.tumor_px > 0 for info in slices.infos])
    dice = 2 * np.sum(overlaps, 0) / np.maximum(np.sum(totals, 0), 1)
    named = zip(("liver_dice", "tumor_dice")[-len(dice) :], map(float, dice), strict=True)
    return dict(named) | {"slice_auc": rank_auc(np.array(scores), has_tumor)}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train, val, test and slices.csv")
    parser.add_argument("--out", type=Path, default=Path("models/runs/default"), help="folder of the run")
    parser.add_argument("--minutes", type=float, default=90, help="training time in all, over every resumption")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--recipe", choices=RECIPES, default="residual", help="network with its loss")
    parser.add_argument("--width", type=int, default=16, help="channels of the first level")
    parser.add_argument("--side", type=int, default=224, help="input side in pixels")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0: all cores")
    parser.add_argument("--start", type=Path, help="where to begin: run or float ONNX file, as wide or narrower")
    parser.add_argument("--rate", type=float, help="highest learning rate; the recipe's own by default")
    return parser.parse_args()


def has_bfloat16(device: str) -> bool:
    """Tell whether the device multiplies bfloat16 itself: twice as fast then, and slower where it must be emulated."""
    return device == "cuda" or torch.cpu._is_avx512_bf16_supported()


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Set the event on Ctrl-C or SIGTERM while the block runs, so that the step in hand is finished and kept."""
    stopped = threading.Event()
    before = {n: signal.signal(n, lambda *_: stopped.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def take_step(
    recipe: Recipe,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    device: str,
    rate: float,
) -> float:
    """Train on one batch at a learning rate; return the loss."""
    network.train()
    for group in optimizer.param_groups:
        group["lr"] = rate
    images, truth = batch
    with torch.autocast(device, dtype=torch.bfloat16, enabled=has_bfloat16(device)):
        logits = network(images.to(device, memory_format=torch.channels_last))
    loss = recipe.loss(logits.float(), truth.to(device))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)
    optimizer.step()
    return float(loss.item())


def record(
    out: Path, row: dict[str, Any], *, parts: dict[str, Any], progress: Progress, config: dict[str, Any]
) -> None:
    """Write a line of the log and the checkpoint; keep the running average that found tumors best."""
    progress.history.append(row)
    with open(out / "log.jsonl", "a") as log:
        log.write(json.dumps(row) + "\n")
    if row["tumor_dice"] > progress.best_score:
        progress.best_score = row["tumor_dice"]
        save(out / "best.pt", parts={"average": parts["average"]}, progress=progress, config=config)
    save(out / "last.pt", parts=parts, progress=progress, config=config)


def main() -> None:
    """Train until the time is used up."""
    args = parse_arguments()
    config: dict[str, Any] = {k: getattr(args, k) for k in ("recipe", "width", "side", "batch", "minutes")}
    recipe = RECIPES[args.recipe]
    highest_rate = args.rate or recipe.learning_rate
    config |= {"seed": SEED, "phantom_share": PHANTOM_SHARE, "rate": highest_rate, "begun_from": begun_from(args.start)}
    args.out.mkdir(parents=True, exist_ok=True)
    if args.threads:
        torch.set_num_threads(args.threads)

    # 1. The data.
    train = load_slices(args.data, "train", args.side)
    val = load_slices(args.data, "val", args.side, every=VALIDATION_STRIDE)

    # 2. The network, its running average, and where it stopped last time.
    torch.manual_seed(SEED)
    network = recipe.build(args.width).to(args.device, memory_format=torch.channels_last)
    if args.start:
        network.load_state_dict(widen(starting_weights(args.start, recipe, train), network.state_dict()))
    average = AveragedModel(network, avg_fn=running_average, use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=highest_rate, weight_decay=recipe.weight_decay)
    parts = {"network": network, "average": average, "optimizer": optimizer}
    last = args.out / "last.pt"
    progress = load(last, parts=parts, config=config) if last.exists() else Progress()

    # 3. Steps until the time is over, with a look at the validation slices now and then.
    budget_s, tick, checked_s = args.minutes * 60, time.monotonic(), progress.elapsed_s
    bar = tqdm(total=round(args.minutes, 1), initial=round(progress.elapsed_s / 60, 1), unit="min", smoothing=0)
    supply = batches(train, args.batch, SEED + progress.steps, augmented=recipe.augmented)
    with stop_signals() as stopped:
        while progress.elapsed_s < budget_s and not stopped.is_set():
            rate = learning_rate(recipe, highest_rate, progress.elapsed_s / budget_s)
            loss = take_step(recipe, network, optimizer, next(supply), args.device, rate)
            average.update_parameters(network)
            progress.steps += 1
            now = time.monotonic()
            progress.elapsed_s, tick = progress.elapsed_s + now - tick, now
            bar.update(progress.elapsed_s / 60 - bar.n)
            bar.set_postfix(loss=f"{loss:.3f}", slices=progress.steps * args.batch, refresh=False)
            if progress.elapsed_s >= budget_s or progress.elapsed_s - checked_s >= VALIDATE_EVERY_S:
                checked_s = progress.elapsed_s
                row = {"minutes": round(progress.elapsed_s / 60, 1), "steps": progress.steps, "loss": loss}
                row |= validate(average, val, args.device)
                record(args.out, row, parts=parts, progress=progress, config=config)
                bar.write(json.dumps({k: round(v, 4) for k, v in row.items()}))
    save(last, parts=parts, progress=progress, config=config)


if __name__ == "__main__":
    main()
