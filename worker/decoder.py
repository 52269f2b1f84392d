"""The process that decodes: it holds no secret, opens no file and no socket, and its death harms nobody.

`python -m worker.decoder N`, started by `worker.sandbox`, talks over the socket it inherits as descriptor N: a scan's
bytes come in; a JSON header and, where the scan could be read, its pixels go out, those of a volume slice by slice.
"""

import ctypes
import io
import json
import os
import resource
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless

from models.errors import InvalidScan
from models.phantom_volume import draw_volume, to_nifti, to_series
from models.scan import read_scan, read_volume, sniff_format
from models.volume_type import VOLUME_FORMATS

# The largest picture that is taken, 8192 x 8192 in colour, needs 1.5 GB on its way to grey; the largest volume, half
# a gigabyte of file twice while it comes in, and 0.3 GB of voxels.
MEMORY_BYTES = 2_000_000_000
READY = b"ready"
# The first descriptor after the standard streams.
SOCKET = 3
MOST_DESCRIPTORS = 65_536
VOLUME_FIELDS = ("spacing_mm", "slice_distance_mm", "format", "warnings")
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, SIGKILL = 1, 38, 9


def serve(answer: Callable[[bytes, Connection], None]) -> None:
    """Answer scans until the other end of the socket is closed."""
    os.dup2(int(sys.argv[1]), SOCKET)
    connection = Connection(SOCKET)
    load_decoders()
    confine()
    connection.send_bytes(READY)
    with suppress(EOFError, OSError):
        while True:
            answer(connection.recv_bytes(), connection)


def load_decoders() -> None:
    """Decode a little of every kind, for afterwards nothing can be loaded any more."""
    cv2.setNumThreads(1)
    picture = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1)))
    for form in ("PNG", "JPEG", "BMP", "TIFF", "WEBP"):
        content = io.BytesIO()
        picture.save(content, form)
        try_to_read(content.getvalue())
    for syntax in (ExplicitVRLittleEndian, RLELossless):
        try_to_read(small_dicom(syntax))
    for write in (to_nifti, to_series):
        try_to_read(write(draw_volume(1, side=64, slice_count=2)))


def small_dicom(syntax: str) -> bytes:
    """Return a CT slice of 64 px in DICOM."""
    slice_ = Dataset()
    slice_.SOPClassUID, slice_.SOPInstanceUID, slice_.Modality = CTImageStorage, "1.2.3", "CT"
    slice_.Rows = slice_.Columns = 64
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.HighBit, slice_.PixelRepresentation, slice_.SamplesPerPixel = 15, 0, 1
    slice_.PhotometricInterpretation, slice_.PixelSpacing = "MONOCHROME2", [1, 1]
    slice_.RescaleSlope, slice_.RescaleIntercept = 1, -1024
    slice_.PixelData = np.arange(64 * 64, dtype=np.uint16).tobytes()
    slice_.file_meta = FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if syntax == RLELossless:
        slice_.compress(RLELossless, generate_instance_uid=False)
    content = io.BytesIO()
    pydicom.dcmwrite(content, slice_, enforce_file_format=True)
    return content.getvalue()


def try_to_read(content: bytes) -> None:
    """Read a scan for the sake of what is loaded by it."""
    with suppress(InvalidScan):  # refused after it was decoded
        read(content)


def confine() -> None:
    """Give up everything that decoding does not need; there is no way back."""
    # Libraries quote what they find in a scan; nobody is to read it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    os.closerange(SOCKET + 1, MOST_DESCRIPTORS)
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with suppress(OSError):  # where there is no /proc, memory stays unbounded
        in_use_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (in_use_bytes + MEMORY_BYTES,) * 2)
    # A file or a socket needs a descriptor beyond those open now.
    limits = {
        resource.RLIMIT_NOFILE: SOCKET + 1,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))


def read(content: bytes) -> tuple[dict[str, Any], Iterable[np.ndarray]]:
    """Read a scan of any kind; return what is said of it and its pixels, slice by slice.

    Raises:
        InvalidScan: it cannot be used.
    """
    if sniff_format(content) in VOLUME_FORMATS:
        volume = read_volume(content)
        grid = {"shape": volume.grid.shape, "affine": volume.grid.affine}
        return {name: getattr(volume, name) for name in VOLUME_FIELDS} | {"grid": grid}, volume.slices
    scan = read_scan(content)
    return vars(scan) | {"pixels": None, "shape": scan.pixels.shape}, [scan.pixels]


def answer(content: bytes, connection: Connection) -> None:
    """Read a scan and write what came of it."""
    slices: Iterable[np.ndarray] = ()
    try:
        said, slices = read(content)
    except InvalidScan as error:
        said = {"code": error.code, "detail": error.detail}
    except MemoryError:
        said = {"code": "image_too_large", "detail": "The scan takes more memory to decode than any scan needs."}
    connection.send_bytes(json.dumps(said).encode())
    for pixels in slices:
        connection.send_bytes(np.ascontiguousarray(pixels, np.uint8).tobytes())


if __name__ == "__main__":
    serve(answer)
