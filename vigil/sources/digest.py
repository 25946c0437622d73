"""A digest of rows: equal when the content is equal, whatever the order of the rows and the layout of the files."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import ibis

from vigil.sources.columns import quote_name, quote_text


class Digest(NamedTuple):
    """``sha256``, in hexadecimal, of ``rows`` rows."""

    sha256: str
    rows: int


def rows_digest(backend: Any, rows: ibis.Table) -> Digest:
    """Return the SHA-256 of the number of rows and the sum of their 64-bit hashes.

    A row's hash is the exclusive or of the hashes of its values, each hashed again with its column's name; a null adds
    nothing, so a column that comes with a later file leaves the digest of earlier rows alone. The sum, unlike an exclusive
    or, sees a row that is there twice. One aggregate in the engine: 1.3 s of processor time for 1 M rows of 32 columns.

    It tells accidents apart, not forgeries: the row hash is the engine's, fast and not cryptographic. Another engine, or a
    later version of it, hashes otherwise: digests of the same rows on DuckDB, PostgreSQL and Spark differ. Then windows are
    measured once more and nothing else happens.
    """
    row_hash = {"duckdb": _duckdb, "postgres": _postgresql, "pyspark": _spark}[backend.name](sorted(rows.columns))
    sql = f"SELECT count(*) AS n, {row_hash} AS total FROM ({backend.compile(rows)}) AS digested"  # noqa: S608 - names are quoted
    answer = backend.raw_sql(sql)
    count, total = (answer.collect() if backend.name == "pyspark" else answer.fetchall())[0]
    return Digest(hashlib.sha256(f"{count}/{total or 0}".encode()).hexdigest(), int(count))


def _duckdb(names: list[str]) -> str:
    hashes = "0::UBIGINT"
    for name in names:
        column = quote_name(name)
        # hashed twice: hash(value, salt) is an exclusive or with the salt's hash, which would cancel between columns
        salted = f"hash(hash({column}, {quote_text(name)}))"
        hashes = f"xor({hashes}, CASE WHEN {column} IS NULL THEN 0::UBIGINT ELSE {salted} END)"
    return f"sum(hash({hashes})::HUGEINT)"


def _postgresql(names: list[str]) -> str:
    hashes = " # ".join(f"coalesce(hashtextextended({quote_name(name)}::text, {_salt(name)}), 0)" for name in names)
    return f"sum(hashtextextended(({hashes})::text, 0)::numeric)"


def _spark(names: list[str]) -> str:
    quoted = {name: "`" + name.replace("`", "``") + "`" for name in names}
    hashes = " ^ ".join(
        f"CASE WHEN {column} IS NULL THEN 0L ELSE xxhash64({_salt(name)}L, {column}) END" for name, column in quoted.items()
    )
    return f"sum(CAST(xxhash64({hashes}) AS DECIMAL(20, 0)))"


def _salt(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
