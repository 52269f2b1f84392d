"""Read a CT volume from an archive of the slices of one DICOM series.

Source: DICOM PS3.3 C.7.6.2 (position and orientation of slices). The distance between slices is that of their
positions along their normal: SliceThickness is another thing, and SpacingBetweenSlices is wrong on some scanners.
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from models.dicom import declared_warnings, read_header, read_pixels, read_spacing, standard
from models.errors import InvalidScan
from models.grid import MAX_SPACING_MM, Grid
from models.volume_type import MAX_SLICES, Volume, check_volume_size

ARCHIVE = b"PK\x03\x04"
# Largest slice: 1024 pixels a side of 32 bits, and some room for its header.
MAX_MEMBER_BYTES = 16 * 1024 * 1024
# Scanners write positions to a hundredth of a mm; beyond this share of a step something is missing.
IRREGULAR_SHARE = 0.02
SAME_SHARE = 0.01
# Between the cosines of slices that are turned alike.
SAME_TURN = 1e-3


@dataclass(frozen=True)
class Placed:
    """A slice of the archive by its name, its header, and how far along the normal it lies, in mm."""

    name: str
    header: Dataset
    position_mm: np.ndarray
    height_mm: float


def is_archive(data: bytes) -> bool:
    """Tell whether bytes are an archive."""
    return data.startswith(ARCHIVE)


def read_series(data: bytes) -> Volume:
    """Read a CT volume.

    Raises:
        InvalidScan: a slice cannot be used, or the slices do not make one volume.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return read_archive(archive)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise InvalidScan("invalid_archive", "The archive is damaged, or packed in a way that is not taken.") from error


def read_archive(archive: zipfile.ZipFile) -> Volume:
    """Read the slices of an open archive."""
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if not 2 <= len(names) <= MAX_SLICES:
        raise InvalidScan("invalid_archive", f"The archive does not hold 2 to {MAX_SLICES} slices.")
    placed = place(archive, names)
    first = placed[0].header
    check_volume_size(len(placed), int(first.Rows), int(first.Columns))
    spacing_mm = read_spacing(first)
    grid, is_regular = lay_out(placed, spacing_mm or (1.0, 1.0))
    voxels = np.empty(grid.shape[::-1], np.uint8)
    codes: dict[str, None] = {} if is_regular else {"irregular_slices": None}
    for slice_, one in zip(voxels, placed, strict=True):
        dataset, slice_[:] = read_pixels(member(archive, one.name))
        codes |= dict.fromkeys(declared_warnings(dataset))
    if voxels.min() == voxels.max():
        raise InvalidScan("no_content", "All voxels look the same; there is nothing to see in them.")
    distance_mm = grid.slice_distance_mm if is_regular and spacing_mm else None
    return Volume(grid.turned(voxels), grid, spacing_mm, distance_mm, "dicom_series", tuple(codes))


def place(archive: zipfile.ZipFile, names: list[str]) -> list[Placed]:
    """Return the slices of one series in the order in which they lie along their normal.

    Raises:
        InvalidScan: they are of several series, two lie at the same place, or one does not say where it lies.
    """
    headers = [(name, read_header(member(archive, name))) for name in names]
    with standard():
        placed = sorted(placed_by(headers), key=lambda slice_: slice_.height_mm)
    steps_mm = np.diff([slice_.height_mm for slice_ in placed])
    if steps_mm.min() <= SAME_SHARE * np.median(steps_mm):
        raise InvalidScan("duplicate_slices", "Two slices lie at the same place; please send one series of one phase.")
    return placed


def placed_by(headers: list[tuple[str, Dataset]]) -> Iterator[Placed]:
    """Yield slices with their place, all turned like the first one."""
    first = headers[0][1]
    turn = np.array([float(v) for v in first.ImageOrientationPatient]).reshape(2, 3)
    normal = np.cross(*turn)
    if not abs(np.linalg.norm(normal) - 1) < SAME_TURN:
        raise InvalidScan("invalid_dicom", "The orientation of the slices makes no sense.")
    for name, header in headers:
        own_turn = np.array([float(v) for v in header.ImageOrientationPatient]).reshape(2, 3)
        if not np.abs(own_turn - turn).max() < SAME_TURN or kind(header) != kind(first):
            raise InvalidScan("mixed_series", "The slices are not of one series; please send each series by itself.")
        position_mm = np.array([float(v) for v in header.ImagePositionPatient])
        if not (position_mm.shape == (3,) and np.isfinite(position_mm).all()):
            raise InvalidScan("invalid_dicom", "The position of a slice makes no sense.")
        yield Placed(name, header, position_mm, float(position_mm @ normal))


def kind(header: Dataset) -> tuple[object, ...]:
    """Return what is the same in all slices of a series."""
    return str(header.get("SeriesInstanceUID", "")), int(header.Rows), int(header.Columns), read_spacing(header)


def lay_out(placed: list[Placed], spacing_mm: tuple[float, float]) -> tuple[Grid, bool]:
    """Return the grid of columns, rows and slices, and whether the slices are equally far apart."""
    header = placed[0].header
    along_row, down_rows = np.array([float(v) for v in header.ImageOrientationPatient]).reshape(2, 3)
    step_mm = (placed[-1].position_mm - placed[0].position_mm) / (len(placed) - 1)
    if np.linalg.norm(step_mm) > MAX_SPACING_MM:
        raise InvalidScan("invalid_dicom", "The slices lie too far apart to be one volume.")
    affine = np.eye(4)
    affine[:3] = np.stack([along_row * spacing_mm[1], down_rows * spacing_mm[0], step_mm, placed[0].position_mm], 1)
    # DICOM counts towards left and posterior.
    affine[:2] *= -1
    steps_mm = np.diff([slice_.height_mm for slice_ in placed])
    is_regular = bool((np.abs(steps_mm / np.median(steps_mm) - 1) <= IRREGULAR_SHARE).all())
    shape = (int(header.Columns), int(header.Rows), len(placed))
    return Grid(shape, tuple(map(tuple, affine.tolist()))), is_regular


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return one file of an archive.

    Raises:
        InvalidScan: it is larger than any slice.
    """
    with archive.open(name) as file:
        content = file.read(MAX_MEMBER_BYTES + 1)
    if len(content) > MAX_MEMBER_BYTES:
        raise InvalidScan("image_too_large", "A file in the archive is larger than any slice.")
    return content
