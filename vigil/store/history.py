"""The earlier looks at a model that a specification may judge by."""

from __future__ import annotations

from datetime import datetime

from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import Evaluation


def history_of(
    store: Store, spec: ModelSpec, *, start: datetime | None = None, end: datetime | None = None, as_of: datetime | None = None
) -> tuple[Evaluation, ...]:
    """Return the evaluations (:meth:`.contract.Store.evaluations`) of windows of the specification's own grid.

    One of an earlier specification's grid may hold rows that this one counts again.
    """
    return tuple(each for each in store.evaluations(spec.model, start=start, end=end, as_of=as_of) if spec.window.has(each.window))
