"""A series of DICOM slices: how it becomes one volume, and when it does not."""

import io
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import RLELossless

from models.errors import InvalidScan
from models.phantom_volume import affine_of, draw_volume, to_nifti, to_series
from models.scan import read_volume, sniff_format
from models.volume_type import Volume
from models.window import to_display

PHANTOM = draw_volume(1, side=64, slice_count=8)
SHOWN = to_display(PHANTOM.hu.astype(np.float32))
Change = Callable[[int, Dataset], None]


def setter(**values: object) -> Change:
    def change(number: int, slice_: Dataset) -> None:
        for name, value in values.items():
            setattr(slice_, name, value)

    return change


def read(change: Change = lambda number, slice_: None) -> Volume:
    return read_volume(to_series(PHANTOM, change))


def refusal_of(content: bytes) -> str:
    with pytest.raises(InvalidScan) as refusal:
        read_volume(content)
    assert refusal.value.detail.endswith(".")
    return refusal.value.code


def moved(number: int, slice_: Dataset, by_mm: float) -> None:
    x, y, z = slice_.ImagePositionPatient
    slice_.ImagePositionPatient = [x, y, z + by_mm]


def test_slices_in_any_order_make_the_volume_that_nifti_has() -> None:
    volume, same = read(), read_volume(to_nifti(PHANTOM))

    assert sniff_format(to_series(PHANTOM)) == volume.format == "dicom_series"
    assert np.array_equal(np.stack(list(volume.slices)), SHOWN)
    assert np.allclose(volume.grid.affine, affine_of(PHANTOM))
    assert np.allclose(volume.grid.affine, same.grid.affine)
    assert (volume.spacing_mm, volume.slice_distance_mm, volume.warnings) == ((6.25, 6.25), 5.0, ())


def test_a_series_stored_feet_up_and_mirrored_is_turned_back() -> None:
    def turned(number: int, slice_: Dataset) -> None:
        slice_.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        slice_.ImagePositionPatient = [200 - 6.25, 200 - 6.25, -5.0 * number]
        slice_.PixelData = np.ascontiguousarray(PHANTOM.hu[number, ::-1, ::-1]).tobytes()

    volume = read(turned)

    assert np.array_equal(np.stack(list(volume.slices)), SHOWN[::-1])


def test_run_lengths_and_another_slope_in_each_slice_give_the_same_picture() -> None:
    def packed(number: int, slice_: Dataset) -> None:
        slice_.RescaleIntercept = -number
        slice_.PixelData = (PHANTOM.hu[number] + number).astype("<i2").tobytes()
        slice_.compress(RLELossless, generate_instance_uid=False)

    assert np.array_equal(np.stack(list(read(packed).slices)), SHOWN)


def test_the_distance_of_slices_is_that_of_their_positions_and_no_other() -> None:
    volume = read(setter(SliceThickness=1.25, SpacingBetweenSlices=-3))

    assert volume.slice_distance_mm == 5.0


def test_a_tilted_gantry_counts_along_the_normal() -> None:
    cosine, sine = np.cos(np.radians(8)), np.sin(np.radians(8))

    volume = read(setter(ImageOrientationPatient=[1, 0, 0, 0, cosine, -sine]))

    assert volume.slice_distance_mm == pytest.approx(5 * cosine, rel=1e-4)
    assert volume.grid.voxel_mm3 == pytest.approx(5 * cosine * 6.25**2, rel=1e-4)


@pytest.mark.parametrize(("by_mm", "warned"), [(0.05, False), (0.15, True), (5.0, True)])
def test_a_gap_of_more_than_a_fiftieth_of_a_step_takes_the_millilitres(by_mm: float, warned: bool) -> None:
    volume = read(lambda number, slice_: moved(number, slice_, by_mm if number > 3 else 0))

    assert (volume.warnings == ("irregular_slices",), volume.slice_distance_mm is None) == (warned, warned)
    assert volume.spacing_mm == (6.25, 6.25)


def test_what_slices_declare_is_said_once() -> None:
    def declared(number: int, slice_: Dataset) -> None:
        slice_.BurnedInAnnotation = "YES"
        del slice_.RescaleIntercept

    assert read(declared).warnings == ("uncalibrated", "burned_in_text")


def test_without_pixel_spacing_nothing_is_measured_in_mm() -> None:
    volume = read(lambda number, slice_: slice_.__delattr__("PixelSpacing"))

    assert (volume.spacing_mm, volume.slice_distance_mm) == (None, None)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda n, s: setter(SeriesInstanceUID="1.2.3")(n, s) if n == 3 else None, "mixed_series"),
        (lambda n, s: setter(ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])(n, s) if n == 3 else None, "mixed_series"),
        (lambda n, s: setter(PixelSpacing=[1, 1])(n, s) if n == 3 else None, "mixed_series"),
        (lambda n, s: moved(n, s, -5) if n == 3 else None, "duplicate_slices"),
        (lambda n, s: s.__delattr__("ImagePositionPatient") if n == 3 else None, "invalid_dicom"),
        (lambda n, s: s.__delattr__("ImageOrientationPatient"), "invalid_dicom"),
        (setter(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "invalid_dicom"),
        (setter(ImagePositionPatient=[0, 0]), "invalid_dicom"),
        (setter(ImageOrientationPatient=[1, 0, 0, 0, 0.94, 0.342]), "oblique"),
        (lambda n, s: moved(n, s, 60 * n), "invalid_dicom"),
        (lambda n, s: setter(Modality="MR")(n, s) if n == 3 else None, "not_ct"),
        (lambda n, s: setter(PixelData=s.PixelData[:100])(n, s) if n == 3 else None, "truncated"),
        (lambda n, s: setter(PixelData=b"\0\0" * 64 * 64)(n, s), "no_content"),
        (setter(Rows=32), "image_too_small"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_slices_that_do_not_make_one_volume_are_refused(change: Change, code: str) -> None:
    assert refusal_of(to_series(PHANTOM, change)) == code


def test_an_archive_that_is_damaged_or_holds_one_slice_is_refused() -> None:
    whole = to_series(PHANTOM)
    garbled = bytearray(whole)
    garbled[3000:3100] = bytes(100)
    one = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(one, "w") as target:
        target.writestr("a", source.read("0.dcm"))

    assert [refusal_of(content) for content in (whole[:-40], bytes(garbled), one.getvalue())] == ["invalid_archive"] * 3
