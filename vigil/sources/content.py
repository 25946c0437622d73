"""What a file holds, byte for byte: the digest by which a changed one is known, and the checksums of its pages where it has them.

Differs from :mod:`vigil.sources.digest`, which digests rows whatever file they lie in: rows that a damaged file gives back look like
any other rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vigil.errors import SourceError
from vigil.sources.footers import Span

PREDICTIONS, LABELS, OUTCOMES = "predictions", "labels", "outcomes"
_FIELD = 0x15  # Thrift's compact protocol: the next field, a 32-bit integer
_HEADER = 64  # bytes that hold the first fields of a page's header with room to spare


@dataclass(frozen=True)
class SourceFile:
    """A file that a look reads, and when its rows happened."""

    kind: str
    path: Path
    span: Span


@dataclass(frozen=True)
class Content:
    """The digest of a file's bytes, with the size and time of modification that the file had while they were read."""

    sha256: str
    size: int
    modified_ns: int


def stamp_of(file: Path) -> tuple[int, int, int, int]:
    """Return what the file system tells of a file without reading it: size, time of modification, inode, time of the last change of any.

    Raises:
        SourceError: it is not there or may not be looked at.
    """
    try:
        state = file.stat()
    except OSError as error:
        raise SourceError(f"cannot be read ({error.strerror}); restore it, or take it out of `source`", source=str(file)) from error
    return state.st_size, state.st_mtime_ns, state.st_ino, state.st_ctime_ns


def content_of(file: Path) -> Content:
    """Return the SHA-256 of a file's bytes. 100 MB take 0.5 to 1.0 s of one core (Python 3.11, no SHA instructions).

    Raises:
        SourceError: it cannot be read, or was written to meanwhile.
    """
    before = stamp_of(file)
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"cannot be read ({error.strerror}); restore it, or write it again", source=str(file)) from error
    if stamp_of(file) != before:
        raise SourceError("was written to while it was read; run it again when the writer is done", source=str(file))
    return Content(digest, before[0], before[1])


def content_remembered(file: Path) -> Content:
    """Return what :func:`content_of` does, read once in this process for as long as the file's stamp stays.

    Whoever writes to a file changes its stamp, though the time of modification be set back; what a failing disk does to it unwritten is
    seen by the next process. For files of which every look would read all.
    """
    return _remembered(file, stamp_of(file))


@lru_cache(maxsize=10_000)
def _remembered(file: Path, _stamp: tuple[int, int, int, int]) -> Content:
    return content_of(file)


def require_sound_pages(file: Path) -> None:
    """Check the pages of a Parquet file that was written with their checksums; one without is not read.

    DuckDB does not look at them. Writers that can: ``write_page_checksum=True`` of pyarrow, ``parquet.page.write-checksum.enabled``
    of Spark.

    Raises:
        SourceError: a page is not what was written.
    """
    try:
        if not has_page_checksums(file):
            return
        opened = pq.ParquetFile(file, page_checksum_verification=True)
        for number in range(opened.num_row_groups):
            opened.read_row_group(number, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SourceError(f"is damaged ({told}); restore it, or write it again from where it came", source=str(file)) from error


def has_page_checksums(file: Path) -> bool:
    """Tell whether the first page of a Parquet file has a checksum: the fourth field of its header, after three other integers."""
    footer = pq.read_metadata(file)
    if not footer.num_row_groups or not footer.num_columns:
        return False
    column = footer.row_group(0).column(0)
    with file.open("rb") as opened:
        opened.seek(column.dictionary_page_offset or column.data_page_offset)
        header = opened.read(_HEADER)
    place = 0
    for _ in range(3):  # type, uncompressed size, compressed size
        if place >= len(header) or header[place] != _FIELD:
            return False
        place += 1
        while place < len(header) and header[place] & 0x80:
            place += 1
        place += 1
    return place < len(header) and header[place] == _FIELD
