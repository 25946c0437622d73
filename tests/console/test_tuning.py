"""``tune --alerts``: for people with the YAML to paste, and for machines. The trainer of this shop would raise if it were asked."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.console.shop import MODEL, WEEK, answer, call, make_shop
from vigil.measurement import Layer, Measurement, Verdict
from vigil.project import Project
from vigil.spec.load import load_model
from vigil.store.records import Evaluation
from vigil.window import Window

WEEKS = 45


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weeks in which 1 to 2 of a thousand requests fail; the starting point tolerates 5."""
    monkeypatch.setenv("COLUMNS", "300")  # no sentence is folded
    folder = make_shop(tmp_path / "shop")
    project = Project.open(folder)
    spec = project.model(MODEL)
    with project.store() as store:
        store.save_spec(MODEL, spec.hash, spec.canonical_json())
        for number in range(WEEKS):
            window = Window(WEEK.start + timedelta(days=7 * number), WEEK.end + timedelta(days=7 * number))
            rate = 0.0015 + 0.0004 * math.sin(number)
            evaluation = Evaluation(f"e{number}", MODEL, window, "1", window.end, spec.hash, "d", "l", 1000, 500, True, "0.1.0")
            store.record_evaluation(evaluation, [Measurement(Layer.SYSTEM, "error_rate", rate, Verdict.OK, 1000, threshold=0.005)])
    return folder


def test_a_person_sees_both_limits_on_the_last_third_and_pastes_the_nearer_one(shop: Path) -> None:
    said = call(shop, "tune", MODEL, "--alerts").stdout
    table, _, pasted = said.partition("\nalerts:")
    for part in ("error_rate", "as measured, in 2 of 3", "nearer to what is ordinary", "0.0 (0 in 15)", "Chosen by 30 windows"):
        assert part in table
    file = shop / "models" / "churn.yaml"
    file.write_text(file.read_text() + "alerts:" + pasted)
    (rule,) = load_model(file).alerts.rules
    assert rule.above is not None
    assert 0.0019 < rule.above < 0.005
    assert (rule.sustained.k, rule.sustained.n) == (2, 3)


def test_a_machine_gets_the_rule_and_how_all_did_together(shop: Path) -> None:
    one, together = answer(shop, "tune", MODEL, "--alerts")
    assert (one["tunes"], one["model"], one["signal"]["metric"]) == ("alerts", MODEL, "error_rate")
    assert one["proposed"] == YAML(typ="safe", pure=True).load(call(shop, "tune", MODEL, "--alerts").stdout.rpartition("    - ")[2])
    assert (together["signal"], together["chosen_by"], together["held_back"]) == (None, 30, 15)
    assert (together["now"]["alarms"], together["then"]["windows"]) == (0, 15)


def test_with_little_history_nothing_is_proposed_and_why_is_said(shop: Path) -> None:
    said = call(shop, "tune", MODEL, "--alerts", "--to", (WEEK.start + timedelta(days=7 * 20)).date().isoformat()).stdout
    assert "too little history: 14 calm windows to choose by, 6 to judge by" in said
    assert "No threshold is proposed." in said
