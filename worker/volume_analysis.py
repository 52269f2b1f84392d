"""From a volume to the rows of its result, slice by slice. Pure, as `analysis` is.

Of each slice stay the network's maps on its small grid, a preview and a mask, both packed; never the voxels.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from models.contract import Contract
from models.mask_nifti import encode_mask_nifti
from models.mask_png import encode_mask
from models.segmenter import Segmenter
from models.volume_mask import Maps, VolumeMask
from models.volume_measure import VolumeMeasurement, measure_volume
from models.volume_pipeline import infer_slices
from models.volume_type import Volume
from shared.jobs.finish import Outcome
from worker.analysis import artifact, lesion_rows, result_row
from worker.pictures import decode_preview, encode_slice_preview, encode_thumbnail

Look = Callable[[float], None]


@dataclass
class VolumeCase:
    """One volume on its way through the phases, with the seconds each took.

    Attributes:
        previews: of each slice, as JPEG.
        maps: what the network says of each slice.
    """

    input_sha256: str
    volume: Volume
    seconds: dict[str, float]
    previews: list[bytes] = field(default_factory=list)
    maps: Maps = field(default_factory=list)


def infer_volume(case: VolumeCase, segmenter: Segmenter, look: Look) -> None:
    """Run the network over a volume's slices.

    Args:
        case: gets maps and previews.
        segmenter: the network.
        look: told after each slice which share is done; may raise to end the work.
    """
    start = perf_counter()
    count = case.volume.grid.shape_zyx[0]
    for pixels, found in infer_slices(case.volume.slices, segmenter):
        case.maps.append(found)
        case.previews.append(encode_slice_preview(pixels))
        look(len(case.maps) / count)
    case.seconds["inferring"] = perf_counter() - start


def measure_case_volume(case: VolumeCase, segmenter: Segmenter, look: Look) -> Outcome:
    """Turn what the network said into masks on the file's grid, measurements and pictures, as rows.

    Args:
        case: with maps and previews.
        segmenter: its contract counts.
        look: as for `infer_volume`.
    """
    start = perf_counter()
    grid, contract = case.volume.grid, segmenter.contract
    count, height_px, width_px = grid.shape_zyx
    steps = iter(range(1, 3 * count + 1))  # liver, lesions, measures
    found = VolumeMask(case.maps, (height_px, width_px), contract, lambda: look(next(steps) / (3 * count)))
    whole = np.zeros(grid.shape[2::-1], np.uint8)  # (K, J, I), as the file has it
    turned, masks = grid.turned(whole), []

    def keep(number: int, mask: np.ndarray) -> None:
        turned[number] = mask
        masks.append(encode_mask(mask))
        look(next(steps) / (3 * count))

    measurement = measure_volume(case.volume, found, keep)
    artifacts = pictures(case, measurement, turned[measurement.shown_slice - 1], masks)
    artifacts.append(artifact("mask_nifti", "application/gzip", encode_mask_nifti(whole, grid)))
    case.seconds["measuring"] = perf_counter() - start
    slices = [
        {"number": number, "preview": preview, "mask": mask}
        for number, (preview, mask) in enumerate(zip(case.previews, masks, strict=True), 1)
    ]
    measured: dict[str, Any] = measurement.to_dict()
    row = result_row(case.input_sha256, measured, report(case, measured, contract), contract, artifacts[-1])
    return Outcome(row, lesion_rows(measured), artifacts, slices)


def report(case: VolumeCase, measured: dict[str, Any], contract: Contract) -> dict[str, Any]:
    """Return everything that is told of a volume beside the columns of its row."""
    _, height_px, width_px = case.volume.grid.shape_zyx
    return measured | {
        "width_px": width_px,
        "height_px": height_px,
        "spacing_mm": case.volume.spacing_mm,
        "format": case.volume.format,
        "warnings": [*case.volume.warnings, *measured["warnings"]],
        "preprocessing": contract.preprocessing,
        "seconds": {phase: round(seconds, 5) for phase, seconds in case.seconds.items()},
    }


def pictures(
    case: VolumeCase, measurement: VolumeMeasurement, mask: np.ndarray, masks: list[bytes]
) -> list[dict[str, Any]]:
    """Return the pictures of the slice that is shown where one must stand for all."""
    shown = measurement.shown_slice - 1
    preview = case.previews[shown]
    return [
        artifact("mask", "image/png", masks[shown]),
        artifact("preview", "image/jpeg", preview),
        artifact("thumbnail", "image/jpeg", encode_thumbnail(decode_preview(preview), mask)),
    ]
