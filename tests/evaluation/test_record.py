"""Two runs of the same look: what the log says agrees or is a conflict, what Prometheus said to the first stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.alerts.build import a_spec, day, latency, rows
from vigil.errors import Conflict
from vigil.evaluation.record import record
from vigil.measurement import Layer, Measurement, Verdict
from vigil.store.records import Evaluation
from vigil.store.sql import open_store

ASKED = a_spec(health={"queries": {"memory": {"query": "x"}}})
UNKNOWN = Measurement(Layer.SYSTEM, "memory", None, Verdict.NOT_ENOUGH_DATA, 0, detail={"because": "no answer"})
KNOWN = replace(UNKNOWN, value=7.0, verdict=Verdict.OK, n=1, detail={})


def test_the_first_answer_stays_and_the_logs_own_numbers_must_agree(tmp_path: Path) -> None:
    evaluation = Evaluation("e1", "churn", day(0), "1", day(0).end, ASKED.hash, "d", "l", 1000, 500, True, "0")
    with open_store(f"sqlite:///{tmp_path / 'vigil.db'}") as store:
        store.save_spec("churn", ASKED.hash, ASKED.canonical_json())
        assert record(store, ASKED, evaluation, [latency(100), rows(9), KNOWN])
        assert not record(store, ASKED, evaluation, [rows(9), latency(100), UNKNOWN])
        assert [m.value for m in store.measurements(["e1"])["e1"] if m.metric == "memory"] == [7.0]
        with pytest.raises(Conflict):
            record(store, ASKED, evaluation, [latency(101), rows(9), KNOWN])
        with pytest.raises(Conflict):
            record(store, a_spec(), evaluation, [latency(100), rows(9), UNKNOWN])
