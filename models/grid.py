"""Where a volume's voxels lie in the body, and how to turn them the way the network knows.

The network knows axial slices with the spine down and the liver on the picture's left. So slices go from inferior to
superior, rows from anterior to posterior, and columns from the patient's right to the left.

Source: NIfTI-1, `nifti1.h`, "3D IMAGE (VOLUME) ORIENTATION AND LOCATION IN SPACE"; DICOM's axes are turned half round.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.errors import InvalidScan

# Gantries tilt; beyond this a slice shows another anatomy than those in training.
MAX_TILT_DEG = 10.0
MAX_SPACING_MM = 50.0
# An affine has 24 bits; what comes after is noise.
DIGITS = 6
# In a world whose axes point right, anterior, superior: which axis slices, rows and columns follow, and which way.
TOWARDS = ((2, 1), (1, -1), (0, -1))


@dataclass(frozen=True)
class Grid:
    """The voxels of a file.

    Attributes:
        shape: voxels along the file's axes i, j, k; ones may follow.
        affine: from voxel indices (i, j, k, 1) to mm towards right, anterior, superior; four rows.
    """

    shape: tuple[int, ...]
    affine: tuple[tuple[float, ...], ...]

    @cached_property
    def steps_mm(self) -> np.ndarray:
        """From a voxel to the next: (3, 3) float64, a column for each of the file's axes."""
        return np.array(self.affine, np.float64)[:3, :3]

    @cached_property
    def layout(self) -> tuple[tuple[int, bool], ...]:
        """For slices, rows and columns: which of the file's axes each is, and whether it runs the other way.

        Raises:
            InvalidScan: the axes make no sense, or the slices are not axial.
        """
        with np.errstate(all="ignore"):
            lengths_mm = np.linalg.norm(self.steps_mm, axis=0)
            directions = self.steps_mm / lengths_mm
        if not (np.isfinite(directions).all() and (lengths_mm <= MAX_SPACING_MM).all()):
            raise InvalidScan("invalid_nifti", "The file's orientation or voxel size makes no sense.")
        found = []
        for world, sign in TOWARDS:
            axis = int(np.abs(directions[world]).argmax())
            cosine = float(directions[world, axis])
            if abs(cosine) < math.cos(math.radians(MAX_TILT_DEG)):
                raise InvalidScan("oblique", f"The slices are tilted by more than {MAX_TILT_DEG:.0f} degrees.")
            found.append((axis, cosine * sign < 0))
        return tuple(found)

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        z, y, x = (self.shape[axis] for axis, _ in self.layout)
        return z, y, x

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Distance between pixel centres (down the rows, along a row)."""
        row, column = (round(float(np.linalg.norm(self.steps_mm[:, axis])), DIGITS) for axis, _ in self.layout[1:])
        return row, column

    @property
    def slice_distance_mm(self) -> float:
        """Distance between slices along their normal, which for tilted ones is less than a step."""
        rows, columns = (self.steps_mm[:, axis] for axis, _ in self.layout[1:])
        return round(self.voxel_mm3 / float(np.linalg.norm(np.cross(rows, columns))), DIGITS)

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return abs(float(np.linalg.det(self.steps_mm)))

    def turned(self, voxels: np.ndarray) -> np.ndarray:
        """Return a view of voxels, (K, J, I) as they lie in the file, turned to (Z, H, W) as the network knows them."""
        view = voxels.transpose([2 - axis for axis, _ in self.layout])
        return view[tuple(slice(None, None, -1 if flipped else 1) for _, flipped in self.layout)]
