"""Take the person out of a DICOM file before it is stored: only what is needed to read the picture is kept.

Source: DICOM PS3.15 Annex E, Basic Application Confidentiality Profile. That profile lists what to remove; keeping a
short list instead also removes what nobody thought of, private elements above all. Text burned into the pixels stays.
"""

import io
from typing import BinaryIO, cast

import pydicom
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, CTImageStorage, generate_uid

from shared.errors import UnreadableScan

# Numbers and coded words; nothing here has room for a name.
KEPT = (
    "SOPClassUID", "Modality", "ImageType", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
    "RescaleIntercept", "RescaleSlope", "WindowCenter", "WindowWidth", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "SliceLocation", "ImagePositionPatient", "ImageOrientationPatient", "PatientPosition",
    "KVP", "InstanceNumber", "BurnedInAnnotation", "LossyImageCompression", "PixelData",
)  # fmt: skip
REPLACED = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
# A CT image must have these, though they may be empty (PS3.3 A.3).
EMPTIED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "AcquisitionNumber", "Manufacturer",
    "PositionReferenceIndicator",
)  # fmt: skip
# Each element takes two or three reads; a real slice has a few hundred elements.
MAX_READS = 100_000


def deidentified(stream: BinaryIO, key: str) -> BinaryIO:
    """Return a DICOM file without what tells of the person.

    Args:
        stream: the file as uploaded.
        key: a secret; equal identifiers become equal others, and nobody without the key can tell which.

    Raises:
        UnreadableScan: it breaks the standard.
    """
    try:
        source = pydicom.dcmread(cast(BinaryIO, Bounded(stream)), specific_tags=tags(*KEPT, *REPLACED))
        if not source:
            # What pydicom returns, without a word, for a file that ends inside an element of undefined length.
            raise EOFError
        return rewritten(source, key)
    except Exception as error:
        # pydicom lets almost any exception out for files against the standard, RecursionError among them.
        raise UnreadableScan("The DICOM file breaks the standard and cannot be read.", code="invalid_dicom") from error


def rewritten(source: pydicom.FileDataset, key: str) -> BinaryIO:
    """Return a new file with what is kept of a dataset."""
    kept = Dataset()
    for tag in tags(*KEPT):
        if tag in source:
            # As the bytes it is in the file: what they mean, and whether that makes sense, is the worker's to judge.
            kept[tag] = source.get_item(tag)
    for name in EMPTIED:
        setattr(kept, name, "")
    for name in REPLACED:
        setattr(kept, name, generate_uid(entropy_srcs=[key, name, str(source.get(name, ""))]))
    kept.PatientIdentityRemoved = "YES"
    kept.LongitudinalTemporalInformationModified = "REMOVED"
    kept.DeidentificationMethod = "PS3.15 Basic Profile, by a list of what is kept"
    method = Dataset()
    method.CodeValue, method.CodingSchemeDesignator = "113100", "DCM"
    method.CodeMeaning = "Basic Application Confidentiality Profile"
    kept.DeidentificationMethodCodeSequence = [method]

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = source.file_meta.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = UID(str(source.get("SOPClassUID", "")) or CTImageStorage)
    meta.MediaStorageSOPInstanceUID = kept.SOPInstanceUID
    kept.file_meta = meta
    kept.preamble = b"\0" * 128
    out = io.BytesIO()
    pydicom.dcmwrite(out, kept, enforce_file_format=True)
    out.seek(0)
    return out


def tags(*keywords: str) -> list[BaseTag]:
    """Return the tags of DICOM keywords."""
    return [Tag(tag_for_keyword(keyword) or 0) for keyword in keywords]


class Bounded:
    """A stream that may be read from only so often: a header of a million elements is an attack."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.left = MAX_READS
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes.

        Raises:
            ValueError: it was read from too often.
        """
        self.left -= 1
        if self.left < 0:
            raise ValueError("too many elements")
        return self.stream.read(size)
