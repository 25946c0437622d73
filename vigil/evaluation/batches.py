"""Are the files that a look reads what they were when they were first seen? A changed one is refused, never measured.

Two cases are told apart. Another content under the same size and time of modification was written by nobody: the file is damaged,
and refused in every project. A file that was rewritten (or went) is refused where ``source.files`` is ``immutable``; where it is
``mutable`` its new content is kept beside the old, and the look sees other rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from vigil.errors import SourceError
from vigil.sources.content import PREDICTIONS, Content, SourceFile, content_of, content_remembered, require_sound_pages
from vigil.sources.files import list_files
from vigil.sources.footers import Span, span_of
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec
from vigil.store.contract import Store
from vigil.store.records import ABSENT, Batch
from vigil.window import Window


def batches_of(source: ModelSource, store: Store, spec: ModelSpec, window: Window, seen_at: datetime) -> tuple[Batch, ...]:
    """Return what is not on record yet of the files that a look at ``window`` reads; nothing is written.

    A content that is seen for the first time has its pages checked where they have checksums.

    Raises:
        SourceError: a file is damaged, or changed or went where none may; it is named with what is on record of it.
    """
    known = store.batches(spec.model)
    files = source.files(window)
    if spec.source.files == "immutable":
        files = [*files, *_moved(source, known, files, window)]
    found = []
    for file in files:
        name = _name(source.folder, file.path)
        on_record = [batch for batch in known if (batch.kind, batch.path) == (file.kind, name)]
        content = source.content_of(file.path) if file.kind == PREDICTIONS else content_remembered(file.path)
        _refuse_changed(content, file, on_record, spec)
        if all(batch.sha256 != content.sha256 for batch in on_record):
            require_sound_pages(file.path)
        if all((batch.sha256, batch.modified_ns) != (content.sha256, content.modified_ns) for batch in on_record):
            found.append(_batch(spec.model, file, name, content, seen_at))
    return tuple(found)


def accept(folder: Path, store: Store, spec: ModelSpec, path: str, *, by: str, reason: str, at: datetime) -> Batch:
    """Keep that the prediction file ``path`` may hold what it holds now, or may be gone: what ``immutable`` refuses.

    Raises:
        SourceError: it is no file of the model's prediction log, now or on record, or it is damaged.
    """
    file = folder / path
    name = _name(folder, file)
    recorded = [batch for batch in store.batches(spec.model) if (batch.kind, batch.path) == (PREDICTIONS, name)]
    present = file in list_files(folder, str(spec.source.predictions))
    if not recorded and not present:
        raise SourceError(f"is no file of `source.predictions` of {spec.model}, now or on record; name one as the error does", source=name)
    if present:
        require_sound_pages(file)
        accepted = _batch(spec.model, SourceFile(PREDICTIONS, file, span_of(file, spec.columns.time)), name, content_of(file), at)
    else:
        gone = next((batch for batch in recorded if batch.sha256 == ABSENT), None)
        if gone is not None:
            return gone
        last = recorded[-1]
        accepted = Batch(spec.model, PREDICTIONS, name, ABSENT, 0, 0, last.first_us, last.last_us, at)
    accepted = Batch(**{**vars(accepted), "by": by, "reason": reason})
    store.save_batches([accepted])
    return accepted


def _refuse_changed(content: Content, file: SourceFile, on_record: Iterable[Batch], spec: ModelSpec) -> None:
    others = [batch for batch in on_record if batch.sha256 != ABSENT]
    if any(batch.sha256 == content.sha256 for batch in others) or not others:
        return
    same_stamp = [batch for batch in others if (batch.size, batch.modified_ns) == (content.size, content.modified_ns)]
    if same_stamp:
        raise SourceError(
            f"is damaged: its bytes are others than when it was seen {_recorded(same_stamp[-1])}, though its size and time are the same. "
            "Restore it, or write it again from where it came; if that is what it should hold, `touch` it",
            source=str(file.path),
        )
    if spec.source.files == "immutable" and file.kind == PREDICTIONS:
        raise SourceError(
            f"has changed since it was seen {_recorded(others[-1])}, and `source.files` is immutable; found sha256 "
            f"{content.sha256[:12]}, {content.size} bytes. Restore it, or take it as it is: {_command(spec, others[-1].path)}",
            source=str(file.path),
        )


def _moved(source: ModelSource, known: Iterable[Batch], files: Iterable[SourceFile], window: Window) -> list[SourceFile]:
    """Return the prediction files on record for ``window`` that hold other moments now, so that its files are not all."""
    listed = {_name(source.folder, file.path) for file in files}
    spec, present = source.spec, list_files(source.folder, str(source.spec.source.predictions))
    there = {_name(source.folder, path): path for path in present}
    accepted = {batch.path for batch in known if batch.sha256 == ABSENT}
    moved: dict[str, SourceFile] = {}
    for batch in known:
        if batch.kind != PREDICTIONS or batch.path in listed or not Span(batch.first_us, batch.last_us).meets(window):
            continue
        if batch.path in there:
            moved[batch.path] = SourceFile(PREDICTIONS, there[batch.path], span_of(there[batch.path], spec.columns.time))
        elif batch.path not in accepted:
            raise SourceError(
                f"is gone; it was seen {_recorded(batch)}, and `source.files` is immutable. "
                f"Restore it, or go on without it: {_command(spec, batch.path)}",
                source=str(source.folder / batch.path),
            )
    return list(moved.values())


def _batch(model: str, file: SourceFile, name: str, content: Content, seen_at: datetime) -> Batch:
    span = file.span
    return Batch(model, file.kind, name, content.sha256, content.size, content.modified_ns, span.first, span.last, seen_at)


def _recorded(batch: Batch) -> str:
    modified = datetime.fromtimestamp(batch.modified_ns // 1_000_000_000, UTC)
    return (
        f"at {batch.seen_at.isoformat(timespec='seconds')} (sha256 {batch.sha256[:12]}, {batch.size} bytes, "
        f"modified {modified.isoformat(timespec='seconds')})"
    )


def _command(spec: ModelSpec, path: str) -> str:
    return f'`vigil accept {spec.model} {path} --reason "..."`'


def _name(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.as_posix()
