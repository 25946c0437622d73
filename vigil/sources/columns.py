"""What the columns of a log have to hold, on any engine, and how a message says that one does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from enum import Enum

import ibis
import ibis.expr.datatypes as dt

from vigil.errors import SourceError


class Kind(Enum):
    """What a column has to hold; the value is how a message says it."""

    ANY = "any type"
    NUMBER = "numbers"
    NUMBER_OR_BOOLEAN = "numbers or booleans"
    TEXT_OR_INTEGER = "text or integers"
    TIME = "timestamps or dates"

    def holds(self, dtype: dt.DataType) -> bool:
        match self:
            case Kind.NUMBER:
                return bool(dtype.is_numeric() and not dtype.is_boolean())
            case Kind.NUMBER_OR_BOOLEAN:
                return bool(dtype.is_numeric() or dtype.is_boolean())
            case Kind.TEXT_OR_INTEGER:
                return bool(dtype.is_string() or dtype.is_integer())
            case Kind.TIME:
                return bool(dtype.is_timestamp() or dtype.is_date())
        return True


Wanted = Mapping[str, tuple[str, Kind]]  # role in the specification -> (column's name, kind)


def require_columns(table: ibis.Table, wanted: Wanted, source: str) -> None:
    """Check that ``table`` has the columns ``wanted``, each of its kind.

    Raises:
        SourceError: one is missing or holds another type.
    """
    for role, (name, kind) in wanted.items():
        if name not in table.columns:
            raise SourceError(missing_column(role, name, table.columns), source=source, column=name)
        if not kind.holds(table.schema()[name]):
            raise SourceError(
                f"expected {kind.value}, found {table.schema()[name]}; write it with that type, or name another column in `{role}`",
                source=source,
                column=name,
            )


def require_ids_like(ours: dt.DataType, theirs: dt.DataType, source: str, column: str) -> None:
    """Check that ids are of the type that they have in the prediction log, or nothing would belong to anything.

    Raises:
        SourceError: one is text and the other is not.
    """
    if ours.is_string() != theirs.is_string():
        raise SourceError(
            f"expected {ours} as in the prediction log, found {theirs}; write ids with one type in both", source=source, column=column
        )


def missing_column(role: str, name: str, present: Sequence[str]) -> str:
    """Say that a column is missing, what was probably meant, and where to name another."""
    close = get_close_matches(name, present, n=1)
    meant = f"did you mean `{close[0]}`? " if close else ""
    shown = ", ".join(sorted(present)[:30]) + (", ..." if len(present) > 30 else "")
    return f"is missing; {meant}name the right column in `{role}` of the model's specification. The columns are: {shown}"


def quote_name(name: str) -> str:
    """Quote a column or view name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Quote a text literal for SQL."""
    return "'" + text.replace("'", "''") + "'"
