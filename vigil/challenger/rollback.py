"""Which version a rollback brings back: one that was champion before, by default the one that the champion replaced."""

from __future__ import annotations

from collections.abc import Sequence

from vigil.errors import NotAllowed
from vigil.store.records import Promotion


def rollback_target(model: str, trail: Sequence[Promotion], version: str | None = None) -> str:
    """Return the version that is to be champion again; the champion itself where it was asked for by name.

    Args:
        trail: all moves of the model's champion, oldest first.
        version: default the one that the champion replaced.

    Raises:
        NotAllowed: there is no champion, none before it, or ``version`` never was one.
    """
    if not trail:
        raise NotAllowed(f"{model} has no champion to roll back from; `vigil adopt {model}` trains and registers its first version")
    champion = trail[-1]
    served = list(dict.fromkeys(each.version for each in trail))
    if version is not None:
        if version not in served:
            raise NotAllowed(
                f"version {version} of {model} never was champion; those that were: {', '.join(served)}. "
                "A challenger becomes champion by `vigil approve`"
            )
        return version
    if champion.replaced is None:
        raise NotAllowed(f"version {champion.version} is the first champion of {model}; there is none before it to roll back to")
    return champion.replaced
