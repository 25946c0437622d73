"""``backtest`` and ``tune``: the logged history under other policies. They train challengers and read the log, and write nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.exit_codes import UsageError
from console.looking import ModelArgument
from console.output import Column, Json, console, print_json, print_table, working
from console.session import moment, session_of

if TYPE_CHECKING:
    from vigil.challenger.backtest import History
    from vigil.challenger.tune import Tried
    from vigil.spec.model import ModelSpec

FromDate = Annotated[str | None, typer.Option("--from", metavar="DATE", help="Windows that start at or after this.")]
ToDate = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Windows that start before this.")]


def backtest(
    context: typer.Context,
    model: ModelArgument,
    policy: Annotated[
        str | None, typer.Option("--policy", metavar="FILE", help="A specification of this model whose policy is tried. Default: its own.")
    ] = None,
    every: Annotated[int, typer.Option("--every", metavar="N", min=1, help="The windows between two retrainings by the clock.")] = 4,
    start: FromDate = None,
    end: ToDate = None,
    plot: Annotated[str | None, typer.Option("--plot", metavar="FILE.html", help="Also draw the windows, as a page of its own.")] = None,
    as_json: Json = False,
) -> None:
    """Play the logged history under this policy and under simple ones. Challengers are trained for it, so it takes a while."""
    from dataclasses import asdict

    from vigil.challenger.backtest import backtest as play
    from vigil.decision.phrases import number

    history, spec, cost = _history(context, model, policy, start, end)
    with console(stderr=True).status(f"playing {model}") as status:
        outcomes = play(history, spec, every=every, cost=cost, tell=lambda name: status.update(f"playing {model}: {name}"))
    if plot is not None:
        from console.backtest_plot import page_of

        Path(plot).write_text(page_of(model, spec.performance.metric, outcomes), encoding="utf-8")
    rows = [asdict(outcome) | {"model": model, "metric": spec.performance.metric} for outcome in outcomes]
    if as_json:
        print_json(rows)
        return
    print_table(
        rows,
        [
            Column("policy", lambda r: r["policy"]),
            Column(spec.performance.metric.value, lambda r: number(r["mean"]) if r["mean"] is None else f"{r['mean']:.4f}", right=True),
            Column("less cost", lambda r: number(r["total"]) if r["total"] is None else f"{r['total']:.4f}", right=True),
            Column("windows", lambda r: str(r["windows"]), right=True),
            Column("retrained after", lambda r: ", ".join(_marked(r)) or "–", fold=True),
        ],
        empty="",
    )
    typer.echo(
        "Means over the windows with sound data and enough labels. In brackets: the champion stayed. Hindsight knows every outcome "
        "beforehand and chooses among the versions that the others trained."
    )


def tune(
    context: typer.Context,
    model: ModelArgument,
    start: FromDate = None,
    end: ToDate = None,
    alerts: Annotated[bool, typer.Option("--alerts", help="Only alert thresholds: nothing is trained for them.")] = False,
    as_json: Json = False,
) -> None:
    """Propose a policy, and alert thresholds. Chosen by the first two thirds of the windows, shown on the third held back."""
    from dataclasses import asdict

    from console.tuning import alert_rows, print_alerts
    from vigil.alerts.tune import tune as tune_alerts
    from vigil.challenger.tune import PRESENT
    from vigil.challenger.tune import tune as tuned

    history, spec, cost = _history(context, model, None, start, end)
    tried: tuple[Tried, ...] = ()
    if not alerts:
        with console(stderr=True).status(f"playing {model}") as status:
            tried = tuned(history, spec, cost=cost, tell=lambda name: status.update(f"playing {model}: {name}"))
    with working(f"reading {model}"):
        found = tune_alerts(history.work.store, spec, history.evaluations)
    proposed = next((each for each in tried if each.held_back is not None and each.change != PRESENT), None)
    if as_json:
        rows = [asdict(each) | {"policy": each.policy.model_dump(mode="json"), "proposed": each is proposed} for each in tried]
        told = [row | {"tunes": "policy", "model": model, "metric": spec.performance.metric} for row in rows]
        print_json([*told, *({"model": model} | row for row in alert_rows(found))])
        return
    if not alerts:
        _print_policies(tried, proposed, spec)
    print_alerts(found)


def _print_policies(tried: Sequence[Tried], proposed: Tried | None, spec: ModelSpec) -> None:
    def told(each: Tried, *, later: bool) -> str:
        outcome = each.held_back if later else each.chosen_by
        if outcome is None or outcome.total is None:
            return "–"
        return f"{outcome.total:.4f} ({len(outcome.retrainings)})"

    print_table(
        [{"change": each.change, "early": told(each, later=False), "late": told(each, later=True)} for each in tried],
        [
            Column("policy", lambda r: r["change"]),
            Column(f"{spec.performance.metric.value} less cost, first two thirds", lambda r: r["early"], right=True),
            Column("last third", lambda r: r["late"], right=True),
        ],
        empty="",
    )
    if proposed is None:
        typer.echo("In brackets: retrainings. None of these would have been better; nothing is proposed.")
    else:
        typer.echo(f"In brackets: retrainings. Proposed: policy.{proposed.change}. The last third did not choose it; compare there.")


def _history(
    context: typer.Context, model: str, policy: str | None, start: str | None, end: str | None
) -> tuple[History, ModelSpec, float]:
    """The windows that were looked at, the specification with the policy to be tried, and what a retraining costs."""
    from vigil.challenger.backtest import History
    from vigil.spec.load import load_model
    from vigil.workspace import Workspace

    project = session_of(context).project()
    project.model(model)
    work = Workspace.open(project.folder, model)
    tried = work.spec if policy is None else load_model(Path(policy))
    if tried.model != model:
        raise UsageError(f"{policy} specifies {tried.model}, not {model}")
    spec = work.spec.model_copy(update={"policy": tried.policy})
    span = (None if text is None else moment(text) for text in (start, end))
    evaluations = work.store.evaluations(model, **dict(zip(("start", "end"), span, strict=True)))
    if not evaluations:
        raise UsageError(f"no window of {model} there was looked at; `vigil backfill {model}` looks at those that are due")
    terms = spec.policy.economics
    return History(work, evaluations), spec, terms.cost / terms.value if terms is not None else 0.0


def _marked(row: dict[str, object]) -> list[str]:
    promoted, retrained = row["promoted"], row["retrainings"]
    assert isinstance(promoted, tuple)
    assert isinstance(retrained, tuple)
    return [start if start in promoted else f"({start})" for start in retrained]
