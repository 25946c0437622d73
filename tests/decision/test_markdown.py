"""The pages that an operator sees, line by line: what is said stands there, escaped, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.decision.test_ladder import WEEK, a_spec, evidence
from vigil.decision.ladder import decide
from vigil.decision.markdown import CRITERIA, criterion_cells, decision_markdown, escaped, retraining_markdown, table
from vigil.measurement import Layer, Measurement, Verdict
from vigil.store.records import ChallengerLook, LookKind, Retraining, RetrainingState

HOLD = decide(evidence("...", "..."), a_spec())
RETRAIN = decide(evidence("...", "xx."), a_spec())
CRITERION: dict[str, Any] = {
    "name": "calibration_error",
    "subject": "*",
    "champion": 0.0521,
    "challenger": 0.04,
    "difference": -0.0121,
    "low": -0.02,
    "high": 0.0,
    "limit": 0.05,
    "p_value": None,
    "n": 1200,
    "standing": "not_enough_data",
}


def measured(verdict: Verdict, metric: str, value: float | None, threshold: float | None = 0.2) -> Measurement:
    return Measurement(Layer.DRIFT, metric, value, verdict, 1234, subject="a|b", threshold=threshold)


def test_a_decision_is_its_explanation_and_what_was_judged_worst_first() -> None:
    found = [
        measured(Verdict.OK, "psi", 0.1),
        measured(Verdict.BREACH, "psi", 0.25),
        measured(Verdict.NOT_ENOUGH_DATA, "ks", None),
        measured(Verdict.WARNING, "ks", 0.21),
        measured(Verdict.OK, "rows", 5.0, threshold=None),
    ]
    page = decision_markdown(HOLD, found, {"drift": "r/drift.html", "classes": "r/c.html"}).splitlines()
    assert page[:4] == [
        "## HOLD",
        "",
        "m, 2013-04-05 to 2013-04-12: Hold: do nothing. Nothing that decides is in breach: features with 60 % of the importance have "
        "drifted (temp, hour; "
        "30 % is tolerated); roc_auc is 0.7 (0.68 to 0.72) on 400 labels, the limit is 0.66.",
        "",
    ]
    assert page[4:8] == [
        "|  | gate | answer |",
        "| --- | --- | --- |",
        "| ○ | Is the data at fault? | All critical expectations hold (1 checked). |",
        "| ● | Will it pass by itself? | " + HOLD.reason + " |",
    ]
    assert page[8] == "| · | Is a release at fault? | Not asked. |"
    assert page[12:] == [
        "",
        "**What would have changed it:** 2 more windows with performance beyond its limit (2 of 3 are needed), and evidence that it is not "
        "chance.",
        "",
        "### Measured against thresholds",
        "",
        "| verdict | layer | metric | subject | value | threshold | n |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| breach | drift | psi | a\\|b | 0.25 | 0.2 | 1,234 |",
        "| warning | drift | ks | a\\|b | 0.21 | 0.2 | 1,234 |",
        "| not_enough_data | drift | ks | a\\|b | unknown | 0.2 | 1,234 |",
        "| ok | drift | psi | a\\|b | 0.1 | 0.2 | 1,234 |",
        "",
        "### Reports",
        "",
        "- classes: `r/c.html`",
        "- drift: `r/drift.html`",
        "",
        f"decision `{HOLD.decision_id}` · evaluation `e-0` · version 1",
    ]


def test_a_long_table_says_how_much_more_there_is() -> None:
    """30 rows are shown; without reports their heading is not."""
    page = decision_markdown(HOLD, [measured(Verdict.OK, f"psi{i:02}", 0.1) for i in range(32)], {})
    assert sum(line.startswith("| ok ") for line in page.splitlines()) == 30
    assert "\n\nand 2 more in the store.\n\ndecision" in page
    assert "more in the store" not in decision_markdown(HOLD, [measured(Verdict.OK, f"psi{i:02}", 0.1) for i in range(30)], {})


def test_a_retraining_says_why_it_was_asked_for_and_how_it_ended() -> None:
    ended = Retraining(
        "d-1",
        "m",
        RetrainingState.KEPT,
        WEEK.end,
        WEEK.end,
        "1",
        challenger="2",
        comparison={"metric": "roc_auc", "minimum_rows": 200, "criteria": [CRITERION]},
        reason="It <lost>.",
        by="ada",
    )
    assert retraining_markdown(ended, RETRAIN).splitlines() == [
        "## m: champion kept",
        "",
        "It &lt;lost&gt;.",
        "",
        f"It was asked for because: {RETRAIN.reason}",
        "",
        "|  |  |",
        "| --- | --- |",
        "| champion when it was requested | 1 |",
        "| challenger | 2 |",
        "| metric | roc_auc |",
        "| minimum rows | 200 |",
        "| by | ada |",
        "",
        "### Criteria",
        "",
        "| criterion | group | champion | challenger | difference | interval | limit | p (Holm) | n | standing |",
        "|" + " --- |" * 10,
        "| calibration error | all rows | 0.052 | 0.04 | -0.012 | -0.02 to 0 | 0.05 | – | 1,200 | not enough data |",
        "",
        "decision `d-1`; `vigil approve d-1 --reason ...` where it waits for approval",
    ]


def test_a_retraining_under_way_has_no_challenger_yet() -> None:
    page = retraining_markdown(Retraining("d-1", "m", RetrainingState.REQUESTED, WEEK.end, WEEK.end, "1"), RETRAIN).splitlines()
    assert page[2] == "Under way."
    assert page[8:] == ["| champion when it was requested | 1 |", "| challenger | none yet |", "", page[-1]]


@pytest.mark.parametrize(
    ("changed", "cell", "expected"),
    [
        ({"subject": "origin=EWR"}, 1, "origin=EWR"),
        ({"low": None}, 5, "–"),
        ({"high": None}, 5, "–"),
        ({"p_value": 0.03}, 7, "0.03"),
        ({"champion": None}, 2, "–"),
        ({"limit": None}, 6, "–"),
    ],
)
def test_what_a_criterion_does_not_have_is_a_dash(changed: dict[str, Any], cell: int, expected: str) -> None:
    assert criterion_cells(CRITERION | changed)[cell] == expected
    assert len(criterion_cells(CRITERION)) == len(CRITERIA)


def test_what_came_from_data_is_harmless() -> None:
    assert escaped("a|b <i>&amp;\n`c` [d](e) \\f") == "a\\|b &lt;i&gt;&amp;amp; \\`c\\` \\[d](e) \\\\f"
    assert table(("x",), [("<",)]) == ["| x |", "| --- |", "| &lt; |"]


def test_the_words_of_a_model_are_escaped_too() -> None:
    assert decision_markdown(replace(HOLD, version="<1>"), [], {}).endswith("version &lt;1&gt;")


def a_look(kind: LookKind, verdict: str, **whole: Any) -> ChallengerLook:
    served = {"name": "canary", "difference": 0.02, "low": 0.01, "high": 0.03}
    comparison = {"difference": 0.5, "low": None, "high": None, "verdict": verdict, "criteria": [served]} | whole
    return ChallengerLook("d-1", kind, "m", WEEK, WEEK.end, 0.7, None, 1500, comparison)


def test_each_look_at_a_challenger_is_a_line() -> None:
    """Of a canary what each version served is compared, of a shadow all rows; too few labels mean that it goes on."""
    looks = a_look(LookKind.CANARY, "promote"), a_look(LookKind.SHADOW, "not_enough_data")
    page = retraining_markdown(Retraining("d-1", "m", RetrainingState.REQUESTED, WEEK.end, WEEK.end, "1"), RETRAIN, looks).splitlines()
    week = "2013-04-05/2013-04-12"
    assert page[10:17] == [
        "",
        "### Beside the champion",
        "",
        "| trial | window | champion | challenger | rows | all so far: difference | interval | then |",
        "|" + " --- |" * 8,
        f"| canary | {week} | 0.7 | – | 1,500 | 0.02 | 0.01 to 0.03 | promote |",
        f"| shadow | {week} | 0.7 | – | 1,500 | 0.5 | – | goes on |",
    ]
