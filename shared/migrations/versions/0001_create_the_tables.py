"""create the tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "login_failures",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column(
            "subject_sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=False,
        ),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_login_failures")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("login_failures", schema=None) as batch_op:
        batch_op.create_index("ix_login_failures_subject", ["subject_sha256", "at_ms"], unique=False)

    op.create_table(
        "users",
        sa.Column(
            "id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("is_admin", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("session_epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("process_count", sa.Integer(), nullable=False),
        sa.Column(
            "model_sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=False,
        ),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("workers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_workers_seen_ms"), ["seen_ms"], unique=False)

    op.create_table(
        "api_tokens",
        sa.Column(
            "id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "user_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column(
            "token_sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=False,
        ),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_used_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_api_tokens_token_sha256")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_tokens_user_id"), ["user_id"], unique=False)

    op.create_table(
        "scans",
        sa.Column(
            "id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "user_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "content_sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=False,
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(length=12), nullable=False),
        sa.Column("label", sa.String(length=80), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("purged_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_scans_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scans")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("scans", schema=None) as batch_op:
        batch_op.create_index("ix_scans_quota", ["user_id", "purged_ms", "size_bytes"], unique=False)
        batch_op.create_index(batch_op.f("ix_scans_content_sha256"), ["content_sha256"], unique=False)

    op.create_table(
        "submissions",
        sa.Column(
            "id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "user_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column("idempotency_key", sa.String(length=64), nullable=True),
        sa.Column(
            "content_sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=False,
        ),
        sa.Column("scan_count", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_submissions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
        sa.UniqueConstraint("user_id", "idempotency_key", name=op.f("uq_submissions_user_id_idempotency_key")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "jobs",
        sa.Column(
            "id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "user_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "scan_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "submission_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column("submission_index", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("phase", sa.String(length=10), nullable=True),
        sa.Column("progress_percent", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("crash_count", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker_id", sa.String(length=80), nullable=True),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("deadline_ms", sa.BigInteger(), nullable=True),
        sa.Column("available_ms", sa.BigInteger(), nullable=False),
        sa.Column("published_ms", sa.BigInteger(), nullable=False),
        sa.Column("cancel_requested_ms", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.String(length=40), nullable=True),
        sa.Column("error_detail", sa.String(length=300), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("finished_ms", sa.BigInteger(), nullable=True),
        sa.Column("deleted_ms", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "status IN ('queued','running','succeeded','failed','dead','cancelled')", name=op.f("ck_jobs_status")
        ),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=op.f("fk_jobs_scan_id")),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_jobs_submission_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_jobs_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("ix_jobs_claim", ["status", "id"], unique=False)
        batch_op.create_index("ix_jobs_lease", ["status", "lease_until_ms"], unique=False)
        batch_op.create_index("ix_jobs_deleted", ["deleted_ms"], unique=False)
        batch_op.create_index("ix_jobs_ring", ["status", "published_ms"], unique=False)
        batch_op.create_index(batch_op.f("ix_jobs_scan_id"), ["scan_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_jobs_submission_id"), ["submission_id"], unique=False)
        batch_op.create_index("ix_jobs_user", ["user_id", "id"], unique=False)
        batch_op.create_index("ix_jobs_user_status", ["user_id", "status", "id"], unique=False)

    op.create_table(
        "artifacts",
        sa.Column(
            "job_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("media_type", sa.String(length=20), nullable=False),
        sa.Column(
            "content",
            sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mariadb").with_variant(mysql.MEDIUMBLOB(), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "content_sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_artifacts_job_id")),
        sa.PrimaryKeyConstraint("job_id", "kind", name=op.f("pk_artifacts")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "job_events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column(
            "job_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column("from_status", sa.String(length=10), nullable=True),
        sa.Column("to_status", sa.String(length=10), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_job_events")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("job_events", schema=None) as batch_op:
        batch_op.create_index("ix_job_events_job", ["job_id", "seq"], unique=False)

    op.create_table(
        "lesions",
        sa.Column(
            "job_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("x_px", sa.Integer(), nullable=False),
        sa.Column("y_px", sa.Integer(), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("area_px", sa.BigInteger(), nullable=False),
        sa.Column("longest_diameter_px", sa.Double(), nullable=False),
        sa.Column("longest_diameter_mm", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_lesions_job_id")),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_lesions")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "results",
        sa.Column(
            "job_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("worker_id", sa.String(length=80), nullable=False),
        sa.Column("tumor_detected", sa.Boolean(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("stage", sa.String(length=4), nullable=True),
        sa.Column("stage_rule", sa.String(length=24), nullable=False),
        sa.Column("affected_percent", sa.Double(), nullable=True),
        sa.Column("lesion_count", sa.Integer(), nullable=False),
        sa.Column("liver_area_px", sa.BigInteger(), nullable=False),
        sa.Column("tumor_area_px", sa.BigInteger(), nullable=False),
        sa.Column("model_name", sa.String(length=40), nullable=False),
        sa.Column("model_version", sa.String(length=40), nullable=False),
        sa.Column(
            "model_sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=False,
        ),
        sa.Column("code_version", sa.String(length=40), nullable=False),
        sa.Column(
            "input_sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=False,
        ),
        sa.Column(
            "mask_sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=False,
        ),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_results_job_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_results")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.drop_table("results")
    op.drop_table("lesions")
    with op.batch_alter_table("job_events", schema=None) as batch_op:
        batch_op.drop_index("ix_job_events_job")

    op.drop_table("job_events")
    op.drop_table("artifacts")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_user_status")
        batch_op.drop_index("ix_jobs_user")
        batch_op.drop_index(batch_op.f("ix_jobs_submission_id"))
        batch_op.drop_index(batch_op.f("ix_jobs_scan_id"))
        batch_op.drop_index("ix_jobs_ring")
        batch_op.drop_index("ix_jobs_deleted")
        batch_op.drop_index("ix_jobs_lease")
        batch_op.drop_index("ix_jobs_claim")

    op.drop_table("jobs")
    op.drop_table("submissions")
    with op.batch_alter_table("scans", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_scans_content_sha256"))
        batch_op.drop_index("ix_scans_quota")

    op.drop_table("scans")
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_tokens_user_id"))

    op.drop_table("api_tokens")
    with op.batch_alter_table("workers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_workers_seen_ms"))

    op.drop_table("workers")
    op.drop_table("users")
    with op.batch_alter_table("login_failures", schema=None) as batch_op:
        batch_op.drop_index("ix_login_failures_subject")

    op.drop_table("login_failures")
