"""Make files that are broken, lie or attack; nothing of this lies in the repository."""

import io
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from models.phantom import draw_phantom

MODEL_DIR = Path(__file__).parents[2] / "models"
Headers = dict[str, str]
# A bomb of 400 million pixels is 400 kB; larger promises need no more.
MOST_PIXELS = 400_000_000


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that promises a size; its pixels are all black and pack into almost nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compressobj(9)
    body = (
        b"".join(rows.compress(b"\0" * (width + 1)) for _ in range(min(height, MOST_PIXELS // width, 20_000)))
        + rows.flush()
    )
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def good_png() -> bytes:
    return cv2.imencode(".png", draw_phantom(1, side=256).pixels)[1].tobytes()


def encoded(pixels: np.ndarray, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def photo() -> bytes:
    """A colourful picture of a sunset, more or less."""
    y, x = np.mgrid[0:300, 0:400]
    return encoded(np.stack([200 - y // 3, 80 + y // 4, 40 + x // 4], -1).astype(np.uint8), "JPEG")


def two_frames(form: str) -> bytes:
    frames = [Image.fromarray(draw_phantom(seed, side=128).pixels) for seed in (1, 2)]
    out = io.BytesIO()
    frames[0].save(out, form, save_all=True, append_images=frames[1:])
    return out.getvalue()


def dicom(change: Callable[[FileDataset], None] | None = None, *, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A CT slice in DICOM, changed in one way."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    scan = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    scan.SOPClassUID, scan.SOPInstanceUID, scan.Modality = CTImageStorage, meta.MediaStorageSOPInstanceUID, "CT"
    scan.PatientName = "ZZPHI^TEST"
    scan.Rows = scan.Columns = 256
    scan.BitsAllocated = scan.BitsStored = 16
    scan.HighBit, scan.PixelRepresentation, scan.SamplesPerPixel = 15, 1, 1
    scan.PhotometricInterpretation = "MONOCHROME2"
    scan.RescaleSlope, scan.RescaleIntercept = 1, -1024
    scan.PixelSpacing = [0.8, 0.8]
    hu = draw_phantom(1, side=256).pixels.astype(np.float32) / 255 * 450 - 200
    scan.PixelData = (hu + 1024).astype(np.int16).tobytes()
    if change:
        change(scan)
    out = io.BytesIO()
    pydicom.dcmwrite(out, scan, enforce_file_format=True)
    return out.getvalue()


def setter(**values: object) -> Callable[[FileDataset], None]:
    def change(scan: FileDataset) -> None:
        for name, value in values.items():
            setattr(scan, name, value)

    return change


def without(name: str) -> Callable[[FileDataset], None]:
    return lambda scan: delattr(scan, name)


def nested_dicom(depth: int) -> bytes:
    """A CT slice with sequences in sequences, deeper than any reader recurses."""
    modality = b"\x08\0\x60\0CS\x02\0CT"
    opening = b"\x08\0\x10\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return dicom().replace(modality, modality + opening * depth + closing * depth, 1)


def jpeg_cmyk() -> bytes:
    out = io.BytesIO()
    Image.fromarray(draw_phantom(1, side=256).pixels).convert("CMYK").save(out, "JPEG")
    return out.getvalue()


def png_with_text_bomb() -> bytes:
    """A good picture, with a compressed text of a hundred megabytes in it."""
    good = good_png()
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 100_000_000, 9))
    return good[:33] + bomb + good[33:]


def png_alpha() -> bytes:
    pixels = draw_phantom(1, side=256).pixels
    return encoded(np.stack([*[pixels] * 3, np.full_like(pixels, 255)], -1), "PNG")


def jpeg_turned() -> bytes:
    """A good picture that says it must be turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(draw_phantom(1, side=256).pixels, "JPEG", exif=exif.tobytes())


def dicom_of_endless_elements() -> bytes:
    return dicom().replace(b"\x28\0\x02\0US", b"\x09\0\x10\0CS\x02\0AB" * 200_000 + b"\x28\0\x02\0US", 1)


def dicom_with_length(length: bytes) -> bytes:
    """A CT slice whose pixels claim another length than they have."""
    at = dicom().index(b"\xe0\x7f\x10\0OW\0\0")
    return dicom()[: at + 8] + length + dicom()[at + 12 :]


def dicom_with_huge_private_element() -> bytes:
    element = b"\x09\0\x10\0OB\0\0\xf0\xff\xff\xff"
    return dicom().replace(b"\x28\0\x02\0US", element + b"\x28\0\x02\0US", 1)


def nifti(
    *, dims: tuple[int, ...] = (3, 64, 64, 4), datatype: int = 4, data: bytes = b"", slope: float = 1.0,
    offset: float = 352.0, codes: tuple[int, int] = (0, 1), step_mm: float = 0.8,
) -> bytes:  # fmt: skip
    """A NIfTI-1 header, as it says and with as much data as given."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *(*dims, *([1] * (8 - len(dims)))))
    struct.pack_into("<hh", header, 70, datatype, 16)
    struct.pack_into("<fff", header, 108, offset, slope, 0.0)
    header[148:158] = b"ZZPHI^TEST"
    struct.pack_into("<hh", header, 252, *codes)
    struct.pack_into("<12f", header, 280, -step_mm, 0, 0, 0, 0, -0.8, 0, 0, 0, 0, 5, 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + data


def oblique_nifti() -> bytes:
    """A NIfTI-1 volume whose slices are tilted by twenty degrees."""
    content = bytearray(nifti(data=bytes(range(256)) * 128))
    struct.pack_into("<12f", content, 280, -1, 0, 0, 0, 0, -0.94, 0.34, 0, 0, 0.34, 0.94, 0)
    return bytes(content)


def zipped(*names: str, content: bytes = b"x", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def renamed(archive: bytes, name: str, *, doubled: bool = False) -> bytes:
    """An archive whose files all have the same name; doubled, each is in it twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w") as target:
        for info in source.infolist() * (1 + doubled):
            with warnings.catch_warnings(action="ignore"):
                target.writestr(name, source.read(info))
    return out.getvalue()


def zip_of_names(count: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}", b"")
    return out.getvalue()


def zip_with_end(*, entries: int, directory_bytes: int) -> bytes:
    """An archive that speaks of a directory it does not have."""
    return zipped("a")[:-22] + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, entries, entries, directory_bytes, 0, 0)


def encrypted(archive: bytes) -> bytes:
    """An archive that says of its files that they are encrypted."""
    content = bytearray(archive)
    at = content.find(b"PK\1\2")
    while at >= 0:
        content[at + 8] |= 1
        at = content.find(b"PK\1\2", at + 4)
    return bytes(content)


def zip_link(content: bytes) -> bytes:
    """An archive whose one file says that it is a link."""
    out = io.BytesIO()
    link = zipfile.ZipInfo("a.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, content)
    return out.getvalue()
