"""The mask of a volume as NIfTI on the file's own grid: 0 background, 128 liver, 255 tumor."""

import gzip
import io

import numpy as np
from nibabel.nifti1 import Nifti1Header

from models.grid import Grid

# The header has room for 79 characters.
INTENDED_USE = b"Research and teaching only; not a medical device, not for diagnosis."
SCANNER, MM = 1, 2
LEVEL = 1


def encode_mask_nifti(mask: np.ndarray, grid: Grid) -> bytes:
    """Encode a mask, (K, J, I) uint8 as it lies in the file; the same mask gives the same bytes."""
    header = Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(grid.shape)
    header.set_qform(np.array(grid.affine), SCANNER, strip_shears=True)
    header.set_sform(np.array(grid.affine), SCANNER)
    header.set_xyzt_units(xyz=MM)
    header["descrip"] = INTENDED_USE
    header["vox_offset"] = len(header.binaryblock) + 4
    header["magic"] = b"n+1"
    out = io.BytesIO()
    with gzip.GzipFile("", "wb", LEVEL, out, mtime=0) as packed:
        packed.write(header.binaryblock + bytes(4))
        packed.write(np.ascontiguousarray(mask).data)
    return out.getvalue()
