"""The compose file and the image, checked without a Docker engine: by schema, and against the programs that they name."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mlflow.cli import cli
from ruamel.yaml import YAML

from vigil.project import ENVIRONMENT_VARIABLE
from vigil.spec.load import load_project

INFRA = Path(__file__).resolve().parents[2] / "infra"
SCHEMA = Path(__file__).parent / "schema" / "compose_spec.json"
OURS = ("prefect", "mlflow", "deployments", "worker")


@pytest.fixture(scope="module")
def compose() -> Any:
    file = YAML(typ="safe").load(INFRA / "compose.yaml")
    assert file.pop("name") == "vigil"  # a key of the Compose Specification that is younger than the schema's copy
    return file


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (INFRA / "Dockerfile").read_text()


def test_the_compose_file_follows_the_specification(compose: Any) -> None:
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(compose)


def test_the_schema_would_refuse_a_misspelt_key(compose: Any) -> None:
    compose = json.loads(json.dumps(compose))
    compose["services"]["worker"]["comand"] = []
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(compose)


def test_what_services_refer_to_exists(compose: Any) -> None:
    """Volumes, secrets and services that are waited for are declared; what is waited for can become what is waited for."""
    for name, service in compose["services"].items():
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        named = {volume.split(":")[0] for volume in service.get("volumes", ()) if not volume.startswith((".", "/", "$"))}
        assert named <= set(compose["volumes"]), name
        for needed, how in service.get("depends_on", {}).items():
            disabled = compose["services"][needed].get("healthcheck", {}).get("disable", False)
            assert how["condition"] == ("service_completed_successfully" if disabled else "service_healthy"), (name, needed)


def test_no_password_stands_in_a_file(compose: Any) -> None:
    """URLs name a user only; passwords come from secret files, which git ignores."""
    texts = [(INFRA / name).read_text() for name in ("compose.yaml", "vigil.yaml", "Dockerfile")]
    assert not [url for text in texts for url in re.findall(r"\w+://[^\s/@]+:[^\s/@]+@", text)]
    assert all("VIGIL_SECRETS" in secret["file"] for secret in compose["secrets"].values())
    assert (INFRA / ".gitignore").read_text() == "secrets/\n"


def test_servers_listen_on_the_hosts_loopback_only(compose: Any) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_our_containers_run_without_root_and_cannot_write_their_image(compose: Any, dockerfile: str) -> None:
    assert re.search(r"^USER vigil$", dockerfile, re.MULTILINE)
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "privileged" not in service


def options_of(compose: Any, service: str) -> set[str]:
    return {word.split("=")[0] for word in compose["services"][service]["command"] if word.startswith("--")}


def test_every_option_of_prefects_command_exists(compose: Any) -> None:
    """The program's own help lists each of them."""
    subcommand = compose["services"]["prefect"]["command"][1:3]
    done = subprocess.run([sys.executable, "-m", "prefect", *subcommand, "--help"], capture_output=True, text=True, check=True)
    assert options_of(compose, "prefect") <= set(re.findall(r"--[a-z-]+", done.stdout))


def test_every_option_of_mlflows_command_exists(compose: Any) -> None:
    """The command itself has each of them."""
    command = cli.commands[compose["services"]["mlflow"]["command"][1]]
    assert options_of(compose, "mlflow") <= {option for parameter in command.params for option in parameter.opts}


def test_the_images_project_is_where_the_worker_mounts_it(compose: Any, dockerfile: str) -> None:
    (mount,) = compose["services"]["worker"]["volumes"]
    assert f"{ENVIRONMENT_VARIABLE}={mount.rpartition(':')[2]}" in dockerfile


def test_the_build_takes_hashes_and_its_files_are_not_ignored(dockerfile: str) -> None:
    """Everything that is copied stands in .dockerignore's exceptions, and so does every package of the wheel."""
    assert "--require-hashes -r requirements.lock" in dockerfile
    ignore = (INFRA.parent / ".dockerignore").read_text().split()
    assert ignore[0] == "*"
    packages = re.search(r"^packages = (\[.*\])", (INFRA.parent / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages is not None
    needed = [*json.loads(packages[1]), "requirements.lock", "pyproject.toml", "README.md", "LICENSE", "infra/entrypoint.sh"]
    assert [name for name in needed if f"!{name}" not in ignore] == []
    assert all((INFRA.parent / name).exists() for name in needed)


def test_the_example_project_names_the_services_of_the_compose_file(compose: Any) -> None:
    spec = load_project(INFRA / "vigil.yaml")
    assert spec.prefect.api_url == compose["services"]["worker"]["environment"]["PREFECT_API_URL"] == "http://prefect:4200/api"
    assert spec.mlflow.tracking_uri == "http://mlflow:5000"
    assert "--allowed-hosts=mlflow:5000,localhost:*,127.0.0.1:*" in compose["services"]["mlflow"]["command"]


def test_the_entrypoint_reads_the_password_and_becomes_the_program(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("a'b \"c\n")
    environment = {"PATH": "/usr/bin:/bin", "PGPASSWORD_FILE": str(secret)}
    done = subprocess.run(
        [INFRA / "entrypoint.sh", "sh", "-c", 'printf %s "$PGPASSWORD"'], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "a'b \"c"


def test_a_missing_secret_stops_the_container(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "PGPASSWORD_FILE": str(tmp_path / "none")}
    assert subprocess.run([INFRA / "entrypoint.sh", "true"], env=environment, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("script", ["entrypoint.sh", "postgres/databases.sh"])
def test_scripts_parse_and_may_be_run(script: str) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    assert subprocess.run(shlex.split(f"{shell} -n {INFRA / script}"), check=False).returncode == 0
    assert (INFRA / script).stat().st_mode & 0o111
