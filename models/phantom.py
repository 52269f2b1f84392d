"""Phantoms: drawn abdominal CT slices with lesions of known place and size, for demonstration, tests and docs.

Deterministic by seed. A phantom is no patient, and no metric on real data counts one.

    python -m models.phantom --out folder --count 24
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SIDE_PX = 512
LIVER, TUMOR = 128, 255
# Approximate Hounsfield units in the portal venous phase: Bushberg et al., The Essential Physics of Medical Imaging.
HU = {
    "air": -1000, "fat": -100, "muscle": 55, "liver": 105, "spleen": 115, "kidney": 160, "aorta": 155, "vein": 150,
    "stomach": 20, "gas": -700, "bone": 350, "marrow": 180, "disc": 80,
}  # fmt: skip
WINDOW_HU = (-200, 250)


@dataclass(frozen=True)
class PhantomLesion:
    """A drawn lesion: centre (x, y) and mean radius, in px of the phantom."""

    x_px: float
    y_px: float
    radius_px: float


@dataclass(frozen=True)
class Phantom:
    """A drawn slice: `pixels` (S, S) uint8, `mask` (S, S) uint8 of 0, 128 (liver), 255 (tumor), and its lesions."""

    pixels: np.ndarray
    mask: np.ndarray
    lesions: tuple[PhantomLesion, ...]


class Canvas:
    """A slice in HU, drawn organ by organ in a unit frame: x and y in 0..1, spine at the bottom."""

    def __init__(self, side: int, random: np.random.Generator) -> None:
        self.side = side
        self.random = random
        self.hu = np.full((side, side), float(HU["air"]), np.float32)

    def blob(self, x: float, y: float, rx: float, ry: float, *, rough: float = 0.05, turn: float = 0.0) -> np.ndarray:
        """Return the region of a wobbly ellipse, (S, S) bool."""
        angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        radius = np.ones_like(angles)
        for order in range(2, 6):
            radius += (
                rough / order * 2 * self.random.normal() * np.cos(order * angles + self.random.uniform(0, 2 * np.pi))
            )
        px, py = rx * radius * np.cos(angles), ry * radius * np.sin(angles)
        points = np.stack([x + px * np.cos(turn) - py * np.sin(turn), y + px * np.sin(turn) + py * np.cos(turn)], 1)
        return self.fill(points)

    def fill(self, points: np.ndarray) -> np.ndarray:
        """Return the region inside a polygon given in the unit frame, (N, 2), as (S, S) bool."""
        region = np.zeros((self.side, self.side), np.uint8)
        cv2.fillPoly(region, [np.rint(points * self.side).astype(np.int32)], 1)
        return region.astype(bool)

    def paint(self, region: np.ndarray, organ: str, spread: float = 6.0) -> None:
        """Give a region an organ's density, varied a little from slice to slice."""
        self.hu[region] = HU[organ] + self.random.normal(0, spread)


def draw_phantom(seed: int, *, side: int = SIDE_PX, lesion_count: int | None = None) -> Phantom:
    """Draw a phantom.

    Args:
        seed: the same seed gives the same phantom.
        side: side in pixels.
        lesion_count: lesions to draw; None: none to four, by the seed.
    """
    random = np.random.default_rng(seed)
    canvas = Canvas(side, random)
    body = draw_body(canvas)
    liver = draw_liver(canvas, body)
    draw_other_organs(canvas, body & ~liver)
    draw_vessels(canvas, liver)
    count = int(random.choice(5, p=[0.3, 0.3, 0.2, 0.1, 0.1])) if lesion_count is None else lesion_count
    lesions, tumor = draw_lesions(canvas, liver, count)
    mask = np.where(tumor, TUMOR, np.where(liver, LIVER, 0)).astype(np.uint8)
    return Phantom(to_display(canvas), mask, lesions)


def draw_body(canvas: Canvas) -> np.ndarray:
    """Draw skin, fat, muscle wall, spine and ribs; return the region inside the wall."""
    random = canvas.random
    rx, ry = random.uniform(0.38, 0.45), random.uniform(0.27, 0.34)
    turn = random.normal(0, 0.02)
    outline = canvas.blob(0.5, 0.5, rx, ry, rough=0.015, turn=turn)
    canvas.paint(outline, "fat", 8)
    wall = shrink(outline, random.uniform(0.012, 0.035) * canvas.side)
    canvas.paint(wall, "muscle")
    inside = shrink(wall, random.uniform(0.02, 0.03) * canvas.side)
    canvas.paint(inside, "fat", 8)
    spine_y = 0.5 + ry * 0.62
    canvas.paint(canvas.blob(0.5, spine_y + 0.04, 0.16, 0.06, rough=0.1), "muscle")
    canvas.paint(canvas.blob(0.5, spine_y, 0.052, 0.043, rough=0.03), "bone", 40)
    canvas.paint(canvas.blob(0.5, spine_y, 0.042, 0.034, rough=0.03), "marrow", 20)
    canvas.paint(canvas.blob(0.5, spine_y + 0.055, 0.02, 0.018), "disc")
    canvas.paint(canvas.blob(0.5, spine_y + 0.095, 0.012, 0.035), "bone", 40)
    for angle in np.linspace(0.1, 2 * np.pi, 13) + random.uniform(0, 0.3):
        x, y = 0.5 + np.cos(angle) * (rx - 0.035), 0.5 + np.sin(angle) * (ry - 0.035)
        if random.random() < 0.75:
            rib = canvas.blob(x, y, 0.022, 0.010, turn=angle + np.pi / 2) & outline
            canvas.paint(rib, "bone", 60)
    return inside


def draw_liver(canvas: Canvas, body: np.ndarray) -> np.ndarray:
    """Draw the liver on the picture's left, reaching over the middle; return its region."""
    random = canvas.random
    right = canvas.blob(
        random.uniform(0.29, 0.33), random.uniform(0.46, 0.52), 0.17, random.uniform(0.16, 0.22), rough=0.1
    )
    left = canvas.blob(random.uniform(0.43, 0.52), random.uniform(0.36, 0.41), 0.15, 0.08, rough=0.1, turn=0.2)
    spine = canvas.blob(0.5, 0.68, 0.1, 0.1)
    region: np.ndarray = (right | left) & shrink(body, 0.006 * canvas.side) & ~spine
    canvas.paint(region, "liver", 14)
    return region


def draw_other_organs(canvas: Canvas, room: np.ndarray) -> None:
    """Draw spleen, stomach, kidneys, aorta, cava and gut where the liver left room."""
    random = canvas.random
    canvas.paint(canvas.blob(0.66, 0.42, 0.11, 0.09, rough=0.12) & room, "stomach", 20)
    canvas.paint(canvas.blob(0.67, 0.38, 0.06, 0.035, rough=0.1) & room, "gas", 60)
    canvas.paint(canvas.blob(0.76, 0.55, 0.055, 0.12, rough=0.08, turn=0.3) & room, "spleen", 10)
    for x in (0.35, 0.64):
        if random.random() < 0.6:
            canvas.paint(canvas.blob(x + random.normal(0, 0.01), 0.65, 0.045, 0.055, rough=0.06) & room, "kidney", 20)
    for _ in range(int(random.integers(0, 6))):
        spot = canvas.blob(random.uniform(0.45, 0.7), random.uniform(0.42, 0.55), 0.03, 0.025, rough=0.15)
        canvas.paint(spot & room, "muscle", 25)
    canvas.paint(canvas.blob(0.53, 0.6, 0.023, 0.023, rough=0.02), "aorta", 20)
    canvas.paint(canvas.blob(0.45, 0.585, 0.026, 0.021, rough=0.05), "vein", 20)


def draw_vessels(canvas: Canvas, liver: np.ndarray) -> None:
    """Draw branching vessels in the liver, from the hilum outwards."""
    random = canvas.random
    region = np.zeros((canvas.side, canvas.side), np.uint8)
    for _ in range(int(random.integers(4, 9))):
        point = np.array([0.43, 0.5]) + random.normal(0, 0.02, 2)
        heading = random.uniform(np.pi * 0.6, np.pi * 1.7)
        width = random.uniform(0.006, 0.014)
        for _ in range(int(random.integers(4, 9))):
            step = point + 0.03 * np.array([np.cos(heading), np.sin(heading)])
            ends = [tuple(np.rint(p * canvas.side).astype(int).tolist()) for p in (point, step)]
            cv2.line(region, ends[0], ends[1], 1, max(1, round(width * canvas.side)))
            point, heading, width = step, heading + random.normal(0, 0.35), width * 0.88
    canvas.hu[region.astype(bool) & liver] += random.uniform(15, 45)


def draw_lesions(canvas: Canvas, liver: np.ndarray, count: int) -> tuple[tuple[PhantomLesion, ...], np.ndarray]:
    """Draw hypodense lesions apart from each other inside the liver; return them and their region."""
    random = canvas.random
    tumor = np.zeros_like(liver)
    lesions: list[PhantomLesion] = []
    for _ in range(count):
        radius = float(np.clip(random.lognormal(np.log(0.032), 0.45), 0.014, 0.085))
        free = shrink(liver & ~grow(tumor, 0.03 * canvas.side), (radius + 0.008) * canvas.side)
        places = np.argwhere(free)
        if not len(places):
            continue
        y, x = places[random.integers(len(places))]
        squeeze = random.uniform(0.8, 1.0)
        shape = (radius, radius * squeeze)
        region = (
            canvas.blob(x / canvas.side, y / canvas.side, *shape, rough=0.08, turn=random.uniform(0, np.pi)) & liver
        )
        inner = shrink(region, radius * canvas.side * 0.3)
        canvas.hu[region] = float(np.median(canvas.hu[liver])) - random.uniform(35, 75)
        canvas.hu[inner] -= random.uniform(0, 25)
        tumor |= region
        lesions.append(PhantomLesion(float(x), float(y), radius * canvas.side))
    return tuple(lesions), tumor


def to_display(canvas: Canvas) -> np.ndarray:
    """Blur as a scanner does, add its correlated noise, window and stretch; (S, S) uint8."""
    random, side = canvas.random, canvas.side
    scale = side / SIDE_PX
    hu = cv2.GaussianBlur(canvas.hu, (0, 0), max(0.3, 1.1 * scale))
    grains = random.normal(0, 1, (2, side, side)).astype(np.float32)
    noise = cv2.GaussianBlur(grains[0], (0, 0), max(0.4, 1.3 * scale))
    texture = cv2.GaussianBlur(grains[1], (0, 0), max(1.0, 5 * scale))
    hu += noise / noise.std() * random.uniform(8, 22) + texture / texture.std() * random.uniform(2, 6)
    low, high = WINDOW_HU
    return np.rint(np.clip((hu - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def shrink(region: np.ndarray, by_px: float) -> np.ndarray:
    """Return the part of a region at least `by_px` inside its edge."""
    return cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5) > by_px


def grow(region: np.ndarray, by_px: float) -> np.ndarray:
    """Return everything within `by_px` of a region."""
    return cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, 5) <= by_px


def draw_phantom_slice(seed: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a phantom the size of a training slice; return its pixels and mask."""
    phantom = draw_phantom(seed, side=side)
    return phantom.pixels, phantom.mask


def main() -> None:
    """Write phantoms as PNG files."""
    parser = argparse.ArgumentParser(description="Draw abdominal CT phantoms as PNG files.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first one")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for index in range(args.count):
        cv2.imwrite(str(args.out / f"phantom-{index + 1:03d}.png"), draw_phantom(args.seed + index).pixels)


if __name__ == "__main__":
    main()
