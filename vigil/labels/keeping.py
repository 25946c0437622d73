"""Plans of labels in the store: made once, and the same again afterwards.

Differs from :mod:`vigil.labels.plan`, which chooses rows and knows no store.
"""

from __future__ import annotations

from datetime import datetime

from vigil.decision.gates import HARM
from vigil.decision.types import Action
from vigil.labels.plan import Plan, make_plan, plan_id_of
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import LabelPlan
from vigil.window import Window


def kept_plan(source: ModelSource, store: Store, spec: ModelSpec, window: Window, *, budget: int, seed: int, now: datetime) -> Plan:
    """Return the stored plan of a window, a budget and a seed, or make and store it: what was asked for once is not drawn anew.

    Raises:
        NotAllowed, NotEnoughData: as :func:`~vigil.labels.plan.make_plan`.
    """
    known = plans_of(store, spec.model)
    wanted = plan_id_of(spec, window, budget, seed)
    stored = next((each for each in known if each.plan_id == wanted), None)
    if stored is not None:
        return stored
    earlier = [each for each in known if each.window == window]
    made = make_plan(source, spec, window, budget=budget, seed=seed, now=now, earlier=earlier)
    store.save_label_plan(LabelPlan(made.plan_id, made.model, window, budget, seed, now, made.to_json()))
    return made


def plans_of(store: Store, model: str) -> list[Plan]:
    """Return all plans of a model, in the order of recording."""
    fields = ("plan_id", "model", "budget", "seed", "made_at")
    return [Plan.from_json(row.body, **{name: getattr(row, name) for name in fields}) for row in store.label_plans(model)]


def budget_now(store: Store, spec: ModelSpec) -> int | None:
    """Return how many labels to ask for as the specification says: ``labels.budget``, and ``labels.suspected_times`` as many while harm is
    suspected or labels are asked for by the latest decision; None where no budget is specified."""
    if spec.labels.budget is None:
        return None
    return round(spec.labels.budget * (spec.labels.suspected_times if suspected(store, spec.model) else 1.0))


def suspected(store: Store, model: str) -> bool:
    """Tell whether the latest decision about the latest window asks for labels, or its gate of harm found a suspicion."""
    decisions = store.decisions(model)
    if not decisions:
        return False
    harm = next((gate.numbers for gate in decisions[-1].gates if gate.gate == HARM), {})
    return decisions[-1].action is Action.GET_LABELS or bool(harm.get("suspected"))
