"""``route``: who serves which share; and what ``why`` tells of a challenger on trial."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.console.shop import MODEL, WEEK, answer, call, fill_store, make_shop
from vigil.challenger.canary import Route
from vigil.project import Project
from vigil.store.records import ChallengerLook, LookKind, RetrainingState

COMPARED = {"verdict": "not_enough_data", "difference": 0.02, "low": 0.01, "high": 0.03, "criteria": []}
SERVED = {"name": "canary", "difference": 0.004, "low": -0.05, "high": 0.06}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 2 serves a quarter, by the decision about the first week; one window of four was looked at."""
    folder = make_shop(tmp_path_factory.mktemp("routing") / "shop")
    written = folder / "models" / "churn.yaml"
    written.write_text(written.read_text() + "comparison: {canary: {share: 0.25, windows: 4}}\n")
    fill_store(folder)
    with Project.open(folder).store() as store:
        store.request_retraining("d1", model=MODEL, champion="1", at=WEEK.end)
        for state in (RetrainingState.REGISTERED, RetrainingState.SHADOW, RetrainingState.CANARY):
            store.advance_retraining("d1", state, at=WEEK.end, challenger="2", comparison=COMPARED)
        due = WEEK.end + timedelta(days=8)
        compared = COMPARED | {"criteria": [SERVED]}
        store.record_challenger_look(ChallengerLook("d1", LookKind.SHADOW, MODEL, WEEK, due, 0.7, 0.72, 200, COMPARED))
        store.record_challenger_look(ChallengerLook("d1", LookKind.CANARY, MODEL, WEEK.shifted(1), due, 0.71, None, 190, compared))
    return folder


def test_a_server_is_told_shares_and_salt(shop: Path) -> None:
    (found,) = answer(shop, "route", MODEL)
    assert found == {
        "model": MODEL,
        "champion": "1",
        "challenger": "2",
        "share": 0.25,
        "salt": "d1",
        "looked": 1,
        "windows": 4,
    }
    assert call(shop, "route", MODEL).stdout == "churn: v2 serves 25 %, v1 the rest (salt d1, 1 of 4 windows looked at).\n"


@pytest.mark.parametrize("key", ["customer 1", "customer 2", "customer 3", "customer 4", "[x]"])
def test_an_id_is_served_by_one_version(shop: Path, key: str) -> None:
    version = Route(MODEL, "1", "2", 0.25, "d1").version_for(key)
    assert answer(shop, "route", MODEL, "--id", key)[0]["version"] == version
    assert call(shop, "route", MODEL, "--id", key).stdout.splitlines()[1] == f"{key}: v{version}"


def test_why_tells_what_each_window_said(shop: Path) -> None:
    """Of the shadow the difference on the same rows, of the canary that of what each served."""
    shown = [" ".join(line.split()) for line in call(shop, "why", MODEL, "2024-01-01").stdout.splitlines()]
    assert "shadow 2024-01-01/2024-01-08 0.7 0.72 200 0.02 0.01 to 0.03 goes on" in shown
    assert "canary 2024-01-08/2024-01-15 0.71 – 190 0.004 -0.05 to 0.06 goes on" in shown
    (row,) = answer(shop, "why", MODEL, "2024-01-01")
    assert [(look["kind"], look["window_start"], look["n"]) for look in row["looks"]] == [
        ("shadow", "2024-01-01T00:00:00+00:00", 200),
        ("canary", "2024-01-08T00:00:00+00:00", 190),
    ]
