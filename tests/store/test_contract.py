"""What the contract promises, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.build import (
    MODEL,
    NOW,
    WEEK,
    a_batch,
    a_decision,
    a_measurement,
    a_training_attempt,
    a_version,
    an_evaluation,
    later,
    measurements_of_100_features,
    save_decided,
    save_spec,
)
from vigil.decision.types import Action
from vigil.errors import Conflict, StoreError, TrainingOutcome
from vigil.store.records import EDGES, Champion, Promotion, PromotionKind, Retraining, RetrainingState
from vigil.store.sql import SqlStore, open_store
from vigil.window import Window


class TestSpecifications:
    def test_comes_back_as_it_was_saved(self, store: SqlStore) -> None:
        body = '{"name":"flight-delay","owner":"Łódź"}'
        assert store.save_spec(MODEL, "spec-1", body)
        assert store.spec("spec-1") == body

    def test_saving_it_again_changes_nothing(self, store: SqlStore) -> None:
        store.save_spec(MODEL, "spec-1", "{}")
        assert not store.save_spec(MODEL, "spec-1", "{}")

    def test_another_body_under_the_same_hash_is_a_conflict(self, store: SqlStore) -> None:
        store.save_spec(MODEL, "spec-1", "{}")
        with pytest.raises(Conflict, match=r"`body` is '{}', not 'other'"):
            store.save_spec(MODEL, "spec-1", "other")
        assert store.spec("spec-1") == "{}"

    def test_one_that_is_not_there_is_none(self, store: SqlStore) -> None:
        assert store.spec("spec-1") is None


class TestVersions:
    @pytest.fixture(autouse=True)
    def _spec(self, store: SqlStore) -> None:
        save_spec(store)

    @pytest.mark.parametrize("changes", [{}, {"baseline": None}, {"parent": "0"}, {"importance": {}, "training": {}}], ids=str)
    def test_comes_back_as_it_was_saved(self, store: SqlStore, changes: dict[str, object]) -> None:
        version = a_version(**changes)
        assert store.save_version(version)
        assert store.version(MODEL, "1") == version

    def test_saving_it_again_later_changes_nothing(self, store: SqlStore) -> None:
        store.save_version(a_version())
        assert not store.save_version(a_version(registered_at=later(1)))
        assert store.version(MODEL, "1") == a_version()

    def test_the_same_number_of_another_model_is_another_version(self, store: SqlStore) -> None:
        store.save_version(a_version())
        other = a_version(model="other", baseline=0.5)
        assert store.save_version(other)
        assert not store.save_version(other)
        assert store.versions("other") == (other,)

    def test_other_content_is_a_conflict_that_names_it(self, store: SqlStore) -> None:
        store.save_version(a_version())
        with pytest.raises(Conflict, match=r"`baseline` is 0.68, not 0.7"):
            store.save_version(a_version(baseline=0.7))
        assert store.version(MODEL, "1") == a_version()

    def test_a_decision_has_one_version(self, store: SqlStore) -> None:
        save_decided(store, 1)
        store.save_version(a_version("2", decision_id="d1"))
        with pytest.raises(Conflict, match="`version` is '2', not '3'"):
            store.save_version(a_version("3", decision_id="d1"))
        assert store.version(MODEL, "3") is None

    def test_come_in_the_order_of_registration_then_of_saving(self, store: SqlStore) -> None:
        for number, hours in (("10", 2), ("9", 2), ("1", 1)):
            store.save_version(a_version(number, registered_at=later(hours)))
        assert [version.version for version in store.versions(MODEL)] == ["1", "10", "9"]

    @pytest.mark.parametrize(
        ("changes", "missing"),
        [({"spec_hash": "spec-9"}, "spec with spec_hash 'spec-9'"), ({"decision_id": "d9"}, "decision with decision_id 'd9'")],
        ids=["spec", "decision"],
    )
    def test_what_it_refers_to_is_saved_first(self, store: SqlStore, changes: dict[str, str], missing: str) -> None:
        with pytest.raises(StoreError, match=missing):
            store.save_version(a_version(**changes))
        assert store.versions(MODEL) == ()

    def test_those_that_are_not_there(self, store: SqlStore) -> None:
        assert store.version(MODEL, "1") is None
        assert store.versions(MODEL) == ()


class TestChampion:
    @pytest.fixture(autouse=True)
    def _versions(self, store: SqlStore) -> None:
        save_decided(store, 1, 2)
        for number in ("1", "2", "3"):
            store.save_version(a_version(number))

    @staticmethod
    def move(store: SqlStore, version: str, token: int, decision_id: str | None = None) -> Promotion:
        kind = PromotionKind.ADOPTED if decision_id is None else PromotionKind.PROMOTED
        return store.move_champion(
            MODEL, version, expected_token=token, kind=kind, by="ada", reason="better", at=later(token), decision_id=decision_id
        )

    def test_there_is_none_at_first(self, store: SqlStore) -> None:
        assert store.champion(MODEL) is None
        assert store.promotions(MODEL) == ()

    def test_each_move_raises_the_token_by_one_and_is_in_the_audit_trail(self, store: SqlStore) -> None:
        first = self.move(store, "1", 0)
        second = self.move(store, "2", 1, "d1")
        assert first == Promotion(MODEL, 1, "1", None, PromotionKind.ADOPTED, "ada", "better", later(0), None)
        assert second == Promotion(MODEL, 2, "2", "1", PromotionKind.PROMOTED, "ada", "better", later(1), "d1")
        assert store.champion(MODEL) == Champion(MODEL, "2", 2, later(1))
        assert store.promotions(MODEL) == (first, second)

    def test_models_have_champions_of_their_own(self, store: SqlStore) -> None:
        self.move(store, "1", 0)
        assert store.champion("other") is None

    @pytest.mark.parametrize("decision_id", [None, "d1"])
    def test_the_same_move_again_returns_the_first_and_writes_nothing(self, store: SqlStore, decision_id: str | None) -> None:
        first = self.move(store, "1", 0, decision_id)
        assert self.move(store, "1", 0, decision_id) == first
        assert store.promotions(MODEL) == (first,)

    @pytest.mark.parametrize("token", [0, 2, -1])
    def test_a_token_that_is_not_the_present_one_is_a_conflict_that_names_the_champion(self, store: SqlStore, token: int) -> None:
        self.move(store, "1", 0)
        with pytest.raises(Conflict, match=f"token {token} was expected, the champion is version 1 with token 1"):
            self.move(store, "2", token, "d1")
        assert store.champion(MODEL) == Champion(MODEL, "1", 1, later(0))

    def test_a_token_without_a_champion_is_a_conflict(self, store: SqlStore) -> None:
        with pytest.raises(Conflict, match="the champion is none"):
            self.move(store, "1", 1)

    def test_a_version_that_is_not_saved_cannot_serve(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="version with model 'flight-delay', version '9'"):
            self.move(store, "9", 0)
        assert store.champion(MODEL) is None

    def test_a_decision_that_is_not_saved_cannot_promote(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="decision with decision_id 'd9'"):
            self.move(store, "1", 0, "d9")

    def test_a_retry_of_a_decision_does_not_undo_a_rollback(self, store: SqlStore) -> None:
        self.move(store, "1", 0)
        self.move(store, "2", 1, "d1")
        back = self.move(store, "1", 2)
        with pytest.raises(Conflict, match="decision d1 made version 2 of flight-delay champion before"):
            self.move(store, "2", 3, "d1")
        assert store.promotions(MODEL)[-1] == back

    def test_a_person_may_bring_a_version_back(self, store: SqlStore) -> None:
        for token, version in enumerate(["1", "2", "1", "2"]):
            self.move(store, version, token)
        assert store.champion(MODEL) == Champion(MODEL, "2", 4, later(3))


BODIES = {("1", "*"): '{"rows":10}', ("*", "origin=EWR"): '{"rows": 4}', ("*", "*"): '{"rows":10.0}'}


class TestProfiles:
    def save(self, store: SqlStore, bodies: dict[tuple[str, str], str], data: str = "data-1", layout: str = "layout-1") -> bool:
        return store.save_profiles(MODEL, WEEK, data, layout, bodies)

    def test_come_back_byte_for_byte_in_the_order_of_their_keys(self, store: SqlStore) -> None:
        assert self.save(store, BODIES)
        found = store.profiles(MODEL, WEEK, "data-1", "layout-1")
        assert list(found.items()) == [(("*", "*"), '{"rows":10.0}'), (("*", "origin=EWR"), '{"rows": 4}'), (("1", "*"), '{"rows":10}')]

    def test_saving_them_again_changes_nothing(self, store: SqlStore) -> None:
        self.save(store, BODIES)
        assert not self.save(store, dict(reversed(BODIES.items())))

    @pytest.mark.parametrize(
        "other",
        [{**BODIES, ("1", "*"): "{}"}, {**BODIES, ("2", "*"): "{}"}, {("1", "*"): '{"rows":10}'}, {}],
        ids=["another body", "one more", "fewer", "none"],
    )
    def test_another_set_made_from_the_same_is_a_conflict(self, store: SqlStore, other: dict[tuple[str, str], str]) -> None:
        self.save(store, BODIES)
        with pytest.raises(Conflict, match="Nothing was written"):
            self.save(store, other)
        assert store.profiles(MODEL, WEEK, "data-1", "layout-1") == BODIES

    def test_other_data_or_another_layout_is_another_set(self, store: SqlStore) -> None:
        for data, layout in (("data-1", "layout-1"), ("data-2", "layout-1"), ("data-1", "layout-2")):
            assert self.save(store, {("*", "*"): data + layout}, data, layout)
        assert store.profiles(MODEL, WEEK, "data-2", "layout-1") == {("*", "*"): "data-2layout-1"}

    def test_an_empty_set_is_kept_once(self, store: SqlStore) -> None:
        assert self.save(store, {})
        assert not self.save(store, {})

    def test_those_that_are_not_there_are_an_empty_mapping(self, store: SqlStore) -> None:
        self.save(store, BODIES)
        assert store.profiles(MODEL, WEEK.shifted(1), "data-1", "layout-1") == {}
        assert store.profiles("other", WEEK, "data-1", "layout-1") == {}

    def test_one_version_and_segment_over_many_windows_by_window(self, store: SqlStore) -> None:
        """Of each window the set that was made from its digest; no other version, segment, layout or model."""
        for week, data, layout in (
            (2, "c", "layout-1"),
            (0, "a", "layout-1"),
            (1, "b", "layout-1"),
            (1, "b", "layout-2"),
            (1, "late", "layout-1"),
        ):
            bodies = {("1", "*"): data + layout, ("2", "*"): "-", ("1", "origin=EWR"): "-"}
            store.save_profiles(MODEL, WEEK.shifted(week), data, layout, bodies)
        store.save_profiles("other", WEEK, "a", "layout-1", {("1", "*"): "-"})
        wanted = {WEEK.shifted(1): "b", WEEK: "a", WEEK.shifted(2): "newer", WEEK.shifted(3): "d"}
        found = store.profiles_over(MODEL, wanted, "layout-1", version="1", segment="*")
        assert list(found.items()) == [(WEEK, "alayout-1"), (WEEK.shifted(1), "blayout-1")]

    def test_windows_that_start_together_are_told_apart_over_many_windows(self, store: SqlStore) -> None:
        longer = Window(WEEK.start, WEEK.shifted(1).end)
        for window in (WEEK, longer):
            store.save_profiles(MODEL, window, "same", "layout-1", {("1", "*"): window.key})
        assert store.profiles_over(MODEL, {longer: "same"}, "layout-1", version="1", segment="*") == {longer: longer.key}

    def test_more_windows_than_fit_one_query_are_all_found(self, store: SqlStore) -> None:
        """1,001 asked for, the first and the last are there; and none asked for is none found."""
        windows = [WEEK.shifted(week) for week in range(1001)]
        for window in (windows[0], windows[-1]):
            store.save_profiles(MODEL, window, "same", "layout-1", {("1", "*"): window.key})
        found = store.profiles_over(MODEL, dict.fromkeys(windows, "same"), "layout-1", version="1", segment="*")
        assert list(found) == [windows[0], windows[-1]]
        assert store.profiles_over(MODEL, {}, "layout-1", version="1", segment="*") == {}


class TestEvaluations:
    @pytest.fixture(autouse=True)
    def _spec(self, store: SqlStore) -> None:
        save_spec(store)

    def test_comes_back_with_its_measurements_by_their_key(self, store: SqlStore) -> None:
        some = (
            a_measurement("psi", subject="b"),
            a_measurement("psi", subject="B"),
            a_measurement("ks", subject="Ä", value=None, detail={}),
        )
        assert store.record_evaluation(an_evaluation(), some)
        assert store.evaluation("e1") == an_evaluation()
        assert store.measurements(["e1"]) == {"e1": (some[2], some[1], some[0])}  # ks before psi; B (U+0042) before b (U+0062)

    def test_recording_it_again_later_with_newer_code_changes_nothing(self, store: SqlStore) -> None:
        store.record_evaluation(an_evaluation(), measurements_of_100_features())
        again = an_evaluation(as_of=later(24), code_version="0.2.0")
        assert not store.record_evaluation(again, measurements_of_100_features()[::-1])
        assert store.evaluation("e1") == an_evaluation()
        assert len(store.measurements(["e1"])["e1"]) == 100

    @pytest.mark.parametrize(
        "other",
        [
            (a_measurement(), a_measurement("ks", value=0.2)),
            (a_measurement(), a_measurement("ks", detail={})),
            (a_measurement(), a_measurement("ks"), a_measurement("wasserstein")),
            (a_measurement(),),
            (),
        ],
        ids=["another value", "another detail", "one more", "one fewer", "none"],
    )
    def test_other_measurements_are_a_conflict(self, store: SqlStore, other: tuple[object, ...]) -> None:
        some = (a_measurement("ks"), a_measurement())
        store.record_evaluation(an_evaluation(), some)
        with pytest.raises(Conflict, match=r"[12] measurements of evaluation_id 'e1' are not as stored, first \('drift', "):
            store.record_evaluation(an_evaluation(), other)  # type: ignore[arg-type]
        assert store.measurements(["e1"]) == {"e1": some}

    @pytest.mark.parametrize(
        "changes",
        [{"model": "other"}, {"window": WEEK.shifted(1)}, {"version": "2"}, {"rows": 1}, {"labels": 1}, {"quality_passed": False}],
        ids=lambda changes: next(iter(changes)),
    )
    def test_another_evaluation_under_the_same_id_is_a_conflict(self, store: SqlStore, changes: dict[str, object]) -> None:
        store.record_evaluation(an_evaluation(), [])
        with pytest.raises(Conflict, match="the evaluation with evaluation_id 'e1'"):
            store.record_evaluation(an_evaluation(**changes), [])
        assert store.evaluation("e1") == an_evaluation()

    def test_two_measurements_with_one_key_are_refused_and_nothing_is_written(self, store: SqlStore) -> None:
        with pytest.raises(ValueError, match=r"two measurements have the key \('drift', 'psi', 'distance', '1', 'training'\)"):
            store.record_evaluation(an_evaluation(), [a_measurement(value=0.1), a_measurement(value=0.2)])
        assert store.evaluation("e1") is None

    def test_an_evaluation_without_a_saved_specification_is_refused(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="spec with spec_hash 'spec-9', which is not saved"):
            store.record_evaluation(an_evaluation(spec_hash="spec-9"), [a_measurement()])
        assert store.measurements(["e1"]) == {"e1": ()}

    def test_the_latest_look_at_each_window_by_window_start(self, store: SqlStore) -> None:
        for name, week, hours in (("b1", 1, 0), ("a1", 0, 0), ("a3", 0, 9), ("a2", 0, 5)):
            store.record_evaluation(an_evaluation(name, window=WEEK.shifted(week), as_of=later(hours)), [])
        assert [found.evaluation_id for found in store.evaluations(MODEL)] == ["a3", "b1"]

    @pytest.mark.parametrize(("hours", "seen"), [(-1, []), (0, ["a1"]), (5, ["a2"]), (8, ["a2"]), (9, ["a3"])])
    def test_later_looks_are_not_seen_as_of_an_earlier_time(self, store: SqlStore, hours: int, seen: list[str]) -> None:
        for name, at in (("a3", 9), ("a1", 0), ("a2", 5)):
            store.record_evaluation(an_evaluation(name, as_of=later(at)), [])
        assert [found.evaluation_id for found in store.evaluations(MODEL, as_of=later(hours))] == seen

    def test_of_two_looks_at_one_time_the_one_recorded_last_counts(self, store: SqlStore) -> None:
        for name in ("z", "a", "m"):
            store.record_evaluation(an_evaluation(name), [])
        assert [found.evaluation_id for found in store.evaluations(MODEL)] == ["m"]

    def test_the_span_holds_its_start_and_not_its_end(self, store: SqlStore) -> None:
        for week in range(4):
            store.record_evaluation(an_evaluation(f"e{week}", window=WEEK.shifted(week)), [])
        span = store.evaluations(MODEL, start=WEEK.shifted(1).start, end=WEEK.shifted(3).start)
        assert [found.evaluation_id for found in span] == ["e1", "e2"]

    def test_windows_that_start_together_and_end_apart_are_two(self, store: SqlStore) -> None:
        day = replace(WEEK, end=WEEK.start + timedelta(days=1))
        store.record_evaluation(an_evaluation("week"), [])
        store.record_evaluation(an_evaluation("day", window=day), [])
        assert [found.evaluation_id for found in store.evaluations(MODEL)] == ["day", "week"]

    def test_every_evaluation_asked_for_is_in_the_answer(self, store: SqlStore) -> None:
        store.record_evaluation(an_evaluation("e1"), [a_measurement()])
        store.record_evaluation(an_evaluation("e2"), [])
        assert store.measurements(["e2", "e9", "e1"]) == {"e2": (), "e9": (), "e1": (a_measurement(),)}
        assert store.measurements([]) == {}

    def test_measurements_of_one_subject_are_those_alone(self, store: SqlStore) -> None:
        whole = a_measurement("drift_share", subject="*")
        store.record_evaluation(an_evaluation(), [a_measurement(), whole])
        assert store.measurements(["e1", "e9"], subject="*") == {"e1": (whole,), "e9": ()}
        assert store.measurements(["e1", "e9"], metrics={"drift_share", "ks"}) == {"e1": (whole,), "e9": ()}
        assert store.measurements(["e1"], metrics=()) == {"e1": ()}

    def test_evaluations_by_their_ids(self, store: SqlStore) -> None:
        store.record_evaluation(an_evaluation("e1"), [])
        store.record_evaluation(an_evaluation("e2", window=WEEK.shifted(1)), [])
        assert store.evaluations_of(["e2", "e9"]) == {"e2": an_evaluation("e2", window=WEEK.shifted(1))}

    def test_more_evaluations_than_one_query_takes(self, store: SqlStore) -> None:
        for number in (0, 1500):
            store.record_evaluation(an_evaluation(f"e{number}"), [a_measurement(n=number)])
        found = store.measurements([f"e{number}" for number in range(2001)])
        assert len(found) == 2001
        assert [measurement.n for some in found.values() for measurement in some] == [0, 1500]

    def test_those_that_are_not_there(self, store: SqlStore) -> None:
        assert store.evaluation("e1") is None
        assert store.evaluations(MODEL) == ()


class TestDecisions:
    @pytest.fixture(autouse=True)
    def _evaluations(self, store: SqlStore) -> None:
        save_spec(store)
        for number in (1, 2, 3):
            store.record_evaluation(an_evaluation(f"e{number}", window=WEEK.shifted(number - 1)), [])

    def test_comes_back_with_its_gates_and_its_evidence(self, store: SqlStore) -> None:
        evidence = {"evaluations": ["e1"], "windows_since_retraining": None, "baseline": 0.1 + 0.2}
        assert store.record_decision(a_decision(), evidence)
        assert store.decision("d1") == a_decision()
        assert store.evidence("d1") == evidence

    def test_recording_it_again_later_with_newer_code_changes_nothing(self, store: SqlStore) -> None:
        store.record_decision(a_decision(), {"a": 1, "b": 2})
        assert not store.record_decision(a_decision(as_of=later(1), code_version="0.2.0"), {"b": 2, "a": 1})
        assert store.decision("d1") == a_decision()

    @pytest.mark.parametrize("changes", [{"action": Action.HOLD}, {"reason": "other"}, {"gates": ()}], ids=lambda each: next(iter(each)))
    def test_another_decision_under_the_same_id_is_a_conflict(self, store: SqlStore, changes: dict[str, object]) -> None:
        store.record_decision(a_decision(), {})
        with pytest.raises(Conflict, match="the decision with evaluation_id 'e1'"):
            store.record_decision(a_decision(**changes), {})
        assert store.decision("d1") == a_decision()

    def test_other_evidence_is_a_conflict(self, store: SqlStore) -> None:
        store.record_decision(a_decision(), {"a": 1})
        with pytest.raises(Conflict, match="`evidence` is"):
            store.record_decision(a_decision(), {"a": 2})

    def test_an_evaluation_has_one_decision(self, store: SqlStore) -> None:
        store.record_decision(a_decision("d1", "e1"), {})
        with pytest.raises(Conflict, match="`decision_id` is 'd1', not 'd2'"):
            store.record_decision(a_decision("d2", "e1"), {})
        assert store.decision("d2") is None

    def test_a_decision_is_about_one_evaluation(self, store: SqlStore) -> None:
        store.record_decision(a_decision("d1", "e1"), {})
        with pytest.raises(Conflict, match="`evaluation_id` is 'e1', not 'e2'"):
            store.record_decision(a_decision("d1", "e2"), {})

    def test_a_decision_about_nothing_saved_is_refused(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="evaluation with evaluation_id 'e9'"):
            store.record_decision(a_decision("d1", "e9"), {})

    def test_come_by_window_start_then_in_the_order_of_recording(self, store: SqlStore) -> None:
        store.record_evaluation(an_evaluation("e1b", as_of=later(1)), [])
        for number, week in (("3", 2), ("1b", 0), ("1", 0), ("2", 1)):
            store.record_decision(a_decision(f"d{number}", f"e{number}", window=WEEK.shifted(week)), {})
        assert [decision.decision_id for decision in store.decisions(MODEL)] == ["d1b", "d1", "d2", "d3"]
        span = store.decisions(MODEL, start=WEEK.shifted(1).start, end=WEEK.shifted(2).start)
        assert [decision.decision_id for decision in span] == ["d2"]

    def test_those_that_are_not_there(self, store: SqlStore) -> None:
        assert store.decision("d1") is None
        assert store.evidence("d1") is None
        assert store.decisions(MODEL) == ()


class TestRetrainings:
    @pytest.fixture(autouse=True)
    def _decisions(self, store: SqlStore) -> None:
        save_decided(store, 1, 2)

    def test_a_decision_starts_one_retraining(self, store: SqlStore) -> None:
        assert store.request_retraining("d1", model=MODEL, champion="1", at=NOW)
        assert not store.request_retraining("d1", model=MODEL, champion="7", at=later(1))
        assert store.retraining("d1") == Retraining("d1", MODEL, RetrainingState.REQUESTED, NOW, NOW, champion="1")

    @pytest.mark.parametrize("state", list(RetrainingState))
    def test_it_is_not_requested_again_whatever_its_state(self, store: SqlStore, state: RetrainingState) -> None:
        _bring_to(store, state)
        before = store.retraining("d1")
        assert not store.request_retraining("d1", model=MODEL, champion="1", at=later(9))
        assert store.retraining("d1") == before

    def test_a_decision_that_is_not_saved_starts_none(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="decision with decision_id 'd9'"):
            store.request_retraining("d9", model=MODEL, champion="1", at=NOW)

    @pytest.mark.parametrize("here", list(RetrainingState))
    @pytest.mark.parametrize("there", list(RetrainingState))
    def test_it_moves_along_the_edges_and_no_others(self, store: SqlStore, here: RetrainingState, there: RetrainingState) -> None:
        _bring_to(store, here)
        before = store.retraining("d1")
        assert before is not None
        if there in EDGES[here]:
            assert store.advance_retraining("d1", there, at=later(9)) == replace(before, state=there, updated_at=later(9))
        elif there is here:
            assert store.advance_retraining("d1", there, at=later(9)) == before
        else:
            with pytest.raises(Conflict, match=f"is {here.value} since .* and cannot become {there.value}"):
                store.advance_retraining("d1", there, at=later(9))
            assert store.retraining("d1") == before

    def test_what_is_given_is_kept_and_what_is_not_given_stays(self, store: SqlStore) -> None:
        store.request_retraining("d1", model=MODEL, champion="1", at=NOW)
        store.advance_retraining("d1", RetrainingState.REGISTERED, at=later(1), challenger="2")
        compared = {"metric": "roc_auc", "difference": 0.1 + 0.2}
        store.advance_retraining("d1", RetrainingState.WAITING, at=later(2), comparison=compared, reason="better by 0.3")
        moved = store.advance_retraining("d1", RetrainingState.PROMOTED, at=later(3), by="ada")
        assert moved == Retraining("d1", MODEL, RetrainingState.PROMOTED, NOW, later(3), "1", "2", compared, "better by 0.3", "ada")
        assert store.retraining("d1") == moved

    def test_the_same_state_by_another_person_is_a_conflict(self, store: SqlStore) -> None:
        _bring_to(store, RetrainingState.WAITING)
        first = store.advance_retraining("d1", RetrainingState.PROMOTED, at=NOW, by="ada")
        assert store.advance_retraining("d1", RetrainingState.PROMOTED, at=later(1), by="ada") == first
        with pytest.raises(Conflict, match="promoted already with by 'ada', not 'bob'"):
            store.advance_retraining("d1", RetrainingState.PROMOTED, at=later(1), by="bob")

    def test_the_same_state_with_another_challenger_is_a_conflict(self, store: SqlStore) -> None:
        store.request_retraining("d1", model=MODEL, champion="1", at=NOW)
        store.advance_retraining("d1", RetrainingState.REGISTERED, at=NOW, challenger="2")
        with pytest.raises(Conflict, match="registered already with challenger '2', not '3'"):
            store.advance_retraining("d1", RetrainingState.REGISTERED, at=NOW, challenger="3")

    def test_one_that_was_not_requested_cannot_move(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="'d1' has no retraining to move to failed: request it first"):
            store.advance_retraining("d1", RetrainingState.FAILED, at=NOW)

    def test_come_in_the_order_of_request(self, store: SqlStore) -> None:
        for decision_id, at in (("d2", later(5)), ("d1", later(0))):
            store.request_retraining(decision_id, model=MODEL, champion="1", at=at)
        assert [retraining.decision_id for retraining in store.retrainings(MODEL)] == ["d2", "d1"]

    def test_those_that_are_not_there(self, store: SqlStore) -> None:
        assert store.retraining("d1") is None
        assert store.retrainings(MODEL) == ()


class TestTrainingAttempts:
    def test_come_back_in_the_order_of_recording(self, store: SqlStore) -> None:
        save_decided(store, 1)
        store.request_retraining("d1", model=MODEL, champion="1", at=NOW)
        attempts = (a_training_attempt(1), a_training_attempt(2, outcome=TrainingOutcome.TRAINED, message=""))
        assert all(map(store.record_training_attempt, attempts))
        assert store.training_attempts(MODEL) == attempts
        assert store.training_attempts("another") == ()

    def test_the_first_of_a_number_stays(self, store: SqlStore) -> None:
        save_decided(store, 1)
        store.request_retraining("d1", model=MODEL, champion="1", at=NOW)
        assert store.record_training_attempt(a_training_attempt())
        assert not store.record_training_attempt(a_training_attempt(seconds=9.0))
        assert store.training_attempts(MODEL) == (a_training_attempt(),)

    def test_an_attempt_for_no_retraining_is_refused(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="retraining with decision_id 'd1'"):
            store.record_training_attempt(a_training_attempt())


class TestReports:
    @pytest.fixture(autouse=True)
    def _evaluations(self, store: SqlStore) -> None:
        save_decided(store, 1, 2)

    def test_come_back_by_evaluation_and_kind(self, store: SqlStore) -> None:
        assert store.save_report("e1", "drift", "reports/drift.html")
        assert store.save_report("e1", "classification", "reports/classification.html")
        assert store.reports(["e2", "e1"]) == {
            "e2": {},
            "e1": {"classification": "reports/classification.html", "drift": "reports/drift.html"},
        }

    def test_saving_it_again_changes_nothing(self, store: SqlStore) -> None:
        store.save_report("e1", "drift", "a.html")
        assert not store.save_report("e1", "drift", "a.html")

    def test_another_path_is_a_conflict(self, store: SqlStore) -> None:
        store.save_report("e1", "drift", "a.html")
        with pytest.raises(Conflict, match=r"`path` is 'a.html', not 'b.html'"):
            store.save_report("e1", "drift", "b.html")

    def test_a_report_about_nothing_saved_is_refused(self, store: SqlStore) -> None:
        with pytest.raises(StoreError, match="evaluation with evaluation_id 'e9'"):
            store.save_report("e9", "drift", "a.html")


class TestBatches:
    def test_contents_come_back_as_they_were_saved_in_the_order_of_recording(self, store: SqlStore) -> None:
        """A file that was rewritten has several; a footer may not tell its times."""
        several = [a_batch(), a_batch(sha256="b" * 64, size=12), a_batch(path="log/2.parquet", first_us=None, last_us=None)]
        assert store.save_batches(several) == 3
        assert store.batches(MODEL) == tuple(several)
        assert store.batches("another") == ()

    def test_the_same_content_seen_again_changes_nothing(self, store: SqlStore) -> None:
        """The first moment stays, and who accepted it."""
        store.save_batches([a_batch()])
        assert store.save_batches([a_batch(seen_at=later(5), by="ada", reason="again"), a_batch(modified_ns=7)]) == 1
        assert store.batches(MODEL) == (a_batch(), a_batch(modified_ns=7))

    def test_the_same_bytes_of_another_size_are_a_conflict_and_nothing_is_kept(self, store: SqlStore) -> None:
        store.save_batches([a_batch()])
        with pytest.raises(Conflict, match="`size` is 10, not 11"):
            store.save_batches([a_batch(path="log/2.parquet"), a_batch(size=11)])
        assert store.batches(MODEL) == (a_batch(),)


class TestReopening:
    def test_what_was_written_is_there_for_the_next_process(self, url: str) -> None:
        with open_store(url) as first:
            save_decided(first, 1)
        with open_store(url) as second:
            assert second.decision("d1") == a_decision()
            assert not second.record_decision(a_decision(), {"evaluations": ["e1"]})


_WAY = {
    RetrainingState.REQUESTED: (),
    RetrainingState.REGISTERED: (RetrainingState.REGISTERED,),
    RetrainingState.FAILED: (RetrainingState.FAILED,),
    RetrainingState.SHADOW: (RetrainingState.REGISTERED, RetrainingState.SHADOW),
    RetrainingState.CANARY: (RetrainingState.REGISTERED, RetrainingState.CANARY),
    RetrainingState.WAITING: (RetrainingState.REGISTERED, RetrainingState.WAITING),
    RetrainingState.KEPT: (RetrainingState.REGISTERED, RetrainingState.KEPT),
    RetrainingState.PROMOTED: (RetrainingState.REGISTERED, RetrainingState.WAITING, RetrainingState.PROMOTED),
    RetrainingState.REJECTED: (RetrainingState.REGISTERED, RetrainingState.WAITING, RetrainingState.REJECTED),
    RetrainingState.EXPIRED: (RetrainingState.REGISTERED, RetrainingState.WAITING, RetrainingState.EXPIRED),
}


def _bring_to(store: SqlStore, state: RetrainingState) -> None:
    store.request_retraining("d1", model=MODEL, champion="1", at=NOW)
    for step in _WAY[state]:
        store.advance_retraining("d1", step, at=later(1))
