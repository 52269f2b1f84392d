"""The pictures that everybody is given: PNG files of 512 x 512 px, phantoms or real slices."""

from pathlib import Path

import cv2
import numpy as np

from models.phantom import SIDE_PX, draw_phantom

COUNT = 48


def write_pictures(folder: Path, data: Path | None) -> str:
    """Write the pictures as PNG files; return what they are.

    Args:
        folder: where to.
        data: a folder whose PNG, JPEG and WebP slices are taken, brought to the size CT slices have; None for phantoms.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = (
        sorted(p for p in data.rglob("*") if p.suffix in (".png", ".jpg", ".webp") and "mask" not in p.name)
        if data
        else []
    )
    if data and not found:
        raise SystemExit(f"DATA={data} holds no PNG, JPEG or WebP slices.")
    for index in range(COUNT):
        if found:
            # Spread over the whole folder: neighbours are slices of one person.
            slice_path = found[index * len(found) // COUNT]
            picture = np.asarray(cv2.imread(str(slice_path), cv2.IMREAD_GRAYSCALE))
            picture = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
        else:
            picture = draw_phantom(1000 + index).pixels
        cv2.imwrite(str(folder / f"{index:03d}.png"), picture)
    mean_kb = sum(path.stat().st_size for path in folder.glob("*.png")) / COUNT / 1000
    return f"{COUNT} {'real slices' if found else 'phantoms'}, PNG {SIDE_PX} x {SIDE_PX}, {mean_kb:.0f} kB on average"


def read_pictures(folder: Path) -> list[bytes]:
    """Return the files' contents."""
    return [path.read_bytes() for path in sorted(folder.glob("*.png"))]
