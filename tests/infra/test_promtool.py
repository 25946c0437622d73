"""Prometheus' own tool on the files that we ship. Debian's package ``prometheus`` brings it; where it is not on PATH nothing is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.test_prometheus import INFRA, RULES

PROMTOOL = shutil.which("promtool")
FILES = INFRA / "prometheus"


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH: `apt-get install prometheus` brings it")
@pytest.mark.parametrize(
    "words", [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules.test.yml")]
)
def test_prometheus_takes_the_files_and_its_rules_fire_when_they_should(words: tuple[str, ...]) -> None:
    done = subprocess.run([str(PROMTOOL), *words], cwd=FILES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_tried_firing_and_silent() -> None:
    """A rule that is added without a trial is noticed on any machine."""
    text = (FILES / "rules.test.yml").read_text()
    for rule in RULES["groups"][0]["rules"]:
        name = rule["alert"]
        assert f"alertname: {name} }}" in text, f"{name} is never tried silent"
        assert f"alertname: {name}\n        exp_alerts:" in text, f"{name} is never tried firing"


def test_the_tool_would_refuse_a_rule_that_fires_too_early(tmp_path: Path) -> None:
    """Without the hours that it waits, the trial of the rule fails."""
    if PROMTOOL is None:
        pytest.skip("promtool is not on PATH: `apt-get install prometheus` brings it")
    for name in ("rules.yml", "rules.test.yml"):
        (tmp_path / name).write_text((FILES / name).read_text().replace("for: 1d", "for: 1h"))
    done = subprocess.run([PROMTOOL, "test", "rules", "rules.test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "VigilIncidentUnacknowledged" in done.stdout + done.stderr
