"""A digest of rows: equal when the content is equal, whatever the order of the rows and the layout of the files."""

from __future__ import annotations

import hashlib

import ibis
from ibis.backends.duckdb import Backend

from vigil.sources.files import quote_name, quote_text


def rows_digest(backend: Backend, rows: ibis.Table) -> str:
    """Return the SHA-256, in hexadecimal, of the number of rows and the sum of their 64-bit hashes.

    A row's hash is the exclusive or of the hashes of its values, each hashed again with its column's name; a null adds
    nothing, so a column that comes with a later file leaves the digest of earlier rows alone. The sum, unlike an exclusive
    or, sees a row that is there twice. One aggregate in the engine: 1.3 s of processor time for 1 M rows of 32 columns.

    It tells accidents apart, not forgeries: the row hash is DuckDB's, fast and not cryptographic. A later DuckDB may hash
    otherwise; then windows are measured once more and nothing else happens.
    """
    hashes = "0::UBIGINT"
    for name in sorted(rows.columns):
        column = quote_name(name)
        # hashed twice: hash(value, salt) is an exclusive or with the salt's hash, which would cancel between columns
        salted = f"hash(hash({column}, {quote_text(name)}))"
        hashes = f"xor({hashes}, CASE WHEN {column} IS NULL THEN 0::UBIGINT ELSE {salted} END)"
    sql = (
        "SELECT count(*), sum(hash(row_hash)::HUGEINT) "  # noqa: S608 - names are quoted
        f"FROM (SELECT {hashes} AS row_hash FROM ({backend.compile(rows)}))"
    )
    count, total = backend.raw_sql(sql).fetchall()[0]
    return hashlib.sha256(f"{count}/{total or 0}".encode()).hexdigest()
