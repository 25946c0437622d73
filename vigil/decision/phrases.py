"""How numbers, shares, counts and dates read in a sentence: one way for command line, artifacts, alerts and pages."""

from __future__ import annotations

from datetime import datetime

MOST_DECIMALS = 10  # a row in a billion


def number(value: float | None) -> str:
    """Three significant decimals, without trailing noise.

    >>> number(0.69512), number(12.0), number(None)
    ('0.695', '12', 'unknown')
    """
    if value is None:
        return "unknown"
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"


def percent(share: float) -> str:
    """A share of 1 as a percentage, with a decimal only below 10 %.

    >>> percent(0.331), percent(0.02), percent(0.0004)
    ('33 %', '2 %', '0.04 %')
    """
    points = 100 * share
    if points >= 10 or points == round(points):
        return f"{points:.0f} %"
    return f"{points:.1f} %" if points >= 0.1 else f"{points:.2g} %"


def percents(share: float, limit: float) -> tuple[str, str]:
    """A share and its limit as percentages, the share with as many decimals as tell the two apart.

    >>> percents(0.0203, 0.02), percents(0.02, 0.02)
    (('2.03 %', '2 %'), ('2 %', '2 %'))
    """
    texts = [percent(share), *(f"{100 * share:.{decimals}f} %" for decimals in range(1, MOST_DECIMALS))]
    said = percent(limit)
    same = float(said.removesuffix(" %"))
    return next((text for text in texts if share == limit or float(text.removesuffix(" %")) != same), texts[-1]), said


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "window"), plural(3, "window"), plural(2, "more")
    ('1 window', '3 windows', '2 more')
    """
    return f"{count:,} {noun}" if count == 1 or noun == "more" else f"{count:,} {noun}s"


def when(moment: datetime) -> str:
    """A date where the moment is a midnight, else date and time; always UTC."""
    midnight = moment.hour == moment.minute == moment.second == 0
    return moment.date().isoformat() if midnight else moment.strftime("%Y-%m-%d %H:%M UTC")
