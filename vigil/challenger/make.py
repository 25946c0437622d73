"""A fitted model with all that is registered with it: its rows, baseline, importance, reference and lineage.

Differs from :mod:`vigil.challenger.fit`, which fits whatever rows it is given. Making the same challenger again, from the
same store and labels, gives the same model: everything is as of its decision, in canonical order, with the spec's seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from vigil.challenger.compare import Comparison, ComparisonVerdict, compare
from vigil.challenger.costs import costs_of
from vigil.challenger.criteria import cost_criteria
from vigil.challenger.fit import permutation_importance, score
from vigil.challenger.held_out import measured_on
from vigil.challenger.recalibrate import method_for, recalibrate
from vigil.challenger.rows import GROUP, LABEL, WEIGHT, before_gap, groups_of, labelled_rows, rows_digest, training_rows
from vigil.challenger.search import Searched
from vigil.challenger.shapley import SHAP, mean_absolute_shap
from vigil.challenger.span import better_span, try_spans
from vigil.challenger.trainer import Fitter
from vigil.challenger.training_data import TrainingPlan, Wanted, plan_training
from vigil.decision.kind import Span, kind_of, span_of
from vigil.decision.types import Action, Decision
from vigil.errors import NotEnoughData, TrainingFailed, TrainingOutcome
from vigil.performance.baseline import BASELINE_WINDOWS
from vigil.performance.metrics import value_of
from vigil.profile.reference import reference_of
from vigil.spec.model import FeatureType, ModelSpec, Task
from vigil.store.records import Evaluation
from vigil.window import Window, parse_moment
from vigil.workspace import Workspace

SERVED = GROUP + "served"  # the column with the score that a version gave when it served
FIRST_FIT_SHARE = 0.8  # of the reference rows, in order of time; the rest measures the first version's baseline (convention)


@dataclass(frozen=True)
class Made:
    """A fitted model and what is known of it.

    Attributes:
        rows: the training rows, as the trainer got them.
        digest: content digest of the training rows.
        lineage: plain JSON: windows trained on, kept and left out and why, counts of rows, digests.
        baseline: the performance metric on held-out rows.
        importance: feature -> share.
        layout, profile: JSON of the reference.
        held_out: plain JSON: what it measured on held-out rows (:func:`vigil.challenger.held_out.measured_on`), and under ``shap`` what
            moves its score (:func:`vigil.challenger.shapley.mean_absolute_shap`).
        searched: the search for its parameters; None where there was none.
        output: the end of what the trainer printed.
    """

    model: Any
    rows: pd.DataFrame
    digest: str
    lineage: Mapping[str, Any]
    baseline: float
    importance: Mapping[str, float]
    layout: str
    profile: str
    held_out: Mapping[str, Any]
    searched: Searched | None = None
    output: str = ""


def make_first(work: Workspace, fitter: Fitter, *, explain: bool = True) -> Made:
    """Make the first version from the reference rows.

    Its baseline is measured on the last fifth of the rows (in order of time) by a fit to the rest, without the label delay before that
    fifth; the version itself is fitted to all of them.

    Raises:
        SourceError, NotEnoughData, TrainingFailed: there are no such rows, too few, or the trainer fails on them.
    """
    spec = work.spec
    reference = work.source.reference_rows().to_pandas()
    known = training_rows(pd.DataFrame(), reference, spec, also=[name for name in spec.fairness.protected if name in reference])
    rows = known[[name for name in known if not name.startswith(GROUP)]]  # what it measures by is not trained on
    cut = int(len(rows) * FIRST_FIT_SHARE)
    held_out = known.iloc[cut:].reset_index(drop=True)
    earlier = _before_gap(rows.iloc[:cut], held_out, spec)
    early, model = fitter.fit(earlier, rows)
    lineage = {
        "code_digest": fitter.code_digest,
        "baseline_rows": len(earlier),
        "trained_on": [],
        "holdout": [],
        "excluded": {},
        "include_reference": True,
        "reference_rows": len(rows),
        "window_rows": 0,
        BASELINE_WINDOWS: windows_long(held_out, spec),
    }
    return _finish(work, model, early, rows, held_out, lineage, (), fitter.searched, explain=explain)


def windows_long(rows: pd.DataFrame, spec: ModelSpec) -> float | None:
    """Return how many windows long the rows are; None where they have no times, as those of a reference without them.

    Not the number of windows in which there are some: the first and the last may be parts.
    """
    times = pd.to_datetime(rows[spec.columns.time], utc=True)
    return float((times.max() - times.min()) / spec.window.length) if times.notna().any() else None


def _before_gap(rows: pd.DataFrame, held_out: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """Leave out the label delay before the held-out rows; all stay where that leaves too few, as of a reference of one day."""
    kept = before_gap(rows, held_out, spec)
    return kept if len(kept) >= spec.training.minimum_rows and kept[LABEL].nunique() > 1 else rows


def make_challenger(work: Workspace, decision: Decision, fitter: Fitter, champion: Any = None, *, explain: bool = True) -> Made:
    """Make the challenger that a decision asks for, from labels known when it was made.

    Args:
        champion: the fitted model that a RECALIBRATE decision puts right; of no use to any other.
        explain: whether SHAP values are computed too, where the extra is installed; not for what is tried and thrown away.

    Raises:
        NotEnoughData, SourceError, TrainingFailed: as :func:`plan_training`, :func:`training_rows` and :meth:`Fitter.fit`.
    """
    spec, (plan, tried) = work.spec, _chosen_plan(work, decision, fitter)
    labelled = labelled_in(work, plan.trained_on, decision)
    reference = work.source.reference_rows().to_pandas() if plan.include_reference else None
    needed = _labels_needed(work, decision)
    rows = training_rows(labelled, reference, spec, before=plan.cut_off, minimum=needed)
    lineage = {
        **plan.to_json(),
        "kind": kind_of(decision),
        "spans_tried": tried,
        "decision_id": decision.decision_id,
        "labels_as_of": decision.as_of.isoformat(),
        "reference_rows": 0 if reference is None else len(reference),
        "window_rows": len(labelled),
        "rows_after_cut_off": len(labelled) + _labelled_count(reference, spec) - len(rows),
        "data_digests": {found.window.key: found.data_digest for found in evaluated(work, decision) if found.window in plan.trained_on},
    }
    searched = None
    if decision.action is Action.RECALIBRATE:
        model = recalibrate(champion, rows, spec)
        lineage["recalibration"] = method_for(len(rows))
    else:
        (model,) = fitter.fit(rows)
        searched = fitter.searched
        lineage["code_digest"] = fitter.code_digest
    return _finish(work, model, model, rows, held_out_rows(work, plan, decision), lineage, plan.trained_on, searched, explain=explain)


def _labelled_count(reference: pd.DataFrame | None, spec: ModelSpec) -> int:
    return 0 if reference is None else int(reference[spec.columns.label].notna().sum())


def compare_with_champion(work: Workspace, decision: Decision, champion: Any, challenger: Any, *, costs: bool = True) -> Comparison:
    """Score the plan's held-out rows, which come after the challenger's training cut-off, with both models and compare.

    Args:
        costs: whether the time that scoring takes and the models' sizes are judged too; not for what has to come out the same again.
    """
    return compare_on(work, plan_of(work, decision).holdout, decision.as_of, champion, challenger, costs=costs)


def compare_on(
    work: Workspace, windows: tuple[Window, ...], as_of: datetime, champion: Any, challenger: Any, *, costs: bool = True
) -> Comparison:
    """Score the windows' rows that had a label at ``as_of`` with both models and compare; ``costs`` as above."""
    spec = work.spec
    rows = labelled_rows(labelled_by(work, windows, as_of), spec, spec.fairness.protected)
    rng = np.random.default_rng(spec.training.seed)
    scores = score(champion, rows, spec), score(challenger, rows, spec)
    found = compare(*scores, rows[LABEL].to_numpy(), rows[WEIGHT].to_numpy(), spec, rng, groups_of(rows, spec))
    if not costs or found.verdict is ComparisonVerdict.NOT_ENOUGH_DATA:
        return found
    measured = costs_of(champion, challenger, rows, spec)
    return found.judged_by(*cost_criteria(measured.champion, measured.challenger, measured.rows, spec))


def plan_of(work: Workspace, decision: Decision, span: Span | None = None) -> TrainingPlan:
    """Plan the training that a decision asks for, from evaluations made up to it. ``span`` in place of its own: the holdout is the same."""
    decisions = work.store.decisions(work.spec.model, end=decision.window.end)
    asked, since = span_of(decision)
    harmed = parse_moment(since) if since is not None and asked is Span.RECENT else None
    wanted = Wanted(span or asked, harmed, _labels_needed(work, decision))
    return plan_training(work.spec, decision.window, evaluated(work, decision), decisions, wanted=wanted)


def _chosen_plan(work: Workspace, decision: Decision, fitter: Fitter) -> tuple[TrainingPlan, dict[str, float]]:
    """The plan of the decision's span, and of a recent one the specification's where a trial says that it learns the recent rows better."""
    plan = plan_of(work, decision)
    if plan.span is not Span.RECENT or decision.action is Action.RECALIBRATE:
        return plan, {}
    whole = plan_of(work, decision, Span.SPECIFIED)
    recent = labelled_rows(labelled_in(work, plan.trained_on, decision), work.spec)
    recent = recent[~(recent[work.spec.columns.time] >= plan.cut_off)].reset_index(drop=True)
    if len(recent) < work.spec.training.minimum_rows:
        return whole, {}
    before = tuple(window for window in whole.trained_on if window not in plan.trained_on)
    older = [labelled_in(work, before, decision)] if before else []
    if whole.include_reference:
        older.insert(0, work.source.reference_rows().to_pandas())
    parts = [labelled_rows(part, work.spec) for part in older]
    if not parts:
        return plan, {}
    tried = try_spans(recent, pd.concat(parts), fitter.for_trials(), work.spec)
    return (plan if better_span(tried, work.spec) is Span.RECENT else whole), tried


def _labels_needed(work: Workspace, decision: Decision) -> int:
    """A line through scores needs as many labels as a metric; a model needs what the specification says."""
    return work.spec.labels.minimum if decision.action is Action.RECALIBRATE else work.spec.training.minimum_rows


def evaluated(work: Workspace, decision: Decision) -> tuple[Evaluation, ...]:
    """Return the latest evaluation of each window up to the decision's, as known when it was made."""
    return work.store.evaluations(work.spec.model, end=decision.window.end, as_of=decision.as_of)


def held_out_rows(work: Workspace, plan: TrainingPlan, decision: Decision) -> pd.DataFrame:
    """Return the labelled rows of the plan's holdout, in canonical order."""
    return labelled_rows(labelled_in(work, plan.holdout, decision), work.spec, work.spec.fairness.protected)


def labelled_in(work: Workspace, windows: tuple[Window, ...], decision: Decision) -> pd.DataFrame:
    """Return the windows' labelled rows as known when the decision was made, under the log's own column names."""
    return labelled_by(work, windows, decision.as_of)


def labelled_by(work: Workspace, windows: tuple[Window, ...], as_of: datetime) -> pd.DataFrame:
    """Return the windows' labelled rows as known at a moment, under the log's own column names."""
    columns = work.spec.columns
    frame: pd.DataFrame = work.source.labelled(windows, as_of).to_pandas()
    names = {LABEL: columns.label}
    if columns.inclusion_probability is not None:
        names["inclusion_probability"] = columns.inclusion_probability
    return frame.rename(columns=names)


def served_by(work: Workspace, windows: tuple[Window, ...], as_of: datetime, version: str) -> pd.DataFrame:
    """Return the windows' labelled rows that a version scored, in canonical order, with the score that it gave as :data:`SERVED`."""
    spec, columns = work.spec, work.spec.columns
    rows = labelled_by(work, windows, as_of)
    served = rows[columns.score].to_numpy(dtype=np.float64, na_value=np.nan)
    usable = np.isfinite(served) & (rows[columns.version] == version).to_numpy(dtype=bool)
    if spec.task is Task.BINARY:
        usable &= (served >= 0) & (served <= 1)
    frame = labelled_rows(rows[usable], spec, [columns.score])
    return frame.rename(columns={GROUP + columns.score: SERVED})


def _finish(
    work: Workspace,
    model: Any,
    scored_by: Any,
    rows: pd.DataFrame,
    held_out: pd.DataFrame,
    lineage: Mapping[str, Any],
    windows: tuple[Window, ...],
    searched: Searched | None,
    *,
    explain: bool,
) -> Made:
    """Measure what is registered with a model; ``scored_by`` is a fit that has not seen ``held_out``."""
    spec = work.spec
    if held_out.empty:
        raise NotEnoughData(f"{spec.model}: no labelled row is held out to measure the baseline on; wait for more labels")
    scores = score(scored_by, held_out, spec)
    label, weight = held_out[LABEL].to_numpy(), held_out[WEIGHT].to_numpy()
    baseline = value_of(spec.performance.metric, scores, label, weight, scoring=spec.performance.scoring)
    if not math.isfinite(baseline):
        raise TrainingFailed(
            f"{spec.model}: {spec.performance.metric} on held-out rows is {baseline}", outcome=TrainingOutcome.NOT_A_NUMBER
        )
    importance = permutation_importance(scored_by, held_out, spec, np.random.default_rng(spec.training.seed))
    explained = mean_absolute_shap(scored_by, held_out, spec, np.random.default_rng(spec.training.seed)) if explain else None
    with _as_table(work, held_out.assign(**{spec.columns.score: scores})) as scored:
        population = _population(work, windows, include_reference=bool(lineage["include_reference"]))
        layout, profile = reference_of(population, scored, spec)
    return Made(
        model=model,
        rows=rows,
        digest=rows_digest(rows),
        lineage=lineage if searched is None else {**lineage, "search": searched.summary()},
        baseline=baseline,
        importance=importance,
        layout=layout.to_json(),
        profile=profile.to_json(),
        held_out=measured_on(held_out, scores, spec) | ({} if explained is None else {SHAP: explained}),
        searched=searched,
    )


def _population(work: Workspace, windows: tuple[Window, ...], *, include_reference: bool) -> ibis.Table:
    """The rows that the training rows stand for: all of the windows' predictions, labelled or not, and the reference."""
    features = list(work.spec.features)
    parts = [work.source.predictions_in(windows).select(*features)] if windows else []
    if include_reference:
        parts.append(work.source.reference_rows().select(*features))
    return parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)


@contextmanager
def _as_table(work: Workspace, rows: pd.DataFrame) -> Iterator[ibis.Table]:
    """Rows of a frame as a table, for as long as the block runs; on DuckDB, for profiles are the same on every engine."""
    features = work.spec.features
    types = {name: pa.float64() if feature.type is FeatureType.NUMERIC else pa.string() for name, feature in features.items()}
    schema = pa.schema([*types.items(), (work.spec.columns.score, pa.float64())])
    backend, name = ibis.duckdb.connect(), "held_out"
    texts = {name: rows[name].astype("string") for name, feature in features.items() if feature.type is FeatureType.CATEGORICAL}
    table = pa.Table.from_pandas(rows[schema.names].assign(**texts), schema=schema, preserve_index=False)
    backend.con.register(name, table)  # Ibis 12's create_table asks DuckDB 2 for a DROP VIEW without a name
    try:
        yield backend.table(name)
    finally:
        backend.con.unregister(name)
