"""From stored evaluations to incidents and messages: once each, told to whom it concerns, and many models' as one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.event import listen

from tests.alerts.build import a_spec, auc, day, drift, errors, latency, psi, quality, rows
from tests.alerts.fleet import HOOK, ONE_CHANNEL, all_of, keep_look, see
from vigil.alerts.alerting import acknowledge, incident, mute, resolve
from vigil.alerts.incident import Kind, State
from vigil.alerts.message import Standing
from vigil.errors import NotAllowed, StoreError
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.channels import AlertSettings, Channel
from vigil.store.sql import SqlStore

BAD, GOOD = quality(breach=True), quality(breach=False)


class TestMessages:
    def test_an_incident_that_ends_is_two_messages(self, store: SqlStore) -> None:
        for number, measured in enumerate((BAD, BAD, GOOD, GOOD, GOOD)):
            see(store, number, [measured])
        # opened, seen three times, acknowledged by vigil, resolved
        assert [(m.kind.value, m.number) for m in store.messages()] == [("trigger", 1), ("resolve", 6)]

    def test_becoming_more_urgent_is_one_more(self, store: SqlStore) -> None:
        for number, rate in enumerate((0.01, 0.01, 0.2, 0.2)):
            see(store, number, [errors(rate)])
        assert [m.body["tier"] for m in store.messages()] == ["P1", "P0"]

    def test_becoming_less_urgent_is_over_for_those_who_take_only_what_it_was(self, store: SqlStore) -> None:
        """Else a pager would go on ringing for a P0 that is none any more; it is told again should it be one again."""
        settings = AlertSettings(channels={"hook": HOOK, "night": HOOK.model_copy(update={"tiers": ("P0",)})})
        for number, rate in enumerate((0.2, 0.01, 0.01, 0.2)):
            see(store, number, [errors(rate)], settings=settings)
        told = [(m.channel, m.kind.value, m.body["tier"]) for m in store.messages()]
        night = [("night", "trigger", "P0"), ("night", "resolve", "P1"), ("night", "trigger", "P0")]
        assert [each for each in told if each[0] == "night"] == night
        assert [m.body["headline"] for m in store.messages() if m.kind.value == "resolve"] == [
            "P1 churn: infrastructure is disturbed (error_rate) – calmer"
        ]
        assert [each for each in told if each[0] == "hook"] == [("hook", "trigger", "P0"), ("hook", "trigger", "P0")]

    def test_a_minor_incident_is_not_told(self, store: SqlStore) -> None:
        for number in range(5):
            see(store, number, [psi("age", 0.3)])
        assert [i.tier.value for i in all_of(store)] == ["P2"]
        assert store.messages() == ()

    def test_a_minor_incident_is_told_by_the_digest_alone(self, store: SqlStore) -> None:
        settings = AlertSettings(channels={"hook": HOOK.model_copy(update={"tiers": ("P0", "P1", "P2")})})
        for number in range(5):
            see(store, number, [psi("age", 0.3)], settings=settings)
        assert store.messages() == ()

    def test_a_channel_gets_its_tiers(self, store: SqlStore) -> None:
        settings = AlertSettings(channels={"hook": HOOK, "night": HOOK.model_copy(update={"tiers": ("P0",)})})
        for number, rate in enumerate((0.01, 0.01, 0.2)):
            see(store, number, [errors(rate)], settings=settings)
        assert [(m.body["tier"], m.channel) for m in store.messages()] == [("P1", "hook"), ("P0", "hook"), ("P0", "night")]

    def test_looking_back_tells_nobody(self, store: SqlStore) -> None:
        see(store, 0, [BAD], late=timedelta(days=2))
        assert len(all_of(store)) == 1
        assert store.messages() == ()

    def test_how_far_back_is_the_settings(self, store: SqlStore) -> None:
        see(store, 0, [BAD], late=timedelta(days=2), settings=AlertSettings(channels={"hook": HOOK}, stale_days=3))
        assert len(store.messages()) == 1

    def test_an_acknowledgement_is_told_to_the_pager_only(self, store: SqlStore) -> None:
        pager = Channel.model_validate({"kind": "pagerduty", "routing_key": "${KEY}"})
        settings = AlertSettings(channels={"hook": HOOK, "pager": pager})
        see(store, 0, [BAD], settings=settings)
        acknowledge(store, settings, all_of(store)[0].incident_id, by="ann", reason="on it", at=day(1).end)
        assert [m.channel for m in store.messages() if m.kind == "acknowledge"] == ["pager"]


class TestHistory:
    def test_a_threshold_is_learnt_from_weeks_and_everything_else_from_days(self, store: SqlStore) -> None:
        """Volume falls after eight weeks; of the looks before the last six only volume is read."""
        for number in range(56):
            keep_look(store, number, [rows(1000 + number % 5), latency(100)], a_spec())
        statements: list[str] = []
        listen(store.engine, "before_cursor_execute", lambda *parts: statements.append(parts[2]))
        for number in (56, 57):
            see(store, number, [rows(100), latency(100)])
        assert [next(iter(i.signals)).metric for i in all_of(store)] == ["rows"]
        older = [text for text in statements if "measurement.metric IN" in text]
        assert len(older) == 2


class TestOnce:
    def test_the_same_look_again_changes_nothing(self, store: SqlStore) -> None:
        for _ in range(3):
            see(store, 0, [BAD])
        assert [i.events for i in all_of(store)] == [1]
        assert len(store.messages()) == 1

    def test_what_a_person_did_meanwhile_is_seen(self, store: SqlStore) -> None:
        see(store, 0, [BAD])
        acknowledge(store, ONE_CHANNEL, all_of(store)[0].incident_id, by="ann", reason="on it", at=day(0).end)
        for number in (1, 2):
            see(store, number, [GOOD])
        kinds = [event.kind for event in incident(store, all_of(store)[0].incident_id)[1]]
        assert kinds == [Kind.OPENED, Kind.ACKNOWLEDGED, Kind.OBSERVED, Kind.OBSERVED, Kind.RESOLVED]


class TestPeople:
    def test_resolving_acknowledges_first_and_again_changes_nothing(self, store: SqlStore) -> None:
        see(store, 0, [BAD])
        (name,) = (i.incident_id for i in all_of(store))
        for _ in range(2):
            resolve(store, ONE_CHANNEL, name, by="ann", reason="table was rebuilt", at=day(0).end)
        assert [(e.kind, e.by) for e in incident(store, name)[1][1:]] == [(Kind.ACKNOWLEDGED, "ann"), (Kind.RESOLVED, "ann")]

    def test_what_is_resolved_cannot_be_acknowledged(self, store: SqlStore) -> None:
        see(store, 0, [BAD])
        (name,) = (i.incident_id for i in all_of(store))
        resolve(store, ONE_CHANNEL, name, by="ann", reason="done", at=day(0).end)
        with pytest.raises(NotAllowed, match="can only become reopened"):
            acknowledge(store, ONE_CHANNEL, name, by="ann", reason="again", at=day(0).end)

    def test_what_becomes_worse_is_not_told_of_a_muted_incident_but_its_end_is(self, store: SqlStore) -> None:
        for number in (0, 1):
            see(store, number, [errors(0.01)])
        (name,) = (i.incident_id for i in all_of(store))
        mute(store, ONE_CHANNEL, name, until=day(9).end, by="ann", reason="known", at=day(1).end)
        see(store, 2, [errors(0.2)])
        assert all_of(store)[0].tier == "P0"
        assert len(store.messages()) == 1
        for number in (3, 4):
            see(store, number, [errors(0.001)])
        assert [m.kind.value for m in store.messages()] == ["trigger", "resolve"]
        assert all_of(store)[0].state is State.RESOLVED

    def test_a_mute_ends_in_the_future(self, store: SqlStore) -> None:
        see(store, 0, [BAD])
        with pytest.raises(NotAllowed, match="ends in the future"):
            mute(store, ONE_CHANNEL, all_of(store)[0].incident_id, until=day(0).start, by="ann", reason="x", at=day(0).end)

    def test_an_incident_that_is_not_there_is_named(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="no incident i-9"):
            acknowledge(store, ONE_CHANNEL, "i-9", by="ann", reason="x", at=day(0).end)


class TestFleet:
    owned = AlertSettings(channels={"hook": HOOK}, owners={"age": "warehouse@example.org"})

    def breaks(self, store: SqlStore, models: int, *, settings: AlertSettings | None = None, until: int = 1) -> None:
        for number in range(until):
            for model in range(models):
                see(store, number, [BAD], spec=a_spec(f"m{model}"), settings=settings or self.owned)

    def test_one_column_under_three_models_is_one_incident_of_its_owner(self, store: SqlStore) -> None:
        self.breaks(store, 3)
        (fleet,) = [i for i in all_of(store) if i.model == "fleet"]
        assert (fleet.owner, len(fleet.members), fleet.title) == ("warehouse@example.org", 3, "age breaks under 3 models")
        assert all(i.fleet == fleet.incident_id for i in all_of(store) if i.model != "fleet")

    def test_its_members_messages_are_superseded_so_that_one_is_sent(self, store: SqlStore) -> None:
        self.breaks(store, 4)
        pending = store.messages(standing=Standing.PENDING)
        assert [m.body["headline"] for m in pending] == ["P1 age breaks under 3 models"]

    def test_a_fourth_model_joins(self, store: SqlStore) -> None:
        self.breaks(store, 4)
        (fleet,) = [i for i in all_of(store) if i.model == "fleet"]
        assert len(fleet.members) == 4

    def test_under_two_models_it_is_two_incidents(self, store: SqlStore) -> None:
        self.breaks(store, 2)
        assert [i.model for i in all_of(store)] == ["m0", "m1"]

    def test_how_many_is_the_settings(self, store: SqlStore) -> None:
        self.breaks(store, 2, settings=AlertSettings(channels={"hook": HOOK}, fleet_models=2))
        assert [i.model for i in all_of(store)].count("fleet") == 1

    def test_what_begins_days_apart_is_not_one_incident(self, store: SqlStore) -> None:
        for model, first in enumerate((0, 3, 6)):
            for number in range(first, first + 2):
                see(store, number, [BAD], spec=a_spec(f"m{model}"))
        assert "fleet" not in [i.model for i in all_of(store)]

    def test_how_far_apart_is_the_settings(self, store: SqlStore) -> None:
        settings = AlertSettings(channels={"hook": HOOK}, fleet_days=6)
        for model, first in enumerate((0, 3, 6)):
            see(store, first, [BAD], spec=a_spec(f"m{model}"), settings=settings)
        assert "fleet" in [i.model for i in all_of(store)]

    def test_populations_that_move_together_are_not_one_incident(self, store: SqlStore) -> None:
        for number in range(3):
            for model in range(3):
                see(store, number, [drift(0.5, {"age": 0.5}), psi("age", 0.4)], spec=a_spec(f"m{model}"))
        assert "fleet" not in [i.model for i in all_of(store)]

    def test_other_columns_are_not_shared(self, store: SqlStore) -> None:
        for model, column in enumerate(("age", "plan", "income")):
            see(store, 0, [quality(breach=True, subject=column)], spec=a_spec(f"m{model}"))
        assert "fleet" not in [i.model for i in all_of(store)]

    def test_it_ends_when_it_is_over_under_every_model(self, store: SqlStore) -> None:
        self.breaks(store, 3)
        for number in (1, 2):
            for model in range(3):
                see(store, number, [GOOD], spec=a_spec(f"m{model}"), settings=self.owned)
        assert {i.state for i in all_of(store)} == {State.RESOLVED}
        assert [m.kind.value for m in store.messages() if m.incident_id.startswith("f-")] == ["trigger", "resolve"]

    def test_one_release_under_three_models_is_one_incident(self, store: SqlStore) -> None:
        owned = AlertSettings(channels={"hook": HOOK}, owners={"release": "platform@example.org"})
        for number, version, milliseconds in ((0, "1", 100), (1, "2", 300), (2, "2", 300)):
            for model in range(3):
                see(store, number, [latency(milliseconds)], spec=a_spec(f"m{model}"), settings=owned, version=version)
        (fleet,) = [i for i in all_of(store) if i.model == "fleet"]
        assert (fleet.title, fleet.owner, fleet.causes[0]["cause"]) == ("Release breaks under 3 models", "platform@example.org", "release")
        assert len(fleet.members) == 3

    @pytest.mark.parametrize(
        ("names", "title"), [(("fs", "fs", "fs"), "fs breaks under 3 models"), (("a", "b", "c"), "Serving breaks under 3 models")]
    )
    def test_one_dependency_under_three_models_is_one_incident_by_its_name(
        self, store: SqlStore, names: tuple[str, ...], title: str
    ) -> None:
        """Asked for under one name it is one dependency; under three names what they share is serving."""
        for number in range(2):
            for model, name in enumerate(names):
                spec = a_spec(f"m{model}", health={"queries": {name: {"query": "up", "below": 1}}})
                see(store, number, [Measurement(Layer.SYSTEM, name, 0.0, Verdict.BREACH, 1, threshold=1.0)], spec=spec)
        (fleet,) = [i for i in all_of(store) if i.model == "fleet"]
        assert fleet.title == title


class TestShares:
    """What features and segments are told to carry of the change."""

    def loss(self, subject: str, value: float, n: int = 100, metric: str = "roc_auc") -> Measurement:
        return Measurement(Layer.PERFORMANCE, metric, value, Verdict.OK, n, subject=subject, version="1")

    def test_segments_count_by_rows_times_loss_where_they_became_worse(self, store: SqlStore) -> None:
        """roc_auc falls by .1 of 100 rows and by .2 of 150: 10 and 30; c became better, and the log loss is not what is judged."""
        before = [self.loss("plan=a", 0.8), self.loss("plan=b", 0.8), self.loss("plan=c", 0.8), self.loss("plan=c", 0.1, metric="log_loss")]
        now = [
            self.loss("plan=a", 0.7),
            self.loss("plan=b", 0.6, 150),
            self.loss("plan=c", 0.9),
            self.loss("plan=c", 9.0, metric="log_loss"),
        ]
        see(store, 0, [auc(0.8), *before])
        for number in (1, 2):
            see(store, number, [auc(0.5), *now])
        (found,) = all_of(store)
        assert found.context["segments"] == pytest.approx({"plan=b": 0.75, "plan=a": 0.25})

    def test_features_count_by_the_importance_that_drifted(self, store: SqlStore) -> None:
        for number in range(3):
            see(store, number, [drift(0.4, {"age": 0.3, "plan": 0.1})])
        (found,) = all_of(store)
        assert found.context["features"] == pytest.approx({"age": 0.75, "plan": 0.25})


class TestCauses:
    def first_cause(self, store: SqlStore) -> str:
        (found,) = all_of(store)
        return str(found.causes[0]["cause"])

    def test_a_failed_expectation_is_a_data_fault(self, store: SqlStore) -> None:
        see(store, 0, [BAD])
        assert self.first_cause(store) == "data_fault"

    def test_a_score_that_alone_moved_is_no_data_fault(self, store: SqlStore) -> None:
        """It moves with each version; ten times its threshold says nothing of the inputs."""
        for number in range(3):
            see(store, number, [drift(0.4), psi("score", 2.0)])
        assert self.first_cause(store) == "covariate"

    def test_slow_answers_alone_are_infrastructure(self, store: SqlStore) -> None:
        for number in range(2):
            see(store, number, [latency(300)])
        assert self.first_cause(store) == "infrastructure"

    def test_attempts_to_train_that_fail_are_infrastructure_and_end_when_they_succeed(self, store: SqlStore) -> None:
        """A success rate is out of bounds below its limit: of a half that is tolerated 0.75 failed, then 0.4."""
        for number, rate in enumerate((0.25, 0.6, 0.6)):
            verdict = Verdict.BREACH if rate < 0.5 else Verdict.OK
            see(store, number, [Measurement(Layer.SYSTEM, "training_success_rate", rate, verdict, 20, threshold=0.5)])
        assert self.first_cause(store) == "infrastructure"
        assert [signal.excess for signal in all_of(store)[0].signals.values()] == [1.5]
        assert all_of(store)[0].state is State.RESOLVED

    def test_labels_that_lack_are_no_change_of_concept(self, store: SqlStore) -> None:
        spec = a_spec(alerts={"rules": [{"layer": "performance", "metric": "label_maturity", "tier": "P1", "below": 0.5}]})
        see(store, 0, [Measurement(Layer.PERFORMANCE, "label_maturity", 0.1, Verdict.WARNING, 20, threshold=0.8)], spec=spec)
        (found,) = all_of(store)
        assert [cause["cause"] for cause in found.causes] == ["infrastructure"]
        assert found.causes[0]["why"] == "label_maturity is 0.1 (labels are overdue)"
        assert found.title == "churn: labels are overdue (label_maturity)"

    def test_labels_are_overdue_where_the_specification_says_how_many_are_enough(self, store: SqlStore) -> None:
        """In two windows of three, and by the interval: a warning, not a value below 0.8 that chance explains."""
        enough = a_spec(labels={"maturity": 0.8})
        for number, verdict in enumerate((Verdict.OK, Verdict.WARNING, Verdict.OK, Verdict.OK, Verdict.WARNING)):
            see(store, number, [Measurement(Layer.PERFORMANCE, "label_maturity", 0.7, verdict, 20, threshold=0.8)], spec=enough)
            assert not all_of(store)
        see(store, 5, [Measurement(Layer.PERFORMANCE, "label_maturity", 0.7, Verdict.WARNING, 20, threshold=0.8)], spec=enough)
        (found,) = all_of(store)
        assert (found.tier, [seen.excess for seen in found.signals.values()]) == ("P1", [pytest.approx(1.5)])  # 0.3 lack, 0.2 may

    @pytest.mark.parametrize(("share", "told"), [(0.3, True), (0.5, False)])
    def test_else_where_half_of_what_usually_is_here_lacks(self, store: SqlStore, share: float, told: bool) -> None:
        """Of 0.8 usually; what is usual is known after four windows."""
        for number, value in enumerate((0.8, 0.8, 0.8, 0.8, share, share)):
            see(store, number, [Measurement(Layer.PERFORMANCE, "label_maturity", value, Verdict.OK, 20)])
        assert bool(all_of(store)) is told

    def test_labels_that_lack_under_three_models_are_one_incident(self, store: SqlStore) -> None:
        for number in range(2):
            for model in ("m0", "m1", "m2"):
                lacking = [Measurement(Layer.PERFORMANCE, "label_maturity", 0.1, Verdict.WARNING, 20, threshold=0.8)]
                see(store, number, lacking, spec=a_spec(model, labels={"maturity": 0.8}))
        (fleet,) = [each for each in all_of(store) if each.model == "fleet"]
        assert fleet.title == "Ground truth breaks under 3 models"

    def test_breaches_that_begin_with_a_version_are_a_release(self, store: SqlStore) -> None:
        see(store, 0, [latency(100)])
        for number in (1, 2):
            see(store, number, [latency(300)], version="2")
        (found,) = all_of(store)
        assert found.causes[0]["cause"] == "release"
        assert found.context["changes"] == ["version 1 was replaced by 2 in the window of 2024-01-02"]

    def test_drift_near_a_release_is_not_the_release(self, store: SqlStore) -> None:
        see(store, 0, [drift(0.1)])
        for number in (1, 2, 3):
            see(store, number, [drift(0.5, {"age": 0.5})], version="2")
        (found,) = all_of(store)
        assert [cause["cause"] for cause in found.causes] == ["covariate", "release"]

    def test_drift_is_covariate_unless_the_season_is_the_same(self, store: SqlStore) -> None:
        for number in range(3):
            see(store, number, [drift(0.5, {"age": 0.5}), psi("age", 0.4), psi("age", 0.01, "same_season")])
        assert self.first_cause(store) == "seasonal"

    def test_a_feature_that_moves_with_the_season_explains_no_loss(self, store: SqlStore) -> None:
        """One feature of little importance is elsewhere, as it was a year ago; meanwhile the model became worse."""
        for number in range(2):
            see(store, number, [auc(0.5), drift(0.1, {"age": 0.1}), psi("age", 0.4), psi("age", 0.01, "same_season")])
        assert self.first_cause(store) == "concept"

    def test_drift_that_the_season_does_not_know_is_covariate(self, store: SqlStore) -> None:
        for number in range(3):
            see(store, number, [drift(0.5, {"age": 0.5}), psi("age", 0.4), psi("age", 0.5, "same_season")])
        (found,) = all_of(store)
        assert found.causes[0]["cause"] == "covariate"
        assert found.context["features"] == {"age": 1.0}
