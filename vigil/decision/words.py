"""A decision in plain words: one renderer for command line, artifacts, alerts and pages."""

from __future__ import annotations

from dataclasses import dataclass

from vigil.decision import gates
from vigil.decision.kind import KIND
from vigil.decision.phrases import number, plural, when
from vigil.decision.types import Action, Decision, GateResult, GateState
from vigil.store.records import Payoff

HEADLINES = {
    Action.RETRAIN: "Retrain.",
    Action.RECALIBRATE: "Recalibrate.",
    Action.GET_LABELS: "Get labels before acting.",
    Action.FIX_DATA: "Fix the data; do not train on it.",
    Action.ROLLBACK: "Roll back the release.",
    Action.HOLD: "Hold: do nothing.",
}

QUESTIONS = {
    gates.DATA_FAULT: "Is the data at fault?",
    gates.PASSING: "Will it pass by itself?",
    gates.RELEASE: "Is a release at fault?",
    gates.HARM: "Is there harm?",
    KIND: "Which kind of harm is it?",
    gates.WORTH_IT: "Is retraining worth it now?",
}

SIGNS = {GateState.FIRED: "●", GateState.PASSED: "○", GateState.UNKNOWN: "?", GateState.NOT_REACHED: "·"}


@dataclass(frozen=True)
class Explanation:
    """What a person is told: a headline, one line per gate, and what would have changed the decision."""

    headline: str
    gates: tuple[tuple[str, str, str], ...]  # (sign, question, answer)
    would_have_changed: str

    def text(self) -> str:
        lines = [self.headline, ""]
        lines += [f"  {sign} {question} {answer}" for sign, question, answer in self.gates]
        return "\n".join([*lines, "", f"What would have changed it: {self.would_have_changed}"])


def explain(decision: Decision) -> Explanation:
    """Put a decision into words. Everything said is in the decision itself; nothing is looked up or computed again."""
    headline = (
        f"{decision.model}, {when(decision.window.start)} to {when(decision.window.end)}: {HEADLINES[decision.action]} {decision.reason}"
    )
    answers = tuple((SIGNS[g.state], QUESTIONS.get(g.gate, g.gate), g.sentence) for g in decision.gates)
    return Explanation(headline=headline, gates=answers, would_have_changed=_would_have_changed(decision))


def payoff_sentence(payoff: Payoff) -> str:
    """Say what a promotion was expected to bring and what it brought."""
    over = f"over {plural(payoff.windows, 'window')} with {plural(payoff.n, 'label')}"
    expected = f"Expected {payoff.metric} to be better by {number(payoff.predicted)}"
    if payoff.realised is None or payoff.low is None or payoff.high is None:
        return f"{expected}; {over} too little to tell what it brought."
    # of a loss the interval's ends change places with their signs
    low, high = (payoff.low, payoff.high) if payoff.realised >= 0 else (-payoff.high, -payoff.low)
    how = "better" if payoff.realised >= 0 else "worse"
    gain = f"{how} by {number(abs(payoff.realised))} ({number(low)} to {number(high)})"
    return f"{expected}; {over} it was {gain} than the version that it replaced."


def _would_have_changed(decision: Decision) -> str:
    reached = [gate for gate in decision.gates if gate.state is not GateState.NOT_REACHED]
    last = reached[-1]
    if last.gate == gates.DATA_FAULT:
        return "right data for this window; the next run of it sees the change and decides anew."
    if last.gate == gates.PASSING:
        return _nearest_sustained(last)
    if last.gate == gates.RELEASE:
        return f"drift of the inputs, or the same loss under version {last.numbers['previous']}: then the release would not explain it."
    if last.gate == gates.HARM:
        return _nearest_harm(last, decision.action)
    if last.gate == KIND:
        return f"a loss that harder cases do not explain, of {number(last.numbers['tolerated_loss'])} or more."
    fleet = last.numbers.get("fleet")
    if decision.action is Action.HOLD and fleet is not None and fleet["spent"] >= fleet["most"] and not _cooling(last):
        return f"a larger retraining_budget in vigil.yaml, or fewer retrainings of other models in the {fleet['days']:g} days before."
    paid = last.numbers.get("break_even")
    if decision.action is Action.HOLD and paid is not None:
        more = "losses of which a retraining avoids some" if paid["more_windows"] is None else plural(paid["more_windows"], "more window")
        return f"{more}{'' if paid['more_windows'] is None else ' like these'}, or a lower cost in policy.economics."
    if decision.action is Action.HOLD and (last.numbers.get("gain") or {}).get("worth") is not None and not _cooling(last):
        return f"retrainings that bring more than they cost ({last.numbers['gain']['cost']:g}), or a lower cost in policy.economics."
    if decision.action is Action.HOLD:
        return f"the end of the cool-down, {plural(_pause(last), 'window')} after the last retraining decision."
    return "no sustained breach, a declared event, or a retraining decided within the cool-down."


FOUND = {
    "drift": ("drift in breach", ""),
    "performance": ("performance beyond its limit", ", and evidence that it is not chance"),
    "business": ("a value surely below its minimum", ""),
}


def _nearest_sustained(gate: GateResult) -> str:
    if gate.numbers["anomaly"] is not None:
        return "no declared event over this window."
    names = [name for name in FOUND if name in gate.numbers]
    missing = {name: max(gate.numbers[name]["k"] - gate.numbers[name]["breaches"], 1) for name in names}
    nearest = min(missing, key=lambda name: (missing[name], name))
    rule = gate.numbers[nearest]
    found, and_more = FOUND[nearest]
    return f"{plural(missing[nearest], 'more window')} with {found} ({rule['k']} of {rule['n']} are needed){and_more}."


def _cooling(gate: GateResult) -> bool:
    since = gate.numbers["windows_since_retraining"]
    return gate.numbers.get("break_even") is None and since is not None and since < _pause(gate)


def _pause(gate: GateResult) -> int:
    """The cool-down, or what retrainings in vain have made of it."""
    return int((gate.numbers.get("in_vain") or {}).get("pause_windows", gate.numbers["cool_down_windows"]))


def _nearest_harm(gate: GateResult, action: Action) -> str:
    """What would have confirmed harm: more labels like these, and how many; or a loss where there is none."""
    if action is Action.GET_LABELS:
        lacking = gate.numbers["labels_needed"] - gate.numbers["labels"]
        labels = plural(lacking, "more label") if lacking > 0 else "more labels of the rarer class"
        return f"{labels} of this window, which confirm or rule out harm."
    evidence = gate.numbers.get("evidence", {})
    more = evidence.get("more_windows")
    if not more:
        return "a confirmed loss on labels."
    labels = round(more * evidence["labels"] / evidence["stretch"])
    last = f"the last {evidence['stretch']}" if evidence["stretch"] > 1 else "the last"
    return f"{plural(more, 'more window')} like {last}, or about {plural(labels, 'more label')} that say the same."
