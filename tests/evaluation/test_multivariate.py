"""The domain classifier in a look: which rows it is given, what is stored, and that it never decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.profile.build import make_spec, table
from tests.tasks.project import adopted_project, look_of, scored, version_of_reference
from vigil.decision.evidence import gather
from vigil.evaluation.measure import drift_of
from vigil.evaluation.multivariate import encoded, multivariate_drift, sampled
from vigil.measurement import Measurement, Verdict

SPEC = make_spec({"x": "numeric", "c": "categorical"})


def measured(folder: Path, rows: pd.DataFrame, **changes: Any) -> list[Measurement]:
    """What a look at these rows stores of it."""
    work = adopted_project(folder, rows, **changes)
    look = look_of(work)
    return [m for m in drift_of(work.source, work.store, work.spec, look) if m.metric == "domain_auc"]


def test_it_is_not_run_unless_the_specification_says_how_many_rows(tmp_path: Path) -> None:
    assert measured(tmp_path, scored(300)) == []


def test_a_shift_is_shown_with_its_interval_and_what_carries_it(tmp_path: Path) -> None:
    """Amount is normal (100, 20) in the training; two standard deviations more have AUC Phi(2 / sqrt(2)) = 0.92."""
    (found,) = measured(tmp_path, scored(600).assign(amount=lambda rows: rows["amount"] + 40), drift={"multivariate_rows": 500})
    assert (found.subject, found.version, found.reference) == ("*", "1", "training")
    assert (found.verdict, found.threshold) == (Verdict.OK, None)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0.85 < found.low < found.value < found.high < 0.95
    assert found.detail["carried_by"][0]["feature"] == "amount"
    assert all(carrier["fall"] > 0 for carrier in found.detail["carried_by"])


def test_no_more_rows_are_read_than_the_specification_says(tmp_path: Path) -> None:
    """Of 600 and 2,000."""
    (found,) = measured(tmp_path, scored(600), drift={"multivariate_rows": 250})
    assert (found.n, found.detail["reference_n"]) == (250, 250)


def test_its_interval_has_the_confidence_of_the_specification(tmp_path: Path) -> None:
    work = adopted_project(tmp_path, scored(300), drift={"multivariate_rows": 200})
    look, version = look_of(work), version_of_reference(work.source, work.spec)
    narrow, wide = (
        multivariate_drift(
            work.source,
            work.spec.model_copy(update={"performance": work.spec.performance.model_copy(update={"confidence": c})}),
            look,
            version,
        )[0]
        for c in (0.8, 0.99)
    )
    assert narrow.value == wide.value
    assert (wide.low or 0) < (narrow.low or 0) < (narrow.high or 1) < (wide.high or 1)


def test_it_never_decides(tmp_path: Path) -> None:
    """Every row can be told; the evidence of the decision is that of the features."""
    far = scored(600).assign(amount=lambda rows: rows["amount"] + 1e6)
    work = adopted_project(tmp_path, far, drift={"multivariate_rows": 200, "share": 1.0})
    work.store.save_spec(work.spec.model, work.spec.hash, work.spec.canonical_json())
    found = drift_of(work.source, work.store, work.spec, look_of(work))
    look = look_of(work, found)
    assert next(m.value for m in found if m.metric == "domain_auc") == 1.0
    seen = gather(work.store, work.spec, look.evaluation_id).current.drift
    assert seen is not None
    assert (seen.metric, seen.verdict) == ("drift_share", Verdict.OK)


def test_fewer_rows_than_drift_needs_are_not_enough_data(tmp_path: Path) -> None:
    (found,) = measured(tmp_path, scored(150), drift={"multivariate_rows": 500, "minimum_rows": 160})
    assert (found.value, found.verdict, found.n) == (None, Verdict.NOT_ENOUGH_DATA, 150)
    assert found.detail["because"] == "needs 160 rows on both sides, got 150 and 500"


def test_rows_of_the_training_that_are_gone_are_not_enough_data_with_the_reason(tmp_path: Path) -> None:
    """The model is monitored as before."""
    work = adopted_project(tmp_path, scored(300), drift={"multivariate_rows": 200})
    look = look_of(work)
    (tmp_path / "reference.parquet").unlink()
    found = drift_of(work.source, work.store, work.spec, look)
    assert next(m for m in found if m.metric == "drift_share").value is not None
    (multivariate,) = (m for m in found if m.metric == "domain_auc")
    assert multivariate.verdict is Verdict.NOT_ENOUGH_DATA
    assert "no file of the reference rows is there" in multivariate.detail["because"]


def test_a_version_is_compared_with_the_windows_that_it_was_trained_on(tmp_path: Path) -> None:
    """Version 1 as if trained on the week itself, and not on the reference: the same rows on both sides."""
    work = adopted_project(tmp_path, scored(600).assign(amount=lambda rows: rows["amount"] + 40), drift={"multivariate_rows": 500})
    look = look_of(work)
    version = version_of_reference(work.source, work.spec, trained_on=[look.window.key], include_reference=False)
    (found,) = multivariate_drift(work.source, work.spec, look, version)
    assert found.low is not None
    assert found.low < 0.5
    assert found.detail["reference_n"] == 500


@pytest.mark.parametrize("ids", [True, False])
def test_a_sample_does_not_depend_on_the_order_of_rows(ids: bool) -> None:
    """By id, or where there is none by content: half of all rows are alike, and so is about half of the sample."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"x": np.append(rng.normal(size=500), [0.5] * 500), "c": [*rng.choice(list("ab"), 500), *["a"] * 500]})
    if ids:
        frame["prediction_id"] = [f"p{i}" for i in range(1_000)]
    one, other = (sampled([table(**part.to_dict("list"))], SPEC, 200) for part in (frame, frame.sample(frac=1.0, random_state=1)))
    pd.testing.assert_frame_equal(one, other)
    assert len(one) == 200
    assert (one["x"] == 0.5).sum() == pytest.approx(100, abs=4 * np.sqrt(200 / 4))


def test_another_seed_is_another_sample() -> None:
    """Of 20 in 1,000 the same would be drawn about never."""
    rows = table(prediction_id=[f"p{i}" for i in range(1_000)], x=np.arange(1_000.0), c=["a"] * 1_000)
    other = SPEC.model_copy(update={"training": SPEC.training.model_copy(update={"seed": 1})})
    assert set(sampled([rows], SPEC, 20)["x"]) != set(sampled([rows], other, 20)["x"])


def test_rows_with_and_without_ids_are_sampled_together() -> None:
    """A version trained on windows, which have ids, and on a reference that has none."""
    logged = table(prediction_id=[f"p{i}" for i in range(500)], x=[1.0] * 500, c=["a"] * 500)
    found = sampled([logged, table(x=[2.0] * 500, c=["b"] * 500)], SPEC, 200)
    assert (found["x"] == 1.0).sum() == pytest.approx(100, abs=4 * np.sqrt(200 / 4))


def test_frequent_categories_have_codes_and_the_rest_share_one() -> None:
    """40 categories, l0 most frequent: 31 of their own; null stays null. Numbers stay what they are."""
    names = [f"l{i}" for i in range(40) for _ in range(40 - i)]
    frame = pd.DataFrame({"x": np.arange(len(names) + 1.0), "c": [*names, None]})
    codes = encoded(frame, [False, True])
    assert codes[:, 0].tolist() == frame["x"].tolist()
    assert [codes[names.index(f"l{i}"), 1] for i in (0, 1, 30, 31, 39)] == [0.0, 1.0, 30.0, 31.0, 31.0]
    assert np.isnan(codes[-1, 1])
