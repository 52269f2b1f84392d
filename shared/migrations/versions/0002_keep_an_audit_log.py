"""keep an audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.String(length=24), nullable=False),
        sa.Column(
            "user_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=True,
        ),
        sa.Column(
            "object_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=True,
        ),
        sa.Column(
            "origin",
            sa.String(length=16)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=16), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=16), "mysql"),
            nullable=True,
        ),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column(
            "sha256",
            sa.String(length=64)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=64), "mysql"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("position", name=op.f("uq_audit_log_position")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.create_index("ix_audit_log_object", ["object_id", "user_id", "at_ms"], unique=False)


def downgrade() -> None:
    """Take the tables back to the revision before."""
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_log_object")

    op.drop_table("audit_log")
