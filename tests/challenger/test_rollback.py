"""Who a rollback brings back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vigil.challenger.rollback import rollback_target
from vigil.errors import NotAllowed
from vigil.store.records import Promotion, PromotionKind

AT = datetime(2026, 3, 2, tzinfo=UTC)


def trail(*versions: str) -> tuple[Promotion, ...]:
    before = [None, *versions]
    return tuple(
        Promotion("m", token + 1, version, before[token], PromotionKind.PROMOTED, "ada", "", AT) for token, version in enumerate(versions)
    )


@pytest.mark.parametrize(
    ("served", "asked", "expected"),
    [
        (("1", "2"), None, "1"),
        (("1", "2", "3"), None, "2"),
        (("1", "2", "3"), "1", "1"),
        (("1", "2"), "2", "2"),
        (("1", "2", "1"), None, "2"),  # rolled back once: taking that back
    ],
)
def test_the_version_before_or_the_one_that_is_named(served: tuple[str, ...], asked: str | None, expected: str) -> None:
    assert rollback_target("m", trail(*served), asked) == expected


@pytest.mark.parametrize(
    ("served", "asked", "said"),
    [
        ((), None, "no champion to roll back from; `vigil adopt m`"),
        (("1",), None, "version 1 is the first champion of m"),
        (("1", "2"), "3", "never was champion; those that were: 1, 2"),
    ],
)
def test_what_never_served_cannot_come_back(served: tuple[str, ...], asked: str | None, said: str) -> None:
    with pytest.raises(NotAllowed, match=said):
        rollback_target("m", trail(*served), asked)
