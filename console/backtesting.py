"""``backtest``: the logged history under other policies. It trains challengers and reads the log, and writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.exit_codes import UsageError
from console.looking import ModelArgument
from console.output import Column, Json, console, print_json, print_table
from console.session import moment, session_of


def backtest(
    context: typer.Context,
    model: ModelArgument,
    policy: Annotated[
        str | None, typer.Option("--policy", metavar="FILE", help="A specification of this model whose policy is tried. Default: its own.")
    ] = None,
    every: Annotated[int, typer.Option("--every", metavar="N", min=1, help="The windows between two retrainings by the clock.")] = 4,
    start: Annotated[str | None, typer.Option("--from", metavar="DATE", help="Windows that start at or after this.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Windows that start before this.")] = None,
    plot: Annotated[str | None, typer.Option("--plot", metavar="FILE.html", help="Also draw the windows, as a page of its own.")] = None,
    as_json: Json = False,
) -> None:
    """Play the logged history under this policy and under simple ones. Challengers are trained for it, so it takes a while."""
    from dataclasses import asdict

    from vigil.challenger.backtest import History
    from vigil.challenger.backtest import backtest as play
    from vigil.decision.phrases import number
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
    cost = terms.cost / terms.value if terms is not None else 0.0
    with console(stderr=True).status(f"playing {model}") as status:
        outcomes = play(
            History(work, evaluations), spec, every=every, cost=cost, tell=lambda name: status.update(f"playing {model}: {name}")
        )
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


def _marked(row: dict[str, object]) -> list[str]:
    promoted, retrained = row["promoted"], row["retrainings"]
    assert isinstance(promoted, tuple)
    assert isinstance(retrained, tuple)
    return [start if start in promoted else f"({start})" for start in retrained]
