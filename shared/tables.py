"""The SQL tables. The neural network lives in `models/`, not here.

Times are integer milliseconds since 1970 by the database's clock (`*_ms`), never a host's: `shared.database.now_ms`.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import mysql

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)


def ascii_char(length: int) -> String:
    """A fixed-width ASCII text compared byte by byte: identifiers and digests."""
    exact = mysql.CHAR(length, charset="ascii", collation="ascii_bin")
    return String(length).with_variant(exact, "mysql", "mariadb")


ID = ascii_char(26)
SHA256 = ascii_char(64)
# A BLOB ends at 64 KiB in MySQL, a MEDIUMBLOB at 16 MiB.
PICTURE = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
# SQLite numbers rows by itself only for a column of type INTEGER.
SERIAL = BigInteger().with_variant(Integer(), "sqlite")
OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
}

users = Table(
    "users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("is_admin", Boolean(create_constraint=False), nullable=False, server_default=text("0")),
    Column("is_active", Boolean(create_constraint=False), nullable=False, server_default=text("1")),
    Column("must_change_password", Boolean(create_constraint=False), nullable=False, server_default=text("0")),
    # Sessions carry the epoch they began in; raising it ends them all.
    Column("session_epoch", Integer, nullable=False, server_default=text("0")),
    Column("created_ms", BigInteger, nullable=False),
    **OPTIONS,
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("token_sha256", SHA256, nullable=False, unique=True),
    # "read" may look; "write" may also submit, cancel, retry and delete.
    Column("scope", String(8), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("last_used_ms", BigInteger),
    Column("revoked_ms", BigInteger),
    **OPTIONS,
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    # sha256 of what is throttled (an account with an address, or an address): no name is stored.
    Column("subject_sha256", SHA256, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_login_failures_subject", "subject_sha256", "at_ms"),
    **OPTIONS,
)

submissions = Table(
    "submissions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("idempotency_key", String(64)),
    Column("content_sha256", SHA256, nullable=False),
    Column("scan_count", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    UniqueConstraint("user_id", "idempotency_key"),
    **OPTIONS,
)

scans = Table(
    "scans",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    # The stored object is named by its content; scans with equal bytes share one.
    Column("content_sha256", SHA256, nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("format", String(12), nullable=False),
    Column("label", String(80)),
    Column("created_ms", BigInteger, nullable=False),
    Column("purged_ms", BigInteger),
    # Holds all that it takes to count what a user stores anew.
    Index("ix_scans_quota", "user_id", "purged_ms", "size_bytes"),
    **OPTIONS,
)

# The rows of one user add up to what is stored: shared.jobs.usage.
usage = Table(
    "usage_by_user",
    metadata,
    Column("user_id", ID, primary_key=True),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("stored_bytes", BigInteger, nullable=False),
    **OPTIONS,
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("scan_id", ID, ForeignKey("scans.id"), nullable=False, index=True),
    Column("submission_id", ID, ForeignKey("submissions.id"), nullable=False, index=True),
    Column("submission_index", Integer, nullable=False),
    Column("status", String(10), nullable=False),
    Column("phase", String(10)),
    Column("progress_percent", SmallInteger, nullable=False, server_default=text("0")),
    Column("attempt", SmallInteger, nullable=False, server_default=text("0")),
    Column("crash_count", SmallInteger, nullable=False, server_default=text("0")),
    # Raised at every change of owner; a write that names an older one changes nothing.
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("worker_id", String(80)),
    Column("lease_until_ms", BigInteger),
    Column("deadline_ms", BigInteger),
    Column("available_ms", BigInteger, nullable=False),
    Column("published_ms", BigInteger, nullable=False),
    Column("cancel_requested_ms", BigInteger),
    Column("error_code", String(40)),
    Column("error_detail", String(300)),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("deleted_ms", BigInteger),
    # Raised by every write a reader can see; the ETag of the job.
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("status IN ('queued','running','succeeded','failed','dead','cancelled')", name="status"),
    Index("ix_jobs_claim", "status", "id"),
    Index("ix_jobs_lease", "status", "lease_until_ms"),
    Index("ix_jobs_ring", "status", "published_ms"),
    Index("ix_jobs_deleted", "deleted_ms"),
    Index("ix_jobs_user", "user_id", "id"),
    Index("ix_jobs_user_status", "user_id", "status", "id"),
    **OPTIONS,
)

job_events = Table(
    "job_events",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("job_id", ID, ForeignKey("jobs.id"), nullable=False),
    Column("from_status", String(10)),
    Column("to_status", String(10), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_job_events_job", "job_id", "seq"),
    **OPTIONS,
)

results = Table(
    "results",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("attempt", SmallInteger, nullable=False),
    Column("worker_id", String(80), nullable=False),
    Column("tumor_detected", Boolean(create_constraint=False), nullable=False),
    Column("confidence", Double, nullable=False),
    Column("stage", String(4)),
    Column("stage_rule", String(24), nullable=False),
    Column("affected_percent", Double),
    Column("lesion_count", Integer, nullable=False),
    # Of a volume: in the slice that is shown.
    Column("liver_area_px", BigInteger, nullable=False),
    Column("tumor_area_px", BigInteger, nullable=False),
    # "slice" or "volume"
    Column("scope", String(8), nullable=False, server_default="slice"),
    Column("slice_count", Integer, nullable=False, server_default=text("1")),
    Column("liver_volume_ml", Double),
    Column("tumor_volume_ml", Double),
    Column("model_name", String(40), nullable=False),
    Column("model_version", String(40), nullable=False),
    Column("model_sha256", SHA256, nullable=False),
    Column("code_version", String(40), nullable=False),
    Column("input_sha256", SHA256, nullable=False),
    Column("mask_sha256", SHA256, nullable=False),
    # Everything else of the measurement, the preprocessing parameters and the seconds per phase.
    Column("report", JSON, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    **OPTIONS,
)

lesions = Table(
    "lesions",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("x_px", Integer, nullable=False),
    Column("y_px", Integer, nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("area_px", BigInteger, nullable=False),
    Column("longest_diameter_px", Double, nullable=False),
    Column("longest_diameter_mm", Double),
    Column("confidence", Double, nullable=False),
    # Of a volume: the slice that box, area and diameter are of, counted from 1.
    Column("slice_number", Integer),
    Column("volume_ml", Double),
    **OPTIONS,
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True),
    # mask, preview, thumbnail; of a slice probability, uncertainty; of a volume mask_nifti, the others of one slice
    Column("kind", String(12), primary_key=True),
    Column("media_type", String(20), nullable=False),
    Column("content", PICTURE, nullable=False),
    Column("content_sha256", SHA256, nullable=False),
    **OPTIONS,
)

# The pictures of a volume, to scroll through; rows of a few ten KiB, for a page asks for one at a time.
slices = Table(
    "slices",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True),
    # Counted from 1, from inferior to superior.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("preview", PICTURE, nullable=False),
    Column("mask", PICTURE, nullable=False),
    **OPTIONS,
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("host", String(64), nullable=False),
    Column("process_count", Integer, nullable=False),
    Column("model_sha256", SHA256, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False, index=True),
    **OPTIONS,
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("act", String(24), nullable=False),
    # No foreign key: what somebody did outlives what it was done to.
    Column("user_id", ID),
    Column("object_id", ID),
    Column("origin", ascii_char(16)),
    # The place in the chain, and the digest over it and everything before; the keeper gives them.
    Column("position", BigInteger, unique=True),
    Column("sha256", SHA256),
    Index("ix_audit_log_object", "object_id", "user_id", "at_ms"),
    **OPTIONS,
)

# Numbers that only grow: shared.tallies.
tallies = Table(
    "tallies",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", Double, nullable=False),
    **OPTIONS,
)
