"""Draw for people what was seen when a decision was made: Evidently's reports of its window."""

from __future__ import annotations

from typing import Any

from prefect import flow

from tasks.decide import find_decision
from tasks.look import find_evaluation
from tasks.publish import publish_decision
from tasks.report import report_window


@flow(name="report", flow_run_name="report for {decision_id}")
def report(project: str, decision_id: str, always: bool = False) -> dict[str, Any]:
    """Write the reports of a decision's window, where the specification wants them.

    Writes: reports (the project's reports folder, their paths in the store); the decision's artifact once more, with their
    links (Prefect). A second run finds the files and writes none.

    Args:
        project: the project's folder.
        always: write them even where nothing is in breach.
    """
    decision = find_decision(project, decision_id)
    evaluation = find_evaluation(project, decision)
    if evaluation is not None:
        report_window(project, evaluation, asked=always)
    return publish_decision(project, decision)
