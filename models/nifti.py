"""Read CT volumes in NIfTI-1, a single file, packed with gzip or not.

Slab after slab as they lie in the file, so that beside the file only display values are held. nibabel reads the header.

Source: NIfTI-1, `nifti1.h`.
"""

import gzip
import io
import math
import zlib

import nibabel
import numpy as np
from nibabel.nifti1 import Nifti1Header

from models.errors import InvalidScan
from models.grid import Grid
from models.volume_type import Volume, check_volume_size
from models.window import WINDOW_HU, to_display

HEADER_BYTES = 348
SIZES = (b"\x5c\x01\0\0", b"\0\0\x01\x5c")
GZIP = b"\x1f\x8b"
# uint8, int16, int32, float32, float64, int8, uint16, uint32
DATATYPES = (2, 4, 8, 16, 64, 256, 512, 768)
# The code of millimetres; nought is unknown, and taken for them.
MM = 2
AIR_HU = -1024.0
# Voxels come after header and extensions; real extensions are small.
MAX_OFFSET_BYTES = 16 * 1024 * 1024
TRUNCATED = "The NIfTI file is cut short; please export or copy it again."


def is_nifti(data: bytes) -> bool:
    """Tell whether bytes are a NIfTI-1 file in one piece, by size and mark of its header."""
    if data.startswith(GZIP):
        data = beginning(data)
    return data[:4] in SIZES and data[344:348] == b"n+1\0"


def beginning(data: bytes) -> bytes:
    """Return the first bytes of a file packed with gzip; none if it is damaged there."""
    try:
        return zlib.decompressobj(wbits=31).decompress(data[: 64 * 1024], HEADER_BYTES)
    except zlib.error:
        return b""


def read_nifti(data: bytes) -> Volume:
    """Read a CT volume.

    Raises:
        InvalidScan: a header that makes no sense, slices that are not axial, sizes out of bounds, or cut short.
    """
    stream = io.BytesIO(data)
    try:
        return read_stream(gzip.GzipFile(fileobj=stream, mode="rb") if data.startswith(GZIP) else stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidScan("truncated", TRUNCATED) from error


def read_stream(stream: io.BufferedIOBase) -> Volume:
    """Read a volume from its unpacked bytes."""
    header, grid = read_header(stream.read(HEADER_BYTES))
    check_volume_size(*grid.shape_zyx)
    stream.read(int(header["vox_offset"]) - HEADER_BYTES)
    voxels = np.empty(grid.shape[2::-1], np.uint8)  # (K, J, I)
    lowest = highest = math.nan
    for slab in voxels:
        hu = read_slab(stream, header, slab.shape)
        lowest, highest = float(np.fmin(lowest, hu.min())), float(np.fmax(highest, hu.max()))
        slab[:] = to_display(hu)
    low, high = WINDOW_HU
    if lowest == highest or lowest >= high or highest <= low:
        raise InvalidScan("no_content", "All voxels look the same; there is nothing to see in them.")
    # Without any air this is no CT in Hounsfield units, or a crop that the network does not know.
    warnings = ("unlike_ct",) if lowest > low else ()
    return Volume(grid.turned(voxels), grid, grid.spacing_mm, grid.slice_distance_mm, "nifti", warnings)


def read_header(raw: bytes) -> tuple[Nifti1Header, Grid]:
    """Return the header and the grid it speaks of.

    Raises:
        InvalidScan: it makes no sense.
    """
    try:
        header = Nifti1Header(raw, check=False)
        count = int(header["dim"][0])
        shape = tuple(int(n) for n in header["dim"][1 : count + 1])
        affine = header.get_best_affine()
    except (nibabel.spatialimages.HeaderDataError, nibabel.wrapstruct.WrapStructError, ValueError) as error:
        raise InvalidScan("invalid_nifti", "The NIfTI header makes no sense.") from error
    if count not in (3, 4) or min(shape) < 1 or shape[3:] not in ((), (1,)):
        raise InvalidScan("invalid_nifti", "The NIfTI file does not hold one volume of three dimensions.")
    if not (header["sform_code"] or header["qform_code"]) or int(header["xyzt_units"]) & 7 not in (0, MM):
        raise InvalidScan("invalid_nifti", "The NIfTI file does not say how its voxels lie in the body, in mm.")
    if int(header["datatype"]) not in DATATYPES or not HEADER_BYTES <= header["vox_offset"] <= MAX_OFFSET_BYTES:
        raise InvalidScan("invalid_nifti", "The NIfTI file's voxels are not numbers of a kind that is taken.")
    return header, Grid(shape, tuple(tuple(float(v) for v in row) for row in affine))


def read_slab(stream: io.BufferedIOBase, header: Nifti1Header, shape: tuple[int, ...]) -> np.ndarray:
    """Return the next slab in Hounsfield units, float32; what is no number counts as air.

    Raises:
        InvalidScan: the file ends before it.
    """
    dtype = header.get_data_dtype()
    raw = stream.read(math.prod(shape) * dtype.itemsize)
    if len(raw) < math.prod(shape) * dtype.itemsize:
        raise InvalidScan("truncated", TRUNCATED)
    hu = np.frombuffer(raw, dtype).reshape(shape).astype(np.float32)
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    # A slope of nought means that there is none.
    if slope and math.isfinite(slope) and math.isfinite(intercept):
        hu = hu * np.float32(slope) + np.float32(intercept)
    return hu if np.isfinite(hu).all() else np.nan_to_num(hu, nan=AIR_HU, posinf=AIR_HU, neginf=AIR_HU)
