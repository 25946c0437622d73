"""A candidate: a fitted model and everything that it is registered with. It knows no registry; :mod:`tasks.registry` does."""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vigil.challenger.search import Searched
from vigil.spec.model import ModelSpec

ADOPTED = "adopted"  # the decision id of a first version, which no decision caused
EXAMPLE_ROWS = 5
LONGEST_TAG = 5000  # MLflow takes 8,000 characters in a run's tag


@dataclass(frozen=True)
class Candidate:
    """A fitted model and all that is registered with it.

    Attributes:
        model: the fitted estimator.
        decision_id: the decision that caused it; :data:`ADOPTED` for a first version.
        example: rows with at least the features; the first few are kept as the input example, features only.
        training_digest: content digest of the training rows (:func:`vigil.challenger.rows.rows_digest`).
        lineage: plain JSON: windows trained on, kept and left out and why, rows.
        metrics: finite numbers by name, such as ``holdout_roc_auc``.
        importance: feature -> share.
        layout, profile: JSON of the reference layout and profile.
        baseline: performance on held-out rows; None where unmeasured.
        parent: the champion that it challenges; None for a first version.
        searched: the search that chose its parameters; None where there was none.
        output: the end of what the trainer printed.
    """

    model: Any
    decision_id: str
    example: pd.DataFrame
    training_digest: str
    lineage: Mapping[str, Any]
    metrics: Mapping[str, float]
    importance: Mapping[str, float]
    layout: str
    profile: str
    baseline: float | None
    parent: str | None
    code_version: str
    searched: Searched | None = None
    output: str = ""

    def __post_init__(self) -> None:
        odd = sorted(name for name, value in self.metrics.items() if not math.isfinite(value))
        if odd:
            raise ValueError(f"a version is registered with finite metrics; not finite: {', '.join(odd)}")

    def tags(self, spec: ModelSpec) -> dict[str, str]:
        """The lineage in short: the tags of run, logged model and version alike; what is empty is left out."""
        tags = {
            "vigil.decision_id": self.decision_id,
            "vigil.model": spec.model,
            "vigil.owner": spec.owner,
            "vigil.spec_hash": spec.hash,
            "vigil.code_version": self.code_version,
            "vigil.code_digest": str(self.lineage.get("code_digest", "")),
            "vigil.training_digest": self.training_digest,
            "vigil.trainer": spec.training.trainer,
            "vigil.trained_on": ", ".join(self.lineage.get("trained_on", ())),
            "vigil.holdout": ", ".join(self.lineage.get("holdout", ())),
            "vigil.excluded": ", ".join(self.lineage.get("excluded", ())),
            "vigil.span": str(self.lineage.get("span", "")),
            "vigil.recalibration": str(self.lineage.get("recalibration", "")),
            "vigil.parent": self.parent or "",
            "vigil.baseline": "" if self.baseline is None else f"{spec.performance.metric.value}={self.baseline:.6g}",
        }
        return {key: value[:LONGEST_TAG] for key, value in tags.items() if value}

    def params(self, spec: ModelSpec) -> dict[str, str]:
        """The trainer and its parameters, those that a search chose over those written, as text."""
        training, chosen = spec.training, {} if self.searched is None else self.searched.chosen
        given = {"trainer": training.trainer, "seed": training.seed, **training.params, **chosen}
        return {key: str(value) for key, value in given.items()}

    def documents(self, spec: ModelSpec) -> dict[str, str]:
        """File name -> text: what lies beside the model in its folder ``vigil``."""
        printed = {"training_output.txt": self.output} if self.output else {}
        return {
            **printed,
            "lineage.json": json.dumps(dict(self.lineage), indent=2),
            "importance.json": json.dumps(dict(self.importance), indent=2),
            "layout.json": self.layout,
            "profile.json": self.profile,
            "spec.json": spec.canonical_json(),
        }

    def input_example(self, spec: ModelSpec) -> pd.DataFrame:
        """The first rows, features only: no id, label or other column of the log gets into the registry."""
        first: pd.DataFrame = self.example[list(spec.features)].head(EXAMPLE_ROWS).reset_index(drop=True)
        return first

    def requirements(self, spec: ModelSpec) -> list[str]:
        """What loading needs: ``training.requirements``, or the installed versions of what every scikit-learn model needs."""
        if spec.training.requirements:
            return list(spec.training.requirements)
        return [f"{name}=={importlib.metadata.version(name)}" for name in ("scikit-learn", "numpy", "pandas", "cloudpickle")]
