"""A metric by window as one page that needs no network: what labels measured, and hatched what was only estimated without them.

Differs from :mod:`console.backtest_plot`, which draws what other policies would have made of the windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from console.output import Row

ESTIMATE = "estimate without labels, blind to concept drift"


def page_of(rows: Sequence[Row]) -> str:
    """Return HTML with plotly's script in it (4 MB) of the rows of ``vigil labels status``, at least one.

    Dots with bars are measured values and their intervals; hatched boxes are intervals of estimates, with a line at each estimate; the
    dashed line is the limit. A window without one of them has none of it.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    guessed = [row for row in rows if row["estimated"] is not None]
    figure.add_bar(
        x=[_middle(row) for row in guessed],
        base=[row["estimated_low"] for row in guessed],
        y=[row["estimated_high"] - row["estimated_low"] for row in guessed],
        width=[0.8 * _length_ms(row) for row in guessed],
        marker={"color": "white", "pattern": {"shape": "/", "fgcolor": "grey"}, "line": {"color": "grey", "width": 1}},
        name=ESTIMATE,
        showlegend=True,
    )
    figure.add_scatter(
        x=[_middle(row) for row in guessed],
        y=[row["estimated"] for row in guessed],
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 14, "color": "grey"},
        name=ESTIMATE,
        showlegend=False,
    )
    known = [row for row in rows if row["value"] is not None]
    figure.add_scatter(
        x=[_middle(row) for row in known],
        y=[row["value"] for row in known],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [row["high"] - row["value"] for row in known],
            "arrayminus": [row["value"] - row["low"] for row in known],
        },
        mode="markers",
        name="measured on labels",
    )
    judged = [row for row in known if row["threshold"] is not None]
    limits = [row["threshold"] for row in judged]
    figure.add_scatter(x=[_middle(row) for row in judged], y=limits, mode="lines", line={"dash": "dash"}, name="limit")
    figure.update_layout(title=f"{rows[0]['model']}: {rows[0]['metric'].value} by window", template="plotly_white")
    page: str = figure.to_html(include_plotlyjs=True, full_html=True)
    return page


def _middle(row: Row) -> str:
    middle: str = (row["window_start"] + (row["window_end"] - row["window_start"]) / 2).isoformat()
    return middle


def _length_ms(row: Row) -> float:
    return float((row["window_end"] - row["window_start"]).total_seconds()) * 1000
