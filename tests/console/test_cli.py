"""The command itself: global options, errors and exit codes, what importing costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from console.cli import hoisted
from console.exit_codes import CODES, ExitCode, exit_code_of
from tests.console.shop import MODEL, call, fill_store, make_shop
from vigil import errors

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("prefect", "mlflow", "great_expectations", "evidently", "pandas", "ibis", "duckdb", "sqlalchemy", "numpy")


def vigil(*words: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    import os

    env = {name: value for name, value in os.environ.items() if name != "VIGIL_PROJECT"} | {"PYTHONPATH": str(ROOT)} | environ
    return subprocess.run(
        [sys.executable, "-m", "console", *words], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120
    )


def test_importing_the_command_loads_no_heavy_library() -> None:
    """Answers to --help and mistakes come at once; each command imports what it uses."""
    code = f"import sys, console.cli; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_help_names_every_command() -> None:
    shown = call(None, "--help").stdout
    for name in (
        "demo",
        "run",
        "backfill",
        "status",
        "why",
        "decisions",
        "approve",
        "reject",
        "accept",
        "check",
        "doctor",
        "up",
        "adopt",
        "init",
        "schema",
    ):
        assert f"\n  {name} " in shown


def test_every_error_of_vigil_has_its_exit_code() -> None:
    """A new error class is a decision about its code, not a silent failure."""
    raised = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.VigilError)}
    assert raised <= set(CODES)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SpecError("wrong", file="vigil.yaml"), 2),
        (errors.ModelNotFound("a", []), 2),
        (errors.SourceError("gone", source="a.parquet"), 3),
        (errors.RegistryError("down"), 4),
        (errors.StoreError("down"), 4),
        (errors.OrchestratorError("down"), 4),
        (errors.Conflict("moved on"), 5),
        (errors.NotAllowed("not now"), 5),
        (errors.TrainingFailed("raised"), 1),
        (ZeroDivisionError(), 1),
    ],
)
def test_exit_codes_stay_what_scripts_know(error: Exception, code: int) -> None:
    assert exit_code_of(error) == code


def test_a_subclass_has_the_code_of_its_nearest_class() -> None:
    class Refused(errors.NotAllowed):
        pass

    assert exit_code_of(Refused("no")) is ExitCode.CONFLICT


def test_a_wrong_specification_is_one_message_on_stderr_and_no_traceback(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    (folder / "models" / "churn.yaml").write_text("model: churn\nownr: me\n")
    done = vigil("status", "--json", "--project", str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"vigil: {folder}/models/churn.yaml:1: `owner`: this key is missing; add it (and 6 more errors")
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback_too(tmp_path: Path) -> None:
    done = vigil("--debug", "status", "--project", str(tmp_path))
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("vigil: --project names")


def test_an_unexpected_error_is_a_sentence_that_points_to_debug(tmp_path: Path) -> None:
    """The models folder is a file whose name a person gave by mistake to a folder inside."""
    folder = make_shop(tmp_path / "shop")
    (folder / "state").write_text("a file where a folder has to be")
    result = call(folder, "status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("vigil: unexpected FileExistsError")
    assert result.stderr.endswith("(run it again with --debug for the traceback)\n")


@pytest.mark.parametrize("asked", [["schema", "model"], ["status"]])
def test_a_reader_that_leaves_is_no_error(tmp_path: Path, asked: list[str]) -> None:
    """``vigil schema model | head -1``, and a table: what is not read goes nowhere, and nothing is said of it."""
    command = [sys.executable, "-m", "console", "--project", str(make_shop(tmp_path / "shop")), *asked]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == ExitCode.NOT_READ


@pytest.mark.parametrize("words", [("why",), ("nonsense",), ("decisions", MODEL, "--form", "2024-01-01"), ("approve", "d2")])
def test_wrong_arguments_are_usage_errors(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = call(make_shop(tmp_path / "shop"), *words)
    assert (result.exit_code, result.stdout) == (2, "")


def test_an_argument_that_is_no_date_says_what_was_expected(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    fill_store(folder)
    result = call(folder, "why", MODEL, "yesterday")
    assert (result.exit_code, result.stderr) == (
        2,
        "vigil: expected an ISO 8601 date or time such as 2013-03-01 or 2013-03-01T06:00, got 'yesterday'\n",
    )


def test_an_unknown_model_names_those_that_exist(tmp_path: Path) -> None:
    result = call(make_shop(tmp_path / "shop"), "decisions", "chrun")
    assert (result.exit_code, result.stderr) == (2, "vigil: no model 'chrun' in this project; the models are: churn\n")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["why", "a", "--project", "p"], ["--project", "p", "why", "a"]),
        (["why", "--project=p", "a", "--debug"], ["--project=p", "--debug", "why", "a"]),
        (["--project", "p", "why"], ["--project", "p", "why"]),
        (["why", "--", "--project", "p"], ["why", "--", "--project", "p"]),
        (["why", "--project"], ["--project", "why"]),
    ],
)
def test_global_options_may_stand_anywhere(given: list[str], expected: list[str]) -> None:
    assert hoisted(given) == expected


def test_the_project_comes_from_flag_then_environment_then_folder(tmp_path: Path) -> None:
    """One process each: the environment and the current folder are the process's own."""
    here, other = make_shop(tmp_path / "here"), tmp_path / "other"
    other.mkdir()
    (other / "vigil.yaml").write_text("project: other\n")
    assert [row["model"] for row in json.loads(vigil("status", "--json", cwd=here / "models").stdout)] == [MODEL]
    assert json.loads(vigil("status", "--json", cwd=here, VIGIL_PROJECT=str(other)).stdout) == []
    assert len(json.loads(vigil("status", "--json", "--project", str(here), cwd=tmp_path, VIGIL_PROJECT=str(other)).stdout)) == 1


def test_an_answer_in_a_pipe_is_json_and_nothing_else(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    fill_store(folder)
    done = vigil("decisions", MODEL, "--json", "--project", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["action"] for row in json.loads(done.stdout)] == ["HOLD", "RETRAIN"]


def test_what_libraries_and_child_processes_print_stays_off_stdout() -> None:
    """print(), a write to the descriptor and a child's output all go to stderr while an operation runs; the answer after it does not."""
    code = (
        "import os, subprocess, sys\n"
        "from console.output import clean_stdout, print_json\n"
        "with clean_stdout():\n"
        "    print('library'); os.write(1, b'descriptor\\n'); subprocess.run(['echo', 'child'])\n"
        "print_json([{'a': 1}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [{"a": 1}]
    assert sorted(done.stderr.split()) == ["child", "descriptor", "library"]


def test_the_version_is_printed() -> None:
    from vigil import __version__

    assert call(None, "--version").stdout == f"vigil {__version__}\n"
