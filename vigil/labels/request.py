"""A plan as a file for people: the rows to label with what the model saw of them, and an empty column for the label.

The score is not in it, and the rows come in an order that tells nothing: whoever labels shall not know what the model said.
Differs from :mod:`vigil.labels.answers`, which reads the file back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from vigil.errors import NotAllowed
from vigil.labels.plan import Plan
from vigil.sources.tables import ModelSource
from vigil.spec.model import ModelSpec

PLAN, SAMPLE = "vigil_plan", "vigil_sample"  # no feature is called so
CONTROL, PLANNED = "control", "planned"  # what SAMPLE says of a row
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet take a text for a formula (OWASP, CSV Injection)


def write_request(source: ModelSource, spec: ModelSpec, plan: Plan, path: Path) -> int:
    """Write the plan's rows to ``path`` (``.csv`` or ``.parquet``) whole or not at all, and return their number.

    In CSV every text that a spreadsheet could take for a formula, in a cell or as a column's name, begins with an apostrophe.

    Raises:
        NotAllowed: the ending is another one.
    """
    rows = _rows(source, spec, plan)
    write_rows(rows, path)
    return len(rows)


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write a file for people, whole or not at all, texts of a CSV made harmless by :func:`neutral`.

    Raises:
        NotAllowed: it is to be neither ``.csv`` nor ``.parquet``.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise NotAllowed(f"a request is written as .csv or .parquet, got {path.name!r}; name the file so")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    if path.suffix == ".csv":
        rows.map(neutral).rename(columns=neutral).to_csv(partial, index=False, encoding="utf-8")
    else:
        rows.to_parquet(partial, index=False)
    partial.replace(path)


def neutral(value: Any) -> Any:
    """Make a text harmless in a spreadsheet; what is no text is left as it is.

    >>> neutral("=HYPERLINK(1)"), neutral("EWR"), neutral(-1.5)
    ("'=HYPERLINK(1)", 'EWR', -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith((*FORMULA, "'")) else value


def restored(value: str) -> str:
    """Undo :func:`neutral`.

    >>> restored(neutral("=1")), restored(neutral("'quoted")), restored("EWR")
    ('=1', "'quoted", 'EWR')
    """
    return value[1:] if value.startswith("'") and value[1:].startswith((*FORMULA, "'")) else value


def _rows(source: ModelSource, spec: ModelSpec, plan: Plan) -> pd.DataFrame:
    columns = spec.columns
    chosen = [each for each, _ in plan.chosen]
    log = source.predictions(plan.window)
    wanted = [columns.id, columns.time, *(name for name in spec.features if name in log.columns)]
    with source.reading_log():
        known: pd.DataFrame = log.filter(log[columns.id].isin(chosen)).select(*wanted).to_pandas()
    known = known.drop_duplicates(columns.id).set_index(columns.id).loc[chosen].reset_index()
    chance = [plan.probability[stratum] for _, stratum in plan.chosen]
    known.insert(0, PLAN, plan.plan_id)
    known.insert(1, SAMPLE, [CONTROL if each in plan.control else PLANNED for each in chosen])
    return known.assign(**{columns.label: pd.Series([None] * len(known), dtype="object"), probability_column(spec): chance})


def probability_column(spec: ModelSpec) -> str:
    """The inclusion probability's name in files of labels."""
    return spec.columns.inclusion_probability or "inclusion_probability"
