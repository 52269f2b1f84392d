"""Look at the beginning of a DICOM file: is it nothing else, and encoded in a way that is taken?"""

import struct

from shared.errors import UnsupportedType

PREAMBLE_BYTES = 128
# The file meta group is a few hundred bytes; nothing further is looked at.
META_BYTES = 16 * 1024
TRANSFER_SYNTAX = struct.pack("<HH", 0x0002, 0x0010)
# Native little and big endian, and run lengths. Not deflated: 300 kB of it can unpack to gigabytes.
READABLE_SYNTAXES = {
    b"1.2.840.10008.1.2",
    b"1.2.840.10008.1.2.1",
    b"1.2.840.10008.1.2.2",
    b"1.2.840.10008.1.2.5",
}


def check_dicom(start: bytes) -> None:
    """Refuse DICOM files that are something else too, or compressed in a way that is not taken.

    Raises:
        UnsupportedType: either of these.
    """
    preamble = start[:PREAMBLE_BYTES]
    if any(preamble) and preamble[:4] not in (b"II*\x00", b"MM\x00*"):
        raise UnsupportedType("The DICOM file begins like a file of another kind; it is not taken.", code="polyglot")
    at = start.find(TRANSFER_SYNTAX + b"UI", PREAMBLE_BYTES)
    (length,) = struct.unpack("<H", start[at + 6 : at + 8]) if 0 <= at <= len(start) - 8 else (0,)
    syntax = start[at + 8 : at + 8 + length].rstrip(b"\x00 ") if length else b""
    if syntax not in READABLE_SYNTAXES:
        raise UnsupportedType(
            "The DICOM file is compressed in a way that is not taken; please export it uncompressed.",
            code="unsupported_transfer_syntax",
        )
