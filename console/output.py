"""Where output goes: answers to stdout, everything else to stderr. With ``--json`` stdout holds one JSON list and nothing else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print a JSON list on stdout, and nothing else there.")]
Row = Mapping[str, Any]

PIPE_WIDTH = 160  # columns of a table that is not shown in a terminal


SENTENCE_WIDTH, NARROWEST_SENTENCE = 32, 16  # what a column of sentences is given in a narrow terminal, and is given at least
GAP = 2  # between columns


@dataclass(frozen=True)
class Column:
    """A column of a table for people: its title, and how a row's value reads."""

    title: str
    text: Any  # Callable[[Row], str]
    right: bool = False
    fold: bool = False  # long text, which may wrap


def print_json(rows: Sequence[Row]) -> None:
    sys.stdout.write(json.dumps(list(rows), indent=2, default=_plain, ensure_ascii=False) + "\n")


def print_table(rows: Sequence[Row], columns: Sequence[Column], *, empty: str) -> None:
    """Print ``rows`` as a table, or the sentence ``empty`` where there are none. Nothing is cut: ids are there to be copied."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        sys.stdout.write(empty + "\n")
        return
    to = console()
    least = _fit(to, [[column.title, *map(column.text, rows)] for column in columns], [column.fold for column in columns])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, width in zip(columns, least, strict=True):
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold",
            min_width=width,
        )
    for row in rows:
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in (column.text(row) for column in columns)))
    to.print(table)


def _fit(to: Any, columns: Sequence[Sequence[str]], folds: Sequence[bool]) -> tuple[int | None, ...]:
    """Return what each column of sentences is given at least; widen ``to`` where too little is left: the terminal breaks its lines."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, cells)) for cells in columns]
    fixed = sum(width for width, fold in zip(widths, folds, strict=True) if not fold) + GAP * (len(widths) - 1)
    each = (to.width - fixed) // max(sum(folds), 1)
    if each < NARROWEST_SENTENCE:
        each = SENTENCE_WIDTH
    least = tuple(min(width, each, SENTENCE_WIDTH) if fold else None for width, fold in zip(widths, folds, strict=True))
    to.width = max(to.width, fixed + sum(width or 0 for width in least))
    return least


STYLES = {
    "ok": "green",
    "warning": "yellow",
    "breach": "red",
    "failed": "red",
    "RETRAIN": "bold magenta",
    "FIX_DATA": "bold red",
    "GET_LABELS": "bold yellow",
    "ROLLBACK": "bold red",
    "RECALIBRATE": "bold magenta",
}


def console(*, stderr: bool = False) -> Any:
    """Return a rich console of the terminal's width; wide where there is no terminal."""
    from rich import console as rich_console

    class Console(rich_console.Console):
        def on_broken_pipe(self) -> None:
            raise  # of the write that failed: rich would end the process as if the command had failed

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False)


def say(text: str) -> None:
    """Tell a person something that is not the answer."""
    sys.stderr.write(text + "\n")


@contextmanager
def clean_stdout() -> Iterator[None]:
    """Send what libraries and child processes print to stderr, so that stdout holds the answer only."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show a spinner with ``what`` on stderr while the block runs; nothing where there is no terminal."""
    with console(stderr=True).status(what):
        yield


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} is not plain JSON")
