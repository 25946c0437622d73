"""What was estimated without labels is shown with every decision and read by none."""

from __future__ import annotations

import pytest

from tests.decision.test_ladder import a_spec, evidence
from vigil.decision.evidence import past_window
from vigil.decision.findings import estimate_of
from vigil.decision.ladder import decide
from vigil.decision.markdown import decision_markdown
from vigil.measurement import Layer, Measurement, Verdict
from vigil.performance.label_free import PREFIX
from vigil.spec.model import Metric
from vigil.store.records import Evaluation


@pytest.mark.parametrize("metric", list(Metric))
def test_an_estimate_is_never_the_performance_of_a_window(metric: Metric) -> None:
    """Not even where it is all that is known of the metric that decides."""
    spec, window = a_spec(), evidence("....", "....").window
    spec = spec.model_copy(update={"performance": spec.performance.model_copy(update={"metric": metric})})
    look = Evaluation("e", "m", window, "1", window.end, "s", "d", "l", 400, 0, True, "0.1.0")
    guessed = Measurement(Layer.PERFORMANCE, PREFIX + metric.value, 0.0, Verdict.BREACH, 400, low=0.0, high=0.1)
    assert past_window(spec, look, [guessed]).performance is None


def test_the_artifact_calls_it_an_estimate() -> None:
    found = Measurement(
        Layer.PERFORMANCE, "estimated_mae", 2.5, Verdict.OK, 400, low=2.25, high=2.75, detail={"estimate": "", "calibrated_on": 800}
    )
    page = decision_markdown(decide(evidence("....", "...."), a_spec()), [found], {})
    said = "from 800 labels of earlier ones: mae about 2.5 (2.25 to 2.75). An estimate, blind to concept drift; nothing is decided by it."
    assert said in page
    assert estimate_of([]) is None
