"""What predictions were worth: by hand, per segment, with intervals that cover."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.performance.test_measure import by_key, labelled, make_spec
from vigil.business.value import measure_value
from vigil.measurement import WHOLE, Layer, Verdict

WORTH = {"hit": 5.0, "false_alarm": -1.0, "missed": -9.0, "passed": 0.5}
SPEC = make_spec(business={"value": WORTH, "unit": "EUR"}, labels={"minimum": 4})


def test_each_cell_of_the_confusion_counts_by_its_value_and_weight() -> None:
    """A hit (w 1), a false alarm (w 2), a miss (w 4), a pass (w 1): (5 - 2 - 36 + .5) / 8 = -4.0625; of 100 rows -406.25."""
    rows = pd.DataFrame(
        {"score": [0.9, 0.5, 0.4, 0.1], "label": [1, 0, 1, 0], "inclusion_probability": [1, 0.5, 0.25, 1], "origin": ["E", "E", "E", "E"]}
    )
    found = by_key(measure_value(rows, 100, SPEC, version="7"))
    whole, segment = found["value_per_prediction", WHOLE], found["value_per_prediction", "origin=E"]
    assert (whole.layer, whole.value, whole.detail["unit"]) == (Layer.BUSINESS, -4.0625, "EUR")
    assert whole.detail["total"]["value"] == -406.25
    assert segment.value == whole.value
    early = make_spec(
        business={"value": WORTH}, labels={"minimum": 4}, performance={"metric": "f1", "tolerated_loss": 1, "decision_threshold": 0.4}
    )
    assert measure_value(rows, 100, early, version="7")[0].value == (5 - 2 + 20 + 0.5) / 8  # the miss is a hit


def test_its_interval_covers() -> None:
    """Sampled by score at 300 labels; the truth from the law the rows are drawn by: 93 to 97 % of 1,000."""
    rng, hit = np.random.default_rng(1), []
    for _ in range(1000):
        score = rng.uniform(size=1000)
        chance = np.where(score > 0.5, 0.4, 0.2)
        label, chosen = rng.uniform(size=1000) < score, rng.uniform(size=1000) < chance
        rows = pd.DataFrame({"score": score, "label": label.astype(float), "inclusion_probability": chance, "origin": "E"})[chosen]
        found = measure_value(rows, 1000, SPEC, version="7")[0]
        hit.append(found.low <= (5 * 0.375 - 0.125) + (-9 * 0.125 + 0.5 * 0.375) <= found.high)  # type: ignore[operator]
    assert 0.93 <= np.mean(hit) <= 0.97


def test_without_a_value_nothing_is_measured_and_with_few_labels_nothing_known() -> None:
    assert measure_value(labelled(), 1000, make_spec(), version="7") == ()
    few = measure_value(labelled()[:3], 1000, SPEC, version="7")
    assert {(m.value, m.verdict) for m in few} == {(None, Verdict.NOT_ENOUGH_DATA)}


def test_it_is_for_binary_models() -> None:
    with pytest.raises(ValidationError, match=r"business.value is for binary models only"):
        make_spec(task="regression", performance={"metric": "mae", "tolerated_loss": 1}, business={"value": WORTH})


@pytest.mark.parametrize(("minimum", "verdict"), [(None, Verdict.OK), (-4.1, Verdict.OK), (-4.0, Verdict.WARNING), (99.0, Verdict.BREACH)])
def test_the_whole_window_is_judged_against_the_minimum_and_segments_are_shown(minimum: float | None, verdict: Verdict) -> None:
    """The four rows of above are worth -4.0625 on average, with a wide interval."""
    rows = pd.DataFrame(
        {"score": [0.9, 0.5, 0.4, 0.1], "label": [1, 0, 1, 0], "inclusion_probability": [1, 0.5, 0.25, 1], "origin": ["E", "E", "E", "E"]}
    )
    spec = make_spec(business={"value": WORTH, "minimum_value": minimum}, labels={"minimum": 4})
    found = by_key(measure_value(rows, 100, spec, version="7"))
    assert found["value_per_prediction", WHOLE].verdict is verdict
    assert found["value_per_prediction", WHOLE].threshold == minimum
    assert found["value_per_prediction", "origin=E"].threshold is None


def test_a_minimum_needs_values() -> None:
    with pytest.raises(ValidationError, match=r"business\.minimum_value needs business\.value"):
        make_spec(business={"minimum_value": 1.0})
