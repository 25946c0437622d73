"""The loop through the command alone: adopt, backfill, look, explain, approve. Real Prefect, MLflow, Great Expectations and DuckDB."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest

from console.exit_codes import exit_code_of
from console.session import flows_of
from tests.console.shop import answer, call, fill_store, make_shop, write_data
from tests.loop.small_project import CHANGED_FROM, FAULTY_WEEK, MODEL, as_of, make_project, play, week_start
from vigil.errors import NotAllowed
from vigil.project import Project

WEEKS = 6
RETRAINED = CHANGED_FROM + 1  # lower performance in 2 of 3 weeks


@pytest.fixture(scope="module", autouse=True)
def _logs_go_to_the_session() -> None:
    """Prefect's log handler keeps the stderr that it first sees; it must not be the one of a single call, which is closed after it."""
    import prefect  # noqa: F401
    from prefect.logging.configuration import setup_logging

    setup_logging()


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> tuple[Path, list[dict[str, Any]]]:
    """A project whose first version the command trained, and what the command answered."""
    folder = make_project(tmp_path_factory.mktemp("acting") / "project", promotion="approve")
    return folder, answer(folder, "adopt", MODEL, "--by", "ada")


@pytest.fixture(scope="module")
def backfilled(adopted: tuple[Path, list[dict[str, Any]]]) -> tuple[Path, list[dict[str, Any]]]:
    """The project after six weeks, looked at by one backfill, and what the command answered."""
    folder = adopted[0]
    for week in range(WEEKS):
        play(folder, week)
    return folder, answer(folder, "backfill", MODEL)


def test_an_error_of_a_flow_keeps_nothing_open(tmp_path: Path, prefect_server: str) -> None:
    """Prefect keeps the error; a connection that its frames hold would be listed by DuckDB when the process ends."""
    held: list[weakref.ref[set[str]]] = []

    def look() -> None:
        opened = {"a connection"}
        held.append(weakref.ref(opened))
        raise NotAllowed("not now")

    with pytest.raises(NotAllowed) as caught, flows_of(Project.open(make_shop(tmp_path))):
        look()
    assert caught.traceback
    assert held[0]() is None


def test_the_error_of_a_flow_is_said_once(tmp_path: Path, prefect_server: str, caplog: pytest.LogCaptureFixture) -> None:
    """By the command; Prefect would print it two or three times, each with its traceback."""
    from prefect import flow

    @flow
    def look() -> None:
        raise NotAllowed("not now")

    with pytest.raises(NotAllowed), flows_of(Project.open(make_shop(tmp_path))):
        look()
    assert "not now" not in caplog.text
    with pytest.raises(NotAllowed):
        look()
    assert "not now" in caplog.text


def test_adopt_answers_with_the_champion(adopted: tuple[Path, list[dict[str, Any]]]) -> None:
    (champion,) = adopted[1]
    assert (champion["model"], champion["version"], champion["token"]) == (MODEL, "1", 1)
    (promotion,) = Project.open(adopted[0]).store().promotions(MODEL)
    assert (promotion.by, promotion.version) == ("ada", "1")


def test_backfill_answers_with_one_decision_a_window_as_of_when_it_was_due(backfilled: tuple[Path, list[dict[str, Any]]]) -> None:
    rows = backfilled[1]
    assert [row["window_start"] for row in rows] == [week_start(week).isoformat() for week in range(WEEKS)]
    assert [row["as_of"] for row in rows] == [as_of(week) for week in range(WEEKS)]
    assert [row["action"] for row in rows] == ["HOLD", "HOLD", "FIX_DATA", "HOLD", "HOLD", "RETRAIN"]
    assert rows[FAULTY_WEEK]["gates"][0]["state"] == "fired"


def test_a_second_backfill_gives_the_same_decisions(backfilled: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, rows = backfilled
    again = answer(folder, "backfill", MODEL, "--from", "2024-01-09", "--to", "2024-01-23")
    assert [row["decision_id"] for row in again] == [row["decision_id"] for row in rows[1:4]]


def test_run_without_a_window_takes_the_latest_with_rows(backfilled: tuple[Path, list[dict[str, Any]]]) -> None:
    """The log ends years before now; the windows since then have no rows and are not meant."""
    folder, rows = backfilled
    (row,) = answer(folder, "run", MODEL)
    assert row["window_start"] == rows[-1]["window_start"]


def test_a_challenger_waits_and_is_promoted_by_a_person_with_a_reason(backfilled: tuple[Path, list[dict[str, Any]]]) -> None:
    """Rejecting after approving is a conflict, and changes nothing."""
    folder, rows = backfilled
    decision = rows[RETRAINED]["decision_id"]
    assert answer(folder, "status")[0]["waiting_for_approval"] == [decision]
    evidence = answer(folder, "why", MODEL)[0]["approval"]["evidence"]
    other = call(folder, "approve", decision, "--reason", "better in every region", "--evidence", "0" * 12)
    assert (other.exit_code, answer(folder, "status")[0]["version"]) == (5, "1")
    approved = ("approve", decision, "--reason", "better in every region", "--by", "grace", "--evidence", evidence[:12])
    (promoted,) = answer(folder, *approved)
    assert (promoted["state"], promoted["by"], promoted["challenger"]) == ("promoted", "grace", "2")
    assert answer(folder, "status")[0]["version"] == "2"
    refused = call(folder, "reject", decision, "--reason", "second thoughts")
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert answer(folder, "status")[0]["version"] == "2"


def test_a_champion_is_rolled_back_to_the_one_before_and_history_tells_it(backfilled: tuple[Path, list[dict[str, Any]]]) -> None:
    """The registry follows; the decision that promoted it cannot do so again; only what served before can come back."""
    from tasks.registry import Registry

    folder, rows = backfilled
    (moved,) = answer(folder, "rollback", MODEL, "--reason", "complaints", "--by", "grace")
    assert (moved["version"], moved["replaced"], moved["kind"], moved["by"]) == ("1", "2", "rolled_back", "grace")
    assert answer(folder, "status")[0]["version"] == "1"
    assert Registry(Project.open(folder)).alias_version(MODEL, "champion") == "1"
    again = call(folder, "approve", rows[RETRAINED]["decision_id"], "--reason", "once more")
    assert (again.exit_code, again.stdout) == (5, "")
    assert answer(folder, "rollback", MODEL, "1", "--reason", "twice", "--by", "grace") == [moved]
    refused = call(folder, "rollback", MODEL, "7", "--reason", "typed wrong")
    assert refused.exit_code == exit_code_of(NotAllowed(""))
    assert "version 7 of credit never was champion; those that were: 1, 2" in refused.stderr
    told = [(row["event"], row["version"], row["replaced"], row["by"]) for row in answer(folder, "history", MODEL)]
    assert told == [("adopted", "1", None, "ada"), ("promoted", "2", "1", "grace"), ("rolled_back", "1", "2", "grace")]


def test_a_decision_without_a_retraining_cannot_be_approved(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    fill_store(folder)
    result = call(folder, "approve", "d1", "--reason", "why not")
    assert (result.exit_code, result.stderr) == (2, "vigil: no retraining of decision 'd1'; waiting for approval: d2\n")


def test_a_span_that_is_not_due_is_an_error(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    write_data(folder)
    result = call(folder, "backfill", "churn", "--from", "2100-01-01")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no window of churn in that span is due; a window is due 1 days after its end" in result.stderr


def test_a_prefect_server_that_does_not_answer_is_reported_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_shop(tmp_path / "shop")
    write_data(folder)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # port 9, discard: nothing listens
    result = call(folder, "run", "churn")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.startswith("vigil: Prefect's API at http://127.0.0.1:9/api cannot be used:")
    assert not (folder / "state" / "vigil.db").exists()
