"""take volumes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.String(length=26).with_variant(
    mysql.CHAR(length=26, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
)
PICTURE = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column("results", sa.Column("scope", sa.String(length=8), nullable=False, server_default="slice"))
    op.add_column("results", sa.Column("slice_count", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("results", sa.Column("liver_volume_ml", sa.Double()))
    op.add_column("results", sa.Column("tumor_volume_ml", sa.Double()))
    op.add_column("lesions", sa.Column("slice_number", sa.Integer()))
    op.add_column("lesions", sa.Column("volume_ml", sa.Double()))
    op.create_table(
        "slices",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("preview", PICTURE, nullable=False),
        sa.Column("mask", PICTURE, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_slices_job_id")),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_slices")),
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.drop_table("slices")
    for name in ("volume_ml", "slice_number"):
        op.drop_column("lesions", name)
    for name in ("tumor_volume_ml", "liver_volume_ml", "slice_count", "scope"):
        op.drop_column("results", name)
