"""What is proposed for alert thresholds: from calm weeks, at the budget, only where the weeks held back agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from console.tuning import yaml_of
from tests.alerts.build import a_look, a_spec, auc, day, drift, errors, latency, quality, rows
from vigil.alerts.candidates import MOST_SHARE, candidates, outside_share
from vigil.alerts.incident import VIGIL, Event, Kind
from vigil.alerts.reading import Looked, Signal, read
from vigil.alerts.rules import rule_for, rules_of
from vigil.alerts.tune import Tuned, _fires, _Past, is_real, tuning
from vigil.measurement import Measurement
from vigil.spec.alerts import AlertRule, Tier
from vigil.spec.base import Sustained
from vigil.spec.model import ModelSpec

WEEKLY = a_spec(window={"days": 7})  # weeks have no weekday, so one band is enough and the tests are short
LATENCY = Signal("system", "latency_p95_ms", "*")


def steady(count: int, level: float, spread: float, seed: int = 1) -> list[float]:
    rng = np.random.default_rng(seed)
    return [float(value) for value in rng.normal(level, spread, count)]


def weeks(measured: Sequence[Sequence[Measurement]], spec: ModelSpec = WEEKLY) -> list[Looked]:
    found = [a_look(number, some, spec) for number, some in enumerate(measured)]
    start = found[0].window.start
    return [
        replace(look, window=replace(look.window, start=start + 7 * (look.window.start - start), end=start + 7 * (look.window.end - start)))
        for look in found
    ]


def tuned(values: Sequence[float], incidents: Sequence[Sequence[Event]] = (), spec: ModelSpec = WEEKLY) -> Tuned:
    (found,) = tuning(weeks([[latency(value)] for value in values], spec), incidents, spec).signals
    return found


class TestWhatIsProposed:
    def test_a_limit_far_from_what_is_ordinary_comes_nearer(self) -> None:
        """Answers take 40 to 44 ms; the starting point of 200 ms would notice nothing."""
        found = tuned(steady(60, 42, 1))
        assert found.proposed is not None
        assert found.proposed.above is not None
        assert 42 < found.proposed.above < 50
        assert (found.proposed.tier, found.proposed.subject, found.why) == (Tier.P1, "*", "nearer to what is ordinary")

    def test_a_limit_among_ordinary_values_moves_away(self) -> None:
        """Answers take 200 ms, give or take, so the limit of 200 is breached every other week."""
        found = tuned(steady(90, 200, 5))
        assert found.proposed is not None
        assert found.why == "fewer false alarms"
        assert found.then is not None
        assert found.then.alarms <= 1 < found.now.alarms

    def test_a_good_limit_stays(self) -> None:
        found = tuned(steady(60, 180, 12))
        assert (found.proposed, found.why) == (None, "nothing is clearly better")

    def test_what_the_last_third_contradicts_is_not_proposed(self) -> None:
        """It became slower for good just when the last third began: a limit chosen before would fire there."""
        found = tuned([*steady(60, 42, 1), *steady(29, 120, 1)])
        assert (found.proposed, found.why) == (None, "what was better before fails in the last third")
        assert found.then is not None
        assert found.then.alarms > found.now.alarms == 0

    def test_the_budget_is_the_specification_s(self) -> None:
        """More false alarms allowed: the limit lies nearer."""
        few, many = (a_spec(window={"days": 7}, policy={"false_alarms_per_year": budget}) for budget in (0.2, 6.0))
        limits = [found.proposed.above for spec in (few, many) if (found := tuned(steady(60, 42, 1), spec=spec)).proposed is not None]
        assert len(limits) == 2
        assert limits[0] is not None
        assert limits[1] is not None
        assert limits[0] > limits[1]

    @pytest.mark.parametrize(("count", "said"), [(27, "18 calm windows to choose by, 9"), (0, "")])
    def test_too_little_history_is_said(self, count: int, said: str) -> None:
        found = tuning(weeks([[latency(42 + 0.1 * (number % 5))] for number in range(count)]) if count else [], (), WEEKLY).signals
        assert [(each.proposed, said in each.why) for each in found] == [(None, True)] * len(found)
        assert bool(found) == bool(count)

    def test_what_was_declared_teaches_nothing(self) -> None:
        spec = a_spec(window={"days": 7}, alerts={"maintenance": [{"name": "move", "start": "2024-01-01", "end": "2025-01-01"}]})
        assert not tuning(weeks([[latency(42)]] * 40, spec), (), spec).signals


class TestWhatIsTuned:
    def test_what_is_never_told_at_once_or_has_no_limit_is_left_alone(self) -> None:
        shown = replace(latency(10), metric="latency_p50_ms", threshold=None)
        found = tuning(weeks([[shown, quality(breach=False), latency(42)]] * 30), (), WEEKLY)
        assert [each.signal for each in found.signals] == [LATENCY]

    @pytest.mark.parametrize(
        ("measured", "below"),
        [(lambda x: auc(0.75 + x / 100), True), (lambda x: errors(0.001 + x / 10_000), False), (lambda x: drift(0.1 + x / 100), False)],
    )
    def test_the_limit_is_on_the_side_of_what_is_bad(self, measured: object, below: bool) -> None:
        assert callable(measured)
        (found,) = tuning(weeks([[measured(value)] for value in steady(60, 0, 1)]), (), WEEKLY).signals
        assert found.proposed is not None
        rule, dynamic = found.proposed, found.proposed.dynamic
        sides = (rule.below is not None, rule.above is not None) if dynamic is None else (dynamic.below, dynamic.above)
        assert sides == (below, not below)

    def test_what_was_p0_stays_p0_from_the_same_value_on(self) -> None:
        """Errors are P0 from three times 0.005 on, whatever the limit is that is told within hours."""
        looks = weeks([[errors(0.001 + x / 10_000)] for x in steady(60, 0, 1)])
        (found,) = tuning(looks, (), WEEKLY).signals
        assert found.proposed is not None
        spec = a_spec(window={"days": 7}, alerts={"rules": [found.proposed.model_dump(exclude_defaults=True)]})
        tiers = [read(look, looks[:40][::-1], spec)[0].tier for look in weeks([[errors(0.0149)], [errors(0.0151)]], spec)]
        assert tiers == [Tier.P1, Tier.P0]


def an_incident(
    first: int, *, by: str = VIGIL, dismissed: bool = False, layers: Sequence[str] = ("system",), action: str = ""
) -> list[Event]:
    """Of two weeks that are slow, opened in the first."""
    spec, start = WEEKLY, day(0).start
    windows = [(start + 7 * (day(number).start - start)).isoformat() for number in (first, first + 1)]
    said = [{"signal": [layer, "latency_p95_ms", "*"], "tier": "P1", "value": 300.0, "threshold": 200.0, "excess": 1.5} for layer in layers]
    body = {"window": windows[0], "tier": "P1", "owner": "", "signals": said, "context": {"decision": {"action": action} if action else {}}}
    at = [day(100).start, day(101).start, day(101).start if dismissed else day(102).start]
    return [
        Event("i-1", 1, Kind.OPENED, spec.model, at[0], VIGIL, body=body),
        Event("i-1", 2, Kind.OBSERVED, spec.model, at[0], VIGIL, body={"window": windows[1], "signals": said}),
        Event("i-1", 3, Kind.ACKNOWLEDGED, spec.model, at[1], by),
        Event("i-1", 4, Kind.RESOLVED, spec.model, at[2], by),
    ]


class TestRealIncidents:
    def test_one_signal_s_word_is_not_enough(self) -> None:
        assert not is_real(an_incident(3))

    @pytest.mark.parametrize("how", [{"by": "ann"}, {"layers": ("system", "performance")}, {"action": "ROLLBACK"}])
    def test_a_person_another_layer_or_a_decision_speaks_for_it(self, how: dict[str, object]) -> None:
        assert is_real(an_incident(3, **how))  # type: ignore[arg-type]

    @pytest.mark.parametrize("how", [{"by": "ann", "dismissed": True}, {"action": "HOLD"}, {"action": "GET_LABELS"}])
    def test_who_resolves_it_at_once_or_waits_does_not(self, how: dict[str, object]) -> None:
        assert not is_real(an_incident(3, **how))  # type: ignore[arg-type]

    def test_what_fires_in_one_is_no_false_alarm_and_is_found_when_it_was_opened(self) -> None:
        """Opened in week 85, the second slow one of weeks 84 to 86; a nearer limit that waits no longer tells at the same time."""
        values = [*steady(84, 42, 1), 300, 300, 300, *steady(3, 42, 1)]
        real, chance = tuned(values, [an_incident(85, by="ann")]), tuned(values)
        assert (real.now.alarms, real.now.found) == (0, {"i-1": 0})
        assert (chance.now.alarms, chance.now.found) == (1, {})
        assert real.proposed is not None
        assert real.then is not None
        assert real.then.found == {"i-1": 0}


class TestCandidates:
    @given(st.integers(1, 5), st.integers(0, 4), st.floats(0.01, 6.0), st.sampled_from([52.18, 365.25]))
    def test_the_share_keeps_the_promise(self, k: int, more: int, alarms: float, windows: float) -> None:
        """The alarms that the share makes, summed term by term, are the allowed ones or fewer."""
        n = k + more
        share = outside_share(Sustained(k=k, n=n), windows, alarms)
        tail = sum(math.comb(n - 1, j) * share**j * (1 - share) ** (n - 1 - j) for j in range(k - 1, n))
        assert share <= MOST_SHARE
        assert windows * share * tail == pytest.approx(alarms, rel=0.01) or (share == MOST_SHARE and windows * share * tail <= alarms)

    def test_all_kinds_are_tried(self) -> None:
        values = steady(60, 42, 1)
        looks = weeks([[latency(value)] for value in values])
        rule = rule_for(latency(42), rules_of(WEEKLY))
        assert rule is not None
        tried = list(candidates(LATENCY, rule, values, looks, WEEKLY, 1.0))
        kinds = {
            "dynamic" if r.dynamic else "relative" if r.of_baseline else "static" if r.above is not None else "as measured" for r in tried
        }
        assert kinds == {"dynamic", "relative", "static", "as measured"}
        assert {(r.sustained.k, r.sustained.n) for r in tried} == {(1, 1), (2, 3), (3, 5)}

    def test_a_learnt_rule_that_could_not_learn_yet_keeps_its_side(self) -> None:
        """Twenty days hold too few of each weekday for the present rule; fewer rows are what it is about."""
        looks = [a_look(number, [rows(1000 + 10 * (number % 3))], a_spec()) for number in range(20)]
        rule = rule_for(rows(1000), rules_of(a_spec()))
        assert rule is not None
        tried = list(
            candidates(Signal("system", "rows", "*"), rule, [1000 + 10 * (number % 3) for number in range(20)], looks, a_spec(), 1.0)
        )
        assert any(each.below is not None for each in tried)
        assert all(each.above is None and (each.dynamic is None or not each.dynamic.above) for each in tried)

    def test_what_never_moved_has_no_limit_of_its_own(self) -> None:
        looks = weeks([[errors(0.0)]] * 60)
        rule = rule_for(errors(0.0), rules_of(WEEKLY))
        assert rule is not None
        assert all(
            each.above is None and each.dynamic is None
            for each in candidates(Signal("system", "error_rate", "*"), rule, [0.0] * 60, looks, WEEKLY, 1.0)
        )


def test_rules_together_are_counted_once() -> None:
    """Both are slow and faulty in week 80: one false alarm."""
    looks = weeks([[latency(300 if number in (79, 80) else 100), errors(0.01 if number in (79, 80) else 0.001)] for number in range(90)])
    found = tuning(looks, (), WEEKLY)
    assert [each.now.alarms for each in found.signals] == [1, 1]
    assert found.now.alarms == 1


@pytest.mark.parametrize("sustained", [Sustained(k=1, n=1), Sustained(k=2, n=3), Sustained(k=3, n=5)])
def test_a_rule_is_played_as_it_is_followed(sustained: Sustained) -> None:
    """What is counted here fires where reading the window says so."""
    values = [300.0 if value > 0.6 else 100.0 for value in np.random.default_rng(4).random(30)]
    rule = AlertRule(layer="system", metric="latency_p95_ms", tier="P1", above=200, sustained=sustained)  # type: ignore[arg-type]
    spec = a_spec(window={"days": 7}, alerts={"rules": [rule.model_dump(exclude_defaults=True)]})
    looks = weeks([[latency(value)] for value in values], spec)
    followed = [read(look, looks[:place][::-1], spec)[0].firing for place, look in enumerate(looks)]
    assert any(followed)
    assert not all(followed)
    assert _fires(LATENCY, rule, _Past(looks, 20, [], spec)) == followed


def test_what_is_proposed_can_be_pasted() -> None:
    """The YAML, read as a model's alerts, holds the same rule."""
    proposed = tuned(steady(60, 42, 1)).proposed
    assert proposed is not None
    read_back = a_spec(**YAML(typ="safe", pure=True).load(yaml_of([proposed]))).alerts.rules
    assert read_back == (proposed,)
