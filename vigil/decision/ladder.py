"""The ladder: the gates in order; the first that settles the matter decides. Pure: evidence and specification in, decision out."""

from __future__ import annotations

import hashlib

from vigil import __version__
from vigil.decision import gates
from vigil.decision.kind import KIND, Kind, which_kind
from vigil.decision.types import Action, Decision, Evidence, GateResult, GateState
from vigil.spec.model import ModelSpec

ORDER = (gates.DATA_FAULT, gates.PASSING, gates.RELEASE, gates.HARM, KIND, gates.WORTH_IT)


def decide(evidence: Evidence, spec: ModelSpec) -> Decision:
    """Decide about one evaluated window.

    The order is: data at fault, passing, a release at fault, harm, which kind, worth it. A gate that is not reached is recorded as such.
    """
    action, results = _climb(evidence, spec)
    reached = {result.gate for result in results}
    rest = tuple(GateResult(name, GateState.NOT_REACHED, "Not asked.") for name in ORDER if name not in reached)
    return Decision(
        decision_id=decision_id_of(evidence.evaluation_id),
        model=evidence.model,
        window=evidence.window,
        evaluation_id=evidence.evaluation_id,
        version=evidence.version,
        as_of=evidence.as_of,
        action=action,
        reason=_reason(action, results),
        gates=(*results, *rest),
        spec_hash=spec.hash,
        code_version=__version__,
    )


def decision_id_of(evaluation_id: str) -> str:
    """Return the id of the one decision about an evaluation."""
    return "d-" + hashlib.sha256(f"decision|{evaluation_id}".encode()).hexdigest()[:12]


def _climb(evidence: Evidence, spec: ModelSpec) -> tuple[Action, tuple[GateResult, ...]]:
    data_fault = gates.data_fault(evidence, spec)
    if data_fault.state is GateState.FIRED:
        return Action.FIX_DATA, (data_fault,)
    if data_fault.state is GateState.UNKNOWN:
        return Action.HOLD, (data_fault,)
    passing = gates.passing(evidence, spec)
    if passing.state is not GateState.PASSED:
        return Action.HOLD, (data_fault, passing)
    release = gates.release(evidence, spec)
    if release.state is GateState.FIRED:
        return Action.ROLLBACK, (data_fault, passing, release)
    harm = gates.harm(evidence, spec)
    asked = (data_fault, passing, release, harm)
    if harm.state is GateState.UNKNOWN:
        return Action.GET_LABELS, asked
    if harm.state is GateState.PASSED:
        return Action.HOLD, asked
    kind = which_kind(evidence, spec, confirmed=bool(harm.numbers["confirmed"]))
    if kind.state is GateState.FIRED:
        return Action.HOLD, (*asked, kind)
    worth_it = gates.worth_it(evidence, spec)
    if worth_it.state is GateState.FIRED:
        return Action.HOLD, (*asked, kind, worth_it)
    action = Action.RECALIBRATE if kind.numbers["kind"] == Kind.CALIBRATION else Action.RETRAIN
    return action, (*asked, kind, worth_it)


def _reason(action: Action, results: tuple[GateResult, ...]) -> str:
    """The sentence of the gate that settled it; of a challenger that is what asks for it, not the absent cool-down."""
    asks = {Action.RETRAIN: gates.HARM, Action.RECALIBRATE: KIND}.get(action)
    settled = next((result for result in results if result.gate == asks), results[-1])
    return settled.sentence
