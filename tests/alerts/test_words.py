"""What is said of an incident is short, whatever its columns are called: under ten words, two lines, one link."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.build import Story, quality
from vigil.alerts.incident import Incident, State
from vigil.alerts.message import body_of
from vigil.alerts.reading import Signal
from vigil.alerts.words import LONGEST_LINE, NAMES, context_lines, headline, title_of
from vigil.spec.channels import AlertSettings

names = st.text(min_size=1, max_size=80)


def an_incident(column: str = "age") -> Incident:
    story = Story()
    story.see(quality(breach=True, subject=column), decision={"action": "FIX_DATA", "reason": "data at fault", "id": "d-1"})
    return story.incidents[0]


@given(column=names, state=st.sampled_from(State))
def test_a_headline_has_less_than_ten_words_and_one_line(column: str, state: State) -> None:
    text = headline(replace(an_incident(column), state=state))
    assert len(text.split()) < 10
    assert len(text.splitlines()) == 1


def test_a_title_counts_the_other_columns_at_fault() -> None:
    signals = [Signal("data_quality", "expect_column_values_to_not_be_null", column) for column in ("dewp", "temp", "visib")]
    assert title_of("delay", "data_fault", signals) == "delay: data at fault (dewp +2)"


@given(column=names)
def test_at_most_two_lines_of_context_none_of_them_long(column: str) -> None:
    lines = context_lines(an_incident(column))
    assert 1 <= len(lines) <= 2
    assert all(len(line) <= LONGEST_LINE and len(line.splitlines()) == 1 for line in lines)


@given(kind=st.sampled_from(sorted(NAMES)), column=names)
def test_a_title_names_the_model_first(kind: str, column: str) -> None:
    assert title_of("churn", kind, [Signal("drift", "psi", column)]).startswith("churn:")


def test_the_lines_say_why_what_and_what_was_decided() -> None:
    assert context_lines(an_incident()) == (
        "Suspected: data fault: 1 critical expectation failed: nulls in age.",
        "expect_column_values_to_not_be_null of age is 0.5 (limit 0.02). Decided: FIX_DATA.",
    )


def test_the_link_is_the_settings_and_else_the_playbook() -> None:
    incident = replace(an_incident(), context={"playbook": "https://wiki.example.org/data_fault"})
    assert body_of(incident, AlertSettings())["link"] == "https://wiki.example.org/data_fault"
    settings = AlertSettings(link="https://vigil.example.org/{incident}")
    assert body_of(incident, settings)["link"] == f"https://vigil.example.org/{incident.incident_id}"
