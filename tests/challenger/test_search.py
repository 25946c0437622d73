"""The bounded search of a trainer's parameters: what it is fitted to and judged on, what it keeps, how it fails."""

from __future__ import annotations

import math
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.challenger.build import spec_of
from vigil.challenger.search import Searched, fit_searched, inner_split, search
from vigil.challenger.trainer import TrainerHere, TrainerProcess
from vigil.errors import TrainingFailed
from vigil.spec.model import ModelSpec

START = datetime(2024, 1, 1, tzinfo=UTC)
SPACE = {"share": {"type": "float", "low": 0.0, "high": 1.0}}


class Says:
    classes_ = (0, 1)

    def __init__(self, share: float) -> None:
        self.share = share

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        return np.column_stack([np.full(len(rows), 1 - self.share), np.full(len(rows), self.share)])


def says(rows: pd.DataFrame, spec: ModelSpec, params: dict[str, Any]) -> Says:
    return Says(params["share"])


def spec(space: dict[str, Any] | None = None, **changes: Any) -> ModelSpec:
    """Judged by the Brier score; ``changes`` are of ``training.search``, but ``params``, ``seed`` and ``delay_days`` of their sections."""
    training = {key: changes.pop(key) for key in ("params", "seed", "trainer") if key in changes}
    labels = {"minimum": 10, "delay_days": changes.pop("delay_days", 0)}
    training["search"] = {"trials": 30, "space": space or SPACE, **changes}
    return spec_of(performance={"metric": "brier", "tolerated_loss": 0.1}, training=training, labels=labels)


def rows_of(count: int, positive: float) -> pd.DataFrame:
    """A row a day; of each four days' rows the share ``positive`` has label 1."""
    label = (np.arange(count) % 4 < 4 * positive).astype(int)
    time = [START + timedelta(days=day) for day in range(count)]
    return pd.DataFrame({"wind": 0.0, "carrier": "UA", "label": label, "weight": 1.0, "event_time": time})


def test_the_latest_share_judges_and_the_label_delay_before_it_is_left_out() -> None:
    """Of 40 days the last 10 judge, days 30 to 39; with a delay of 3 days what is fitted ends before day 27."""
    early, late = inner_split(rows_of(40, 0.5).sample(frac=1, random_state=1), spec(delay_days=3), 0.25)
    assert list(late["event_time"]) == [START + timedelta(days=day) for day in range(30, 40)]
    assert list(early["event_time"]) == [START + timedelta(days=day) for day in range(27)]


def test_rows_without_a_time_are_fitted_to() -> None:
    """A reference may have none; they are older than what was served."""
    known = rows_of(20, 0.5)
    early, late = inner_split(pd.concat([known, rows_of(20, 0.5).assign(event_time=pd.NaT)]), spec(), 0.25)
    assert early["event_time"].isna().sum() == 20
    assert list(late["event_time"]) == list(known["event_time"].iloc[10:])


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(TrainingFailed, match=r"training.search needs Optuna.*pip install 'vigil\[search\]'"):
        search(says, rows_of(200, 0.25), spec())


def test_too_few_rows_are_not_searched_on_and_the_parameters_stay_as_written() -> None:
    (model,), found = fit_searched(says, (rows_of(20, 0.25),), spec(params={"share": 0.75}))
    assert found is not None
    assert (model.share, found.trials) == (0.75, ())
    assert found.skipped == "15 and 5 rows of both classes are too few to search on (labels.minimum 10)"


@pytest.mark.parametrize(
    ("space", "params", "seconds", "said"),
    [
        ({"c": {"type": "float", "low": 1, "high": 1}}, {}, None, "nothing to search"),
        ({"c": {"type": "int", "low": 0, "high": 9, "log": True}}, {}, None, "log needs low above 0"),
        ({"c": {"type": "categorical", "choices": ["l1", "l2"]}}, {"c": "none"}, None, "params.c 'none' lies outside search.space.c"),
        ({"c": {"type": "int", "low": 1, "high": 9}}, {"c": 1.5}, None, "params.c 1.5 lies outside"),
        (SPACE, {}, 3600, "leaves no time to fit within limits.seconds 3600"),
    ],
)
def test_a_search_that_cannot_be_is_refused(space: dict[str, Any], params: dict[str, Any], seconds: float | None, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(space, params=params, seconds=seconds)


def test_no_search_does_not_change_a_specification() -> None:
    """Its hash is what it was before there was such a key."""
    assert '"search"' not in spec_of().canonical_json()


class TestWithOptuna:
    """What needs it."""

    @pytest.fixture(autouse=True)
    def _optuna(self) -> None:
        pytest.importorskip("optuna")

    def test_the_best_on_the_later_rows_is_chosen_and_fitted_to_every_frame(self) -> None:
        """Constant p on rows of which 3 of 4 are positive has Brier score (p - 0.75)^2 + 3/16, least at 0.75."""
        rows = rows_of(400, 0.75)
        models, found = fit_searched(says, (rows, rows.head(50)), spec())
        assert found is not None
        assert (found.metric, found.fitted, found.judged, len(found.trials)) == ("brier", 300, 100, 30)
        for trial in found.trials:
            assert trial.value == pytest.approx((trial.params["share"] - 0.75) ** 2 + 3 / 16)
        best = min(found.trials, key=lambda trial: trial.value or math.inf)
        assert [model.share for model in models] == [best.params["share"]] * 2 == [found.chosen["share"]] * 2
        assert abs(best.params["share"] - 0.75) < 0.1

    def test_the_seed_decides_what_is_tried(self) -> None:
        tried = [[t.params for t in search(says, rows_of(200, 0.5), spec(seed=seed, trials=12)).trials] for seed in (1, 1, 2)]
        assert tried[0] == tried[1] != tried[2]

    def test_what_is_written_is_tried_first(self) -> None:
        found = search(says, rows_of(200, 0.5), spec(params={"share": 0.123}, trials=2))
        assert found.trials[0].params == {"share": 0.123}

    def test_every_kind_of_range_is_kept_to(self) -> None:
        """Logarithmic ones are drawn evenly by powers of ten: of 40 draws from 0.0001 to 1 a good part is below 0.01."""
        space = {
            "share": {"type": "float", "low": 0.0001, "high": 1.0, "log": True},
            "depth": {"type": "int", "low": 2, "high": 4},
            "penalty": {"type": "categorical", "choices": ["l1", None]},
        }
        params = [trial.params for trial in search(says, rows_of(200, 0.5), spec(space, trials=10)).trials]  # TPE draws 10 at random first
        assert {p["depth"] for p in params} <= {2, 3, 4}
        assert {p["penalty"] for p in params} <= {"l1", None}
        assert all(0.0001 <= p["share"] <= 1 for p in params)
        assert sum(p["share"] < 0.01 for p in params) >= 2

    def test_a_trial_that_fails_is_kept_and_the_search_goes_on(self) -> None:
        def fussy(rows: pd.DataFrame, spec: ModelSpec, params: dict[str, Any]) -> Says:
            if params["share"] > 0.5:
                raise RuntimeError("did not converge")
            return Says(params["share"])

        found = search(fussy, rows_of(200, 0.75), spec(trials=10))
        failed = [trial for trial in found.trials if trial.value is None]
        assert 0 < len(failed) < len(found.trials) == 10
        assert all(t.params["share"] > 0.5 and t.failure == "trainer 'trainer:train' raised RuntimeError: did not converge" for t in failed)
        assert found.summary() | {"value": 0, "chosen": 0} == {
            "metric": "brier", "value": 0, "fitted": 150, "judged": 50, "trials": 10, "failed": len(failed), "chosen": 0, "skipped": ""
        }  # fmt: skip

    def test_where_all_fail_the_training_has_failed(self) -> None:
        def fails(rows: pd.DataFrame, spec: ModelSpec, params: dict[str, Any]) -> Says:
            raise RuntimeError("no")

        with pytest.raises(TrainingFailed, match=r"none of 2 trials of training.search gave a model; the first: .*RuntimeError: no"):
            search(fails, rows_of(200, 0.5), spec(trials=2))

    def test_no_trial_begins_after_its_time(self) -> None:
        def slow(rows: pd.DataFrame, spec: ModelSpec, params: dict[str, Any]) -> Says:
            time.sleep(0.02)
            return Says(0.5)

        assert len(search(slow, rows_of(200, 0.5), spec(seconds=0.01)).trials) == 1

    def test_in_the_trainers_process_it_is_the_same_search(self, tmp_path: Path) -> None:
        """The process answers with every trial; a trial of a span is no search."""
        (tmp_path / "vt_search.py").write_text(f"import numpy as np\n{_source(Says)}\n{_source(says)}")
        asked, rows = spec(trainer="vt_search:says", trials=3), rows_of(200, 0.75)
        here = TrainerHere(tmp_path, asked)
        here.fit(rows)
        with TrainerProcess(tmp_path, asked) as trainer:
            (model,) = trainer.fit(rows)
        assert here.searched is not None
        assert trainer.searched is not None
        assert [trial.params for trial in trainer.searched.trials] == [trial.params for trial in here.searched.trials]
        assert model.share == trainer.searched.chosen["share"]
        assert Searched.from_json(trainer.searched.to_json()) == trainer.searched
        once = spec(trainer="vt_search:says", params={"share": 0.5})
        assert TrainerProcess(tmp_path, once).for_trials()(rows, once, {}).share == 0.5


def _source(of: Any) -> str:
    import inspect

    return (
        inspect.getsource(of)
        .replace(": pd.DataFrame", "")
        .replace(": ModelSpec", "")
        .replace(": dict[str, Any]", "")
        .replace(" -> Says", "")
    )
