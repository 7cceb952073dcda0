"""The ledger: versions with their metrics, aliases with their history, mirrors of raw data, and a view to read it all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

METRICS = """
CREATE VIEW metrics AS
SELECT version.family,
       version.estimator || '_' || version.number AS model_name,
       version.estimator,
       train.value AS train_accuracy,
       test.value AS test_accuracy,
       version.created_at
FROM version
LEFT JOIN metric AS train ON train.version_id = version.id AND train.split = 'train' AND train.name = 'accuracy'
LEFT JOIN metric AS test ON test.version_id = version.id AND test.split = 'test' AND test.name = 'accuracy'
"""


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("estimator", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("data_sha256", sa.String(), nullable=False),
        sa.Column("manifest_sha256", sa.String(), nullable=False),
        sa.Column("gate_passed", sa.Boolean(), nullable=True),
        sa.Column("gate_findings", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_version"),
        sa.UniqueConstraint("family", "estimator", "number", name="uq_version_family_estimator_number"),
    )
    op.create_table(
        "metric",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("version_id", "split", "name", name="pk_metric"),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name="fk_metric_version_id"),
    )
    op.create_table(
        "alias",
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("family", "name", name="pk_alias"),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name="fk_alias_version_id"),
    )
    op.create_table(
        "alias_move",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("from_version", sa.String(), nullable=True),
        sa.Column("to_version", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alias_move"),
    )
    op.create_table(
        "mirror",
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", name="pk_mirror"),
    )
    op.execute(METRICS)


def downgrade() -> None:
    """Drop it; mirrors of raw data stay, as they are not the ledger's own."""
    op.execute("DROP VIEW metrics")
    for name in ("mirror", "alias_move", "alias", "metric", "version"):
        op.drop_table(name)
