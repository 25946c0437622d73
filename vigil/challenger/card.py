"""The model card of a version: what it is for, what it was made from, how good it is and for whom, and who let it serve.

Mitchell et al. 2019, Model Cards for Model Reporting (doi:10.1145/3287560.3287596). Everything in it is read from the store; nothing is
computed anew. Text that came from data or people is escaped, in Markdown and in HTML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vigil.challenger.compare import Comparison
from vigil.challenger.criteria import Standing
from vigil.challenger.shapley import SHAP
from vigil.decision.markdown import CRITERIA, criterion_cells, escaped
from vigil.decision.phrases import number, when
from vigil.errors import StoreError
from vigil.measurement import TRAINING, WHOLE, Layer
from vigil.spec.model import Metric, ModelSpec, Task
from vigil.store.contract import Store
from vigil.store.records import PromotionKind, Version

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"
LATEST_WINDOWS = 12  # shown of its service
FAIRNESS = ("demographic_parity", "equal_opportunity", "group_calibration")

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of a card: cells of text, the first of a row its name."""

    header: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Card:
    """A model card, ready to be written; see the templates for the order in which it is read.

    Attributes:
        standing: how the version stands: champion since when, challenger of which decision, and so on.
        data: name and value of what it was made from.
        excluded: windows that were left out, with the reason.
        importance: feature -> share by permutation, largest first.
        shap: feature -> mean absolute SHAP value, as text; empty where there are none. ``about_shap`` says of what, or why not.
        calibration: bins (:class:`vigil.performance.calibration.Bin`) as plain JSON; empty of a regression.
        cause: why it was made.
        comparison: what the comparison with the champion said, in words; its criteria in ``criteria``.
        approvals: who let it serve, or not, when and why.
    """

    model: str
    version: str
    purpose: str
    owner: str
    standing: str
    data: tuple[tuple[str, str], ...]
    excluded: Table
    metric: str
    performance: Table
    segments: Table
    fairness: Table
    calibration: tuple[Mapping[str, Any], ...]
    importance: tuple[tuple[str, float], ...]
    shap: Mapping[str, str]
    about_shap: str
    limits: tuple[str, ...]
    cause: str
    comparison: str
    criteria: Table
    approvals: Table
    service: Table


def card_of(store: Store, version: Version) -> Card:
    """Return the card of a registered version, as things stand now.

    Raises:
        StoreError: the specification that it was made from is not in the store.
    """
    body = store.spec(version.spec_hash)
    if body is None:
        raise StoreError(f"the specification {version.spec_hash} of version {version.version} is not in the store; run `vigil run` once")
    spec, training = ModelSpec.model_validate_json(body), version.training
    measured: Sequence[Mapping[str, Any]] = training.get("measured", ())
    whole = [each for each in measured if each["subject"] == WHOLE]
    fairness = [each for each in measured if each["metric"] in FAIRNESS]
    parts = [each for each in measured if each["subject"] != WHOLE and each not in fairness]
    comparison = _comparison(store, version)
    return Card(
        model=spec.model,
        version=version.version,
        purpose=spec.description or "Not described (`description` of its specification).",
        owner=spec.owner,
        standing=_standing(store, version),
        data=tuple(_data(version, spec)),
        excluded=Table(("window", "left out because"), tuple(sorted((str(k), str(v)) for k, v in training.get("excluded", {}).items()))),
        metric=version.metric,
        performance=_measured(("metric",), [(each["metric"].replace("_", " "), each) for each in whole]),
        segments=_measured(("segment",), [(each["subject"], each) for each in parts if each["metric"] == version.metric]),
        fairness=_measured(("group", "measure"), [(each["subject"], each["metric"].replace("_", " "), each) for each in fairness]),
        calibration=tuple(training.get("calibration", ())),
        importance=tuple(sorted(version.importance.items(), key=lambda item: (-item[1], item[0]))),
        shap={name: number(value) for name, value in training.get(SHAP, {}).get("mean_abs", {}).items()},
        about_shap=_about_shap(training.get(SHAP), spec),
        limits=tuple(_limits(spec, version, parts, comparison)),
        cause=_cause(store, version),
        comparison="Not compared: there was no champion." if version.decision_id is None else _said(comparison),
        criteria=Table(CRITERIA, () if comparison is None else tuple(_criteria(comparison))),
        approvals=Table(("when", "what", "by", "why"), tuple(_approvals(store, version))),
        service=_service(store, spec, version),
    )


def as_markdown(card: Card) -> str:
    return _rendered("card.md.j2", card)


def as_html(card: Card) -> str:
    """Return one page that needs nothing else: no script, no font, no picture from elsewhere."""
    return _rendered("card.html.j2", card)


def as_description(card: Card) -> str:
    """Return what is to be known first, as Markdown for the version's page in the registry."""
    measured = next((f"{name} {value} ({interval}) on {rows} held-out rows" for name, value, interval, rows in card.performance.rows), "")
    lines = {"Standing": card.standing, "Why it was made": card.cause, "Measured": measured, "Compared": card.comparison}
    told = [f"**{name}:** {escaped(text)}" for name, text in lines.items() if text]
    return "\n\n".join([*told, "The model card is among the artifacts of the source run: `card/card.html`."])


def _rendered(template: str, card: Card) -> str:
    return _templates().get_template(template).render(card=card)


@cache
def _templates() -> jinja2.Environment:
    """The templates, each compiled once in a process."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html.j2"], default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": escaped, "number": number}
    return environment


def _standing(store: Store, version: Version) -> str:
    trail = store.promotions(version.model)
    if trail and trail[-1].version == version.version:
        return f"champion since {when(trail[-1].at)}"
    if any(each.version == version.version for each in trail):
        return f"champion before; version {trail[-1].version} serves now"
    retraining = None if version.decision_id is None else store.retraining(version.decision_id)
    return "registered" if retraining is None else f"challenger: {retraining.state.value.replace('_', ' ')}"


def _data(version: Version, spec: ModelSpec) -> Iterator[tuple[str, str]]:
    training = version.training
    yield "registered", when(version.registered_at)
    if training.get("trained_on"):
        yield "trained on", ", ".join(training["trained_on"])
    if training.get("include_reference"):
        yield "and on", f"{training.get('reference_rows', 0):,} rows of {spec.source.reference}"
    if training.get("cut_off"):
        yield "up to", f"{training['cut_off']}; labels as of {training['labels_as_of']}"
    if training.get("rows_after_cut_off"):
        yield "rows left out at the end", f"{training['rows_after_cut_off']:,}, within the label delay before the rows compared on"
    if training.get("holdout"):
        yield "measured and compared on", ", ".join(training["holdout"])
    elif training.get("baseline_rows"):
        yield "measured on", "the last fifth of these rows, by a fit to the others"
    yield "trainer", f"{spec.training.trainer} {dict(spec.training.params) or ''}".strip()
    if training.get("code_digest"):
        yield "digest of the trainer's code", str(training["code_digest"])
    if training.get("search"):
        yield "parameters", _searched(training["search"])
    yield "features", ", ".join(spec.features)
    yield "digest of the rows", str(training.get("training_digest", "unknown"))
    yield "specification", version.spec_hash
    if version.parent is not None:
        yield "challenges", f"version {version.parent}"


def _searched(found: Mapping[str, Any]) -> str:
    if found["skipped"]:
        return f"as written; not searched: {found['skipped']}"
    tried = f"{found['trials']} trials" + (f" ({found['failed']} failed)" if found["failed"] else "")
    best = f"{found['metric'].replace('_', ' ')} {number(found['value'])} on {found['judged']:,} later rows"
    return f"{found['chosen']}, the best of {tried}: {best}; the best of many looks better than it is"


def _measured(names: Row, rows: Sequence[tuple[Any, ...]]) -> Table:
    """The last of each row is what was measured, the others its names."""
    cells = (
        (
            *map(str, given),
            "–" if each["value"] is None else number(each["value"]),
            "–" if each["low"] is None or each["high"] is None else f"{number(each['low'])} to {number(each['high'])}",
            f"{each['n']:,}",
        )
        for *given, each in rows
    )
    return Table((*names, "value", "interval", "rows"), tuple(cells))


def _about_shap(found: Mapping[str, Any] | None, spec: ModelSpec) -> str:
    if found is None:
        return "With the extra shap (pip install 'vigil[shap]') the next version's SHAP values stand beside this."
    if "failed" in found:
        return f"There are no SHAP values: {found['failed']}."
    scored = "probability" if spec.task is Task.BINARY else "predicted value"
    return (
        f"Mean |SHAP| is how far a feature moves the {scored} from row to row, rightly or wrongly: of {found['rows']:,} held-out rows, "
        f"each against {found['background']:,}."
    )


def _limits(spec: ModelSpec, version: Version, parts: Sequence[Mapping[str, Any]], comparison: Comparison | None) -> Iterator[str]:
    few = sorted(each["subject"] for each in parts if each["value"] is None)
    if few:
        yield f"Nothing is known of how good it is in {', '.join(few)}: fewer than {spec.labels.minimum} labelled rows, or 10 of a class."
    if comparison is not None:
        unjudged = [each.subject for each in comparison.criteria if each.standing is Standing.NOT_ENOUGH_DATA and each.limit is not None]
        if unjudged:
            yield f"Guarded, but with too few labels to be judged when it was compared: {', '.join(unjudged)}."
    for anomaly in spec.policy.anomalies:
        yield f"It was not trained on {anomaly.name}, and is not meant to be judged by it."
    if spec.task is Task.BINARY and Metric(version.metric) is Metric.ROC_AUC:
        yield "ROC AUC sees the order of scores only; whether they are right as probabilities stands under calibration."
    yield "Importance is by shuffling one feature at a time: features that stand in for each other share theirs, and none of it is a cause."
    yield "All figures are about rows like those it was measured on; what has happened since stands under service."


def _cause(store: Store, version: Version) -> str:
    if version.decision_id is None:
        return "The first version: no decision caused it."
    decision = store.decision(version.decision_id)
    if decision is None:
        return f"Decision {version.decision_id}, which is not in the store any more."
    return f"Decision {decision.decision_id} about {decision.window.key}: {decision.action.value}. {decision.reason}"


def _comparison(store: Store, version: Version) -> Comparison | None:
    retraining = None if version.decision_id is None else store.retraining(version.decision_id)
    return Comparison.from_json(retraining.comparison) if retraining is not None and retraining.comparison else None


def _criteria(comparison: Comparison) -> Iterator[Row]:
    """What failed first, then what passed, what is only shown, and what could not be judged."""
    standings = (Standing.FAILED, Standing.PASSED, Standing.SHOWN, Standing.NOT_ENOUGH_DATA)
    for each in sorted(comparison.to_json()["criteria"], key=lambda each: standings.index(each["standing"])):
        yield criterion_cells(each)


def _said(comparison: Comparison | None) -> str:
    return "Not compared yet." if comparison is None else comparison.sentence()


def _approvals(store: Store, version: Version) -> Iterator[Row]:
    retraining = None if version.decision_id is None else store.retraining(version.decision_id)
    if retraining is not None and retraining.state.final and retraining.state.value != PromotionKind.PROMOTED.value:
        yield when(retraining.updated_at), retraining.state.value.replace("_", " "), retraining.by or "vigil", retraining.reason
    for each in store.promotions(version.model):
        if each.version == version.version:
            yield when(each.at), each.kind.value.replace("_", " "), each.by, each.reason


def _service(store: Store, spec: ModelSpec, version: Version) -> Table:
    """Drift and performance in the latest windows that it served."""
    served = [each for each in store.evaluations(version.model) if each.version == version.version][-LATEST_WINDOWS:]
    found = store.measurements([each.evaluation_id for each in served], subject=WHOLE)
    rows = []
    for evaluation in served:
        cells = [evaluation.window.key, "ok" if evaluation.quality_passed else "breach"]
        for layer, metric, reference in ((Layer.DRIFT, "drift_share", TRAINING), (Layer.PERFORMANCE, spec.performance.metric.value, None)):
            measured = (m for m in found[evaluation.evaluation_id] if m.layer is layer and m.metric == metric)
            one = next((m for m in measured if reference is None or m.reference == reference), None)
            cells.append("–" if one is None or one.value is None else f"{number(one.value)} {one.verdict.value}")
        rows.append(tuple(cells))
    return Table(("window", "data quality", "drifted share", spec.performance.metric.value.replace("_", " ")), tuple(rows))
