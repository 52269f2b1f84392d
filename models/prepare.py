"""Write a small copy of the training and validation slices, to move training to another machine.

    python -m models.prepare --data ../shared/data/msd_liver --out prepared --side 160
    python -m models.train --data prepared --side 160

The copy is laid out as the data is, at the network's side and as WebP: under 60 MiB at 160 px. It is for training and
the looks taken meanwhile; settings and figures come from the data itself. The test split is left where it is.
"""

import argparse
import shutil
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm  # type: ignore[import-untyped]  # ships no types

from models.dataset import SliceInfo, read_infos, read_pair
from models.preprocess import preprocess

# The error stays under the noise of the pictures.
WEBP_QUALITY = 80


def write_pair(root: Path, out: Path, split: str, info: SliceInfo, side: int) -> int:
    """Write one slice and its mask at a side in px; return the bytes written.

    Raises:
        OSError: a file cannot be written.
    """
    image, mask = read_pair(root, split, info)
    folder = out / split / info.scan
    folder.mkdir(parents=True, exist_ok=True)
    small = np.rint(preprocess(image, side)[0] * 255).astype(np.uint8)
    small_mask = cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST)
    files = {
        folder / f"{info.name}.webp": (small, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]),
        folder / f"{info.name}_mask.png": (small_mask, []),
    }
    for path, (pixels, options) in files.items():
        if not cv2.imwrite(str(path), pixels, options):
            raise OSError(f"{path} cannot be written.")
    return sum(path.stat().st_size for path in files)


def prepare(root: Path, out: Path, side: int) -> int:
    """Write the copy; return its bytes."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "slices.csv", out)
    return sum(
        write_pair(root, out, split, info, side)
        for split in ("train", "val")
        for info in tqdm(read_infos(root, split), desc=split)
    )


def main() -> None:
    """Write the copy and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the splits and slices.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=160, help="side of the slices in pixels")
    args = parser.parse_args()
    print(f"{prepare(args.data, args.out, args.side) / 2**20:.1f} MiB in {args.out}")


if __name__ == "__main__":
    main()
