"""What a person writes about the installation: ``vigil.yaml``, as frozen objects. Every path is relative to its folder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, model_validator

from vigil.spec.base import DAYS, SpecModel
from vigil.spec.channels import AlertSettings

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


def _cron(text: str) -> str:
    """Refuse what no schedule can run by: the scheduler would say so long after the file was written."""
    try:
        CronSim(text, datetime(2024, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"{text!r} is no cron expression ({error}); expected minute hour day month weekday, as in 0 6 * * *") from None
    return text


Cron = Annotated[str, Field(pattern=r"^\S+(\s+\S+){4}$"), AfterValidator(_cron)]


class StoreSpec(SpecModel):
    """The monitoring database: any SQLAlchemy URL. A relative SQLite path lies in the project's folder."""

    url: str = "sqlite:///state/vigil.db"


class PrefectSpec(SpecModel):
    """The orchestrator. Without ``api_url`` vigil runs a server of its own on ``port`` (``vigil up``) or an ephemeral one."""

    api_url: str | None = None
    home: str = "state/prefect"
    port: Annotated[int, Field(ge=1, le=65535)] = 4200
    schedule: Cron = "0 6 * * *"  # cron, UTC: when the fleet is monitored


class MlflowSpec(SpecModel):
    """The registry. A relative SQLite path lies in the project's folder; a server is given by its http(s) URL."""

    tracking_uri: str = "sqlite:///state/mlflow.db"
    artifacts: str = "state/mlflow-artifacts"
    port: Annotated[int, Field(ge=1, le=65535)] = 5000
    timeout_seconds: Annotated[int, Field(ge=1)] = 20


class MetricsSpec(SpecModel):
    """The state for Prometheus. `vigil metrics` prints it in any case."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = None  # `vigil up` answers on it, on this machine; null: it does not


class PrometheusSpec(SpecModel):
    """The Prometheus that models' `health.queries` are asked at."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None  # http://prometheus:9090
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0  # of one query; convention


class Connection(SpecModel):
    """A database that models' rows lie in: exactly one of its keys. ``${NAME}`` stands for the environment's variable NAME."""

    postgresql: Annotated[str, Field(pattern=r"^postgres(ql)?://")] | None = None  # postgresql://user:${PASSWORD}@host/database; only read
    spark: str | None = None  # a Spark master: local[2], spark://host:7077, or `session` for the one that runs already

    @model_validator(mode="after")
    def _is_one_engine(self) -> Connection:
        if (self.postgresql is None) == (self.spark is None):
            raise ValueError("expected exactly one of postgresql: URL and spark: MASTER")
        return self


class RetrainingBudget(SpecModel):
    """How many retrainings and recalibrations of all models together may be decided within so many days."""

    most: Annotated[int, Field(ge=1)]
    days: Annotated[float, Field(gt=0, le=DAYS)] = 7.0


class ProjectSpec(SpecModel):
    """One installation of vigil: where its state lies. Models stand in ``models/*.yaml`` beside it."""

    project: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = "vigil"
    store: StoreSpec = StoreSpec()
    prefect: PrefectSpec = PrefectSpec()
    mlflow: MlflowSpec = MlflowSpec()
    metrics: MetricsSpec = MetricsSpec()
    prometheus: PrometheusSpec = PrometheusSpec()
    reports: str = "state/reports"
    connections: dict[Name, Connection] = Field(default_factory=dict)  # databases of models' rows, by the name of source.connection
    alerts: AlertSettings = AlertSettings()
    retraining_budget: RetrainingBudget | None = None  # null: no limit for all models together
