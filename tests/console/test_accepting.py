"""``vigil accept``: a prediction file that changed is taken as it is, by a person and for a reason."""

from __future__ import annotations

from pathlib import Path

from console.exit_codes import ExitCode
from tests.console.shop import MODEL, answer, call, make_shop, write_data
from vigil.project import Project


def test_what_the_file_holds_now_is_on_record_with_who_and_why(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    write_data(folder)
    (row,) = answer(folder, "accept", MODEL, "data/predictions/all.parquet", "--by", "ada", "--reason", "sent again")
    assert (row["path"], row["by"], row["reason"]) == ("data/predictions/all.parquet", "ada", "sent again")
    with Project.open(folder).store() as store:
        assert [batch.sha256 for batch in store.batches(MODEL)] == [row["sha256"]]


def test_a_file_that_is_none_of_the_models_is_an_error_of_the_data(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    write_data(folder)
    done = call(folder, "accept", MODEL, "reference.parquet", "--reason", "typed wrongly")
    assert done.exit_code == ExitCode.DATA
    assert "is no file of `source.predictions`" in done.stderr
