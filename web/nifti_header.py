"""Look at the header of a NIfTI-1 volume: what it promises must be something that can be read, and kept to the byte.

Source: NIfTI-1, `nifti1.h`.
"""

import math
import struct
import zlib
from dataclasses import dataclass

from shared.errors import UnreadableScan, UnsupportedType

HEADER_BYTES = 348
GZIP = b"\x1f\x8b"
ORDERS = {b"\x5c\x01\0\0": "<", b"\0\0\x01\x5c": ">"}
MAGIC_AT, MAGIC, MAGIC_OF_TWO_FILES = 344, b"n+1\0", b"ni1\0"
MIN_SIDE_PX, MAX_SIDE_PX, MAX_SLICES = 64, 1024, 2000
MAX_VOXELS = 300_000_000
MAX_UNPACKED_BYTES = 1_250_000_000
# The first voxels come after header and extensions; real extensions are small.
MIN_OFFSET_BYTES, MAX_OFFSET_BYTES = 352, 16 * 1024 * 1024
# Bytes a voxel by the code of its kind: integers up to 32 bits, and floating point of 32 and 64.
VOXEL_BYTES = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 256: 1, 512: 2, 768: 4}
UNITS_MM = (0, 2)  # unknown, or mm
MAX_SPACING_MM = 50.0


@dataclass(frozen=True)
class NiftiHeader:
    """What a header promises.

    Attributes:
        order: of the bytes, as `struct` writes it.
        offset_bytes: where the voxels begin.
        voxel_bytes: of all voxels.
    """

    order: str
    offset_bytes: int
    voxel_bytes: int


def unpacked_start(start: bytes) -> bytes:
    """Return the header of what may be a NIfTI file, packed with gzip or not; nothing further is unpacked."""
    if not start.startswith(GZIP):
        return start[:HEADER_BYTES]
    try:
        return zlib.decompressobj(wbits=31).decompress(start, HEADER_BYTES)
    except zlib.error:
        return b""


def is_nifti(header: bytes) -> bool:
    """Tell whether bytes are the header of a NIfTI-1 file."""
    return header[:4] in ORDERS and header[MAGIC_AT:HEADER_BYTES] in (MAGIC, MAGIC_OF_TWO_FILES)


def check_nifti(header: bytes) -> NiftiHeader:
    """Return what a header promises, if it is a volume that can be read.

    Raises:
        UnreadableScan: it contradicts itself or the standard, or is too large.
        UnsupportedType: it holds several volumes.
    """
    order = ORDERS[header[:4]]
    if header[MAGIC_AT:HEADER_BYTES] != MAGIC:
        raise invalid("it is the header of a pair of files")
    dims = struct.unpack_from(f"{order}8h", header, 40)
    if dims[0] not in (3, 4) or min(dims[1 : dims[0] + 1]) < 1:
        raise invalid("it is not of three dimensions")
    if dims[0] == 4 and dims[4] != 1:
        raise UnsupportedType(
            "The NIfTI file holds several volumes; please send them one by one.", code="unsupported_multiframe"
        )
    check_size(dims[1:4])
    (datatype,) = struct.unpack_from(f"{order}h", header, 70)
    if datatype not in VOXEL_BYTES:
        raise invalid("its voxels are not numbers of a kind that is taken")
    voxel_bytes = math.prod(dims[1:4]) * VOXEL_BYTES[datatype]
    offset, slope, intercept = struct.unpack_from(f"{order}3f", header, 108)
    if not (math.isfinite(offset) and MIN_OFFSET_BYTES <= offset <= MAX_OFFSET_BYTES and offset == int(offset)):
        raise invalid("its voxels begin nowhere")
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise invalid("its slope is no number")
    check_place(order, header)
    if int(offset) + voxel_bytes > MAX_UNPACKED_BYTES:
        raise UnreadableScan(
            f"The NIfTI file has more than {MAX_UNPACKED_BYTES:,} bytes unpacked.", code="too_large_unpacked"
        )
    return NiftiHeader(order, int(offset), voxel_bytes)


def check_size(dims: tuple[int, ...]) -> None:
    """Refuse volumes too small to show a liver or too large to decode; which side is which, the worker finds out.

    Raises:
        UnreadableScan: either of these.
    """
    shortest, middle, longest = sorted(dims)
    size = f"The volume has {dims[0]} x {dims[1]} x {dims[2]} voxels;"
    if middle < MIN_SIDE_PX:
        raise UnreadableScan(f"{size} each side of a slice needs at least {MIN_SIDE_PX}.", code="image_too_small")
    if longest > MAX_SLICES or middle > MAX_SIDE_PX or shortest * middle * longest > MAX_VOXELS:
        raise UnreadableScan(
            f"{size} at most {MAX_SLICES:,} slices of {MAX_SIDE_PX:,} a side and {MAX_VOXELS:,} voxels are taken.",
            code="image_too_large",
        )


def check_place(order: str, header: bytes) -> None:
    """Refuse a header that does not tell where in the body its voxels lie.

    Raises:
        UnreadableScan: orientation or distances are missing or make no sense.
    """
    qform_code, sform_code = struct.unpack_from(f"{order}2h", header, 252)
    if header[123] & 7 not in UNITS_MM:
        raise invalid("its distances are not in mm")
    if sform_code > 0:
        rows = struct.unpack_from(f"{order}12f", header, 280)
        steps = [math.hypot(*rows[axis::4]) for axis in range(3)]
        numbers = (*rows, *steps)
    elif qform_code > 0:
        steps = list(struct.unpack_from(f"{order}3f", header, 80))
        quaternion = struct.unpack_from(f"{order}6f", header, 256)
        numbers = (*steps, *quaternion)
        if math.hypot(*quaternion[:3]) > 1.0001:
            raise invalid("its orientation makes no sense")
    else:
        raise invalid("it does not say how its voxels lie in the body")
    if not all(map(math.isfinite, numbers)) or not all(0 < step <= MAX_SPACING_MM for step in steps):
        raise invalid("its orientation or voxel size makes no sense")


def invalid(why: str) -> UnreadableScan:
    """Return the refusal of a header."""
    return UnreadableScan(f"The NIfTI file cannot be used: {why}.", code="invalid_nifti")
