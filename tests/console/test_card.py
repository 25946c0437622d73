"""``vigil card``, and what ``why``, ``history`` and ``approve`` say of challengers: on a filled store, without a server."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from console.session import own_name
from tests.console.shop import MODEL, WEEK, answer, call, fill_store, make_shop
from vigil.errors import NotAllowed, TrainingOutcome
from vigil.project import Project
from vigil.store.records import Approval, TrainingAttempt


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 2 waits after a training that crashed once."""
    folder = make_shop(tmp_path_factory.mktemp("card") / "shop")
    fill_store(folder)
    crashed = TrainingAttempt("d2", 1, MODEL, WEEK.end, TrainingOutcome.CRASHED, 2.0, 300.0, "was ended by SIGSEGV", "epoch 1")
    trained = TrainingAttempt("d2", 2, MODEL, WEEK.end, TrainingOutcome.TRAINED, 4.25, 300.0, "", "epoch 1, 2")
    with Project.open(folder).store() as store:
        store.record_training_attempt(crashed)
        store.record_training_attempt(trained)
        asked = Approval("d2", MODEL, "2", "1", 1, "a" * 64, WEEK.end, WEEK.end + timedelta(days=14))
        store.ask_approval(asked, comparison={}, reason="", at=WEEK.end)
    return folder


def test_a_card_is_of_the_champion_where_no_version_is_named(shop: Path) -> None:
    assert answer(shop, "card", MODEL)[0]["version"] == "1"
    assert answer(shop, "card", MODEL, "2")[0]["version"] == "2"
    assert call(shop, "card", MODEL, "2").stdout.startswith("# churn, version 2\n")


@pytest.mark.parametrize(("name", "begins"), [("card.html", "<!doctype html>"), ("card.md", "# churn, version 2")])
def test_a_card_is_written_as_its_file_says(shop: Path, tmp_path: Path, name: str, begins: str) -> None:
    shown = call(shop, "card", MODEL, "2", "--out", str(tmp_path / name))
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert (tmp_path / name).read_text().startswith(begins)


def test_a_version_that_is_not_there_is_told_with_those_that_are(shop: Path, tmp_path: Path) -> None:
    assert call(shop, "card", MODEL, "7").stderr == "vigil: no version 7 of churn; its versions: 1, 2\n"
    empty = make_shop(tmp_path / "empty")
    assert "churn has no version yet; `vigil adopt churn`" in call(empty, "card", MODEL).stderr


def test_why_tells_how_each_attempt_to_train_ended_and_what_is_asked(shop: Path) -> None:
    shown = call(shop, "why", MODEL).stdout
    assert "Training attempt 1: crashed after 2.0 s: was ended by SIGSEGV.\nTraining attempt 2: trained after 4.2 s.\n" in shown
    assert "May v2 serve in place of v1? Answer until 2024-01-22: `vigil approve d2 --evidence aaaaaaaaaaaa --reason" in shown
    (row,) = answer(shop, "why", MODEL)
    assert [attempt["output"] for attempt in row["training_attempts"]] == ["epoch 1", "epoch 1, 2"]
    assert row["approval"]["evidence"] == "a" * 64


def test_history_lists_attempts_that_failed(shop: Path) -> None:
    told = [(row["event"], row["reason"]) for row in answer(shop, "history", MODEL)]
    assert ("training_crashed", "was ended by SIGSEGV") in told
    assert "training_trained" not in [event for event, _ in told]


def test_where_approvers_are_listed_nobody_speaks_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert own_name(None) == own_name("ada") == "ada"
    with pytest.raises(NotAllowed, match="you are ada: --by grace cannot speak for another"):
        own_name("grace")
