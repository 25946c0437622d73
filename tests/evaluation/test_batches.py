"""Files on record: one that is damaged, changed or gone is refused by name, and nothing of it is recorded."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.evaluation.build import FIRST, MODEL, ROWS, SECOND, day_of, examine, make_work, write
from vigil.errors import SourceError
from vigil.evaluation.batches import accept
from vigil.evaluation.due import due_windows
from vigil.evaluation.look import look_at
from vigil.evaluation.measure import profiles_of
from vigil.sources import content
from vigil.sources.content import content_of, has_page_checksums, require_sound_pages
from vigil.store.records import ABSENT
from vigil.workspace import Workspace, open_source

PLACES = {"predictions": "log/*.parquet", "labels": "labels/*.parquet", "reference": "reference.parquet"}
NOW = SECOND.end + timedelta(days=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of either kind, in which both days were looked at."""
    folder = tmp_path_factory.mktemp("made")
    for files in ("mutable", "immutable"):
        looked_at(folder / files, files)
    return folder


@pytest.fixture(params=["mutable", "immutable"])
def either(request: pytest.FixtureRequest, made: Path, tmp_path: Path) -> Workspace:
    return copied(made / request.param, tmp_path)


@pytest.fixture
def mutable(made: Path, tmp_path: Path) -> Workspace:
    return copied(made / "mutable", tmp_path)


@pytest.fixture
def immutable(made: Path, tmp_path: Path) -> Workspace:
    return copied(made / "immutable", tmp_path)


def looked_at(folder: Path, files: str) -> Workspace:
    work = make_work(folder, source=PLACES | {"files": files})
    for window in (FIRST, SECOND):
        examine(work, window)
    return work


def copied(made: Path, folder: Path) -> Workspace:
    """A copy; its files have the sizes and times that are on record."""
    return Workspace.open(shutil.copytree(made, folder / "project"), MODEL)


def file_of(work: Workspace, kind: str = "log") -> Path:
    return work.project.folder / kind / "0304.parquet"


def flip(file: Path, bit: int) -> None:
    """Flip one bit of a file and leave its times as they were, as a failing disk does."""
    state, body = file.stat(), bytearray(file.read_bytes())
    body[bit // 8] ^= 1 << (bit % 8)
    file.write_bytes(bytes(body))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def assert_refused(work: Workspace, said: str) -> None:
    """Looking at the first day is an error that names the file, and leaves the store as it was; the second day is looked at."""
    before = work.store.evaluations(MODEL), work.store.batches(MODEL)
    with pytest.raises(SourceError, match=said) as caught:
        examine(work, FIRST)
    assert caught.value.source.endswith("0304.parquet")
    assert (work.store.evaluations(MODEL), work.store.batches(MODEL)) == before
    assert not examine(work, SECOND).new


def test_what_a_look_reads_is_on_record(either: Workspace) -> None:
    """Two days of predictions, each read by its own look, and both files of labels."""
    found = {(batch.kind, batch.path): batch for batch in either.store.batches(MODEL)}
    days = ("0304.parquet", "0305.parquet")
    assert set(found) == {("predictions", f"log/{day}") for day in days} | {("labels", f"labels/{day}") for day in days}
    batch, file = found["predictions", "log/0304.parquet"], file_of(either)
    assert (batch.size, batch.modified_ns, batch.sha256) == (file.stat().st_size, file.stat().st_mtime_ns, content_of(file).sha256)
    assert batch.seen_at == FIRST.end + timedelta(days=1)


def test_looking_again_records_nothing(either: Workspace) -> None:
    before = either.store.batches(MODEL)
    assert not examine(either, FIRST).new
    assert either.store.batches(MODEL) == before


@pytest.mark.parametrize("kind", ["log", "labels"])
def test_no_flipped_bit_is_measured(either: Workspace, kind: str) -> None:
    """Of 1,500 such files without page checksums 1,322 read back silently different; here every one of 12 is refused."""
    file = file_of(either, kind)
    sound, rng = file.read_bytes(), random.Random(5)
    state = file.stat()
    for _ in range(12):
        flip(file, rng.randrange(8 * len(sound)))
        with pytest.raises(SourceError, match=r"0304\.parquet: |log/\*\.parquet|labels/\*\.parquet"):
            examine(either, FIRST)
        file.write_bytes(sound)
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert [evaluation.rows for evaluation in either.store.evaluations(MODEL)] == [ROWS, ROWS]
    assert not examine(either, FIRST).new


def test_a_flipped_bit_in_a_page_is_named_with_what_is_on_record(either: Workspace) -> None:
    """Damage is no rewriting, whatever the project allows."""
    flip(file_of(either), 8 * 1000)
    assert_refused(either, r"0304\.parquet: is damaged: .* seen at 2024-03-06T00:00:00\+00:00 \(sha256 [0-9a-f]{12}, \d+ bytes.*Restore it")


def test_what_is_due_of_a_log_with_a_broken_page_is_an_error_that_names_its_file(either: Workspace) -> None:
    """The pages of the event times are noise; the footer is sound, so the log opens."""
    file = file_of(either)
    footer = pq.read_metadata(file).row_group(0)
    (times,) = [footer.column(i) for i in range(footer.num_columns) if footer.column(i).path_in_schema == "event_time"]
    start = times.dictionary_page_offset or times.data_page_offset
    body = bytearray(file.read_bytes())
    body[start : start + times.total_compressed_size] = b"\xff" * times.total_compressed_size
    file.write_bytes(bytes(body))
    with pytest.raises(SourceError, match="cannot be read as Parquet") as caught:
        due_windows(open_source(either.project, either.spec), either.spec, NOW)
    assert caught.value.source == str(file)


def test_a_truncated_file_is_named(either: Workspace) -> None:
    file = file_of(either)
    file.write_bytes(file.read_bytes()[:-100])
    before = either.store.evaluations(MODEL)
    with pytest.raises(SourceError, match=r"0304\.parquet: cannot be read as Parquet"):
        examine(either, FIRST)
    assert either.store.evaluations(MODEL) == before


def replace(work: Workspace) -> None:
    write(work, FIRST, day_of(amount=100.0))


def move_to_the_second_day(work: Workspace) -> None:
    """The file's rows have other times now, so the first day would read no file at all."""
    write(work, FIRST, day_of(event_time=day_of(SECOND)["event_time"], prediction_id=[f"moved-{i}" for i in range(ROWS)]))


def delete(work: Workspace) -> None:
    file_of(work).unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [(replace, "has changed since it was seen"), (delete, "is gone; it was seen")],
)
def test_an_immutable_file_that_is_replaced_or_deleted_is_refused_until_accepted(
    immutable: Workspace, change: Callable[[Workspace], None], said: str
) -> None:
    """The error names the command that accepts it; then the first day is looked at as it is now, and the person is on record."""
    change(immutable)
    assert_refused(immutable, rf'{said} .*`source\.files` is immutable.*`vigil accept m log/0304\.parquet --reason "\.\.\."`')
    spec, folder = immutable.spec, immutable.project.folder
    accept(folder, immutable.store, spec, "log/0304.parquet", by="ada", reason="sent again", at=NOW)
    assert examine(immutable, FIRST).new
    last = immutable.store.batches(MODEL)[-1]
    assert (last.path, last.by, last.reason, last.sha256 == ABSENT) == ("log/0304.parquet", "ada", "sent again", change is delete)


def test_an_immutable_file_whose_rows_moved_to_another_window_is_refused(immutable: Workspace) -> None:
    move_to_the_second_day(immutable)
    with pytest.raises(SourceError, match=r"0304\.parquet: has changed"):
        examine(immutable, FIRST)


def test_an_immutable_file_that_is_only_touched_or_restored_is_the_same(immutable: Workspace) -> None:
    file = file_of(immutable)
    kept = shutil.copy2(file, file.with_suffix(".kept"))
    replace(immutable)
    shutil.copy2(kept, file)
    os.utime(file)
    assert not examine(immutable, FIRST).new


def test_a_new_file_is_welcome_where_files_are_immutable(immutable: Workspace) -> None:
    """Late rows come in files of their own."""
    late = day_of(count=2, prediction_id=["late-0", "late-1"])
    late.to_parquet(file_of(immutable).with_name("late.parquet"))
    assert examine(immutable, FIRST).look.rows == ROWS + 2


@pytest.mark.parametrize("change", [replace, delete])
def test_a_mutable_file_that_is_rewritten_or_deleted_is_another_look(mutable: Workspace, change: Callable[[Workspace], None]) -> None:
    """Its rows are measured again, and the first evaluation stays."""
    first = {evaluation.window: evaluation for evaluation in mutable.store.evaluations(MODEL)}[FIRST]
    change(mutable)
    seen = examine(mutable, FIRST, as_of=NOW)
    assert seen.new
    assert seen.look.rows == (0 if change is delete else ROWS)
    assert mutable.store.evaluation(first.evaluation_id) == first
    assert not examine(mutable, SECOND).new


def test_rewritten_labels_are_measured_again_where_files_are_immutable(immutable: Workspace) -> None:
    """Labels are corrected: `immutable` is about predictions."""
    file = file_of(immutable, "labels")
    labels = pq.read_table(file).to_pandas()
    labels.assign(label=1 - labels["label"]).to_parquet(file)
    assert examine(immutable, FIRST).new


def test_accepting_what_is_no_prediction_file_is_refused(immutable: Workspace) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.parquet: is no file of `source\.predictions` of m"):
        accept(immutable.project.folder, immutable.store, immutable.spec, "log/nowhere.parquet", by="ada", reason="", at=NOW)


def test_pages_with_checksums_are_checked_when_a_file_is_first_seen(tmp_path: Path) -> None:
    """Flipped before anybody looked: only the writer's own checksums can tell, and DuckDB does not look at them."""
    work = make_work(tmp_path / "project")
    file = write(work, FIRST, day_of(), write_page_checksum=True)
    assert has_page_checksums(file)
    require_sound_pages(file)
    column = pq.read_metadata(file).row_group(0).column(0)
    flip(file, 8 * (column.data_page_offset + column.total_compressed_size // 2))
    with pytest.raises(SourceError, match=r"0304\.parquet: is damaged"):
        examine(work, FIRST)
    assert (work.store.evaluations(MODEL), work.store.batches(MODEL)) == ((), ())


def test_a_file_without_checksums_is_told_from_one_with(tmp_path: Path) -> None:
    """Of text, numbers, nested values, with and without dictionaries, compressed or not."""
    columns = pa.table({"text": ["a", "b"] * 5000, "number": range(10_000), "nested": [{"x": 1}] * 10_000})
    for name in columns.column_names:
        for compression in ("none", "snappy", "zstd"):
            for dictionary in (True, False):
                for checksum in (True, False):
                    path = tmp_path / "f.parquet"
                    pq.write_table(
                        columns.select([name]), path, compression=compression, use_dictionary=dictionary, write_page_checksum=checksum
                    )
                    assert has_page_checksums(path) is checksum


def test_rows_that_change_between_look_and_profile_are_refused(tmp_path: Path) -> None:
    """A writer replaces the file after the look began: neither profile nor evaluation is kept."""
    work = make_work(tmp_path / "project")
    source = open_source(work.project, work.spec)
    look = look_at(source, work.store, work.spec, FIRST, NOW)
    write(work, FIRST, day_of(count=ROWS + 1))
    with pytest.raises(SourceError, match=r"had 300 rows when the look began and 301 when they were profiled.*run it again"):
        profiles_of(open_source(work.project, work.spec), work.store, work.spec, look)
    assert work.store.evaluations(MODEL) == ()


def test_files_of_labels_are_read_once_for_many_looks_and_again_when_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at any window reads the labels of all; a bit that is flipped under the same size and time of modification is seen."""
    read: list[str] = []
    digest = content.hashlib.file_digest

    def counted(opened, name: str):  # type: ignore[no-untyped-def]
        read.append(str(Path(opened.name).relative_to(tmp_path / "project")))
        return digest(opened, name)

    monkeypatch.setattr(content.hashlib, "file_digest", counted)
    work = looked_at(tmp_path / "project", "mutable")
    examine(work, FIRST, NOW)
    assert sorted(name for name in read if name.startswith("labels")) == ["labels/0304.parquet", "labels/0305.parquet"]
    flip(file_of(work, "labels"), 8 * 1000)
    with pytest.raises(SourceError, match=r"labels/0304\.parquet: is damaged"):
        examine(work, FIRST, NOW)
