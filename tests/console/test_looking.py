"""``status``, ``why`` and ``decisions``: what people and machines are told of the store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.console.shop import MODEL, answer, call, fill_store, make_shop
from vigil.project import Project
from vigil.store.records import Payoff


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_shop(tmp_path_factory.mktemp("console") / "shop")
    fill_store(folder)
    return folder


def test_decisions_as_json_have_the_fields_of_the_store(shop: Path) -> None:
    first, second = answer(shop, "decisions", MODEL)
    assert {name: first[name] for name in ("model", "window_start", "window_end", "as_of", "action", "decision_id", "evaluation_id")} == {
        "model": "churn",
        "window_start": "2024-01-01T00:00:00+00:00",
        "window_end": "2024-01-08T00:00:00+00:00",
        "as_of": "2024-01-09T00:00:00+00:00",
        "action": "HOLD",
        "decision_id": "d1",
        "evaluation_id": "e1",
    }
    assert first["reason"] == "Drift does not last yet."
    assert [gate["gate"] for gate in first["gates"]] == ["data_fault", "passing", "harm", "worth_it"]
    assert first["gates"][0] == {
        "gate": "data_fault",
        "state": "passed",
        "sentence": "All critical expectations hold (7 checked).",
        "numbers": {"checked": 7, "failed": []},
    }
    assert (first["version"], first["retraining"]) == ("1", None)
    assert (second["retraining"], second["challenger"]) == ("waiting_for_approval", "2")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["d1", "d2"]),
        (("--from", "2024-01-02"), ["d2"]),
        (("--to", "2024-01-08"), ["d1"]),
        (("--from", "2024-02-01"), []),
    ],
)
def test_a_span_of_decisions_is_by_window_start(shop: Path, options: tuple[str, ...], expected: list[str]) -> None:
    assert [row["decision_id"] for row in answer(shop, "decisions", MODEL, *options)] == expected


def test_a_table_names_window_action_and_reason(shop: Path) -> None:
    shown = call(shop, "decisions", MODEL).stdout.splitlines()
    assert shown[1].split("  ")[0] == "2024-01-01 – 2024-01-08"
    assert "HOLD" in shown[1]
    assert "Drift does not last yet." in shown[1]
    assert "waiting for approval (v2)" in shown[2]


def test_a_narrow_terminal_still_shows_the_reason(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence wraps in a column of its own."""
    monkeypatch.setenv("COLUMNS", "80")
    assert "Drift does not last" in call(shop, "decisions", MODEL).stdout


@pytest.mark.parametrize("width", ["20", "60", "100"])
@pytest.mark.parametrize("asked", [["decisions", MODEL], ["history", MODEL], ["labels", "status", MODEL], ["status"]])
def test_a_narrow_terminal_takes_nothing_away(shop: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], width: str) -> None:
    """It may break lines; ids that are to be copied are whole, and every word is there."""
    monkeypatch.setenv("COLUMNS", "400")
    words = sorted(call(shop, *asked).stdout.split())
    monkeypatch.setenv("COLUMNS", width)
    assert sorted(call(shop, *asked).stdout.split()) == words


def test_why_begins_with_a_sentence_and_ends_with_what_would_have_changed(shop: Path) -> None:
    shown = call(shop, "why", MODEL, "2024-01-03").stdout.splitlines()
    assert shown[0] == "churn, 2024-01-01 to 2024-01-08: Hold: do nothing. Drift does not last yet."
    assert shown[2].strip() == "○ Is the data at fault? All critical expectations hold (7 checked)."
    assert any(line.startswith("What would have changed it: 2 more windows with drift in breach (3 of 3 are needed).") for line in shown)


def test_why_shows_what_is_out_of_bounds_with_value_and_threshold_the_whole_window_first(shop: Path) -> None:
    shown = call(shop, "why", MODEL).stdout.splitlines()
    at = next(i for i, line in enumerate(shown) if line.startswith("out of bounds"))
    assert [line.split() for line in shown[at + 1 : at + 3]] == [
        ["drift_share", "0.75", "–", "0.3", "20", "breach"],
        ["psi", "of", "age", "0.9", "–", "0.2", "20", "breach"],
    ]
    assert shown[-1] == "Decision d2, version 1, as of 2024-01-16."


def test_why_without_a_date_is_about_the_latest_window(shop: Path) -> None:
    (row,) = answer(shop, "why", MODEL)
    assert (row["decision_id"], row["action"]) == ("d2", "RETRAIN")
    assert row["headline"].startswith("churn, 2024-01-08 to 2024-01-15: Retrain.")
    assert {m["metric"] for m in row["measurements"]} == {"drift_share", "psi", "roc_auc"}


def test_a_window_that_was_not_decided_is_an_error_that_says_which_are(shop: Path) -> None:
    result = call(shop, "why", MODEL, "2024-03-01")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "vigil: nothing was decided about the window of churn that holds 2024-03-01; decided windows are from 2024-01-01 to "
        "2024-01-15. Look at it with `vigil run churn --window 2024-03-01`\n"
    )


def test_a_model_without_decisions_names_the_command_that_makes_one(tmp_path: Path) -> None:
    result = call(make_shop(tmp_path / "new"), "why", MODEL)
    assert result.exit_code == 2
    assert "look at its latest window with `vigil run churn`" in result.stderr


def test_status_shows_the_latest_window_and_what_waits(shop: Path) -> None:
    (row,) = answer(shop, "status")
    assert (row["model"], row["version"], row["window_start"]) == ("churn", "1", "2024-01-08T00:00:00+00:00")
    assert (row["drift_share"], row["drift_share_verdict"], row["quality_passed"]) == (0.75, "breach", True)
    assert (row["metric"], row["performance"], row["performance_low"], row["performance_high"]) == ("roc_auc", 0.61, 0.55, 0.67)
    assert (row["action"], row["waiting_for_approval"]) == ("RETRAIN", ["d2"])


def test_status_for_people_says_how_to_approve(shop: Path) -> None:
    shown = call(shop, "status").stdout
    assert 'churn waits for you: `vigil approve d2 --reason "..."`' in shown


def test_status_of_a_new_model_says_how_to_get_a_champion(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "new")
    assert answer(folder, "status")[0]["version"] is None
    assert "churn has no champion yet: `vigil adopt churn`" in call(folder, "status").stdout


def test_a_project_without_models_has_an_empty_status(tmp_path: Path) -> None:
    (tmp_path / "vigil.yaml").write_text("project: empty\n")
    assert answer(tmp_path, "status") == []
    assert call(tmp_path, "status").stdout == "No models yet: add models/NAME.yaml (see `vigil init`).\n"


def test_looking_changes_nothing_in_the_store(shop: Path) -> None:
    """A second look prints the same."""
    assert answer(shop, "status") == answer(shop, "status")
    assert answer(shop, "why", MODEL) == answer(shop, "why", MODEL)


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (
            (0.013, 0.001, 0.025),
            "with 900 labels it was better by 0.013 (0.001 to 0.025) than the version that it replaced.",
        ),
        ((-0.013, -0.025, -0.001), "it was worse by 0.013 (0.001 to 0.025) than the version that it replaced."),
        ((None, None, None), "over 12 windows with 900 labels too little to tell what it brought."),
    ],
)
def test_history_and_why_say_what_a_promotion_brought(tmp_path: Path, gain: tuple[float | None, ...], said: str) -> None:
    shop = make_shop(tmp_path / "shop")
    fill_store(shop)
    brought = Payoff("d2", MODEL, datetime(2024, 4, 8, tzinfo=UTC), "roc_auc", 0.02, *gain, n=900, windows=12)
    with Project.open(shop).store() as store:
        store.save_payoff(brought)
    told = answer(shop, "history", MODEL)[-1]
    assert (told["event"], told["version"], told["decision_id"], told["at"]) == ("payoff", "2", "d2", "2024-04-08T00:00:00+00:00")
    assert told["reason"].startswith("Expected roc_auc to be better by 0.02; ")
    assert said in told["reason"]
    assert said in call(shop, "why", MODEL).stdout
    assert answer(shop, "why", MODEL)[0]["payoff"]["realised"] == gain[0]
