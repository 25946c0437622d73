"""What a decision sees, gathered from the store alone, so that the same decision can be made again later.

Gathering for the first time looks the history up and notes which rows it took; gathering again (replay) takes just those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import Any

from vigil.business.value import VALUE
from vigil.decision.break_even import features_of
from vigil.decision.confirmation import windows_per_year
from vigil.decision.kind import trains
from vigil.decision.types import Evidence, FleetBudget, PastGain, PastWindow
from vigil.errors import StoreError
from vigil.measurement import TRAINING, WHOLE, Layer, Measurement
from vigil.spec.model import ModelSpec
from vigil.spec.project import RetrainingBudget
from vigil.store.contract import Store
from vigil.store.history import history_of
from vigil.store.records import Evaluation, Payoff, RetrainingState

DRIFT_SHARE = "drift_share"
GAIN_KNOWN = (RetrainingState.PROMOTED, RetrainingState.KEPT)  # whether the challenger was better is decided, and stays so


def gather(
    store: Store, spec: ModelSpec, evaluation_id: str, *, budget: RetrainingBudget | None = None, fleet: Iterable[str] = ()
) -> Evidence:
    """Gather what is known about an evaluated window as of its evaluation: later windows and later looks are not seen.

    Args:
        budget: of vigil.yaml, for all models of ``fleet`` together; None: there is none.

    Raises:
        StoreError: no such evaluation.
    """
    evaluation = _evaluation(store, evaluation_id)
    reach = history_reach(spec)
    first = evaluation.window.shifted(-reach).start
    history = history_of(store, spec, start=first, end=evaluation.window.start, as_of=evaluation.as_of)
    retrained = [
        decision
        for decision in store.decisions(spec.model, end=evaluation.window.start)
        if trains(decision.action) and decision.as_of <= evaluation.as_of
    ]
    ended = [
        retraining.decision_id
        for retraining in store.retrainings(spec.model)
        if retraining.state in GAIN_KNOWN and first <= retraining.requested_at and retraining.updated_at <= evaluation.as_of
    ]
    realised = [payoff.decision_id for payoff in store.payoffs(spec.model) if payoff.as_of <= evaluation.as_of]
    found = _evidence(store, spec, evaluation, history, retrained[-1].decision_id if retrained else None, ended, realised)
    return found if budget is None else replace(found, fleet=_spent(store, budget, fleet, evaluation))


def gather_again(store: Store, spec: ModelSpec, evaluation_id: str, noted: Mapping[str, Any]) -> Evidence:
    """Gather the evidence of a decision made before, from the ids that :func:`noted_of` kept with it.

    Raises:
        StoreError: a row that the decision saw is not in the store any more.
    """
    known = store.evaluations_of(noted["history"])
    missing = [past for past in noted["history"] if past not in known]
    if missing:
        raise StoreError(f"evaluation {missing[0]}, which the decision about {evaluation_id} looked at, is not in the store")
    history = [known[past] for past in noted["history"]]
    retrainings, realised = noted.get("retrainings", ()), noted.get("realised", ())
    found = _evidence(store, spec, _evaluation(store, evaluation_id), history, noted["last_retraining"], retrainings, realised)
    fleet = noted.get("fleet")
    return found if fleet is None else replace(found, fleet=FleetBudget(fleet["most"], fleet["days"], tuple(fleet["spent"])))


def noted_of(evidence: Evidence) -> dict[str, Any]:
    """Return the ids of the rows that evidence was made of, as plain JSON."""
    fleet = {} if evidence.fleet is None else {"fleet": {**vars(evidence.fleet), "spent": list(evidence.fleet.spent)}}
    return {
        **fleet,
        "history": [past.evaluation_id for past in reversed(evidence.history)],
        "last_retraining": evidence.last_retraining,
        "retrainings": [past.decision_id for past in evidence.gains],
        "realised": [past.decision_id for past in evidence.gains if past.realised],
    }


def history_reach(spec: ModelSpec) -> int:
    """Return how many windows back are looked at: a year for harm that creeps, or twice n, so that n measurable windows are found."""
    return max(ceil(windows_per_year(spec)), 2 * spec.policy.drift.n, 2 * spec.policy.performance.n)


def _evidence(
    store: Store,
    spec: ModelSpec,
    evaluation: Evaluation,
    history: Sequence[Evaluation],
    last_retraining: str | None,
    retrainings: Sequence[str],
    realised: Sequence[str],
) -> Evidence:
    current = store.measurements([evaluation.evaluation_id])[evaluation.evaluation_id]
    measurements = store.measurements([past.evaluation_id for past in history], subject=WHOLE)
    version = store.version(spec.model, evaluation.version)
    payoffs = {payoff.decision_id: payoff for payoff in store.payoffs(spec.model) if payoff.decision_id in realised}
    windows_since = None
    if last_retraining is not None:
        decision = store.decision(last_retraining)
        if decision is None:
            raise StoreError(f"decision {last_retraining}, which this one looked at, is not in the store")
        windows_since = (evaluation.window.start - decision.window.start) // spec.window.length
    return Evidence(
        model=spec.model,
        window=evaluation.window,
        evaluation_id=evaluation.evaluation_id,
        as_of=evaluation.as_of,
        version=evaluation.version,
        current=past_window(spec, evaluation, current),
        measurements=current,
        history=tuple(past_window(spec, past, measurements.get(past.evaluation_id, ())) for past in reversed(history)),
        windows_since_retraining=windows_since,
        last_retraining=last_retraining,
        baseline=version.baseline if version is not None else None,
        gains=tuple(gain for decision_id in retrainings if (gain := _gain(store, spec, decision_id, payoffs.get(decision_id))) is not None),
        trained_rows=trained_rows(version.training) if version is not None else None,
    )


def trained_rows(lineage: Mapping[str, Any]) -> int | None:
    """Return how many labelled rows a version was trained on, by its lineage; None where it was not made by vigil."""
    if "reference_rows" not in lineage or "window_rows" not in lineage:
        return None
    return int(lineage["reference_rows"]) + int(lineage["window_rows"])


def _spent(store: Store, budget: RetrainingBudget, fleet: Iterable[str], evaluation: Evaluation) -> FleetBudget:
    """The decisions for a challenger of all models in the days up to the evaluation, which are not about it."""
    since = evaluation.as_of - timedelta(days=budget.days)
    spent = [
        decision.decision_id
        for model in sorted(fleet)
        for decision in store.decisions(model)
        if trains(decision.action) and since < decision.as_of <= evaluation.as_of and decision.evaluation_id != evaluation.evaluation_id
    ]
    return FleetBudget(budget.most, budget.days, tuple(spent))


def _gain(store: Store, spec: ModelSpec, decision_id: str, payoff: Payoff | None) -> PastGain | None:
    """Return what an ended retraining brought: over its horizon where that is over, else as compared.

    None where it was compared by another metric or not at all, and where its horizon showed too little to tell.
    """
    if payoff is not None and payoff.metric == spec.compared_on.value:
        return None if payoff.realised is None else PastGain(decision_id, payoff.realised, realised=True, **_said(store, decision_id))
    retraining = store.retraining(decision_id)
    if retraining is None:
        raise StoreError(f"the retraining of decision {decision_id}, which a later one looked at, is not in the store")
    difference = retraining.comparison.get("difference")
    if difference is None or retraining.comparison.get("metric") != spec.compared_on.value:
        return None
    gain = float(difference) if retraining.state is RetrainingState.PROMOTED else 0.0
    return PastGain(decision_id, gain, **_said(store, decision_id))


def _said(store: Store, decision_id: str) -> dict[str, Any]:
    """What a retraining's decision said of the loss of the version before; nothing where no price was weighed."""
    decision = store.decision(decision_id)
    said = next((found for gate in decision.gates if (found := gate.numbers.get("break_even"))), None) if decision is not None else None
    return features_of(said) if said else {}


def past_window(spec: ModelSpec, evaluation: Evaluation, measurements: Iterable[Measurement], *, version: str | None = None) -> PastWindow:
    """Return what a decision looks at of an evaluated window; ``version``: another one than was looked at then, for a back-test."""
    drift = performance = business = None
    for found in measurements:
        if (found.layer, found.metric, found.subject, found.reference) == (Layer.DRIFT, DRIFT_SHARE, WHOLE, TRAINING):
            drift = found
        elif found.layer is Layer.PERFORMANCE and found.metric == spec.performance.metric.value and found.subject == WHOLE:
            performance = found
        elif (found.layer, found.metric, found.subject) == (Layer.BUSINESS, spec.business.north_star or VALUE, WHOLE):
            business = found
    anomaly = next((a.name for a in spec.policy.anomalies if a.overlaps(evaluation.window)), None)
    return PastWindow(
        window=evaluation.window,
        evaluation_id=evaluation.evaluation_id,
        version=version or evaluation.version,
        quality_passed=evaluation.quality_passed,
        drift=drift,
        performance=performance,
        anomaly=anomaly,
        business=business,
    )


def _evaluation(store: Store, evaluation_id: str) -> Evaluation:
    evaluation = store.evaluation(evaluation_id)
    if evaluation is None:
        raise StoreError(f"evaluation {evaluation_id} is not in the store; run `vigil run MODEL --window START` for its window")
    return evaluation
