"""A DICOM file loses the person before it is stored, and nothing that its picture needs."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from flask.testing import FlaskClient
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from models.dicom import read_dicom
from shared.errors import UnreadableScan
from shared.settings import load_settings
from web import create_app
from web.context import Context
from web.deidentify import MAX_READS, deidentified

KEY = "a key"
CANARY = "ZZPHI"
# Every element that table E.1-1 of PS3.15 names and that has room for text or a date.
TEXT_VRS = ("AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UN", "UT")
DATES = {"AS": "077Y", "DA": "19770707", "DT": "19770707070707", "TM": "070707"}
PROFILED = [
    "AccessionNumber", "AcquisitionComments", "AcquisitionDate", "AcquisitionDateTime", "AcquisitionTime",
    "AdditionalPatientHistory", "AdmissionID", "AdmittingDate", "AdmittingDiagnosesDescription", "Allergies",
    "BranchOfService", "CassetteID", "ClinicalTrialSubjectID", "ContentCreatorName",
    "ContentDate", "ContentTime", "CountryOfResidence", "CurrentPatientLocation", "DetectorID",
    "DeviceSerialNumber", "DeviceUID", "EthnicGroup", "FrameOfReferenceUID", "GantryID", "ImageComments",
    "InstanceCreationDate", "InstanceCreationTime", "InstitutionAddress", "InstitutionName",
    "InstitutionalDepartmentName", "InsurancePlanIdentification", "IssuerOfPatientID", "MedicalAlerts",
    "MedicalRecordLocator", "MilitaryRank", "NameOfPhysiciansReadingStudy", "Occupation", "OperatorsName",
    "OtherPatientIDs", "OtherPatientNames", "PatientAddress", "PatientAge", "PatientBirthDate", "PatientBirthName",
    "PatientBirthTime", "PatientComments", "PatientID", "PatientInstitutionResidence", "PatientMotherBirthName",
    "PatientName", "PatientReligiousPreference", "PatientSex", "PatientState", "PatientTelephoneNumbers",
    "PerformedProcedureStepDescription", "PerformedProcedureStepID", "PerformingPhysicianName", "PhysiciansOfRecord",
    "PlateID", "ProtocolName", "ReferringPhysicianAddress", "ReferringPhysicianName",
    "ReferringPhysicianTelephoneNumbers", "RegionOfResidence", "RequestingPhysician", "RequestingService",
    "ResponsibleOrganization", "ResponsiblePerson", "SeriesDate", "SeriesDescription", "SeriesInstanceUID",
    "SeriesTime", "SmokingStatus", "SOPInstanceUID", "SpecialNeeds", "StationName", "StudyComments", "StudyDate",
    "StudyDescription", "StudyID", "StudyInstanceUID", "StudyTime", "TimezoneOffsetFromUTC",
]  # fmt: skip


def slice_of(person: Callable[[Dataset], None] = lambda dataset: None, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A CT slice of 64 px, with what tells of a person as `person` sets it."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = CTImageStorage, "1.2.3.4", "CT"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    dataset.Rows = dataset.Columns = 64
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 1, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelSpacing, dataset.SliceThickness = [0.8, 0.7], 5
    dataset.PixelData = np.arange(64 * 64, dtype=np.int16).tobytes()
    person(dataset)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if syntax == RLELossless:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(RLELossless, generate_instance_uid=False)
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def without_person(content: bytes, key: str = KEY) -> bytes:
    return deidentified(io.BytesIO(content), key).read()


def told(name: str) -> str:
    """A value of the element that would give a person away."""
    vr = dictionary_VR(name)
    return "1.2.3.7070707" if vr == "UI" else DATES.get(vr, CANARY)


@pytest.mark.parametrize("name", PROFILED)
def test_no_element_of_the_basic_profile_keeps_its_value(name: str) -> None:
    content = slice_of(lambda dataset: setattr(dataset, name, told(name)))
    assert told(name).encode() in content

    assert told(name).encode() not in without_person(content)


def test_private_elements_sequences_and_the_preamble_go() -> None:
    def tell(dataset: Dataset) -> None:
        dataset.add_new(0x00091001, "LO", CANARY)
        request = Dataset()
        request.PatientName = CANARY
        dataset.RequestAttributesSequence = [request]
        dataset.add_new(0x60003000, "OW", (CANARY + " ").encode())

    content = b"II*\0" + CANARY.encode() + bytes(128 - 9) + slice_of(tell)[128:]

    assert CANARY.encode() not in without_person(content)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
def test_the_worker_reads_the_same_scan(syntax: str) -> None:
    content = slice_of(syntax=syntax)

    before, after = read_dicom(content), read_dicom(without_person(content))

    assert (after.pixels == before.pixels).all()
    assert (after.spacing_mm, after.calibrated) == ((0.8, 0.7), True)


def test_a_ct_from_a_real_scanner_stays_readable() -> None:
    content = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()

    assert (read_dicom(without_person(content)).pixels == read_dicom(content).pixels).all()


def test_the_file_says_what_was_done_and_keeps_to_a_short_list() -> None:
    written = pydicom.dcmread(io.BytesIO(without_person(slice_of())))

    assert written.PatientIdentityRemoved == "YES"
    assert written.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    free = [keyword_for_tag(e.tag) for e in written if e.VR in ("LO", "SH", "PN", "ST", "LT", "UT") and e.value]
    assert free == ["DeidentificationMethod"]


def test_identifiers_stay_linked_only_for_who_has_the_key() -> None:
    one, two = (slice_of(lambda d, u=uid: setattr(d, "SOPInstanceUID", u)) for uid in ("1.2.3.4", "1.2.3.5"))

    read = [pydicom.dcmread(io.BytesIO(c)) for c in (without_person(one), without_person(two))]
    other = pydicom.dcmread(io.BytesIO(without_person(one, "another key")))

    assert read[0].SeriesInstanceUID == read[1].SeriesInstanceUID != "1.2.3.1"
    assert read[0].SOPInstanceUID != read[1].SOPInstanceUID
    assert other.SeriesInstanceUID != read[0].SeriesInstanceUID
    assert without_person(one) == without_person(one)


def test_a_header_of_endless_elements_is_refused_soon() -> None:
    element = b"\x09\0\x10\0CS\x02\0AB"
    content = slice_of().replace(b"\x20\0\x0d\0UI", element * MAX_READS + b"\x20\0\x0d\0UI", 1)

    with pytest.raises(UnreadableScan) as refusal:
        without_person(content)

    assert refusal.value.code == "invalid_dicom"


def send(client: FlaskClient, headers: dict[str, str], content: bytes, key: str | None = None) -> Any:
    """Submit raw bytes."""
    keyed = headers | ({"Idempotency-Key": key} if key else {})
    return client.post("/api/v1/jobs", data=content, content_type="application/dicom", headers=keyed)


def tell_everything(dataset: Dataset) -> None:
    for name in PROFILED:
        setattr(dataset, name, told(name))


def test_nothing_of_the_person_reaches_the_disk(
    client: FlaskClient, ann: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer = send(client, ann, slice_of(tell_everything))

    assert answer.status_code == 202
    stored = client.get(f"/api/v1/jobs/{answer.json['id']}/original", headers=ann).data
    assert read_dicom(stored).pixels.shape == (64, 64)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (CANARY.encode(), b"19770707", b"1.2.3.7070707"):
        assert secret not in everything
        assert secret.decode() not in caplog.text


def test_the_same_upload_with_the_same_key_is_one_job(client: FlaskClient, ann: dict[str, str]) -> None:
    first, second = (send(client, ann, slice_of(tell_everything), key="k") for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json["id"] == second.json["id"]


def test_whoever_wants_to_keep_files_as_they_come_can(
    settings: Any, context: Context, ann: dict[str, str], tmp_path: Path
) -> None:
    environment = {"DATA_DIR": str(tmp_path), "DATABASE_URL": settings.database_url, "DEIDENTIFY_DICOM": "false"}
    client = create_app(load_settings(environment | {"REDIS_URL": settings.redis_url})).test_client()
    content = slice_of(tell_everything)

    job = send(client, ann, content).json

    assert client.get(f"/api/v1/jobs/{job['id']}/original", headers=ann).data == content


def test_declared_text_in_the_picture_is_said() -> None:
    burned = slice_of(lambda dataset: setattr(dataset, "BurnedInAnnotation", "YES"))

    assert read_dicom(without_person(burned)).warnings == ("burned_in_text",)
    assert read_dicom(without_person(slice_of())).warnings == ()


def test_every_name_in_the_table_is_known_to_the_standard() -> None:
    assert all(dictionary_VR(name) in TEXT_VRS for name in PROFILED)
