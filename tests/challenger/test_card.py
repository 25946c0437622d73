"""Model cards: what they tell, that they are whole, and that nothing that came from data gets out of its cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.challenger.build import spec_of
from tests.store.build import NOW, WEEK, a_decision, an_evaluation
from vigil.challenger.card import Card, Table, as_description, as_html, as_markdown, card_of
from vigil.challenger.compare import compare
from vigil.challenger.held_out import measured_on
from vigil.challenger.rows import labelled_rows
from vigil.errors import StoreError
from vigil.performance.metrics import roc_auc
from vigil.store.records import PromotionKind, RetrainingState, Version
from vigil.store.sql import SqlStore, open_store

HOSTILE = "<script>alert(1)</script>|`[x](javascript:1)"
N = 400
SEARCHED = {"metric": "roc_auc", "value": 0.75, "fitted": 300, "judged": 1100, "trials": 20, "failed": 3, "skipped": ""}
SEARCHED |= {"chosen": {"C": 0.5, "penalty": HOSTILE}}
SPEC = spec_of(
    description="Will it be late? <b>Now</b>",
    segments=("carrier",),
    labels={"minimum": 50},
    fairness={"protected": ["gender"]},
    policy={"anomalies": [{"name": "the storm", "start": WEEK.start, "end": WEEK.end}]},
)


def held_out() -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of two carriers, one with a hostile name, a third with few rows; and scores that follow the labels."""
    rng = np.random.default_rng(1)
    label = (rng.random(N) < 0.4).astype(float)
    carrier = np.where(np.arange(N) < 10, "ZZ", np.resize(["AA", HOSTILE], N))
    log = pd.DataFrame({"wind": rng.normal(size=N), "carrier": carrier, "label": label, "gender": np.resize(["f", "m"], N)})
    log["event_time"] = [WEEK.start + timedelta(minutes=minute) for minute in range(N)]
    rows = labelled_rows(log, SPEC, SPEC.fairness.protected)
    return rows, 1 / (1 + np.exp(-(2 * rows["label"].to_numpy() - 1 + rng.normal(size=N))))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    """Version 1 serves; version 2 was made, compared on the held-out rows with a model that knows nothing, and let serve by Ada."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('cards') / 'vigil.db'}")
    opened.save_spec(SPEC.model, SPEC.hash, SPEC.canonical_json())
    opened.record_evaluation(an_evaluation(model=SPEC.model, spec_hash=SPEC.hash), [])
    opened.record_decision(a_decision(model=SPEC.model, spec_hash=SPEC.hash, reason=f"It drifts in {HOSTILE}."), {})
    rows, scores = held_out()
    training = {
        **measured_on(rows, scores, SPEC),
        "trained_on": ["2013-02-04/2013-02-11"],
        "excluded": {"2013-02-11/2013-02-18": f"decided FIX_DATA: {HOSTILE}"},
        "training_digest": "abc",
        "search": SEARCHED,
        "shap": {"mean_abs": {"wind": 0.125, "carrier": 0.05}, "rows": 100, "background": 50},
    }
    opened.save_version(_version("1", {"shap": {"failed": f"TypeError: {HOSTILE}"}}))
    opened.move_champion(SPEC.model, "1", expected_token=0, kind=PromotionKind.ADOPTED, by="vigil", reason="first", at=NOW)
    opened.request_retraining("d1", model=SPEC.model, champion="1", at=NOW)
    opened.save_version(_version("2", training, decision_id="d1", parent="1"))
    opened.advance_retraining("d1", RetrainingState.REGISTERED, at=NOW, challenger="2")
    groups = pd.DataFrame({"carrier": rows["carrier"], "gender": rows["group: gender"]})
    found = compare(np.full(N, 0.5), scores, rows["label"], None, SPEC, np.random.default_rng(0), groups)
    opened.advance_retraining("d1", RetrainingState.WAITING, at=NOW, comparison=found.to_json(), reason=found.sentence())
    opened.move_champion(
        SPEC.model,
        "2",
        expected_token=1,
        kind=PromotionKind.PROMOTED,
        by="ada",
        reason=HOSTILE,
        at=NOW + timedelta(hours=1),
        decision_id="d1",
    )
    opened.advance_retraining("d1", RetrainingState.PROMOTED, at=NOW + timedelta(hours=1), by="ada", reason=HOSTILE)
    yield opened
    opened.close()


def _version(version: str, training: dict[str, Any], **changes: Any) -> Version:
    importance = {"wind": 0.75, "carrier": 0.25}
    return Version(SPEC.model, version, NOW, SPEC.hash, "roc_auc", 0.8, importance, training, "{}", "{}", **changes)


@pytest.fixture
def card(store: SqlStore) -> Card:
    version = store.version(SPEC.model, "2")
    assert version is not None
    return card_of(store, version)


def test_it_tells_what_it_is_for_whose_it_is_how_it_stands_and_why_it_was_made(card: Card) -> None:
    assert (card.purpose, card.owner, card.standing) == ("Will it be late? <b>Now</b>", "ops", "champion since 2013-03-09 07:30 UTC")
    assert card.cause == f"Decision d1 about {WEEK.key}: RETRAIN. It drifts in {HOSTILE}."


def test_it_tells_each_metric_and_each_group_with_interval_and_rows(card: Card) -> None:
    """The first row is the metric of the specification; a segment with too few rows has no figure, and the limits say so."""
    rows, scores = held_out()
    name, value, interval, count = card.performance.rows[0]
    assert (name, value, count) == ("roc auc", f"{roc_auc(scores, rows['label']):.3f}".rstrip("0"), "400")
    low, high = map(float, interval.split(" to "))
    assert low < float(value) < high
    assert sorted(row[0] for row in card.segments.rows) == [f"carrier={HOSTILE}", "carrier=AA", "carrier=ZZ"]  # one row each
    of_aa, of_segment = (rows["carrier"] == "AA").to_numpy(), {row[0]: row[1] for row in card.segments.rows}
    assert float(of_segment["carrier=AA"]) == pytest.approx(roc_auc(scores[of_aa], rows["label"][of_aa]), abs=5e-4)
    assert ("carrier=ZZ", "–", "–", "10") in card.segments.rows
    assert {row[:2] for row in card.fairness.rows} >= {("gender=f", "equal opportunity"), ("gender=m", "group calibration")}
    assert any("Nothing is known of how good it is in carrier=ZZ" in limit for limit in card.limits)
    assert sum(each["n"] for each in card.calibration) == N


def test_a_regression_has_metrics_and_no_calibration() -> None:
    """Predicted 2 too high everywhere: both errors are 2."""
    spec = spec_of(task="regression", performance={"metric": "mae", "tolerated_loss": 1.0}, labels={"minimum": 10})
    log = pd.DataFrame({"wind": np.arange(50.0), "carrier": "AA", "label": np.arange(50.0)})
    rows = labelled_rows(log, spec)
    found = measured_on(rows, rows["label"].to_numpy() + 2, spec)
    values = {each["metric"]: each["value"] for each in found["measured"]}
    assert (values["mae"], values["rmse"]) == (2.0, 2.0)
    assert "calibration" not in found


def test_it_tells_what_was_left_out_what_was_compared_and_who_let_it_serve(card: Card) -> None:
    assert card.excluded.rows == (("2013-02-11/2013-02-18", f"decided FIX_DATA: {HOSTILE}"),)
    assert "The challenger is better." in card.comparison
    assert {row[0] for row in card.criteria.rows} >= {"non inferiority", "calibration"}
    assert card.approvals.rows == (("2013-03-09 07:30 UTC", "promoted", "ada", HOSTILE),)
    assert any("the storm" in limit for limit in card.limits)


def test_what_was_judged_stands_before_what_is_only_shown(card: Card) -> None:
    standings = [row[-1] for row in card.criteria.rows]
    assert standings[0] == "passed"
    assert standings == sorted(standings, key=["failed", "passed", "shown", "not enough data"].index)
    assert len(set(standings)) > 2


def test_a_measurement_in_breach_is_seen_at_once(card: Card) -> None:
    page = as_html(replace(card, service=Table(("window", "data quality", "roc auc"), (("one", "ok", "0.6 breach"),))))
    assert '<td class="good">ok</td><td class="bad">0.6 breach</td>' in page


def test_it_tells_which_parameters_a_search_chose_and_how_much_to_believe_of_that(card: Card) -> None:
    told = dict(card.data)["parameters"]
    assert told.startswith("{'C': 0.5, 'penalty': ")
    assert told.endswith(", the best of 20 trials (3 failed): roc auc 0.75 on 1,100 later rows; the best of many looks better than it is")


def test_shap_values_stand_beside_the_importance_where_there_are_some(card: Card) -> None:
    assert card.importance == (("wind", 0.75), ("carrier", 0.25))
    assert dict(card.shap) == {"wind": "0.125", "carrier": "0.05"}
    assert "moves the probability from row to row, rightly or wrongly: of 100 held-out rows, each against 50." in as_html(card)
    assert "| wind | 0.75 | 0.125 |" in as_markdown(card)


def test_without_shap_values_it_says_why_and_how_to_have_them(store: SqlStore) -> None:
    """Those of the first version failed; of a version without any the extra was not installed."""
    first = store.version(SPEC.model, "1")
    assert first is not None
    card = card_of(store, first)
    assert (card.shap, card.about_shap) == ({}, f"There are no SHAP values: TypeError: {HOSTILE}.")
    assert "| carrier | 0.25 |\n" in as_markdown(card)
    assert "pip install 'vigil[shap]'" in card_of(store, replace(first, training={})).about_shap


def test_a_first_version_has_a_card_too(store: SqlStore) -> None:
    """No decision, no comparison, nothing measured that is not known."""
    version = store.version(SPEC.model, "1")
    assert version is not None
    card = card_of(store, version)
    assert (card.cause, card.comparison) == ("The first version: no decision caused it.", "Not compared: there was no champion.")
    assert card.standing == "champion before; version 2 serves now"
    assert "<svg" not in as_html(card)
    assert "## Performance" in as_markdown(card)


def test_a_version_whose_specification_is_gone_is_told(store: SqlStore) -> None:
    version = Version("another", "1", NOW, "gone", "roc_auc", None, {}, {}, "{}", "{}")
    with pytest.raises(StoreError, match="the specification gone of version 1 is not in the store"):
        card_of(store, version)


class Tags(HTMLParser):
    """The tags of a page, those that are still open, and whatever is loaded from elsewhere."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.loaded += [str(value) for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_loads_nothing_and_runs_nothing(card: Card) -> None:
    """A carrier, a reason and a decision are hostile; each stands there as text."""
    page = as_html(card)
    tags = Tags()
    tags.feed(page)
    assert (tags.open, tags.loaded) == ([], [])
    assert not tags.seen & {"script", "b", "link", "img", "iframe"}
    assert page.count("&lt;script&gt;") >= 3


def test_the_registrys_page_tells_first_what_matters_and_where_the_card_is(card: Card) -> None:
    """The standing, the cause, the first metric with its interval and the comparison; what came from data is escaped."""
    standing, cause, measured, compared, where = as_description(card).split("\n\n")
    assert standing == "**Standing:** champion since 2013-03-09 07:30 UTC"
    assert cause.startswith("**Why it was made:** Decision d1")
    assert "<script>" not in cause
    assert measured.startswith("**Measured:** roc auc ")
    assert measured.endswith(") on 400 held-out rows")
    assert "The challenger is better." in compared
    assert "card/card.html" in where


def test_markdown_keeps_what_came_from_data_in_its_cell(card: Card) -> None:
    """Every row of a table has as many cells as its header, and no tag or link is left."""
    text = as_markdown(card)
    assert "<script>" not in text
    assert not re.search(r"(?<!\\)\[x", text)
    tables = re.findall(r"(?:^\|.*\|\s*$\n?)+", text, flags=re.MULTILINE)
    assert len(tables) >= 6
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().splitlines()}) == 1, table
