"""Take uploads: check, store durably, queue, and only then answer. All scans of a request become jobs, or none."""

import logging
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from typing import BinaryIO

from flask import current_app
from sqlalchemy import Connection

from shared.audit import Act
from shared.errors import BadUpload, Invalid, ScanRefused, ScanTooLarge
from shared.jobs.claim import VOLUME_FORMATS
from shared.jobs.submit import StoredScan, Submission, check_quota, submit
from shared.settings import MIB, Settings
from web.audit_trail import note
from web.context import Context
from web.nifti_clean import cleaned_nifti
from web.request_log import request_id
from web.scan_header import check_header
from web.series_archive import cleaned_series

logger = logging.getLogger(__name__)

MAX_LABEL_LENGTH = 80
# No slice that can be decoded needs more; DICOM slices are rewritten in memory.
MAX_SLICE_BYTES = 64 * MIB
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,64}")


def receive(
    context: Context,
    streams: Sequence[BinaryIO],
    *,
    user_id: str,
    label: str | None = None,
    idempotency_key: str | None = None,
) -> Submission:
    """Turn uploaded files into queued jobs, and ring for them.

    Raises:
        ScanRefused: a file cannot be taken; `index` is its place in the request.
        Invalid: the label or the idempotency key cannot be used.
        TooMany: a quota is used up, or too many came within a minute.
        InfrastructureError: storage or database do not answer; nothing was queued.
    """
    settings = context.settings
    label, idempotency_key = checked_label(label), checked_key(idempotency_key)
    if not streams:
        raise BadUpload("The request holds no file; send at least one in the field scan.", code="file_missing")
    if len(streams) > settings.max_files_per_upload:
        raise BadUpload(f"An upload may hold {settings.max_files_per_upload} scans at most.", code="too_many_files")
    context.submit_rate.count(user_id, len(streams))
    formats = checked_formats(streams)

    # Looked at before anything is stored; uploads run side by side may together go a little over.
    with context.database.read() as connection:
        check_quota(
            connection,
            user_id,
            more_jobs=len(streams),
            more_bytes=sum(map(size_bytes, streams)),
            max_active_jobs=settings.max_active_jobs,
            max_stored_bytes=settings.max_stored_bytes,
        )
    stored = store_all(context, streams, formats)

    def accept(connection: Connection) -> Submission:
        made = submit(connection, user_id, stored, label=label, idempotency_key=idempotency_key)
        if not made.replayed:
            note(connection, Act.SUBMIT, user_id=user_id, object_id=made.id)
        return made

    submission = context.database.run(accept)
    if not submission.replayed:
        first = submission.job_ids[0]
        logger.info("request_id=%s job_id=%s submitted count=%d", request_id(), first, len(submission.job_ids))
        context.ringer.ring(submission.job_ids)
    return submission


def store_all(context: Context, streams: Sequence[BinaryIO], formats: list[str]) -> list[StoredScan]:
    """Store every file durably, DICOM and NIfTI files without patient data.

    Raises:
        ScanRefused: one has too many bytes, or breaks the DICOM standard.
    """
    stored = []
    for index, (stream, form) in enumerate(zip(streams, formats, strict=True)):
        try:
            limit_bytes = context.settings.max_upload_bytes
            if form not in VOLUME_FORMATS:
                limit_bytes = min(limit_bytes, MAX_SLICE_BYTES)
            check_length(stream, limit_bytes)
            with impersonal(context.settings, stream, form) as harmless:
                kept = context.storage.put(harmless, limit_bytes=limit_bytes)
        except ScanRefused as error:
            error.index = index
            raise
        stored.append(StoredScan(kept.sha256, kept.size_bytes, form))
    return stored


def impersonal(settings: Settings, stream: BinaryIO, form: str) -> AbstractContextManager[BinaryIO]:
    """Return a file as it is to be stored, without what tells of a person.

    Raises:
        UnreadableScan: it breaks its standard, or its own promise.
    """
    if form == "nifti":
        return cleaned_nifti(stream)
    if form == "dicom_series":
        return cleaned_series(stream, cleaner(settings))
    if form == "dicom":
        return closing(cleaner(settings)(stream))
    return nullcontext(stream)


def cleaner(settings: Settings) -> Callable[[BinaryIO], BinaryIO]:
    """Return what takes the person out of a DICOM file, or leaves it as it is where the settings say so."""
    if not settings.deidentify_dicom:
        return lambda stream: stream
    # Here and not above: pydicom takes a third of the web server's memory, and many serve no DICOM.
    from web.deidentify import deidentified

    return partial(deidentified, key=str(current_app.config["SECRET_KEY"]))


def check_length(stream: BinaryIO, limit_bytes: int) -> None:
    """Refuse a file before it is worked on.

    Raises:
        ScanTooLarge: it has too many bytes.
    """
    if size_bytes(stream) > limit_bytes:
        raise ScanTooLarge(f"A scan may have at most {limit_bytes:,} bytes.", limit_bytes=limit_bytes)


def size_bytes(stream: BinaryIO) -> int:
    """Return a stream's length; it is left at its beginning."""
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return length


def checked_formats(streams: Sequence[BinaryIO]) -> list[str]:
    """Return each file's format.

    Raises:
        ScanRefused: the first file that cannot be taken.
    """
    formats = []
    for index, stream in enumerate(streams):
        try:
            formats.append(check_header(stream))
        except ScanRefused as error:
            error.index = index
            raise
    return formats


def checked_label(label: str | None) -> str | None:
    """Return a label in one form, without control and direction characters; None for an empty one.

    Raises:
        Invalid: it is too long.
    """
    if label is None:
        return None
    normal = unicodedata.normalize("NFC", label)
    # Cc are control characters, Cf invisible ones such as those that turn the reading direction, Cs broken halves.
    kept = "".join(c for c in normal if unicodedata.category(c) not in ("Cc", "Cf", "Cs")).strip()
    if len(kept) > MAX_LABEL_LENGTH:
        raise Invalid(f"A label may have {MAX_LABEL_LENGTH} characters at most.", code="label_too_long")
    return kept or None


def checked_key(key: str | None) -> str | None:
    """Return an idempotency key as it is.

    Raises:
        Invalid: it is empty, too long, or has other than visible ASCII characters.
    """
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise Invalid("An Idempotency-Key has 1 to 64 visible ASCII characters.", code="bad_idempotency_key")
    return key
