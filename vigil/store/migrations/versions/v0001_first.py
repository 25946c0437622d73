"""The first schema: specifications, evaluations, measurements, decisions, versions, promotions, retrainings, profiles, reports."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    op.create_table(
        "spec",
        _text("spec_hash"),
        _text("model"),
        _text("body"),
        sa.PrimaryKeyConstraint("spec_hash", name="pk_spec"),
    )
    op.create_table(
        "evaluation",
        _seq(),
        _text("evaluation_id"),
        _text("model"),
        _time("window_start"),
        _time("window_end"),
        _text("version"),
        _time("as_of"),
        _text("spec_hash"),
        _text("data_digest"),
        _text("labels_digest"),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("labels", sa.BigInteger(), nullable=False),
        sa.Column("quality_passed", sa.Boolean(), nullable=False),
        _text("code_version"),
        sa.PrimaryKeyConstraint("seq", name="pk_evaluation"),
        sa.UniqueConstraint("evaluation_id", name="uq_evaluation_evaluation_id"),
        sa.ForeignKeyConstraint(["spec_hash"], ["spec.spec_hash"], name="fk_evaluation_spec_hash"),
    )
    op.create_index("ix_evaluation_model_window_start", "evaluation", ["model", "window_start"])
    op.create_table(
        "measurement",
        _text("evaluation_id"),
        _text("layer"),
        _text("metric"),
        _text("subject"),
        _text("version"),
        _text("reference"),
        sa.Column("value", sa.Double()),
        sa.Column("low", sa.Double()),
        sa.Column("high", sa.Double()),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.Double()),
        _text("verdict"),
        _text("detail"),
        sa.PrimaryKeyConstraint("evaluation_id", "layer", "metric", "subject", "version", "reference", name="pk_measurement"),
        sa.ForeignKeyConstraint(["evaluation_id"], ["evaluation.evaluation_id"], name="fk_measurement_evaluation_id"),
    )
    op.create_table(
        "decision",
        _seq(),
        _text("decision_id"),
        _text("evaluation_id"),
        _text("model"),
        _time("window_start"),
        _time("window_end"),
        _text("version"),
        _time("as_of"),
        _text("action"),
        _text("reason"),
        _text("gates"),
        _text("evidence"),
        _text("spec_hash"),
        _text("code_version"),
        sa.PrimaryKeyConstraint("seq", name="pk_decision"),
        sa.UniqueConstraint("decision_id", name="uq_decision_decision_id"),
        sa.UniqueConstraint("evaluation_id", name="uq_decision_evaluation_id"),
        sa.ForeignKeyConstraint(["evaluation_id"], ["evaluation.evaluation_id"], name="fk_decision_evaluation_id"),
        sa.ForeignKeyConstraint(["spec_hash"], ["spec.spec_hash"], name="fk_decision_spec_hash"),
    )
    op.create_index("ix_decision_model_window_start", "decision", ["model", "window_start"])
    op.create_table(
        "version",
        _seq(),
        _text("model"),
        _text("version"),
        _time("registered_at"),
        _text("spec_hash"),
        _text("metric"),
        sa.Column("baseline", sa.Double()),
        _text("importance"),
        _text("training"),
        _text("layout"),
        _text("profile"),
        sa.Column("decision_id", sa.Text()),
        sa.Column("parent", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name="pk_version"),
        sa.UniqueConstraint("decision_id", name="uq_version_decision_id"),
        sa.UniqueConstraint("model", "version", name="uq_version_model_version"),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.decision_id"], name="fk_version_decision_id"),
        sa.ForeignKeyConstraint(["spec_hash"], ["spec.spec_hash"], name="fk_version_spec_hash"),
    )
    op.create_table(
        "promotion",
        _text("model"),
        sa.Column("token", sa.BigInteger(), autoincrement=False, nullable=False),
        _text("version"),
        sa.Column("replaced", sa.Text()),
        _text("kind"),
        _text("by"),
        _text("reason"),
        _time("at"),
        sa.Column("decision_id", sa.Text()),
        sa.PrimaryKeyConstraint("model", "token", name="pk_promotion"),
        sa.UniqueConstraint("model", "decision_id", "version", name="uq_promotion_model_decision_id_version"),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.decision_id"], name="fk_promotion_decision_id"),
        sa.ForeignKeyConstraint(["model", "version"], ["version.model", "version.version"], name="fk_promotion_model_version"),
    )
    op.create_table(
        "retraining",
        _seq(),
        _text("decision_id"),
        _text("model"),
        _text("state"),
        _time("requested_at"),
        _time("updated_at"),
        _text("champion"),
        sa.Column("challenger", sa.Text()),
        _text("comparison"),
        _text("reason"),
        _text("by"),
        sa.PrimaryKeyConstraint("seq", name="pk_retraining"),
        sa.UniqueConstraint("decision_id", name="uq_retraining_decision_id"),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.decision_id"], name="fk_retraining_decision_id"),
    )
    op.create_index("ix_retraining_model", "retraining", ["model"])
    op.create_table(
        "profile_set",
        _seq(),
        _text("model"),
        _time("window_start"),
        _time("window_end"),
        _text("data_digest"),
        _text("layout_digest"),
        sa.PrimaryKeyConstraint("seq", name="pk_profile_set"),
        sa.UniqueConstraint("model", "window_start", "window_end", "data_digest", "layout_digest", name="uq_profile_set_made_from"),
    )
    op.create_table(
        "profile",
        sa.Column("profile_set", sa.BigInteger(), autoincrement=False, nullable=False),
        _text("version"),
        _text("segment"),
        _text("body"),
        sa.PrimaryKeyConstraint("profile_set", "version", "segment", name="pk_profile"),
        sa.ForeignKeyConstraint(["profile_set"], ["profile_set.seq"], name="fk_profile_profile_set"),
    )
    op.create_table(
        "report",
        _text("evaluation_id"),
        _text("kind"),
        _text("path"),
        sa.PrimaryKeyConstraint("evaluation_id", "kind", name="pk_report"),
        sa.ForeignKeyConstraint(["evaluation_id"], ["evaluation.evaluation_id"], name="fk_report_evaluation_id"),
    )


def _seq() -> sa.Column[int]:
    return sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)
