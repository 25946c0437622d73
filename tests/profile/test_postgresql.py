"""A table in PostgreSQL has the profile that its rows have in Parquet."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import ibis
import psycopg
import pyarrow as pa
import pytest

from tests.profile.build import layout_with, make_spec, table
from tests.profile.engines import EVERYTHING, everything, spec_of_everything
from tests.store.conftest import new_postgresql  # noqa: F401 - a fixture
from vigil.profile.layout import Layout, layout_of
from vigil.profile.scan import profile_rows
from vigil.sources.columns import quote_name
from vigil.sources.postgresql import PostgresqlEngine
from vigil.spec.model import Table

Put = Callable[[pa.Table, dict[str, str]], ibis.Table]


@pytest.fixture(scope="module")
def put(new_postgresql: Callable[[], str]) -> Put:  # noqa: F811
    """Write a table to a new database and open it as vigil does."""

    def written(rows: pa.Table, kinds: dict[str, str]) -> ibis.Table:
        url = new_postgresql()
        with psycopg.connect(url) as connection:
            connection.execute(f"CREATE TABLE rows ({', '.join(f'{quote_name(name)} {kind}' for name, kind in kinds.items())})")
            places = ", ".join(["%s"] * len(kinds))
            connection.cursor().executemany(f"INSERT INTO rows VALUES ({places})", list(zip(*rows.to_pydict().values(), strict=True)))
        return PostgresqlEngine("test", url).find(Table(table="rows")).table

    return written


def test_every_profile_of_everything_is_equal_to_the_byte(put: Put) -> None:
    """Whole, versions and segments: NaN, infinities, -0.0, 64-bit extremes, decimals, times, nulls and hostile names and values."""
    spec = spec_of_everything()
    layout = layout_of(ibis.memtable(everything()), spec)
    layout = layout.with_pairs(tuple(pairwise(layout.numeric)))
    here = profile_rows(put(everything(), {name: kind for name, (_, kind, _) in EVERYTHING.items()}), spec, layout)
    there = profile_rows(ibis.memtable(everything()), spec, layout)
    assert {key: profile.to_json() for key, profile in here.items()} == {key: profile.to_json() for key, profile in there.items()}


def test_numerics_nan_and_infinity_are_counted_apart(put: Put) -> None:
    """Only PostgreSQL's numeric has them; they count as those of a float."""
    rows = put(pa.table({"x": ["NaN", "Infinity", "-Infinity", "1.5", None]}), {"x": "numeric"})
    summary = profile_rows(rows, make_spec({"x": "numeric"}), layout_with({"x": [1.0]}))["*", "*"].numeric["x"]
    assert (summary.nans, summary.plus_infs, summary.minus_infs, summary.nulls, summary.counts) == (1, 1, 1, 1, (0, 1))


def test_a_long_tail_needs_no_table_to_be_written(put: Put) -> None:
    """More known categories than are written into a query elsewhere: on a read-only connection they are counted all the same."""
    levels = [f"level {index:04}" for index in range(700)]
    layout = Layout({}, {"c": tuple(levels[:10])}, {}, {"c": tuple(levels[10:])})
    values = [*levels, "new", "newer"]
    spec = make_spec({"c": "categorical"})
    here = profile_rows(put(pa.table({"c": values}), {"c": "text"}), spec, layout)
    assert here == profile_rows(table(c=values), spec, layout)
    assert (here["*", "*"].categorical["c"].other, here["*", "*"].categorical["c"].unseen) == (690, 2)
