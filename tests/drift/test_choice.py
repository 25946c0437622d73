"""Which method `auto` chooses, and that a named one is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.profile.build import layout_with, make_spec, profile_of
from vigil.drift.choice import method_for
from vigil.drift.measure import measure_drift

LAYOUT = layout_with({"many": [float(i) for i in range(9)], "few": [0.0, 1.0], "score": [0.5]}, {"c": ["a", "b"]})
FEATURES = {"many": "numeric", "few": "numeric", "c": "categorical"}
AUTO = {"numeric": "auto", "categorical": "auto"}


def chosen(rows: int, features: dict[str, Any] = FEATURES, **drift: Any) -> dict[str, str]:
    tenth = rows // 10
    reference = profile_of(LAYOUT, {"many": [tenth] * 10, "few": [tenth, tenth, 8 * tenth]}, {"c": [9 * tenth, tenth, 0, 0]})
    spec = make_spec(features, drift=drift)
    return {name: method_for(name, spec, reference).value for name in spec.features}


def test_a_small_reference_is_compared_by_test_statistics() -> None:
    """Up to 1,000 rows; a number of three values as categories are, and numbers have no chi-square."""
    assert chosen(1_000, **AUTO) == {"many": "ks", "few": "jensen_shannon", "c": "chi_square"}


def test_a_large_reference_is_compared_by_distances() -> None:
    assert chosen(1_010, **AUTO) == {"many": "wasserstein", "few": "jensen_shannon", "c": "jensen_shannon"}


def test_a_named_method_is_left_alone() -> None:
    """Of the section for one type, of a feature for itself."""
    assert chosen(500, numeric="psi", categorical="auto") == {"many": "psi", "few": "psi", "c": "chi_square"}
    own = FEATURES | {"many": {"type": "numeric", "method": "psi"}, "c": {"type": "categorical", "method": "auto"}}
    assert chosen(500, own) == {"many": "psi", "few": "psi", "c": "chi_square"}


def test_without_auto_nothing_is_chosen() -> None:
    """The default is PSI, whatever the reference."""
    assert set(chosen(500).values()) == {"psi"}


def test_the_chosen_methods_own_threshold_judges() -> None:
    """Of the drift section; the score is chosen for as a number with few values here."""
    sides = {"many": [100] * 10, "few": [400, 300, 300], "score": [500, 500]}, {"c": [500, 500, 0, 0]}
    profile = profile_of(LAYOUT, *sides)
    spec = make_spec(FEATURES, drift=AUTO | {"ks": 0.31, "chi_square": 0.32, "jensen_shannon": 0.33})
    found = {m.subject: (m.metric, m.threshold) for m in measure_drift(profile, profile, spec, importance={}, version="1") if m.threshold}
    expected = {"many": ("ks", 0.31), "few": ("jensen_shannon", 0.33), "c": ("chi_square", 0.32), "score": ("jensen_shannon", 0.33)}
    assert {name: found[name] for name in expected} == expected


def test_a_feature_that_the_reference_lacks_is_chosen_for_by_its_type() -> None:
    """It is not enough data, and has a metric and threshold nonetheless."""
    new = {"new": "numeric", "kind": "categorical"}
    assert chosen(500, new, **AUTO) == {"new": "ks", "kind": "chi_square"}


@pytest.mark.parametrize(
    "features", [{"x": {"type": "numeric", "method": "auto", "threshold": 0.3}}, {"x": {"type": "numeric", "threshold": 0.3}}]
)
def test_a_threshold_without_a_method_is_refused(features: dict[str, Any]) -> None:
    """0.3 of what?"""
    with pytest.raises(ValueError, match="name the method"):
        make_spec(features, drift={"numeric": "auto"})
