"""Read a scan from its bytes, whatever its format."""

from models.dicom import is_dicom, read_dicom
from models.dicom_series import is_archive, read_series
from models.errors import InvalidScan
from models.nifti import is_nifti, read_nifti
from models.picture import picture_format, read_picture
from models.scan_type import Scan
from models.volume_type import VOLUME_FORMATS, Volume


def sniff_format(data: bytes) -> str | None:
    """Tell a scan's format by its content: "nifti", "dicom_series", "dicom", a picture's, or None."""
    if is_nifti(data):
        return "nifti"
    if is_archive(data):
        return "dicom_series"
    return "dicom" if is_dicom(data) else picture_format(data)


def read_scan(data: bytes) -> Scan:
    """Read a slice.

    Raises:
        InvalidScan: it cannot be used; the code says why.
    """
    if not data:
        raise InvalidScan("file_empty", "The file is empty.")
    form = sniff_format(data)
    if form is None or form in VOLUME_FORMATS:
        raise InvalidScan("unsupported_type", "This is not a picture or DICOM file that can be read.")
    scan = read_dicom(data) if form == "dicom" else read_picture(data, form)
    if scan.pixels.min() == scan.pixels.max():
        raise InvalidScan("no_content", "The picture is of one colour; there is nothing to see in it.")
    return scan


def read_volume(data: bytes) -> Volume:
    """Read a volume.

    Raises:
        InvalidScan: it cannot be used; the code says why.
    """
    form = sniff_format(data)
    if form not in VOLUME_FORMATS:
        raise InvalidScan("unsupported_type", "This is not a CT volume that can be read.")
    return read_nifti(data) if form == "nifti" else read_series(data)
