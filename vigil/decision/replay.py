"""Decide again from the store alone, and name every difference to what was decided then."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vigil.decision.evidence import gather_again
from vigil.decision.ladder import decide
from vigil.decision.types import Decision
from vigil.errors import StoreError
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store

TOLERANCE = 1e-12  # relative, of numbers: what another processor or another release of NumPy may change


def replay(store: Store, decision: Decision) -> tuple[str, ...]:
    """Return the differences between a decision and the one made again, each as ``where: then X, now Y``; empty where there is none.

    The specification, the evaluations and the earlier decisions are those that it was made from, by their ids.
    """
    body, noted = store.spec(decision.spec_hash), store.evidence(decision.decision_id)
    if body is None or noted is None:
        return (f"its {'specification' if body is None else 'evidence'} is not in the store any more",)
    try:
        spec = ModelSpec.model_validate_json(body)
        again = decide(gather_again(store, spec, decision.evaluation_id, noted), spec)
    except StoreError as error:
        return (str(error),)
    except (ValueError, KeyError) as error:  # pydantic's errors are ValueErrors
        return (f"it cannot be made again by this code: {error!r:.200}",)
    return tuple(differences(_told(decision), _told(again)))


def differences(then: Any, now: Any, where: str = "") -> Iterator[str]:
    """Yield where two plain values differ; numbers within 1e-12 of each other are equal.

    >>> list(differences({"a": [1.0, "x"]}, {"a": [1.0 + 1e-14, "y"]}))
    ["a[1]: then 'x', now 'y'"]
    """
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in sorted(then.keys() | now.keys()):
            yield from differences(then.get(key), now.get(key), f"{where}.{key}" if where else str(key))
    elif _is_list(then) and _is_list(now) and len(then) == len(now):
        for place, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from differences(one, other, f"{where}[{place}]")
    elif not _equal(then, now):
        yield f"{where}: then {then!r}, now {now!r}"


def _told(decision: Decision) -> dict[str, Any]:
    """What a decision says. The version of the code that made it is not compared: another may say the same."""
    return {
        "action": decision.action.value,
        "reason": decision.reason,
        "version": decision.version,
        "as_of": decision.as_of.isoformat(),
        "gates": {gate.gate: {"state": gate.state.value, "sentence": gate.sentence, "numbers": gate.numbers} for gate in decision.gates},
    }


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _equal(then: Any, now: Any) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (then, now))
    return math.isclose(then, now, rel_tol=TOLERANCE, abs_tol=TOLERANCE) if numbers else bool(then == now)
