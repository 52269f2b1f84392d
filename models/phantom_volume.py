"""Phantoms of three dimensions: a drawn liver with lesions of known volume, as NIfTI and as a series in DICOM.

python -m models.phantom_volume --out folder
"""

import argparse
import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipInfo

import cv2
import numpy as np
from nibabel.nifti1 import Nifti1Header
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from models.phantom import HU, LIVER, SIDE_PX, TUMOR, Canvas, draw_body, draw_liver, draw_other_organs, draw_vessels

FIELD_MM = 400.0
NOISE_HU = 12.0
LESION_HU = 45.0
MM = 2


@dataclass(frozen=True)
class PhantomVolume:
    """A drawn CT, turned as the network knows it: slices upwards, rows to the back, columns to the patient's left.

    Attributes:
        hu: (Z, S, S) int16.
        mask: (Z, S, S) uint8 of 0, 128 (liver), 255 (tumor).
        spacing_mm: distance between slices, and between pixels.
        radii_mm: of the lesions, which are spheres.
    """

    hu: np.ndarray
    mask: np.ndarray
    spacing_mm: tuple[float, float]
    radii_mm: tuple[float, ...]


def draw_volume(
    seed: int,
    *,
    side: int = 128,
    slice_count: int = 24,
    distance_mm: float = 5.0,
    radii_mm: tuple[float, ...] = (18.0,),
) -> PhantomVolume:
    """Draw a volume whose middle half shows the liver; below and above it the same body without one.

    Args:
        seed: the same seed gives the same volume.
        side: of a slice in px.
        slice_count: slices.
        distance_mm: between slices.
        radii_mm: of the lesions, in the liver's middle slice or close to it.
    """
    canvas = Canvas(side, np.random.default_rng(seed))
    body = draw_body(canvas)
    empty = canvas.hu.copy()
    liver = draw_liver(canvas, body)
    draw_other_organs(canvas, body & ~liver)
    draw_vessels(canvas, liver)
    pixel_mm = FIELD_MM / side
    depth_mm = cv2.distanceTransform(liver.astype(np.uint8), cv2.DIST_L2, 5) * pixel_mm
    heights_mm = (np.arange(slice_count) - (slice_count - 1) / 2) * distance_mm
    centres = place_lesions(canvas, depth_mm, radii_mm)
    half_mm = slice_count * distance_mm / 4
    hu, mask = np.empty((slice_count, side, side), np.int16), np.zeros((slice_count, side, side), np.uint8)
    for index, height_mm in enumerate(heights_mm):
        # The liver narrows towards its ends as a ball does.
        narrow = 1 - np.sqrt(max(0.0, 1 - (height_mm / half_mm) ** 2))
        within = (depth_mm > narrow * depth_mm.max()) & (abs(height_mm) < half_mm)
        tumor = cut_balls(side, centres, radii_mm, height_mm=height_mm)
        slice_hu = np.where(within | ~liver, canvas.hu, np.minimum(empty, HU["fat"]))
        slice_hu[tumor] = LESION_HU
        mask[index] = np.where(tumor, TUMOR, np.where(within, LIVER, 0))
        blurred = cv2.GaussianBlur(slice_hu, (0, 0), max(0.3, 1.1 * side / SIDE_PX))
        hu[index] = np.rint(blurred + canvas.random.normal(0, NOISE_HU, blurred.shape))
    return PhantomVolume(hu, mask, (distance_mm, pixel_mm), radii_mm)


def cut_balls(
    side: int, centres: list[tuple[int, int]], radii_mm: tuple[float, ...], *, height_mm: float
) -> np.ndarray:
    """Return where a slice cuts balls whose centres lie at height nought, (S, S) bool."""
    y, x = np.mgrid[:side, :side]
    cut = np.zeros((side, side), bool)
    for (row, column), radius_mm in zip(centres, radii_mm, strict=True):
        squared_mm = ((y - row) ** 2 + (x - column) ** 2) * (FIELD_MM / side) ** 2 + height_mm**2
        cut |= squared_mm <= radius_mm**2
    return cut


def place_lesions(canvas: Canvas, depth_mm: np.ndarray, radii_mm: tuple[float, ...]) -> list[tuple[int, int]]:
    """Return each lesion's row and column: as deep in the liver as can be, and apart from those before."""
    free, centres = depth_mm.copy(), []
    pixel_mm = FIELD_MM / canvas.side
    y, x = np.mgrid[: canvas.side, : canvas.side]
    for radius_mm in radii_mm:
        row, column = np.unravel_index(int(free.argmax()), free.shape)
        centres.append((int(row), int(column)))
        free = np.minimum(free, np.hypot(y - row, x - column) * pixel_mm - radius_mm)
    return centres


def affine_of(volume: PhantomVolume) -> np.ndarray:
    """Return the affine of the volume's columns, rows and slices: mm towards right, anterior, superior."""
    distance_mm, pixel_mm = volume.spacing_mm
    affine = np.diag([-pixel_mm, -pixel_mm, distance_mm, 1.0])
    affine[:2, 3] = FIELD_MM / 2
    return affine


def to_nifti(volume: PhantomVolume, *, packed: bool = True) -> bytes:
    """Return the volume as a NIfTI file."""
    header = Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(volume.hu.shape[::-1])
    header.set_sform(affine_of(volume), 1)
    header.set_qform(affine_of(volume), 1)
    header.set_xyzt_units(xyz=MM)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    content = header.binaryblock + bytes(4) + volume.hu.tobytes()
    return gzip.compress(content, 1, mtime=0) if packed else content


def to_series(volume: PhantomVolume, change: Callable[[int, Dataset], None] = lambda number, slice_: None) -> bytes:
    """Return the volume as an archive of DICOM slices, in no order.

    Args:
        volume: to be written.
        change: called with each slice's number, from nought, and file before it is written.
    """
    distance_mm, pixel_mm = volume.spacing_mm
    series = generate_uid(entropy_srcs=["series"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in np.random.default_rng(1).permutation(len(volume.hu)).tolist():
            slice_ = dicom_slice(volume.hu[number], pixel_mm)
            slice_.SeriesInstanceUID = series
            slice_.SOPInstanceUID = generate_uid(entropy_srcs=["slice", str(number)])
            slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            slice_.ImagePositionPatient = [-FIELD_MM / 2, -FIELD_MM / 2, number * distance_mm]
            change(number, slice_)
            content = io.BytesIO()
            dcmwrite(content, slice_, enforce_file_format=True)
            archive.writestr(ZipInfo(f"{number}.dcm"), content.getvalue())
    return out.getvalue()


def dicom_slice(hu: np.ndarray, pixel_mm: float) -> Dataset:
    """Return a slice, (H, W) int16, in DICOM."""
    slice_ = Dataset()
    slice_.SOPClassUID, slice_.Modality = CTImageStorage, "CT"
    slice_.Rows, slice_.Columns = hu.shape
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.HighBit, slice_.PixelRepresentation, slice_.SamplesPerPixel = 15, 1, 1
    slice_.PhotometricInterpretation, slice_.PixelSpacing = "MONOCHROME2", [pixel_mm, pixel_mm]
    slice_.RescaleSlope, slice_.RescaleIntercept = 1, 0
    slice_.PixelData = hu.astype("<i2").tobytes()
    slice_.file_meta = FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return slice_


def main() -> None:
    """Write a volume as files."""
    parser = argparse.ArgumentParser(description="Draw an abdominal CT phantom of three dimensions.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--slices", type=int, default=40)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    volume = draw_volume(args.seed, side=args.side, slice_count=args.slices, distance_mm=200 / args.slices)
    (args.out / "phantom.nii.gz").write_bytes(to_nifti(volume))
    (args.out / "phantom.zip").write_bytes(to_series(volume))


if __name__ == "__main__":
    main()
