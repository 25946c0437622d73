"""Specification files: what is read as what, and what a person is told when it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from vigil.errors import SpecError
from vigil.spec.load import load_model, load_models, load_project
from vigil.spec.model import FeatureType, ModelSpec

GOOD = """\
model: churn
owner: growth team
task: binary
source:
  predictions: predictions/*.parquet
  labels: labels/*.parquet
features:
  age: numeric
  country: {type: categorical, tolerated_unseen_share: 0.1}
performance:
  metric: roc_auc
  tolerated_loss: 0.02
training:
  trainer: training:train
  include_reference: false
"""


def written(folder: Path, text: str, name: str = "churn.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def error_of(folder: Path, text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        load_model(written(folder, text))
    return caught.value


def message_of(folder: Path, text: str) -> str:
    """The message after the folder, so that expectations are literal."""
    return str(error_of(folder, text)).removeprefix(f"{folder}/")


def test_a_short_feature_is_its_type(tmp_path: Path) -> None:
    spec = load_model(written(tmp_path, GOOD))
    assert spec.features["age"].type is FeatureType.NUMERIC
    assert spec.features["country"].tolerated_unseen_share == 0.1


def test_a_specification_survives_its_canonical_json(tmp_path: Path) -> None:
    spec = load_model(written(tmp_path, GOOD))
    assert ModelSpec.model_validate_json(spec.canonical_json()) == spec


def test_comments_order_and_layout_do_not_change_the_hash(tmp_path: Path) -> None:
    other = "# note\n" + GOOD.replace("owner: growth team\n", "") + "owner: 'growth team'   # at the end\n"
    assert load_model(written(tmp_path, GOOD)).hash == load_model(written(tmp_path, other, "other.yaml")).hash


def test_a_date_is_midnight_utc(tmp_path: Path) -> None:
    spec = load_model(written(tmp_path, GOOD + "window: {days: 7, anchor: 2013-03-01}\n"))
    assert spec.window.anchor == datetime(2013, 3, 1, tzinfo=UTC)


def test_a_time_with_an_offset_becomes_utc(tmp_path: Path) -> None:
    text = GOOD + "policy: {anomalies: [{name: storm, start: '2013-03-01T02:00+02:00', end: 2013-03-02}]}\n"
    anomaly = load_model(written(tmp_path, text)).policy.anomalies[0]
    assert (anomaly.start, anomaly.end) == (datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))


def test_words_that_yaml_1_1_read_as_other_things_stay_text(tmp_path: Path) -> None:
    """Norway's code, a clock time, a date and a grouped number in free parameters arrive as they were written."""
    text = GOOD + "  params: {country: NO, answer: yes, at: 12:30, day: 2013-03-01, big: 1_000, old: 017, real: 1e3, none: ~}\n"
    assert load_model(written(tmp_path, text)).training.params == {
        "country": "NO",
        "answer": "yes",
        "at": "12:30",
        "day": "2013-03-01",
        "big": "1_000",
        "old": 17,
        "real": 1000.0,
        "none": None,
    }


def test_a_feature_may_be_named_like_a_yaml_1_1_bool(tmp_path: Path) -> None:
    assert "NO" in load_model(written(tmp_path, GOOD.replace("  age:", "  NO:"))).features


def test_an_alias_repeats_its_anchor(tmp_path: Path) -> None:
    text = GOOD + "policy:\n  drift: &rule {k: 2, n: 4}\n  performance: *rule\n"
    spec = load_model(written(tmp_path, text))
    assert spec.policy.performance == spec.policy.drift


MODEL_KEYS = (
    "model, owner, description, task, source, columns, features, segments, window, quality, drift, labels, performance, "
    "fairness, business, health, policy, training, comparison, reports, alerts"
)
FEATURE_KEYS = "type, method, threshold, tolerated_null_share, tolerated_unseen_share, minimum, maximum"


@pytest.mark.parametrize(
    ("added", "where", "expected"),
    [
        ("owner: me\n", "16: `owner`", "this key is written twice, first on line 2; keep one"),
        ("colums: {}\n", "16: `colums`", f"unknown key; did you mean `columns`?; the keys here are {MODEL_KEYS}"),
        ("promotion: automatic\n", "16: `promotion`", f"unknown key; it belongs in `comparison`; the keys here are {MODEL_KEYS}"),
        ("policy: {drift: {k: 1, m: 2, n: 2}}\n", "16: `policy.drift.m`", "unknown key; the keys here are k, n"),
        ("window:\n  days: 2.5\n", "17: `window.days`", "expected a whole number, got the number 2.5"),
        ("window: {days: 0}\n", "16: `window.days`", "expected at least 1, got the number 0"),
        ("labels: {delay_days: '3'}\n", "16: `labels.delay_days`", "expected a number, got the text '3'; without quotes it is a number"),
        ("labels: {minimum: 1_000}\n", "16: `labels.minimum`", "expected a whole number, got the text '1_000'; write 1000"),
        (
            "labels: {delay_days: 12:30}\n",
            "16: `labels.delay_days`",
            "expected a number, got the text '12:30' (YAML 1.2 reads no base-60 numbers; write the number out)",
        ),
        (
            "policy: {retrain_on_drift_alone: NO}\n",
            "16: `policy.retrain_on_drift_alone`",
            "expected true or false, got the text 'NO' (YAML 1.2 reads only true and false as such; write false)",
        ),
        (
            "policy: {retrain_on_drift_alone: yes}\n",
            "16: `policy.retrain_on_drift_alone`",
            "expected true or false, got the text 'yes' (YAML 1.2 reads only true and false as such; write true)",
        ),
        ("description: 12\n", "16: `description`", "expected text, got the number 12; put it in quotes"),
        ("description: false\n", "16: `description`", "expected text, got false; put it in quotes"),
        ("segments: country\n", "16: `segments`", "expected a list, got the text 'country'; write [country]"),
        ("segments: [city]\n", "16: `segments`", "'city' is not a categorical feature; those are: country"),
        ("quality:\n", "16: `quality`", "expected a mapping, got nothing"),
        (
            "reports: {when: alway}\n",
            "16: `reports.when`",
            "expected one of breach, always, never; got the text 'alway'; did you mean `always`?",
        ),
        ("policy: {drift: {k: 3, n: 1}}\n", "16: `policy.drift`", "k of n windows needs k <= n, got 3 of 1"),
        (
            "policy:\n  anomalies:\n    - name: a\n      start: 2013-13-01\n      end: 2013-02-01\n",
            "19: `policy.anomalies[0].start`",
            "expected an ISO 8601 date or time such as 2013-03-01 or 2013-03-01T06:00, got '2013-13-01'",
        ),
        (
            "comparison: {metric: rmse}\n",
            "16: `comparison.metric`",
            "rmse is not for task binary; expected one of roc_auc, log_loss, brier, accuracy, precision, recall, f1, calibration_error",
        ),
        ("<<: {a: 1}\n", "16", "YAML 1.2 has no merge key `<<`; write the keys out"),
        ("description: !!str 12\n", "16", "the tag tag:yaml.org,2002:str is not used here; put text in quotes, write other values plainly"),
        ("description: *gone\n", "16", "*gone refers to an anchor &gone that is not written above it"),
        ("? [a]\n: b\n", "16", "expected a key that is a word, such as `owner:`"),
        ("---\nmodel: b\n", "16", "a second document begins here; expected one document in the file, write another file for it"),
        ("window:\n\tdays: 7\n", "17", "a tab stands where YAML expects spaces; indent with spaces"),
        (
            "description: late: by 15 minutes\n",
            "16",
            "a second `: ` in one value, or a line indented too far; quote the text or align the line",
        ),
        (
            "description: 'not closed\n",
            "17",
            "this is not YAML: found unexpected end of stream (while scanning a quoted scalar that begins on line 16)",
        ),
    ],
)
def test_an_error_names_file_line_key_and_what_to_write(tmp_path: Path, added: str, where: str, expected: str) -> None:
    assert message_of(tmp_path, GOOD + added) == f"churn.yaml:{where}: {expected}"


@pytest.mark.parametrize(
    ("old", "new", "where", "expected"),
    [
        (
            "age: numeric",
            "age: numerc",
            "8: `features.age.type`",
            "expected one of numeric, categorical; got the text 'numerc'; did you mean `numeric`?",
        ),
        ("age: numeric", "age:", "8: `features.age`", "expected a mapping with type, got nothing"),
        ("age: numeric", "age: {type: numeric, minimum: 3, maximum: 1}", "8: `features.age`", "minimum 3.0 is above maximum 1.0"),
        (
            "age: numeric",
            "age: {type: numeric, thresold: 1}",
            "8: `features.age.thresold`",
            f"unknown key; did you mean `threshold`?; the keys here are {FEATURE_KEYS}",
        ),
        ("age: numeric", "score: numeric", "7: `features`", "score is already the name of a log column (see columns)"),
        ("age: numeric", "weight: numeric", "7: `features`", "weight is the name of what vigil gives the trainer; rename the feature"),
        ("task: binary\n", "", "1: `task`", "this key is missing; add it"),
        ("  metric: roc_auc\n", "", "10: `performance.metric`", "this key is missing; add it"),
        (
            "metric: roc_auc",
            "metric: mae",
            "11: `performance.metric`",
            "mae is not for task binary; expected one of roc_auc, log_loss, brier, accuracy, precision, recall, f1, calibration_error",
        ),
        ("tolerated_loss: 0.02", "tolerated_loss: 0", "12: `performance.tolerated_loss`", "expected more than 0, got the number 0"),
        (
            "metric: roc_auc\n  tolerated_loss: 0.02",
            "metric: log_loss",
            "10: `performance`",
            "metric log_loss needs tolerated_loss: by how much it may be above the baseline, in its own unit",
        ),
        ("training:train", "train", "14: `training.trainer`", "expected module:function, such as `training:train`; got the text 'train'"),
        (
            "include_reference: false",
            "include_reference: true",
            "15: `training.include_reference`",
            "needs source.reference; give it, or set include_reference: false",
        ),
        (
            "  include_reference: false\n",
            "",
            "13: `training.include_reference`",
            "needs source.reference; give it, or set include_reference: false",
        ),
        (
            "model: churn",
            "model: Churn Rate",
            "1: `model`",
            "expected a name of lower-case letters, digits, `-` and `_`, at most 63 long; got the text 'Churn Rate'",
        ),
        (GOOD, "- model: churn\n", "1", "expected a mapping of `key: value` lines, got a list"),
        (GOOD, "churn\n", "1", "expected a mapping of `key: value` lines, got the text 'churn'"),
    ],
)
def test_a_changed_line_is_the_line_that_the_error_names(tmp_path: Path, old: str, new: str, where: str, expected: str) -> None:
    assert message_of(tmp_path, GOOD.replace(old, new)) == f"churn.yaml:{where}: {expected}"


def test_of_a_share_or_the_auc_a_twentieth_may_be_lost_where_nothing_is_said(tmp_path: Path) -> None:
    """And it is the specification that says so: its hash is the same."""
    (left_out, said) = (tmp_path / name for name in ("left-out", "said"))
    specs = []
    for folder, text in ((left_out, ""), (said, "  tolerated_loss: 0.05\n")):
        folder.mkdir()
        (folder / "churn.yaml").write_text(GOOD.replace("  tolerated_loss: 0.02\n", text))
        specs.append(load_model(folder / "churn.yaml"))
    assert specs[0].performance.tolerated_loss == 0.05
    assert specs[0].hash == specs[1].hash


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_an_error_even_where_every_key_has_a_default(tmp_path: Path, text: str) -> None:
    """A file cut off at nothing must not quietly mean another store."""
    path = written(tmp_path, text, "vigil.yaml")
    with pytest.raises(SpecError, match=r"vigil\.yaml(:2)?: (the file is empty; )?expected a mapping of `key: value` lines"):
        load_project(path)


def test_several_errors_come_as_the_first_by_line_with_the_others(tmp_path: Path) -> None:
    error = error_of(tmp_path, GOOD.replace("age: numeric", "age: numerc") + "window: {days: 0, day: 1}\nowners: me\n")
    assert str(error).endswith("did you mean `numeric`? (and 3 more errors, line 16, 17)")
    assert (error.line, error.key) == (8, "features.age.type")
    assert [(other.line, other.key) for other in error.others] == [(16, "window.days"), (16, "window.day"), (17, "owners")]


def test_bytes_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "churn.yaml"
    path.write_bytes(b"model: caf\xe9\n")
    with pytest.raises(SpecError, match=r"expected UTF-8 text, got other bytes at position 10; save it as UTF-8"):
        load_model(path)


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1e999"])
def test_a_number_that_is_not_finite_is_refused(tmp_path: Path, number: str) -> None:
    """As a limit it would never be crossed; `minimum: .nan` checks nothing."""
    message = message_of(tmp_path, GOOD.replace("age: numeric", f"age: {{type: numeric, maximum: {number}}}"))
    assert message.startswith("churn.yaml:8: `features.age.maximum`: expected a finite number, got the number ")


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("labels: {delay_days: 1e12}", "labels.delay_days"),
        ("comparison: {approval_days: 1e12}", "comparison.approval_days"),
        ("health: {pipeline: {lost_after_minutes: 1e12}}", "health.pipeline.lost_after_minutes"),
        ("drift: {references: {rolling_windows: 1000000000000}}", "drift.references.rolling_windows"),
    ],
)
def test_a_span_that_no_calendar_holds_is_refused(tmp_path: Path, section: str, key: str) -> None:
    """Read, it would be an OverflowError of the first look."""
    assert f"`{key}`: expected at most " in message_of(tmp_path, GOOD + section + "\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("window: {days: " + "9" * 5000 + "}", "churn.yaml:16: `window.days`: expected a whole number, got the text '999"),
        ("window: {days: 0x" + "f" * 5000 + "}", "churn.yaml:16: `window.days`: expected a whole number, got the text '0xf"),
        ("description: " + "[" * 2000 + "]" * 2000, "churn.yaml: lists or mappings stand in each other too deeply"),
    ],
)
def test_what_is_too_large_to_be_read_is_refused(tmp_path: Path, line: str, told: str) -> None:
    assert message_of(tmp_path, GOOD + line + "\n").startswith(told)


def test_a_control_character_is_named(tmp_path: Path) -> None:
    assert "expected YAML text, got a character that YAML does not allow" in message_of(tmp_path, "model: a\x00\n")


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "churn.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_model(path).model == "churn"


def test_two_files_of_one_model_are_an_error_that_names_both(tmp_path: Path) -> None:
    first, second = written(tmp_path, GOOD, "models/a.yaml"), written(tmp_path, "# copy\n" + GOOD, "models/b.yaml")
    models, (refused,) = load_models(tmp_path)
    assert not models  # nobody knows which is meant
    assert str(refused) == (
        f"{second}:2: `model`: the model 'churn' is specified in {first} already; give one of them another name, or delete one"
    )


def test_a_wrong_file_takes_no_other_model_away(tmp_path: Path) -> None:
    written(tmp_path, GOOD, "models/churn.yaml")
    wrong = written(tmp_path, "model: [\n", "models/a.yaml")
    models, (refused,) = load_models(tmp_path)
    assert (list(models), refused.file) == (["churn"], str(wrong))


@pytest.mark.parametrize("ending", ["yml", "YAML"])
def test_a_yml_file_is_an_error_because_it_would_not_be_read(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path, GOOD, f"models/churn.{ending}")
    models, (refused,) = load_models(tmp_path)
    assert (models, str(refused)) == ({}, f"{path}: only *.yaml files are read here; rename it to churn.yaml")
    path.rename(path.with_suffix(".yaml"))
    models, none = load_models(tmp_path)
    assert (list(models), none) == (["churn"], ())


def test_a_project_file_has_defaults_for_everything_not_written(tmp_path: Path) -> None:
    spec = load_project(written(tmp_path, "project: shop\n", "vigil.yaml"))
    assert (spec.project, spec.store.url) == ("shop", "sqlite:///state/vigil.db")


def test_an_unknown_key_of_a_project_is_answered_like_one_of_a_model(tmp_path: Path) -> None:
    path = written(tmp_path, dedent("""\
        project: shop
        prefct:
          port: 4200
        """), "vigil.yaml")  # fmt: skip
    with pytest.raises(SpecError) as caught:
        load_project(path)
    assert str(caught.value) == (
        f"{path}:2: `prefct`: unknown key; did you mean `prefect`?; the keys here are "
        "project, store, prefect, mlflow, metrics, prometheus, reports, connections, alerts, retraining_budget"
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gone\.yaml: cannot be read: No such file or directory"):
        load_model(tmp_path / "gone.yaml")


@pytest.mark.parametrize(("schedule", "said"), [("99 6 * * *", "Bad minute"), ("0 6 31 2 *", "Bad day-of-month"), ("@daily", "schedule")])
def test_a_schedule_that_never_runs_is_refused_when_it_is_read(tmp_path: Path, schedule: str, said: str) -> None:
    path = tmp_path / "vigil.yaml"
    path.write_text(f"project: p\nprefect:\n  schedule: '{schedule}'\n")
    with pytest.raises(SpecError, match=said) as caught:
        load_project(path)
    assert "vigil.yaml" in str(caught.value)
    assert "schedule" in str(caught.value)
