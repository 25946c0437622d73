"""The course of a back-test as one page that needs no network: the metric of each window under each policy, and when each retrained.

Differs from :mod:`console.backtesting`, whose table holds the means.
"""

from __future__ import annotations

from collections.abc import Sequence

from vigil.challenger.backtest import Outcome
from vigil.spec.model import Metric


def page_of(model: str, metric: Metric, outcomes: Sequence[Outcome]) -> str:
    """Return HTML with plotly's script in it (4 MB). Windows that do not count are gaps; the axis is the metric's own, not from 0."""
    import plotly.graph_objects as go
    from plotly.colors import qualitative

    figure = go.Figure()
    for outcome, colour in zip(outcomes, qualitative.Dark24, strict=False):
        told = outcome.policy if outcome.total is None else f"{outcome.policy}: {outcome.total:.4f} less cost"
        figure.add_scatter(x=outcome.starts, y=outcome.values, mode="lines", name=told, line={"color": colour}, legendgroup=outcome.policy)
        value = dict(zip(outcome.starts, outcome.values, strict=True))
        kept = [start for start in outcome.retrainings if start not in outcome.promoted]
        for asked, symbol, said in (
            (outcome.promoted, "triangle-up", "retrained, its challenger served"),
            (kept, "triangle-up-open", "retrained, the champion stayed"),
        ):
            figure.add_scatter(
                x=asked,
                y=[value[start] for start in asked],
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 11},
                name=said,
                legendgroup=outcome.policy,
                showlegend=False,
            )
    better = "larger is better" if metric.larger_is_better else "smaller is better"
    title = f"{model}: the same windows under each policy"
    figure.update_layout(title=title, yaxis_title=f"{metric.value} ({better})", template="plotly_white")
    page: str = figure.to_html(include_plotlyjs=True, full_html=True)
    return page
