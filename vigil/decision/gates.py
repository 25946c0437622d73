"""The gates of the ladder: each a pure function of evidence and specification to a result with its numbers.

Differs from :mod:`vigil.decision.ladder`, which puts them in order and turns the first that settles the matter into an action.
A gate never looks anything up. What is absent or too small is ``unknown``: never healthy, never a trigger.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from vigil.decision.break_even import sentence as costs
from vigil.decision.break_even import weigh
from vigil.decision.confirmation import by_version, confirm
from vigil.decision.confirmation import sentence as said
from vigil.decision.economics import expected_gain, in_vain
from vigil.decision.findings import counts_of, drift_of, failure, performance_of, value_of
from vigil.decision.phrases import number, percent, plural, when
from vigil.decision.types import Evidence, GateResult, GateState, PastWindow
from vigil.measurement import Layer, Measurement, Verdict
from vigil.spec.base import Sustained
from vigil.spec.model import ModelSpec

DATA_FAULT = "data_fault"
PASSING = "passing"
RELEASE = "release"
HARM = "harm"
WORTH_IT = "worth_it"

BREACH = (Verdict.BREACH,)
WORSE = (Verdict.BREACH, Verdict.WARNING)  # of performance: the value is beyond the limit, whether or not its whole interval is


def data_fault(evidence: Evidence, spec: ModelSpec) -> GateResult:
    """Gate 1: is the data at fault? Fires on any failed critical expectation."""
    checks = [m for m in evidence.measurements if m.layer is Layer.DATA_QUALITY]
    if not checks:
        return GateResult(DATA_FAULT, GateState.UNKNOWN, "Data quality is unknown: no expectation was checked.", {"checked": 0})
    failed = [m for m in checks if m.verdict is Verdict.BREACH]
    numbers = {
        "checked": len(checks),
        "failed": [
            {
                "expectation": m.metric,
                "subject": m.subject,
                "value": m.value,
                "threshold": m.threshold,
                "because": m.detail.get("because", ""),
            }
            for m in failed
        ],
    }
    if not failed:
        return GateResult(DATA_FAULT, GateState.PASSED, f"All critical expectations hold ({len(checks)} checked).", numbers)
    worst = max(failed, key=lambda m: (m.value if m.value is not None else -1.0, m.metric, m.subject))
    more = f", and {plural(len(failed) - 1, 'more')}" if len(failed) > 1 else ""
    return GateResult(DATA_FAULT, GateState.FIRED, f"The data is at fault: {failure(worst)}{more}.", numbers)


def passing(evidence: Evidence, spec: ModelSpec) -> GateResult:
    """Gate 2: does it pass by itself? Fires on a declared anomaly, and where neither drift nor lower performance is sustained."""
    drift = _sustained(evidence, spec.policy.drift, lambda past: past.drift)
    performance = _sustained(evidence, spec.policy.performance, lambda past: past.performance, WORSE)
    numbers: dict[str, Any] = {"drift": drift, "performance": performance, "anomaly": evidence.current.anomaly}
    counts = {"drift": drift, "lower performance": performance}
    if spec.business.decides:
        counts["lower value"] = numbers["business"] = _sustained(evidence, spec.policy.business, lambda past: past.business)
    if evidence.current.anomaly is not None:
        sentence = f"The window lies in the declared event “{evidence.current.anomaly}”, which is not acted on."
        return GateResult(PASSING, GateState.FIRED, sentence, numbers)
    paid = weigh(evidence, spec)
    if paid is not None and paid.reached:
        return GateResult(PASSING, GateState.PASSED, f"Waiting has cost as much as a retraining: {costs(paid, spec)}.", numbers)
    if any(count["sustained"] for count in counts.values()):
        return GateResult(PASSING, GateState.PASSED, f"It lasts: {counts_of(counts)}.", numbers)
    found = evidence.current.drift, evidence.current.performance
    if not any(_known(m) for m in found):
        sentence = "Neither drift nor performance could be measured: too little data, so nothing is known and nothing is done."
        return GateResult(PASSING, GateState.UNKNOWN, sentence, numbers)
    worth = evidence.current.business if "business" in numbers else None
    now = f"{drift_of(found[0])}; {performance_of(found[1], spec)}"
    if worth is not None and worth.value is not None:
        now += f"; {value_of(worth, spec)}"
    judged = (found[0], BREACH), (found[1], WORSE), (worth, BREACH)
    if any(m is not None and m.verdict in worse for m, worse in judged):
        return GateResult(PASSING, GateState.FIRED, f"It does not last yet: {counts_of(counts)}. Now {now}.", numbers)
    return GateResult(PASSING, GateState.FIRED, f"Nothing that decides is in breach: {now}.", numbers)


def release(evidence: Evidence, spec: ModelSpec) -> GateResult:
    """Gate 3: is a release at fault? Fires where confirmed harm begins with a version, the version before was sound to its end, and the
    inputs have not drifted since: then what changed is the release."""
    own, before = by_version(evidence, spec.policy.performance.n)
    if not own or not before:
        return GateResult(RELEASE, GateState.PASSED, "No other version was measured before it.", {"previous": None})
    found = confirm(evidence, spec)
    previous, began = before[0].version, when(own[-1].window.start)
    bad_before = sum(past.performance is not None and past.performance.verdict in WORSE for past in before)
    numbers: dict[str, Any] = {
        "previous": previous,
        "began": began,
        "harm_since": found.since,
        "confirmed": found.confirmed,
        "bad_windows_before": bad_before,
        "drifted_windows": sum(past.drift is not None and past.drift.verdict is Verdict.BREACH for past in own),
    }
    if not (found.confirmed and found.since == began):
        return GateResult(RELEASE, GateState.PASSED, f"No harm that begins with version {evidence.version} is confirmed.", numbers)
    if bad_before:
        return GateResult(
            RELEASE, GateState.PASSED, f"Version {previous} had been beyond its limit too, before version {evidence.version}.", numbers
        )
    if numbers["drifted_windows"]:
        return GateResult(RELEASE, GateState.PASSED, f"The inputs drifted as well since version {evidence.version} serves.", numbers)
    limit = evidence.current.performance.threshold if evidence.current.performance is not None else None
    sentence = (
        f"The release of version {evidence.version} is at fault: harm begins with it, version {previous} was sound and the inputs have not "
        f"drifted; {said(found, spec, limit)}. Nothing is rolled back by itself: `vigil rollback {evidence.model} {previous} --reason ...`."
    )
    return GateResult(RELEASE, GateState.FIRED, sentence, numbers)


def harm(evidence: Evidence, spec: ModelSpec) -> GateResult:
    """Gate 4: is there harm? *Confirmed* by evidence from labels that holds however often one looks, *suspected* by sustained drift.

    With a price, waiting that has cost as much as a retraining is harm enough.
    """
    drift = _sustained(evidence, spec.policy.drift, lambda past: past.drift)
    lasting = _sustained(evidence, spec.policy.performance, lambda past: past.performance, WORSE)["sustained"]
    measured, found = evidence.current.performance, confirm(evidence, spec)
    numbers: dict[str, Any] = {
        "confirmed": found.confirmed and lasting,
        "suspected": drift["sustained"],
        "evidence": found.numbers(),
        "performance": _values(measured),
        "drift": _values(evidence.current.drift),
        "baseline": evidence.baseline,
        "retrain_on_drift_alone": spec.policy.retrain_on_drift_alone,
        "labels": 0 if measured is None else measured.n,
        "labels_needed": spec.labels.minimum,
    }
    limit = measured.threshold if measured is not None else None
    if found.confirmed and lasting:
        return GateResult(HARM, GateState.FIRED, f"Harm is confirmed by labels: {said(found, spec, limit)}.", numbers)
    worth = evidence.current.business
    if spec.business.decides and worth is not None:
        numbers["business"] = count = _sustained(evidence, spec.policy.business, lambda past: past.business)
        if _worth_less(evidence, spec):
            sentence = (
                f"Harm is confirmed by what predictions are worth: {value_of(worth, spec)}, surely less in {count['breaches']} of the last "
                f"{plural(count['measured'], 'measured window')}."
            )
            return GateResult(HARM, GateState.FIRED, sentence, numbers)
    paid = weigh(evidence, spec)
    if paid is not None and paid.reached:
        return GateResult(HARM, GateState.FIRED, f"Waiting costs more than retraining: {costs(paid, spec)}.", numbers)
    suspicion = f"Harm is suspected: {drift_of(evidence.current.drift)}"
    if drift["sustained"] and spec.policy.retrain_on_drift_alone:
        return GateResult(HARM, GateState.FIRED, f"{suspicion}, and the policy acts on sustained drift alone.", numbers)
    if measured is None or measured.verdict is Verdict.NOT_ENOUGH_DATA:
        labels = 0 if measured is None else measured.n
        lacking = f"{plural(labels, 'label')} cannot tell (the metric needs {spec.labels.minimum})"
        if measured is not None and measured.detail.get("maturity") is not None:  # there may be many, but not those that come late
            lacking = performance_of(measured, spec)
        sentence = f"{suspicion}, but {lacking}."
        return GateResult(HARM, GateState.UNKNOWN, sentence, numbers)
    if lasting:
        return GateResult(HARM, GateState.PASSED, f"Harm is not confirmed, it may be chance: {said(found, spec, limit)}.", numbers)
    return GateResult(HARM, GateState.PASSED, f"Drift without harm: {performance_of(measured, spec)}.", numbers)


def worth_it(evidence: Evidence, spec: ModelSpec) -> GateResult:
    """Gate 6: is retraining worth it now? Fires where the version has not yet cost as much as a retraining does.

    Where that is not asked or cannot be told, it fires within the cool-down, which grows with retrainings in vain, and by the rule
    ``harm`` where the model's own retrainings brought less than they cost.
    """
    since, needed = evidence.windows_since_retraining, spec.policy.cool_down_windows
    terms, paid = spec.policy.economics, weigh(evidence, spec)
    gain = expected_gain([past.gain for past in evidence.gains], terms if terms is not None and terms.rule == "harm" else None)
    numbers: dict[str, Any] = {
        "windows_since_retraining": since,
        "cool_down_windows": needed,
        "last_retraining": evidence.last_retraining,
        "gain": gain,
        "break_even": None if paid is None else paid.numbers(),
    }
    if paid is not None and not paid.reached and _worth_less(evidence, spec):
        paid = None  # what the metric does not see, its price cannot weigh
    vain, pause = _pause(evidence, spec)
    if vain:
        numbers["in_vain"] = {"retrainings": vain, "pause_windows": pause}
    if paid is None and since is not None and since < pause:
        free = evidence.window.shifted(pause - since)
        many = f"the last {vain} retrainings" if vain > 1 else "it"
        longer = f"; {many} brought nothing, so it is {pause}" if vain else ""
        sentence = (
            f"The last retraining was decided {plural(since, 'window')} ago and the cool-down is {needed}{longer}: "
            f"not before the window that starts on {when(free.start)}."
        )
        return GateResult(WORTH_IT, GateState.FIRED, sentence, numbers)
    if evidence.fleet is not None:
        numbers["fleet"] = {"most": evidence.fleet.most, "days": evidence.fleet.days, "spent": len(evidence.fleet.spent)}
        if len(evidence.fleet.spent) >= evidence.fleet.most:
            sentence = (
                f"The budget of all models is spent: {plural(len(evidence.fleet.spent), 'retraining')} decided in the last "
                f"{evidence.fleet.days:g} days, retraining_budget of vigil.yaml allows {evidence.fleet.most}."
            )
            return GateResult(WORTH_IT, GateState.FIRED, sentence, numbers)
    if paid is not None:
        state = GateState.PASSED if paid.reached else GateState.FIRED
        return GateResult(WORTH_IT, state, f"{'It pays' if paid.reached else 'It does not pay yet'}: {costs(paid, spec)}.", numbers)
    ago = "No retraining was decided before" if since is None else f"The last retraining was decided {plural(since, 'window')} ago"
    free_now = f"{ago}; the cool-down is {plural(pause, 'window')}."
    if gain is None:
        return GateResult(WORTH_IT, GateState.PASSED, free_now, numbers)
    if gain["worth"] is None:
        few = f"{plural(gain['retrainings'], 'retraining')} of the last year, {gain['needed']} are needed"
        return GateResult(WORTH_IT, GateState.UNKNOWN, f"{free_now} What a retraining brings is unknown: {few}.", numbers)
    pays = gain["worth"] >= gain["cost"]
    realised = sum(past.realised for past in evidence.gains)
    measured = f" ({realised} of them measured over their horizon)" if realised else ""
    sentence = (
        f"The last {plural(gain['retrainings'], 'retraining')}{measured} brought {number(gain['mean'])} {spec.compared_on.value} on "
        f"average; with {percent(1 - gain['quantile'])} certainty at least {number(gain['low'])}, worth {number(gain['worth'])} over "
        f"{plural(gain['horizon_windows'], 'window')}, {'more' if pays else 'less'} than the cost of {number(gain['cost'])}"
    )
    return GateResult(
        WORTH_IT, GateState.PASSED if pays else GateState.FIRED, f"{sentence}. {free_now}" if pays else f"{sentence}.", numbers
    )


def _pause(evidence: Evidence, spec: ModelSpec) -> tuple[int, int]:
    """Return how many retrainings in a row were in vain, and the windows to wait after the last: the cool-down, doubled for each of them.

    Doubling finds what can be mended at most twice as late, for a number of vain ones that grows with the logarithm of the time. A loss
    that is confirmed against what the version could do when a challenger was no better is a new one, and waits as after the first.
    """
    vain = in_vain(evidence.gains, evidence.last_retraining)
    if vain:
        found = confirm(evidence, spec)
        vain = 0 if found.confirmed and found.unbeaten else vain
    return vain, spec.policy.cool_down_windows * 2**vain


def _worth_less(evidence: Evidence, spec: ModelSpec) -> bool:
    """Tell whether what predictions are worth has surely been too little for long enough."""
    if not spec.business.decides:
        return False
    return bool(_sustained(evidence, spec.policy.business, lambda past: past.business)["sustained"])


def _sustained(
    evidence: Evidence, rule: Sustained, pick: Callable[[PastWindow], Measurement | None], counted: Container[Verdict] = BREACH
) -> dict[str, Any]:
    """Count breaches among the last n windows of the same version that passed quality, lie in no anomaly and could be measured.

    They are looked for among the last 2 n windows; a breach is a verdict in ``counted``.
    """
    usable: list[PastWindow] = []
    breaches: list[str] = []
    first = evidence.window.shifted(-2 * rule.n).start
    for past in (evidence.current, *evidence.history):
        found = pick(past)
        if past.version != evidence.version or not past.quality_passed or past.anomaly is not None or past.window.start < first:
            continue
        if found is None or found.verdict is Verdict.NOT_ENOUGH_DATA:
            continue
        usable.append(past)
        if found.verdict in counted:
            breaches.append(when(past.window.start))
        if len(usable) == rule.n:
            break
    in_breach_now = bool(usable) and usable[0] is evidence.current and when(evidence.window.start) in breaches
    return {
        "breaches": len(breaches),
        "measured": len(usable),
        "k": rule.k,
        "n": rule.n,
        "windows": breaches,
        "sustained": in_breach_now and len(breaches) >= rule.k,
    }


def _known(measurement: Measurement | None) -> bool:
    return measurement is not None and measurement.verdict is not Verdict.NOT_ENOUGH_DATA


def _values(measurement: Measurement | None) -> dict[str, Any] | None:
    if measurement is None:
        return None
    return {
        "value": measurement.value,
        "low": measurement.low,
        "high": measurement.high,
        "n": measurement.n,
        "threshold": measurement.threshold,
        "verdict": measurement.verdict.value,
    }
