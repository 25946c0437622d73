"""Breaches become incidents: what is one, what opens again, what ends, and which edges there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.build import MONDAY, Story, a_spec, auc, drift, errors, latency, psi, quality
from vigil.alerts.incident import EDGES, MOVES, VIGIL, Event, Incident, Kind, State, apply, fold
from vigil.alerts.words import account, headline
from vigil.errors import NotAllowed
from vigil.measurement import Measurement
from vigil.spec.alerts import Tier

BAD, GOOD = quality(breach=True), quality(breach=False)


def first_events() -> tuple[Event, ...]:
    return Story().see(BAD)


def opened() -> Incident:
    return fold(first_events())


class TestBundling:
    def test_breaches_of_three_layers_in_one_window_are_one_incident(self) -> None:
        story = Story()
        story.see(BAD, errors(0.02), psi("age", 0.1))
        assert [(i.tier, len(i.signals)) for i in story.incidents] == [(Tier.P0, 2)]

    def test_a_later_breach_of_another_layer_joins_within_the_span(self) -> None:
        story = Story()
        story.see(BAD)
        for _ in range(4):
            story.see(BAD)
        story.see(BAD, errors(0.02))  # five windows after the last new finding
        assert len(story.incidents) == 1

    def test_beyond_the_span_it_is_another_incident(self) -> None:
        story = Story()
        for _ in range(6):
            story.see(BAD)
        story.see(BAD, errors(0.02))
        assert len(story.incidents) == 2

    def test_what_is_urgent_does_not_hide_in_what_is_minor(self) -> None:
        """A feature that drifts with the season for months, and then the data is at fault."""
        story = Story()
        for _ in range(4):
            story.see(psi("plan", 0.3), GOOD)
        story.see(psi("plan", 0.3), BAD)
        assert [i.tier for i in story.incidents] == [Tier.P2, Tier.P1]

    def test_a_data_fault_does_not_hide_in_drift(self) -> None:
        story = Story()
        for _ in range(4):
            story.see(drift(0.5), GOOD)
        story.see(BAD)
        assert [i.causes[0]["cause"] for i in story.incidents] == ["covariate", "data_fault"]

    def test_what_is_minor_joins_what_is_urgent(self) -> None:
        story = Story()
        for measured in ([psi("plan", 0.3)], [psi("plan", 0.3), BAD], [psi("plan", 0.3), BAD]):
            story.see(*measured)
        assert [(i.tier, len(i.signals)) for i in story.incidents] == [(Tier.P1, 2)]

    def test_what_has_stopped_takes_in_nothing_new(self) -> None:
        story = Story()
        for measured in ([BAD], [GOOD], [GOOD, errors(0.02)]):
            story.see(*measured)
        assert [i.state for i in story.incidents] == [State.RESOLVED, State.OPEN]

    def test_the_span_is_the_specification_s(self) -> None:
        story = Story(a_spec(alerts={"join_windows": 0}))
        story.see(BAD)
        story.see(BAD, errors(0.02))
        assert len(story.incidents) == 2

    def test_the_same_breach_for_weeks_is_one_incident(self) -> None:
        story = Story()
        for _ in range(30):
            story.see(BAD)
        (incident,) = story.incidents
        assert incident.signals[next(iter(incident.signals))].breaches == tuple((MONDAY + timedelta(days=d)).isoformat() for d in range(30))

    def test_a_catastrophe_raises_the_tier_of_the_incident(self) -> None:
        story = Story()
        story.see(errors(0.01))
        story.see(errors(0.2))
        assert [i.tier for i in story.incidents] == [Tier.P0]

    def test_looking_again_and_all_is_in_bounds_leaves_a_headline(self) -> None:
        """Rows that were overwritten came back: the only breach is none any more."""
        events = first_events()
        body = {"window": MONDAY.isoformat(), "signals": [], "clear": [said["signal"] for said in events[0].body["signals"]]}
        incident = fold([*events, Event(events[0].incident_id, 2, Kind.OBSERVED, events[0].model, MONDAY, VIGIL, body=body)])
        assert [seen.breaches for seen in incident.signals.values()] == [()]
        assert headline(incident) == "P1 churn: data at fault (age)"

    def test_looking_again_at_the_same_window_counts_it_once(self) -> None:
        story = Story()
        story.see(BAD)
        (incident,) = story.incidents
        again = apply(incident, replace(story.made[0][0], number=2, kind=Kind.OBSERVED))
        assert [seen.breaches for seen in again.signals.values()] == [(MONDAY.isoformat(),)]


class TestEnding:
    def test_two_windows_in_bounds_resolve_it_and_vigil_acknowledges_first(self) -> None:
        story = Story()
        for measured in (BAD, GOOD, GOOD):
            story.see(measured)
        assert [event.kind for event in story.made[-1]] == [Kind.OBSERVED, Kind.ACKNOWLEDGED, Kind.RESOLVED]
        assert story.incidents[0].state is State.RESOLVED

    def test_one_window_in_bounds_does_not(self) -> None:
        story = Story()
        for measured in (BAD, GOOD, BAD, GOOD):
            story.see(measured)
        assert story.incidents[0].active

    def test_a_value_in_the_margin_neither_ends_nor_prolongs_it(self) -> None:
        story = Story()
        for value in (300, 300, 100, 195, 100):
            story.see(latency(value))
        assert story.incidents[0].state is State.RESOLVED

    def test_windows_without_the_measurement_do_not_end_it(self) -> None:
        """Behind a data fault nothing else is measured, which is no sign of health."""
        story = Story()
        story.see(BAD, errors(0.02))
        for _ in range(5):
            story.see(GOOD)
        assert story.incidents[0].active

    def test_the_number_of_windows_is_the_specification_s(self) -> None:
        story = Story(a_spec(alerts={"clear_windows": 1}))
        story.see(BAD)
        story.see(GOOD)
        assert not story.incidents[0].active


class TestOpeningAgain:
    def story(self, quiet: int, **alerts: int) -> Story:
        story = Story(a_spec(alerts=alerts))
        for measured in (BAD, *[GOOD] * quiet, BAD):
            story.see(measured)
        return story

    def test_the_same_finding_soon_after_is_the_same_incident(self) -> None:
        assert [i.state for i in self.story(quiet=3).incidents] == [State.REOPENED]

    def test_later_it_is_another_one(self) -> None:
        assert [i.state for i in self.story(quiet=9).incidents] == [State.RESOLVED, State.OPEN]

    def test_what_comes_and_goes_has_to_stay_away_twice_as_long_each_time(self) -> None:
        story = self.story(quiet=3)
        states = []
        for _ in range(4):
            story.see(GOOD)
            states.append(story.incidents[0].state)
        assert states == [State.REOPENED] * 3 + [State.RESOLVED]

    def test_how_soon_is_the_specification_s(self) -> None:
        assert len(self.story(quiet=3, reopen_windows=0).incidents) == 2


def test_what_begins_when_all_of_an_incident_is_back_in_bounds_is_another_one() -> None:
    """Answers were slow before, once; they are again the day after the fault, when the data is in order."""
    story = Story()
    story.see(GOOD, latency(300))
    story.see(BAD, latency(100))
    story.see(GOOD, latency(300))
    assert [i.title for i in story.incidents] == ["churn: data at fault (age)", "churn: infrastructure is disturbed (latency_p95_ms)"]


class TestWhatBeganIt:
    def story(self) -> Story:
        """A data fault, under which drift goes on when the data is in order again."""
        story = Story()
        for measured in ([BAD], *[[BAD, drift(0.5)]] * 3, *[[GOOD, drift(0.5)]] * 2):
            story.see(*measured, decision={"action": "HOLD" if story.looks else "FIX_DATA", "reason": "why"})
        return story

    def test_the_cause_and_the_title_of_the_first_breaches_stay(self) -> None:
        (incident,) = self.story().incidents
        assert (incident.title, incident.causes[0]["cause"]) == ("churn: data at fault (age)", "data_fault")
        assert "since" not in incident.causes[0]

    def test_what_later_breaches_add_is_also_suspected_since_then(self) -> None:
        (incident,) = self.story().incidents
        assert [(c["cause"], c["since"]) for c in incident.causes[1:]] == [("covariate", (MONDAY + timedelta(days=1)).isoformat())]
        assert "cause 2   covariate (0.6, since 2024-01-02)" in "\n".join(account(incident))

    def test_the_decision_is_the_newest(self) -> None:
        (incident,) = self.story().incidents
        assert incident.context["decision"]["action"] == "HOLD"


class TestHowUrgent:
    def tiers(self, *days: list[Measurement], **alerts: Any) -> list[str]:
        """The tier of the one incident after each day."""
        story, found = Story(a_spec(alerts=alerts)), []
        for measured in days:
            story.see(*measured)
            (incident,) = story.incidents
            found.append(incident.tier.value)
        return found

    def test_it_falls_when_nothing_as_urgent_was_seen_for_as_long_as_would_end_it(self) -> None:
        assert self.tiers([errors(0.2)], [errors(0.01)], [errors(0.01)], [errors(0.01)]) == ["P0", "P0", "P1", "P1"]
        assert self.tiers([errors(0.2)], *[[errors(0.01)]] * 3, clear_windows=3) == ["P0", "P0", "P0", "P1"]

    def test_it_rises_again_and_then_falls_later(self) -> None:
        days = [errors(0.2), *[errors(0.01)] * 2, errors(0.2), *[errors(0.01)] * 4]
        assert self.tiers(*([day] for day in days)) == ["P0", "P0", "P1", "P0", "P0", "P0", "P0", "P1"]

    def test_what_is_minor_goes_on_as_minor_and_holds_nothing_urgent_that_is_new(self) -> None:
        """Drift of one feature goes on for weeks after the window's drift is over; slow answers then are another incident."""
        story = Story()
        for share in (0.5, 0.5, 0.5, 0.1, 0.1):
            story.see(drift(share), psi("age", 0.3))
        assert [i.tier for i in story.incidents] == [Tier.P2]
        for _ in range(2):
            story.see(drift(0.1), psi("age", 0.3), latency(300))
        assert [(i.tier, i.title) for i in story.incidents][1:] == [(Tier.P1, "churn: infrastructure is disturbed (latency_p95_ms)")]

    def test_what_it_was_raised_to_because_nobody_acknowledged_it_stays_until_somebody_does(self) -> None:
        story = Story()
        story.see(BAD)
        (incident,) = story.incidents
        raised = Event(incident.incident_id, 2, Kind.ESCALATED, incident.model, MONDAY, VIGIL, body={"tier": "P0"})
        story.add([raised])
        for _ in range(3):
            story.see(BAD)
        assert [i.tier for i in story.incidents] == [Tier.P0]
        story.add(story.incidents[0].after((Kind.ACKNOWLEDGED, "ann", ""), at=MONDAY))
        story.see(BAD)
        assert [i.tier for i in story.incidents] == [Tier.P1]

    def test_opened_again_it_is_as_urgent_as_what_opened_it(self) -> None:
        days = [errors(0.2), *[errors(0.001)] * 2, *[errors(0.01)] * 2]
        assert self.tiers(*([day] for day in days)) == ["P0", "P0", "P0", "P0", "P1"]

    def test_what_is_urgent_does_not_hide_in_what_is_minor_beside_something_minor_that_is_new(self) -> None:
        """On the third day a second feature drifts, and enough of the importance with it."""
        story = Story()
        for share in (0.1, 0.5, 0.5, 0.5):
            story.see(drift(share), psi("age", 0.3), psi("plan", 0.3 if share > 0.3 else 0.1))
        assert [i.tier for i in story.incidents] == [Tier.P2, Tier.P1]

    def test_the_headline_names_what_made_it_urgent_when_that_did_not_begin_it(self) -> None:
        story = Story()
        for value in (0.75, 0.75, 0.75, 0.5):
            story.see(drift(0.5), psi("age", 0.3), auc(value))
        (incident,) = story.incidents
        assert headline(incident) == "P0 churn: inputs have drifted (drift_share), now roc_auc"
        for value in (0.75, 0.75, 0.5):
            story.see(drift(0.1), psi("age", 0.1), auc(value))
        (incident,) = story.incidents
        assert headline(incident) == "P0 churn: inputs have drifted (drift_share) – roc_auc again"


class TestEdges:
    def test_each_state_has_one_that_follows_it(self) -> None:
        assert dict(EDGES) == {
            State.OPEN: State.ACKNOWLEDGED,
            State.ACKNOWLEDGED: State.RESOLVED,
            State.RESOLVED: State.REOPENED,
            State.REOPENED: State.ACKNOWLEDGED,
        }

    @given(st.lists(st.sampled_from([*MOVES, Kind.MUTED]), max_size=12))
    def test_whatever_is_asked_the_state_moves_along_an_edge_or_not_at_all(self, kinds: list[Kind]) -> None:
        incident = opened()
        events = list(first_events())
        for kind in kinds:
            before = incident.state
            body = {"until": MONDAY.isoformat()} if kind is Kind.MUTED else {}
            try:
                (event,) = incident.after((kind, "ann", "because"), at=MONDAY, body=body)
            except NotAllowed:
                assert EDGES[before] is not MOVES[kind]
                continue
            incident = apply(incident, event)
            events.append(event)
            assert incident.state in (before, EDGES[before])
        assert fold(events) == incident

    def test_an_edge_that_is_not_there_is_named(self) -> None:
        with pytest.raises(NotAllowed, match="is open; from there it can only become acknowledged, not reopened"):
            opened().after((Kind.REOPENED, "ann", "again"), at=MONDAY)

    def test_events_that_are_not_whole_are_refused(self) -> None:
        story = Story()
        for measured in (BAD, BAD, BAD):
            story.see(measured)
        (events,) = story.events.values()
        with pytest.raises(ValueError, match="not whole"):
            fold([events[0], events[2]])


def test_the_same_looks_make_the_same_events() -> None:
    made = []
    for _ in range(2):
        story = Story()
        for measured in ([BAD, drift(0.5)], [BAD, auc(0.5)], [GOOD, auc(0.8)], [GOOD, auc(0.8)]):
            story.see(*measured)
        made.append(story.made)
    assert made[0] == made[1]
