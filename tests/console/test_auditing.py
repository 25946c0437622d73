"""``audit verify`` and ``replay``: what holds exits with 0, what does not is named and exits with 1. What asks for too much is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.shop import MODEL, answer, call, fill_store, make_shop
from vigil.project import Project


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = make_shop(tmp_path / "shop")
    fill_store(folder)
    return folder


def test_a_sound_chain_says_its_head_and_finds_it_again(shop: Path) -> None:
    result = call(shop, "audit", "verify")
    assert result.exit_code == 0
    head = result.stdout.split()[-1]
    assert result.stdout == f"The chain holds: 2 decisions, head {head}\n"
    assert answer(shop, "audit", "verify", "--head", head) == [{"links": 2, "head": head, "broken": None}]
    assert call(shop, "audit", "verify", "--head", "00").exit_code == 1


def test_a_forged_decision_breaks_the_chain(shop: Path) -> None:
    with Project.open(shop).store() as store, store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE decision SET reason = 'forged' WHERE decision_id = 'd2'")
    result = call(shop, "audit", "verify")
    assert result.exit_code == 1
    assert result.stdout.startswith("The chain is broken after 1 links, at link 2, decision d2: ")


def test_a_decision_that_the_store_does_not_give_again_is_named(shop: Path) -> None:
    """The shop's decisions were written by hand, without evidence."""
    result = call(shop, "replay", MODEL)
    assert result.exit_code == 1
    assert "churn, decision d1: " in result.stdout
    assert result.stdout.endswith("2 decisions made again, 2 of them differently.\n")


def test_all_models_are_replayed_where_all_are_asked_for(shop: Path) -> None:
    with_json = call(shop, "replay", "--all", "--json")
    assert with_json.exit_code == 1
    assert '"decision_id": "d2"' in with_json.stdout
    assert call(make_shop(shop.parent / "new"), "replay", "--all").stdout == "0 decisions made again, 0 of them differently.\n"


@pytest.mark.parametrize("words", [("replay",), ("replay", MODEL, "--all")])
def test_replay_wants_a_model_or_all_of_them(shop: Path, words: tuple[str, ...]) -> None:
    assert call(shop, *words).exit_code == 2


def test_a_rollback_to_a_version_that_never_served_names_those_that_did(shop: Path) -> None:
    result = call(shop, "rollback", MODEL, "9", "--reason", "worse")
    assert result.exit_code == 5
    assert "version 9 of churn never was champion; those that were: 1" in result.stderr


def test_a_back_test_of_nothing_says_what_to_do(tmp_path: Path) -> None:
    result = call(make_shop(tmp_path / "new"), "backtest", MODEL)
    assert result.exit_code == 2
    assert "`vigil backfill churn` looks at those that are due" in result.stderr


def test_a_back_test_takes_the_policy_of_this_model_only(shop: Path) -> None:
    other = shop / "other.yaml"
    other.write_text((shop / "models" / "churn.yaml").read_text().replace("model: churn", "model: other"))
    result = call(shop, "backtest", MODEL, "--policy", str(other))
    assert result.exit_code == 2
    assert "specifies other, not churn" in result.stderr
