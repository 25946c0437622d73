"""Look at one window of one model: validate it, measure it, decide about it, show it, and start what was decided."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow

from flows.retrain import retrain
from tasks.alert import bundle_incidents
from tasks.decide import decide_window, must_retrain
from tasks.look import find_evaluation, look_at_window
from tasks.measure import measure_drift, measure_health, measure_performance, profile_window
from tasks.payoff import measure_payoffs
from tasks.probation import end_probation, measure_promise
from tasks.publish import publish_decision
from tasks.quality import validate
from tasks.record import record_evaluation
from tasks.report import report_window
from tasks.retraining import hand_over
from tasks.shadow import look_at_challengers
from tasks.watch import turn_of
from vigil.evaluation.measure import quality_passed


@flow(name="monitor", flow_run_name="monitor {model} {window_start}")
def monitor(
    project: str,
    model: str,
    window_start: str | None = None,
    as_of: str | None = None,
    report: Literal["wanted", "always", "later"] = "wanted",
) -> dict[str, Any]:
    """Look at one window of ``model`` and decide about it.

    Writes: the run itself, the window's profiles, one evaluation with its measurements, one decision, what promotions brought whose horizon
    is over (the store); reports (the project's reports folder); artifacts (Prefect); events of incidents and the messages about them (the
    store), which the flow ``deliver`` sends; a rollback, where the version fails its probation and the specification wants that; the
    look at each challenger in shadow or canary, and its end. A second run that sees the same rows, labels and specification finds its
    evaluation and decision, writes nothing new, and only finishes what a killed run left.

    Args:
        project: the project's folder.
        window_start: ISO start of a window of the model's grid; default the latest that is due.
        as_of: ISO moment up to which labels are seen; default now.
        report: write Evidently's reports where the specification wants them, or always; ``later`` leaves them to the flow ``report``.
    """
    with turn_of(project, model):
        return _look(project, model, window_start, as_of, report)


def _look(project: str, model: str, window_start: str | None, as_of: str | None, report: str) -> dict[str, Any]:
    look = look_at_window(project, model, window_start, as_of)
    if find_evaluation(project, look) is None:
        measurements = validate(project, look)
        if quality_passed(measurements):
            profile_window(project, look)
            measurements += measure_drift(project, look) + measure_performance(project, look) + measure_health(project, look)
            measurements += measure_promise(project, look)
        record_evaluation(project, look, measurements)
    measure_payoffs(project, look)
    decision = decide_window(project, look)
    if report != "later":
        report_window(project, look, asked=report == "always")
    summary = publish_decision(project, decision)
    bundle_incidents(project, look)
    end_probation(project, look, as_of)
    look_at_challengers(project, look, as_of)
    if must_retrain(project, decision) and not hand_over(project, decision):
        retrain(project, decision.decision_id, as_of)
    return summary
