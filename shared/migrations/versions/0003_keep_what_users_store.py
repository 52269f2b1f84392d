"""keep what users store."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "usage_by_user",
        sa.Column(
            "user_id",
            sa.String(length=26)
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mariadb")
            .with_variant(mysql.CHAR(charset="ascii", collation="ascii_bin", length=26), "mysql"),
            nullable=False,
        ),
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "slot", name=op.f("pk_usage_by_user")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.execute(
        "INSERT INTO usage_by_user (user_id, slot, stored_bytes)"
        " SELECT user_id, 0, SUM(size_bytes) FROM scans WHERE purged_ms IS NULL GROUP BY user_id"
    )


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.drop_table("usage_by_user")
