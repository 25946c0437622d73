"""``deployments/prefect.yaml``: read by Prefect's own model, its flows importable, its parameters those of the flows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from ruamel.yaml import YAML

from deployments.up import DEPLOYMENTS


@pytest.fixture(scope="module")
def described() -> Any:
    from prefect.cli.deploy._models import PrefectYamlModel

    return PrefectYamlModel.model_validate(YAML(typ="safe").load(DEPLOYMENTS))


def test_the_flows_that_start_one_another_by_name_are_deployed_under_it(described: Any) -> None:
    """FLOW/DEPLOYMENT, where both are the flow's name: ``retrain/retrain`` is what tasks.retraining starts."""
    from prefect.flows import load_flow_from_entrypoint

    named = {deployment.name: load_flow_from_entrypoint(deployment.entrypoint).name for deployment in described.deployments}
    assert named == {name: name for name in ("monitor_fleet", "monitor", "retrain", "deliver", "digest", "review")}


def test_parameters_are_the_flows_own(described: Any) -> None:
    from prefect.flows import load_flow_from_entrypoint

    for deployment in described.deployments:
        flow = load_flow_from_entrypoint(deployment.entrypoint)
        assert "project" in deployment.parameters
        assert set(deployment.parameters) <= set(flow.parameters.properties)


def test_only_the_fleet_the_deliveries_the_digest_and_the_reviews_have_a_schedule(described: Any) -> None:
    scheduled = {deployment.name: deployment.schedules for deployment in described.deployments if deployment.schedules}
    assert set(scheduled) == {"monitor_fleet", "deliver", "digest", "review"}


def test_all_run_on_the_pool_that_the_image_works_for(described: Any) -> None:
    image = (Path(__file__).resolve().parents[2] / "infra" / "Dockerfile").read_text()
    assert {deployment.work_pool.name for deployment in described.deployments} == {"vigil"}
    assert '"--pool", "vigil"' in image


def test_vigil_up_serves_them_with_the_projects_folder_and_schedule() -> None:
    from deployments.serve import deployments_of

    with mock.patch.dict(os.environ):
        made = list(deployments_of(DEPLOYMENTS, {"VIGIL_PROJECT": "/some/project", "VIGIL_SCHEDULE": "30 4 * * 1"}))
    assert {deployment.flow_name: deployment.parameters["project"] for deployment in made} == dict.fromkeys(
        ("monitor_fleet", "monitor", "retrain", "deliver", "digest", "review"), "/some/project"
    )
    schedules = {deployment.flow_name: deployment.schedules for deployment in made if deployment.schedules}
    assert [(each.schedule.cron, each.schedule.timezone) for each in schedules["monitor_fleet"]] == [("30 4 * * 1", "UTC")]
    assert [each.schedule.cron for each in schedules["deliver"]] == ["*/5 * * * *"]


@pytest.mark.parametrize(
    ("tiers", "active"),
    [(None, {"monitor_fleet"}), (["P0", "P1"], {"monitor_fleet", "deliver"}), (["P2"], {"monitor_fleet", "deliver", "digest"})],
)
def test_a_schedule_that_would_find_nothing_to_do_is_inactive(tiers: list[str] | None, active: set[str]) -> None:
    """No channel: nothing is ever delivered. None that takes P2: nobody reads a digest."""
    from deployments.serve import deployments_of, without_work
    from vigil.spec.channels import AlertSettings

    channels = {} if tiers is None else {"hook": {"kind": "webhook", "url": "https://example.org", "tiers": tiers}}
    idle = without_work(AlertSettings.model_validate({"channels": channels}))
    with mock.patch.dict(os.environ):
        made = list(deployments_of(DEPLOYMENTS, {"VIGIL_PROJECT": "/some/project", "VIGIL_SCHEDULE": "30 4 * * 1"}, idle))
    assert {each.flow_name for each in made for schedule in each.schedules or () if schedule.active} == active


@pytest.mark.parametrize(("rows", "idle"), [(None, {"deliver", "digest", "review"}), (40, {"deliver", "digest"})])
def test_reviews_are_idle_until_a_model_wants_them(rows: int | None, idle: set[str]) -> None:
    from deployments.serve import without_work
    from tests.performance.test_measure import make_spec
    from vigil.spec.channels import AlertSettings

    assert without_work(AlertSettings(), [make_spec(labels={"review_rows": rows})]) == idle
