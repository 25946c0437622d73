"""Labels are asked for, come back, and count: through real files, the store and the source."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.build import FIRST, MODEL, ROWS, day_of, examine, make_work, write
from vigil.errors import LabelError, NotAllowed, NotEnoughData
from vigil.labels.answers import import_answers
from vigil.labels.control import FEWEST, Control, control_of
from vigil.labels.plan import Plan, make_plan
from vigil.labels.request import write_request
from vigil.performance.metrics import estimate
from vigil.spec.model import Metric
from vigil.workspace import Workspace, open_source

NOW = FIRST.end + timedelta(days=2)
BUDGET = 60


@pytest.fixture
def work(tmp_path: Path) -> Workspace:
    """A day of 300 predictions, a tenth of them labelled by a random sample that runs anyway."""
    made = make_work(tmp_path / "p", labels={"minimum": 40}, segments=["plan"])
    for path in (tmp_path / "p" / "labels").glob("*.parquet"):
        rows = pd.read_parquet(path)
        rows[::10].assign(inclusion_probability=0.1).to_parquet(path)
    return made


def plan_of(work: Workspace, budget: int = BUDGET, **options: object) -> Plan:
    source = open_source(work.project, work.spec)
    return make_plan(source, work.spec, FIRST, **({"budget": budget, "seed": 0, "now": NOW} | options))  # type: ignore[arg-type]


def asked_for(work: Workspace, plan: Plan, name: str = "request.csv") -> Path:
    path = work.project.path(name)
    write_request(open_source(work.project, work.spec), work.spec, plan, path)
    return path


def answered(path: Path, **changes: object) -> Path:
    """Fill the request in: every label is 1 where the id ends in an odd digit."""
    rows = pd.read_csv(path, dtype={"prediction_id": str}) if path.suffix == ".csv" else pd.read_parquet(path)
    rows["label"] = [int(each[-1]) % 2 for each in rows["prediction_id"]]
    rows = rows.assign(**changes)
    rows.to_csv(path, index=False) if path.suffix == ".csv" else rows.to_parquet(path, index=False)
    return path


def taken_in(work: Workspace, plan: Plan, path: Path):  # type: ignore[no-untyped-def]
    return import_answers(open_source(work.project, work.spec), work.spec, [plan], path, now=NOW)


def label_files(work: Workspace) -> list[str]:
    return sorted(path.name for path in work.project.path("labels").iterdir())


class TestPlan:
    def test_it_asks_for_the_budget_of_rows_without_a_label_and_says_with_what_probability(self, work: Workspace) -> None:
        plan = plan_of(work)
        assert len({each for each, _ in plan.chosen}) == sum(plan.design.asked) == BUDGET
        assert not {each for each, _ in plan.chosen} & {f"0304-{i:05}" for i in range(0, ROWS, 10)}
        expected = sum(asked / chance for asked, chance in zip(plan.design.asked, plan.probability, strict=True) if chance)
        assert expected == pytest.approx(ROWS * 0.9)
        assert Plan.from_json(plan.to_json(), plan_id=plan.plan_id, model=MODEL, budget=BUDGET, seed=0, made_at=NOW) == plan

    def test_a_quarter_is_the_control_or_what_the_specification_says(self, work: Workspace) -> None:
        """It is named in the request too."""
        plan = plan_of(work)
        assert len(plan.control) == BUDGET / 4
        assert plan.control < {each for each, _ in plan.chosen}
        rows = pd.read_csv(asked_for(work, plan))
        assert {*rows.loc[rows["vigil_sample"] == "control", "prediction_id"]} == plan.control
        assert {*rows["vigil_sample"]} == {"control", "planned"}
        most = work.spec.model_copy(update={"labels": work.spec.labels.model_copy(update={"control": 0.9})})
        assert len(make_plan(open_source(work.project, most), most, FIRST, budget=BUDGET, seed=0, now=NOW).control) == 54

    def test_a_plan_of_before_there_was_a_control_has_none(self, work: Workspace) -> None:
        body = json.loads(plan_of(work).to_json())
        del body["control"]
        old = Plan.from_json(json.dumps(body), plan_id="l-0", model=MODEL, budget=BUDGET, seed=0, made_at=NOW)
        assert old.control == frozenset()
        assert control_of(open_source(work.project, work.spec), work.spec, [old], FIRST, NOW) is None

    def test_it_is_the_same_by_seed_and_another_by_another(self, work: Workspace) -> None:
        assert plan_of(work) == plan_of(work)
        assert plan_of(work).chosen != plan_of(work, seed=1).chosen

    def test_a_second_plan_keeps_the_strata_and_asks_for_other_rows(self, work: Workspace) -> None:
        first = plan_of(work)
        second = plan_of(work, seed=1, earlier=[first])
        assert second.design.merged == first.design.merged
        assert not {each for each, _ in first.chosen} & {each for each, _ in second.chosen}

    def test_a_window_whose_labels_are_not_due_is_not_planned(self, work: Workspace) -> None:
        with pytest.raises(NotAllowed, match="are due at 2024-03-06"):
            plan_of(work, now=FIRST.end)

    def test_a_window_without_rows_is_not_said_to_be_labelled(self, work: Workspace) -> None:
        source, empty = open_source(work.project, work.spec), FIRST.shifted(-9)
        with pytest.raises(NotEnoughData, match=r"has no row with a usable score; there is nothing to plan"):
            make_plan(source, work.spec, empty, budget=BUDGET, seed=0, now=NOW)

    def test_where_all_have_labels_there_is_nothing_to_plan(self, work: Workspace) -> None:
        everything = plan_of(work, budget=10_000)
        assert len(everything.chosen) == ROWS * 9 // 10
        with pytest.raises(NotEnoughData, match="nothing to plan"):
            plan_of(work, seed=1, earlier=[everything])


class TestRequest:
    def test_it_shows_features_not_scores_and_no_formula(self, work: Workspace) -> None:
        write(work, FIRST, day_of().assign(plan='=HYPERLINK("http://x")'))
        path = asked_for(work, plan_of(work))
        rows = pd.read_csv(path)
        assert {*rows} == {"vigil_plan", "vigil_sample", "prediction_id", "event_time", "amount", "plan", "label", "inclusion_probability"}
        assert rows["plan"].unique().tolist() == ['\'=HYPERLINK("http://x")']

    def test_another_ending_is_refused(self, work: Workspace) -> None:
        with pytest.raises(NotAllowed, match=r"\.csv or \.parquet"):
            asked_for(work, plan_of(work), "request.xlsx")


@pytest.mark.parametrize("name", ["request.csv", "request.parquet"])
def test_labels_that_come_back_count_with_the_probability_of_their_stratum(work: Workspace, name: str) -> None:
    plan = plan_of(work)
    done = taken_in(work, plan, answered(asked_for(work, plan, name)))
    assert (done.asked, done.answered, done.new) == (BUDGET, BUDGET, True)
    source = open_source(work.project, work.spec)
    rows = source.labelled([FIRST], NOW).to_pandas()
    assert len(rows) == BUDGET + ROWS // 10
    log = source.predictions(FIRST).to_pandas()
    every = plan.design.strata_of(log["score"].to_numpy(), log["plan"].to_numpy(dtype=object))
    assert (
        rows["vigil_stratum"].to_numpy().tolist()
        == plan.design.strata_of(rows["score"].to_numpy(), rows["plan"].to_numpy(dtype=object)).tolist()
    )
    share = np.bincount(rows["vigil_stratum"], minlength=max(every) + 1) / np.bincount(every)
    assert rows["inclusion_probability"].to_numpy() == pytest.approx(share[rows["vigil_stratum"]])
    assert np.sum(1 / rows["inclusion_probability"]) == pytest.approx(ROWS)


def test_the_control_of_the_first_plan_tells_by_itself(work: Workspace) -> None:
    """All its rows count alike, and none of those that were planned beside them; nothing is told of it before its labels have come."""
    plan, later = plan_of(work, 120), plan_of(work, 120, seed=1)
    source = open_source(work.project, work.spec)
    assert control_of(source, work.spec, [plan], FIRST, NOW) == Control(30, 0, None)
    assert control_of(source, work.spec, [], FIRST, NOW) is None
    taken_in(work, plan, answered(asked_for(work, plan)))
    later = dataclasses.replace(later, made_at=NOW + timedelta(hours=1))
    found = control_of(open_source(work.project, work.spec), work.spec, [later, plan], FIRST, NOW + timedelta(hours=1))
    rows = day_of()
    rows = rows[rows["prediction_id"].isin(plan.control)]
    labels = [int(each[-1]) % 2 for each in rows["prediction_id"]]
    assert found == Control(30, 30, estimate(Metric.ROC_AUC, rows["score"], labels))


def test_a_control_of_fewer_labels_than_a_mean_needs_gives_no_value(work: Workspace) -> None:
    plan = plan_of(work)
    taken_in(work, plan, answered(asked_for(work, plan)))
    assert control_of(open_source(work.project, work.spec), work.spec, [plan], FIRST, NOW) == Control(15, 15, None)
    assert FEWEST > 15


def test_the_window_is_measured_anew_with_them_and_an_earlier_look_sees_none(work: Workspace) -> None:
    before = examine(work)
    assert before.measured["label_maturity", "*"].value == 1.0
    plan = plan_of(work)
    taken_in(work, plan, answered(asked_for(work, plan)))
    after = examine(work, as_of=NOW)
    assert after.look.evaluation_id != before.look.evaluation_id
    assert (before.measured["brier", "*"].n, after.measured["brier", "*"].n) == (30, 90)
    assert after.measured["label_maturity", "*"].n == BUDGET
    assert not examine(work).new


def test_probabilities_that_a_spreadsheet_rounded_are_those_of_the_request(work: Workspace) -> None:
    """A spreadsheet saves a CSV with the digits that it shows; what counts is the request's own probability."""
    plan = plan_of(work)
    path = answered(asked_for(work, plan))
    exact = {plan.probability[stratum] for _, stratum in plan.chosen}
    rows = pd.read_csv(path)
    rows["inclusion_probability"] = [f"{each:.6g}" for each in rows["inclusion_probability"]]
    assert set(rows["inclusion_probability"].astype(float)) != exact
    rows.to_csv(path, index=False)
    done = taken_in(work, plan, path)
    assert done.path is not None
    assert set(pd.read_parquet(done.path)["inclusion_probability"]) == exact


def test_the_same_file_again_changes_nothing(work: Workspace) -> None:
    plan = plan_of(work)
    path = answered(asked_for(work, plan))
    taken_in(work, plan, path)
    there = label_files(work)
    assert not taken_in(work, plan, path).new
    assert label_files(work) == there


def test_a_correction_counts_and_so_does_taking_it_back(work: Workspace) -> None:
    """The latest observation wins, though a file like the first one was imported before."""
    plan = plan_of(work)
    path = answered(asked_for(work, plan))
    rows = pd.read_csv(path)
    for hours, label in enumerate((0, 1, 0)):
        rows.assign(label=label).to_csv(path, index=False)
        later = NOW + timedelta(hours=hours)
        assert import_answers(open_source(work.project, work.spec), work.spec, [plan], path, now=later).new
        known = open_source(work.project, work.spec).labelled([FIRST], later).to_pandas().set_index("prediction_id")["label"]
        assert set(known[[each for each, _ in plan.chosen]]) == {label}


def spoilt(path: Path, row: int, column: str, value: object) -> Path:
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows.loc[row - 1, column] = str(value)
    rows.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("prediction_id", "nobody", "does not ask for a label of 'nobody'"),
        ("label", "2", "expected 0, 1 or nothing"),
        ("label", "yes", "expected 0, 1 or nothing"),
        ("inclusion_probability", "0", r"in \(0, 1\]"),
        ("inclusion_probability", "1.5", r"in \(0, 1\]"),
        ("inclusion_probability", "", r"in \(0, 1\]"),
        ("inclusion_probability", "0.987", "leave the column as it was"),
        ("observed_at", "2031-01-01", "lies in the future"),
        ("observed_at", "2001-01-01", "lies before the window"),
        ("observed_at", "soon", "ISO 8601"),
        ("vigil_plan", "l-other", "expected one plan in every row"),
    ],
)
def test_one_bad_cell_is_named_and_nothing_is_imported(work: Workspace, column: str, value: object, said: str) -> None:
    plan, before = plan_of(work), label_files(work)
    path = spoilt(answered(asked_for(work, plan), observed_at=str(NOW)), 3, column, value)
    with pytest.raises(LabelError, match=f"row 3: column `{column}`: .*{said}"):
        taken_in(work, plan, path)
    assert label_files(work) == before


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_a_file_that_was_cut_off_is_refused(work: Workspace, cut: float) -> None:
    plan = plan_of(work)
    for name, said in (("request.csv", "cut off"), ("request.parquet", "no whole Parquet file")):
        path = answered(asked_for(work, plan, name))
        body = path.read_bytes()
        path.write_bytes(body[: int(cut * len(body))])
        with pytest.raises(LabelError, match=said):
            taken_in(work, plan, path)
    rows = pd.read_csv(answered(asked_for(work, plan)))
    rows[:30].to_csv(work.project.path("half.csv"), index=False)
    with pytest.raises(LabelError, match=r"30 of the 60 predictions .* was it cut off"):
        taken_in(work, plan, work.project.path("half.csv"))


def test_two_labels_in_conflict_at_one_time_are_refused_and_a_later_one_wins(work: Workspace) -> None:
    plan = plan_of(work)
    path = answered(asked_for(work, plan))
    rows = pd.read_csv(path)
    other = rows[:1].assign(label=1 - rows["label"].iloc[0])
    pd.concat([rows, other]).to_csv(path, index=False)
    with pytest.raises(LabelError, match=r"row 61: column `label`: .* conflicts with .* of row 1"):
        taken_in(work, plan, path)
    pd.concat([rows.assign(observed_at=str(FIRST.end)), other.assign(observed_at=str(NOW))]).to_csv(path, index=False)
    assert taken_in(work, plan, path).answered == BUDGET


def test_a_label_nobody_can_tell_is_left_empty_but_a_stratum_needs_one(work: Workspace) -> None:
    plan = plan_of(work)
    path = answered(asked_for(work, plan))
    rows = pd.read_csv(path, dtype=str)
    rows.loc[0, "label"] = ""
    rows.to_csv(path, index=False)
    given = pd.read_csv(path).assign(label=lambda frame: frame["label"].fillna(1))
    given.to_csv(work.project.path("before.csv"), index=False)
    import_answers(
        open_source(work.project, work.spec), work.spec, [plan], work.project.path("before.csv"), now=FIRST.end + timedelta(days=1)
    )
    assert taken_in(work, plan, path).answered == BUDGET - 1
    assert len(open_source(work.project, work.spec).labelled([FIRST], NOW).to_pandas()) == BUDGET - 1 + ROWS // 10  # it is withdrawn
    rows.assign(label="").to_csv(path, index=False)
    with pytest.raises(LabelError, match=r"none of the .* labels of stratum 0"):
        taken_in(work, plan, path)


def test_a_prediction_that_left_the_log_has_no_label(work: Workspace) -> None:
    plan = plan_of(work)
    path = answered(asked_for(work, plan))
    write(work, FIRST, day_of()[:10])
    with pytest.raises(LabelError, match="is no prediction of window"):
        taken_in(work, plan, path)


def test_maturity_is_of_all_plans_of_a_window_as_they_were_last_imported(work: Workspace) -> None:
    """60 of 60 came, two were withdrawn, then 20 of a second plan's 20."""
    plan = plan_of(work)
    path = answered(asked_for(work, plan))
    taken_in(work, plan, path)
    rows = pd.read_csv(path, dtype=str)
    rows.loc[:1, "label"] = ""
    rows.to_csv(path, index=False)
    import_answers(open_source(work.project, work.spec), work.spec, [plan], path, now=NOW + timedelta(hours=1))
    second = plan_of(work, 20, seed=1, now=NOW + timedelta(hours=2), earlier=[plan])
    other = answered(asked_for(work, second, "second.csv"))
    import_answers(open_source(work.project, work.spec), work.spec, [second], other, now=NOW + timedelta(hours=2))
    source = open_source(work.project, work.spec)
    assert [source.asked_and_answered(FIRST, NOW + timedelta(hours=hours)) for hours in (-1, 0, 1, 2)] == [
        None,
        (60, 60),
        (60, 58),
        (80, 78),
    ]
