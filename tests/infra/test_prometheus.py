"""Rules, scrape configuration and dashboard ask for what vigil really answers: its metrics, its labels, and their values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from tests.console.shop import fill_store, make_shop
from vigil.alerts.openmetrics import openmetrics
from vigil.performance.label_free import PREFIX
from vigil.project import Project
from vigil.store.records import FlowRun

INFRA = Path(__file__).resolve().parents[2] / "infra"
RULES = YAML(typ="safe").load(INFRA / "prometheus" / "rules.yml")
DASHBOARD = json.loads((INFRA / "grafana" / "dashboards" / "vigil.json").read_text())
OF_METRICS_NOT_MEASURED_HERE = {"latency_p95_ms", "error_rate", "rows"}  # the shop logs neither latencies nor errors


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Mapping[str, str]]]:
    """Of a small shop: the labels of each metric's samples."""
    folder = make_shop(tmp_path_factory.mktemp("infra") / "shop")
    fill_store(folder)
    project = Project.open(folder)
    now = datetime.now(UTC)
    with project.store() as store:
        store.begin_flow_run(FlowRun("r1", "churn", now))
        store.end_flow_run("r1", at=now)
        families = text_string_to_metric_families(openmetrics(store, list(project.models.values()), now))
    return {family.name: [sample.labels for sample in family.samples] for family in families}


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES["groups"][0]["rules"]:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        yield variable["name"], variable["query"]["query"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=[where for where, _ in expressions()])
def test_an_expression_asks_for_what_is_answered(answered: Mapping[str, list[Mapping[str, str]]], where: str, expression: str) -> None:
    for name, braces in re.findall(r"(vigil_\w+)(?:\{([^}]*)\})?", expression):
        assert answered.get(name), f"{where}: {name} is not answered"
        for label, how, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', braces):
            values = {labels[label] for labels in answered[name]}
            pattern = value.replace("$model", ".*")
            met = any(re.fullmatch(pattern, each) for each in values) if how == "=~" else value in values
            assert met or value in OF_METRICS_NOT_MEASURED_HERE, f"{where}: no {label} of {name} is {value!r}; there are {sorted(values)}"
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


def test_what_an_alert_says_names_labels_that_it_keeps() -> None:
    for rule in RULES["groups"][0]["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        said = " ".join(rule["annotations"].values())
        kept = re.search(r"by \((\w+)\)", rule["expr"])
        for label in re.findall(r"\$labels\.(\w+)", said):
            assert (kept.group(1) if kept else "model") == label, rule["alert"]


def test_what_is_scraped_is_the_documented_port() -> None:
    config = YAML(typ="safe").load(INFRA / "prometheus" / "prometheus.yml")
    (job,) = config["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["127.0.0.1:9470"]
    assert all((INFRA / "prometheus" / name).exists() for name in config["rule_files"])
    assert "metrics: {port: 9470}" in (INFRA.parent / "docs" / "alerts.md").read_text()


def test_the_dashboard_is_what_grafana_provisions() -> None:
    """Panels lie on the grid of 24 columns without overlap, with ids of their own, and ask the provisioned source."""
    source = YAML(typ="safe").load(INFRA / "grafana" / "provisioning" / "datasources" / "vigil.yaml")["datasources"][0]
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == source["uid"]
        place: dict[str, Any] = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_estimates_are_drawn_otherwise_than_what_was_measured() -> None:
    """By the name that a line has in the panel; a window's value is a line there, and of lines Grafana dashes, but does not hatch."""
    (panel,) = (each for each in DASHBOARD["panels"] if each["title"] == "Performance")
    (override,) = panel["fieldConfig"]["overrides"]
    pattern = override["matcher"]["options"].strip("/")
    legend = panel["targets"][0]["legendFormat"].replace("{{model}}", "churn")
    drawn = {
        metric: re.search(pattern, legend.replace("{{metric}}", metric)) for metric in (f"{PREFIX}mae", "mae", "prediction_powered_mae")
    }
    assert [metric for metric, found in drawn.items() if found] == [f"{PREFIX}mae"]
    assert {each["id"]: each["value"] for each in override["properties"]}["custom.lineStyle"]["fill"] == "dash"
