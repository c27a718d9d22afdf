"""How far the numbers of devices' durable messages have come, and which of them are missing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sequences",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("boot", COUNT, nullable=False),
        sa.Column("highest", COUNT, nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.id"],
        ),
        sa.PrimaryKeyConstraint("device", "kind", "boot"),
    )
    op.create_table(
        "gaps",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("boot", COUNT, nullable=False),
        sa.Column("first", COUNT, nullable=False),
        sa.Column("last", COUNT, nullable=False),
        sa.Column("found_at", sa.Double(), nullable=False),
        sa.Column("asks", COUNT, nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=True),
        sa.Column("given_up_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.id"],
        ),
        sa.PrimaryKeyConstraint("device", "kind", "boot", "first"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("gaps")
    op.drop_table("sequences")
