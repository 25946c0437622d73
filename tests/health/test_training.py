"""The share of attempts to train that ended with a model."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.challenger.build import spec_of
from tests.store.build import NOW, a_training_attempt
from vigil.errors import TrainingOutcome
from vigil.health.training import measure_training
from vigil.store.records import TrainingAttempt


def attempts(*outcomes: TrainingOutcome) -> list[TrainingAttempt]:
    """One a day."""
    return [a_training_attempt(number, outcome=outcome, at=NOW + timedelta(days=number)) for number, outcome in enumerate(outcomes)]


def test_it_is_the_share_that_ended_with_a_model_with_wilsons_interval() -> None:
    """Three of four; Wilson at z = 1.96 and n = 4 is 0.301 to 0.954, Student's t with 4 degrees of freedom makes it wider."""
    ended = attempts(TrainingOutcome.TRAINED, TrainingOutcome.CRASHED, TrainingOutcome.TRAINED, TrainingOutcome.TRAINED)
    (found,) = measure_training(ended, spec_of(), NOW + timedelta(days=9))
    assert (found.metric, found.value, found.n, found.verdict, found.threshold) == ("training_success_rate", 0.75, 4, "ok", 0.5)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.301
    assert found.high > 0.954
    assert found.detail == {"outcomes": {"trained": 3, "crashed": 1}}


def test_attempts_after_the_look_are_not_seen_and_of_those_before_it_the_latest_twenty_count() -> None:
    """Twenty failures after five successes; looked at after the fifth, and at the end."""
    ended = attempts(*[TrainingOutcome.TRAINED] * 5, *[TrainingOutcome.TIMED_OUT] * 20)
    rates = [measure_training(ended, spec_of(), NOW + timedelta(days=days))[0].value for days in (4, 99)]
    assert rates == [pytest.approx(1.0), pytest.approx(0.0)]


@pytest.mark.parametrize(
    ("trained", "crashed", "verdict"), [(1, 1, "ok"), (0, 1, "warning"), (1, 2, "breach"), (2, 2, "ok"), (0, 2, "breach")]
)
def test_more_than_half_that_failed_are_too_many_and_one_is_chance(trained: int, crashed: int, verdict: str) -> None:
    ended = attempts(*[TrainingOutcome.TRAINED] * trained, *[TrainingOutcome.CRASHED] * crashed)
    assert measure_training(ended, spec_of(), NOW + timedelta(days=9))[0].verdict == verdict
    free = spec_of(health={"pipeline": {"training_success_rate": None}})
    assert measure_training(ended, free, NOW + timedelta(days=9))[0].verdict == "ok"


def test_without_any_attempt_nothing_is_measured() -> None:
    assert measure_training((), spec_of(), NOW) == ()
