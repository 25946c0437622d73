"""Are the columns there, and of the right type? Answered from DuckDB's own description of the rows.

Great Expectations cannot look up DuckDB's types (its type expectations crash on it), and whatever else is asked of a column
that is missing or is text where numbers belong would crash too: so these two expectations of the generated suite are
answered here, first, and :mod:`expectations.answers` asks nothing more of a column that failed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from great_expectations.expectations.expectation import Expectation as GxExpectation

from expectations.engine import TABLE, WindowRows

EXISTS = "expect_column_to_exist"
TYPES = "expect_column_values_to_be_in_type_list"
_EXAMPLES = 5


def is_schema(made: GxExpectation) -> bool:
    """Tell whether an expectation is answered here."""
    return made.meta["origin"] == "vigil" and made.meta["type"] in (EXISTS, TYPES)


def holds(made: GxExpectation, rows: WindowRows) -> bool:
    """Tell whether a schema expectation is met. A column without any value has no type of its own; a missing one no wrong type."""
    kind = rows.types.get(made.column)
    if made.meta["type"] == EXISTS:
        return kind is not None
    return kind is None or kind in made.type_list or kind.strip('"') == "NULL"


def unusable_columns(suite: Sequence[GxExpectation], rows: WindowRows) -> frozenset[str]:
    """The columns of which nothing else can be asked."""
    return frozenset(made.column for made in suite if is_schema(made) and not holds(made, rows))


def observed(made: GxExpectation, rows: WindowRows) -> dict[str, Any]:
    """What there is instead, for the person who has to repair it."""
    if made.column not in rows.types:
        return {"columns": sorted(rows.types)[:100]}
    if made.meta["type"] == EXISTS or holds(made, rows):
        return {}
    column = rows.column(made.column)
    sample = rows.ask(f"SELECT {column}::VARCHAR, count(*) FROM {TABLE} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_EXAMPLES}")  # noqa: S608
    shown = [{"value": value, "rows": count} for value, count in sample]
    return {"type": rows.types[made.column], "expected": list(made.type_list), "unexpected": shown}
