"""The raw engine: the shipped network and nothing else, one process of one thread per core.

python -m bench.ceiling --pictures folder --seconds 2
"""

import argparse
import json
import os
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from bench.pictures import read_pictures
from models.preprocess import preprocess
from models.scan import read_scan
from models.segmenter import Segmenter

BATCHES = (1, 8)


def count_images(pictures: Path, model_dir: Path, seconds: float, start: Barrier) -> dict[int, float]:
    """Return images per second of this process, for each batch size."""
    cv2.setNumThreads(1)
    segmenter = Segmenter(model_dir, threads=1)
    side = segmenter.contract.side
    slices = np.stack([preprocess(read_scan(p).pixels, side) for p in read_pictures(pictures)[: max(BATCHES)]])
    speeds = {}
    for batch in BATCHES:
        segmenter.predict(slices[:batch])
        # All processes measure the same batch at the same time: they share caches and memory.
        start.wait()
        begin_s, done = perf_counter(), 0
        while perf_counter() - begin_s < seconds:
            segmenter.predict(slices[:batch])
            done += batch
        speeds[batch] = done / (perf_counter() - begin_s)
    return speeds


def measure_ceiling(pictures: Path, model_dir: Path, *, processes: int, seconds: float) -> dict[int, float]:
    """Return images per second of all processes together, for each batch size."""
    context = get_context("spawn")
    with context.Manager() as manager, context.Pool(processes) as pool:
        start = manager.Barrier(processes)
        arguments = [(pictures, model_dir, seconds, start)] * processes
        found = pool.starmap(count_images, arguments, chunksize=1)
    return {batch: sum(speeds[batch] for speeds in found) for batch in BATCHES}


def main() -> None:
    """Print images per second by batch size, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--model-dir", type=Path, default=Path("models"))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    print(json.dumps(measure_ceiling(args.pictures, args.model_dir, processes=args.processes, seconds=args.seconds)))


if __name__ == "__main__":
    main()
