"""A digest of rows: equal when the content is equal, whatever the order of the rows and the layout of the files."""

from __future__ import annotations

import hashlib

import ibis
from ibis.backends.duckdb import Backend

from vigil.sources.files import quote_name, quote_text


def rows_digest(backend: Backend, rows: ibis.Table) -> str:
    """Return the SHA-256, in hexadecimal, of the rows' count and two sums of 64-bit row hashes.

    A row's hash is the exclusive or of the hashes of its values, each salted with its column's name; a null adds nothing,
    so a column that appears with a later file leaves the digest of earlier rows alone. Sums, unlike exclusive ors, see a
    row that is there twice. One aggregate in the engine: about 0.7 s for 1 M rows of 27 columns on 2 cores.

    It tells accidents apart, not forgeries: the row hash is DuckDB's, fast and not cryptographic. A later DuckDB may hash
    otherwise; then windows are measured once more and nothing else happens.
    """
    hashes = "0::UBIGINT"
    for name in sorted(rows.columns):
        column = quote_name(name)
        hashes = f"xor({hashes}, CASE WHEN {column} IS NULL THEN 0::UBIGINT ELSE hash({column}, {quote_text(name)}) END)"
    sql = (
        "SELECT count(*), sum(hash(row_hash, 1)::HUGEINT), sum(hash(row_hash, 2)::HUGEINT) "  # noqa: S608 - names are quoted
        f"FROM (SELECT {hashes} AS row_hash FROM ({backend.compile(rows)}))"
    )
    count, first, second = backend.raw_sql(sql).fetchall()[0]
    return hashlib.sha256(f"{count}/{first or 0}/{second or 0}".encode()).hexdigest()
