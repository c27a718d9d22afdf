"""What devices count on their profiles' bins, for the fleet's view of drift."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "counts",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("boot", COUNT, nullable=False),
        sa.Column("seq", COUNT, nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("artifact", sa.String(length=64), nullable=False),
        sa.Column("profile", sa.String(length=16), nullable=False),
        sa.Column("n", COUNT, nullable=False),
        sa.Column("thin", sa.Double(), nullable=False),
        sa.Column("sketch", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.id"],
        ),
        sa.PrimaryKeyConstraint("device", "boot", "seq"),
    )
    op.create_index("ix_counts_device_received", "counts", ["device", "received_at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("counts")
