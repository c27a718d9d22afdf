"""The first tables: devices and what they report, bundles, rollouts, requests, jobs, samples."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Make the tables."""
    _create_devices()
    _create_rollouts()
    _create_requests()
    _create_samples()


def downgrade() -> None:
    """Drop them, those first that refer to others."""
    for table in (
        "samples", "requests", "jobs", "desired", "rollout_devices", "rollouts", "bundles",
        "drift_changes", "events", "devices",
    ):  # fmt: skip
        op.drop_table(table)


def _create_devices() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=True),
        sa.Column("channel", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=True),
        sa.Column("drift_state", sa.String(length=16), nullable=True),
        sa.Column("phase", sa.String(length=16), nullable=True),
        sa.Column("running_bundle", sa.String(length=64), nullable=True),
        sa.Column("meta", JSON, nullable=True),
        sa.Column("state", JSON, nullable=True),
        sa.Column("drift", JSON, nullable=True),
        sa.Column("model_state", JSON, nullable=True),
        sa.Column("model_state_at", sa.Double(), nullable=True),
        sa.Column("first_seen", sa.Double(), nullable=False),
        sa.Column("last_seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "events",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.id"],
        ),
        sa.PrimaryKeyConstraint("device", "id"),
    )
    op.create_index("ix_events_received_at", "events", ["received_at"])
    op.create_table(
        "drift_changes",
        sa.Column("id", COUNT, autoincrement=True, nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=True),
        sa.Column("position", COUNT, nullable=True),
        sa.Column("signal", sa.String(length=64), nullable=True),
        sa.Column("severity", sa.Double(), nullable=True),
        sa.Column("bundle", sa.String(length=64), nullable=True),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_drift_changes_device", "drift_changes", ["device"])


def _create_rollouts() -> None:
    op.create_table(
        "bundles",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("serial", COUNT, nullable=False),
        sa.Column("parent", sa.String(length=64), nullable=True),
        sa.Column("labels", JSON, nullable=False),
        sa.Column("figures", JSON, nullable=False),
        sa.Column("noted_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "rollouts",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("base", sa.String(length=64), nullable=True),
        sa.Column("canary", COUNT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("abort", sa.Text(), nullable=False),
        sa.Column("job", sa.String(length=80), nullable=True),
        sa.Column("wave_timeout_s", sa.Double(), nullable=False),
        sa.Column("back_timeout_s", sa.Double(), nullable=False),
        sa.Column("phase_started_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_rollouts_state", "rollouts", ["state"])
    op.create_table(
        "rollout_devices",
        sa.Column("rollout", sa.String(length=80), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("wave", COUNT, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("answers", sa.String(length=80), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.id"],
        ),
        sa.ForeignKeyConstraint(
            ["rollout"],
            ["rollouts.id"],
        ),
        sa.PrimaryKeyConstraint("rollout", "device"),
    )
    op.create_table(
        "desired",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("rev", COUNT, nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("rollout", sa.String(length=80), nullable=True),
        sa.Column("answers", sa.String(length=80), nullable=True),
        sa.Column("set_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.id"],
        ),
        sa.PrimaryKeyConstraint("device"),
    )


def _create_requests() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.Double(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("attempts", COUNT, nullable=False),
        sa.Column("parent", sa.String(length=64), nullable=True),
        sa.Column("bundle", sa.String(length=64), nullable=True),
        sa.Column("rollout", sa.String(length=80), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("figures", JSON, nullable=False),
        sa.Column("evidence_driven_accuracy", sa.Double(), nullable=True),
        sa.Column("evidence_blind_accuracy", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("bundle_held", sa.String(length=64), nullable=True),
        sa.Column("document", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("job", sa.String(length=80), nullable=True),
        sa.Column("bundle_answer", sa.String(length=64), nullable=True),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.id"],
        ),
        sa.ForeignKeyConstraint(
            ["job"],
            ["jobs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_requests_device", "requests", ["device"])
    op.create_index("ix_requests_job", "requests", ["job"])
    op.create_index("ix_requests_state", "requests", ["state"])


def _create_samples() -> None:
    op.create_table(
        "samples",
        sa.Column("id", sa.String(length=121), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("message", sa.String(length=80), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("position", COUNT, nullable=True),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("signal", sa.String(length=64), nullable=True),
        sa.Column("predicted", COUNT, nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("dtype", sa.String(length=16), nullable=False),
        sa.Column("shape", JSON, nullable=False),
        sa.Column("x", sa.LargeBinary(), nullable=False),
        sa.Column("label", COUNT, nullable=True),
        sa.Column("labelled_by", sa.String(length=64), nullable=True),
        sa.Column("labelled_at", sa.Double(), nullable=True),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"],
            ["devices.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_samples_device_label", "samples", ["device", "label"])
    op.create_index("ix_samples_received_at", "samples", ["received_at"])
