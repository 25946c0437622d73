"""How far back to learn from: a trial on the recent rows tells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from tests.challenger.build import spec_of
from vigil.challenger.span import better_span, try_spans
from vigil.decision.kind import Span

SPEC = spec_of(features={"wind": "numeric", "heat": "numeric"}, labels={"minimum": 50})
LOSS = spec_of(features={"wind": "numeric", "heat": "numeric"}, comparison={"metric": "log_loss"})


def rows(count: int, slope: float, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    wind = rng.normal(size=count)
    label = (rng.uniform(size=count) < expit(slope * wind)).astype(int)
    return pd.DataFrame({"wind": wind, "heat": rng.normal(size=count), "label": label, "weight": 1.0})


def logistic(frame: pd.DataFrame, spec: Any, params: dict[str, Any]) -> LogisticRegression:
    return LogisticRegression().fit(frame[list(spec.features)], frame["label"], frame["weight"])


@pytest.mark.parametrize("spec", [SPEC, LOSS], ids=["roc_auc", "log_loss"])
def test_rows_of_a_relation_that_turned_round_mislead(spec: Any) -> None:
    tried = try_spans(rows(600, -2.0, 1), rows(3000, 2.0, 2), logistic, spec)
    assert better_span(tried, spec) is Span.RECENT


def test_rows_of_nearly_the_same_relation_help() -> None:
    """Of 150 recent rows alone a line of two features is not known well."""
    tried = try_spans(rows(150, 0.3, 1), rows(5000, 0.35, 2), logistic, SPEC)
    assert better_span(tried, SPEC) is Span.SPECIFIED


def test_too_few_rows_or_one_class_are_no_trial() -> None:
    one_class = rows(600, 1.0, 1).assign(label=1)
    assert try_spans(rows(140, -2.0, 1), rows(300, 2.0, 2), logistic, SPEC) == {}  # a third of them is less than 50
    assert try_spans(one_class, rows(300, 2.0, 2), logistic, SPEC) == {}
    assert better_span({}, SPEC) is Span.SPECIFIED
