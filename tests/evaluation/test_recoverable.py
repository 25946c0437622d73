"""What a look measures of what a retraining could recover: of the version's own sound windows, where a price weighs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.evaluation.build import FIRST, SECOND, spec_of
from tests.evaluation.test_kind import look, make, turned
from vigil.decision.break_even import RECOVERABLE
from vigil.evaluation.recoverable import measure_recoverable
from vigil.measurement import Verdict

PRICE = {"cost": 1.0, "value": 100.0}


@pytest.mark.parametrize(
    "economics", [None, PRICE | {"rule": "harm"}, PRICE | {"probe_rows": None}], ids=["no price", "another rule", "not asked"]
)
def test_it_is_not_measured_where_nothing_weighs_it(tmp_path: Path, economics: dict[str, Any] | None) -> None:
    work = make(tmp_path / "p", economics=economics)
    assert RECOVERABLE not in look(work, FIRST)


def test_scores_that_were_turned_are_learned_back_from_all_windows_of_the_version(tmp_path: Path) -> None:
    work = make(tmp_path / "p", first=turned, second=turned, economics=PRICE)
    first, second = look(work, FIRST)[RECOVERABLE], look(work, SECOND)[RECOVERABLE]
    assert (first.n, second.n) == (300, 600)
    assert first.low is not None
    assert first.low > 0.3  # nats; turned they cost 1.5 and could cost 0.5
    assert second.version == "2"


def test_of_sound_scores_nothing_can_be_learned(tmp_path: Path) -> None:
    work = make(tmp_path / "p", economics=PRICE)
    look(work, FIRST)
    found = look(work, SECOND)[RECOVERABLE]
    assert found.low is not None
    assert found.low < 0


def test_it_is_of_so_many_rows_at_most(tmp_path: Path) -> None:
    work = make(tmp_path / "p", economics=PRICE | {"probe_rows": 250})
    assert look(work, FIRST)[RECOVERABLE].n == 250


def test_a_window_whose_data_were_at_fault_teaches_nothing(tmp_path: Path) -> None:
    work = make(tmp_path / "p", economics=PRICE)
    look(work, FIRST, quality_passed=False)
    assert look(work, SECOND)[RECOVERABLE].n == 300


def test_too_few_labels_say_so() -> None:
    """A metric may ask for fewer labels than trees do."""
    few = pd.DataFrame({"f0": 1.0, "f1": "a", "score": 0.5, "label": [0.0, 1.0] * 30, "w": 1.0})
    found = measure_recoverable(few, spec_of(), version="2")
    assert (found.verdict, found.value, found.high, found.n) == (Verdict.NOT_ENOUGH_DATA, None, None, 60)
    assert "needs 100 labels" in found.detail["because"]
