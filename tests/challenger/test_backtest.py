"""The back-test on eight weeks whose course is known: week 2 is at fault, and from week 4 on income works the other way round."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console.backtest_plot import page_of
from tests.console.shop import answer
from tests.loop.small_project import CHANGED_FROM, FAULTY_WEEK, MODEL, customers, make_project, week_start
from vigil.challenger.backtest import FIRST, History, Name, Outcome, backtest, deciding, play
from vigil.challenger.tune import PRESENT, alternatives, best, tune
from vigil.decision.break_even import RECOVERABLE
from vigil.decision.kind import Span
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.model import Economics, Metric, ModelSpec, Policy
from vigil.store.records import Evaluation
from vigil.window import Window
from vigil.workspace import Workspace

WEEKS = 8
RETRAINED = week_start(CHANGED_FROM + 1).date().isoformat()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Logged by a version that scored at random: what it said then does not matter to a back-test."""
    folder = make_project(tmp_path_factory.mktemp("backtest") / "project")
    for week in range(WEEKS):
        _log(folder, week)
    work = Workspace.open(folder, MODEL)
    for week in range(WEEKS):
        window = Window(week_start(week), week_start(week + 1))
        due, sound = window.end + timedelta(days=1), week != FAULTY_WEEK
        found = Evaluation(f"e{week}", MODEL, window, "1", due, work.spec.hash, "d", "l", 800, 400, sound, "0.1.0")
        verdict = Verdict.OK if sound else Verdict.BREACH
        work.store.record_evaluation(found, [Measurement(Layer.DATA_QUALITY, "expect_x", 0.0, verdict, 800)])
    return History(work, work.store.evaluations(MODEL))


def _log(folder: Path, week: int) -> None:
    rows = customers(week)
    outcome = rows.pop("label")
    if week == FAULTY_WEEK:
        rows["region"] = rows["region"].replace("A", "Z")
    scored = rows.assign(model_version="1", score=np.random.default_rng(week).uniform(size=len(rows)), latency_ms=1.0)
    scored["error"] = pd.Series([None] * len(rows), dtype="str")
    scored.to_parquet(folder / "data" / "predictions" / f"{week:02}.parquet")
    labels = {"prediction_id": rows["prediction_id"], "label": outcome, "observed_at": rows["event_time"] + timedelta(hours=12)}
    pd.DataFrame(labels | {"inclusion_probability": 1.0}).to_parquet(folder / "data" / "labels" / f"{week:02}.parquet")


def played(history: History, spec: ModelSpec | None = None, *, every: int = 3, cost: float = 0.0) -> dict[str, Outcome]:
    heard: list[str] = []
    outcomes = backtest(history, spec or history.work.spec, every=every, cost=cost, tell=heard.append)
    assert heard == ["never", f"every {every}", "any drift", "this policy", "hindsight"]
    return {outcome.policy: outcome for outcome in outcomes}


def test_the_policy_retrains_when_the_change_has_lasted_and_its_challenger_serves(history: History) -> None:
    """As the loop itself does on these weeks; the one that never retrains ends with an AUC far below one half."""
    found = played(history)
    assert (found["this policy"].retrainings, found["this policy"].promoted) == ((RETRAINED,), (RETRAINED,))
    assert (found["never"].retrainings, found["any drift"].retrainings) == ((), ())
    policy, never = found["this policy"].mean, found["never"].mean
    assert policy is not None
    assert never is not None
    assert policy > never + 0.1


def test_the_faulty_week_counts_for_nobody(history: History) -> None:
    assert {outcome.windows for outcome in played(history).values()} == {WEEKS - 1}


def test_by_the_clock_means_every_so_many_windows(history: History) -> None:
    """After the third and the sixth of eight weeks, but not in the week whose data is at fault (the third)."""
    assert played(history, every=3)["every 3"].retrainings == (week_start(5).date().isoformat(),)
    assert played(history, every=4)["every 4"].retrainings == tuple(week_start(week).date().isoformat() for week in (3, 7))


def test_hindsight_is_at_least_as_good_as_any_of_them(history: History) -> None:
    for cost in (0.0, 0.5):
        found = played(history, cost=cost)
        best = found.pop("hindsight").total
        assert best is not None
        assert all(outcome.total is not None and outcome.total <= best + 1e-12 for outcome in found.values())


def test_a_retraining_costs_what_it_is_said_to(history: History) -> None:
    """0.07 over seven windows is 0.01 a window."""
    found = played(history, cost=0.07)["this policy"]
    assert found.cost == pytest.approx(0.01)
    assert found.mean is not None
    assert found.total == pytest.approx(found.mean - 0.01)


def test_the_policy_that_is_tried_is_read(history: History) -> None:
    """So small a budget of false alarms that eight weeks can confirm nothing."""
    careful = history.work.spec.model_copy(update={"policy": Policy(false_alarms_per_year=1e-300)})
    assert played(history, careful)["this policy"].retrainings == ()


def test_a_price_is_read_and_what_waiting_has_cost_counts(history: History) -> None:
    """Of the labels 400 a week are new to the first version: at a price of next to nothing it is retrained in the first week that it can
    be, at one that eight weeks cannot cost never, although harm is confirmed."""
    spec = history.work.spec
    cheap, dear = (spec.model_copy(update={"policy": Policy(economics=Economics(cost=cost, value=1))}) for cost in (1e-9, 1e3))
    found = played(history, cheap)["this policy"]
    assert found.retrainings[0] == week_start(0).date().isoformat()
    assert len(found.retrainings) == WEEKS - 1  # every week but the faulty one
    assert played(history, dear)["this policy"].retrainings == ()


def test_a_loss_of_which_nothing_can_be_learned_is_not_retrained_for(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the change of week 4 were noise: the price is that of what comes back of its loss, of which nothing does."""
    spec = history.work.spec.model_copy(update={"policy": Policy(economics=Economics(cost=0.15, value=1))})
    not_asked = spec.model_copy(update={"policy": Policy(economics=Economics(cost=0.15, value=1, probe_rows=None))})
    asked, _, _ = play(history, spec, deciding(history, spec))
    assert asked[0].window >= CHANGED_FROM
    noise = Measurement(Layer.PERFORMANCE, RECOVERABLE, -0.01, Verdict.OK, 400, low=-0.02, high=0.0)
    monkeypatch.setattr(History, "recoverable", lambda *_: noise)
    assert play(history, spec, deciding(history, spec))[0] == ()
    assert play(history, not_asked, deciding(history, not_asked))[0] == asked


def test_the_plot_is_one_page_that_needs_no_network(history: History) -> None:
    """Each policy by name, each of its windows, and nothing fetched."""
    outcomes = tuple(played(history).values())
    page = page_of(MODEL, Metric.ROC_AUC, outcomes)
    assert all(outcome.policy in page for outcome in outcomes)
    assert week_start(WEEKS - 1).date().isoformat() in page
    assert "<script src=" not in page


def test_each_window_has_its_value_and_the_faulty_one_has_none(history: History) -> None:
    found = played(history)["never"]
    assert (len(found.starts), len(found.values)) == (WEEKS, WEEKS)
    assert [week for week, value in enumerate(found.values) if value is None] == [FAULTY_WEEK]
    assert found.mean == pytest.approx(np.mean([value for value in found.values if value is not None]))


def test_tuning_proposes_by_the_first_two_thirds_and_shows_both_on_the_rest(history: History) -> None:
    """Six of eight weeks choose, two are held back; the change of week 4 is answered in week 5, so a budget that acts later loses."""
    spec = history.work.spec.model_copy(update={"policy": Policy(false_alarms_per_year=1e-300)})
    tried = {each.change: each for each in tune(history, spec, cost=0.0, tell=lambda _: None)}
    assert set(tried) == set(alternatives(spec.policy))
    assert {len(each.chosen_by.starts) for each in tried.values()} == {6}
    shown = {change: each.held_back for change, each in tried.items() if each.held_back is not None}
    assert PRESENT in shown
    assert {len(outcome.starts) for outcome in shown.values() if outcome is not None} == {2}


def test_what_tuning_tries_is_there_for_machines(history: History) -> None:
    """Each policy whole, with what came of it; at most one is proposed, and never the present one."""
    said = [row for row in answer(history.work.project.folder, "tune", MODEL) if row["tunes"] == "policy"]
    assert {row["change"] for row in said} == set(alternatives(history.work.spec.policy))
    assert all(Policy.model_validate(row["policy"]) for row in said)
    proposed = [row["change"] for row in said if row["proposed"]]
    assert PRESENT not in proposed
    assert len(proposed) <= 1


def test_the_best_total_is_proposed_and_the_present_policy_where_none_is_better(history: History) -> None:
    found = played(history)
    assert best({PRESENT: found["never"], "x": found["this policy"]}, larger_is_better=True) == "x"
    assert best({PRESENT: found["never"], "x": found["this policy"]}, larger_is_better=False) == PRESENT
    assert best({PRESENT: found["never"], "x": found["never"]}, larger_is_better=True) == PRESENT


def test_alternatives_are_one_change_away() -> None:
    found = alternatives(Policy(economics=Economics(cost=1, value=1)))
    assert list(found) == [
        PRESENT,
        "false_alarms_per_year: 0.25",
        "false_alarms_per_year: 4",
        "cool_down_windows: 2",
        "cool_down_windows: 8",
        "retrain_on_drift_alone: false",
        "economics.rule: harm",
    ]
    assert found["cool_down_windows: 8"] == Policy(economics=Economics(cost=1, value=1), cool_down_windows=8)
    assert found["economics.rule: harm"].economics == Economics(cost=1, value=1, rule="harm")


def test_nothing_is_written(history: History) -> None:
    store = history.work.store
    played(history)
    assert (store.decisions(MODEL), store.versions(MODEL), store.retrainings(MODEL)) == ((), (), ())


def test_what_a_loss_is_due_to_decides_what_is_trained_on(history: History) -> None:
    """Income works the other way round from week 4 on, another relation: since then, or as specified where it is not asked."""
    spec = history.work.spec
    not_asked = spec.model_copy(update={"policy": Policy(kind_rows=None)})
    (recent,), _, _ = play(history, spec, deciding(history, spec))
    (whole,), _, _ = play(history, not_asked, deciding(history, not_asked))
    assert recent == Name(CHANGED_FROM + 1, Span.RECENT, week_start(CHANGED_FROM).isoformat())
    assert whole == Name(CHANGED_FROM + 1)


def test_a_recalibration_is_made_around_the_version_that_served(history: History) -> None:
    put_right = history.made(Name(CHANGED_FROM + 1, Span.RECENT, week_start(CHANGED_FROM).isoformat(), around=FIRST))
    first = history.made(FIRST)
    assert put_right is not None
    assert first is not None
    assert put_right.model.estimator.estimator is first.model
    assert put_right.lineage["recalibration"] == "sigmoid"


def test_versions_from_one_window_are_told_apart() -> None:
    names = {Name(3), Name(3, Span.RECENT, "2024-01-01"), Name(3, Span.RECENT, around=FIRST), Name(3, Span.RECENT, around=Name(1))}
    assert len({name.version for name in names}) == 4
