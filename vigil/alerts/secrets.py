"""Secrets of channels: read from the environment when a message is sent, and taken out of everything that is written down.

They stand in ``vigil.yaml`` as ``${NAME}`` only (:mod:`vigil.spec.channels`); no object of vigil that is stored or shown holds one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, urlsplit

from vigil.errors import ChannelError
from vigil.spec.channels import REFERENCE, Channel

SHORTEST = 8  # characters: less is no secret, and could not be told from ordinary text
HIDDEN = "[…]"
SECRET_FIELDS = ("secret_url", "authorization", "token", "routing_key", "password")


def secrets_of(channel: Channel, name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the channel's secrets by field.

    Raises:
        ChannelError: a variable is not set, or holds less than :data:`SHORTEST` characters.
    """
    found = {}
    for field in SECRET_FIELDS:
        reference = getattr(channel, field)
        match = None if reference is None else REFERENCE.fullmatch(reference)
        if match is None:
            continue
        value = environ.get(match[1])
        if value is None:
            raise ChannelError(f"channel {name}: the environment variable {match[1]} is not set; set it where vigil runs")
        if len(value) < SHORTEST:
            raise ChannelError(f"channel {name}: {match[1]} has less than {SHORTEST} characters, which is no secret; correct it")
        found[field] = value
    return found


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without any of the secrets, however they were written: plain, quoted, as JSON, in Base64, or in part of a URL.

    >>> redacted("POST https://hooks.example.org/T0/B0/abcdefgh failed", ["https://hooks.example.org/T0/B0/abcdefgh"])
    'POST […] failed'
    """
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    for _ in range(len(text) + 1):  # what is left may join to a secret; each round makes the text shorter
        before = text
        for form in forms:
            text = text.replace(form, HIDDEN)
        if text == before:
            return text
    return HIDDEN


def _forms(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    parts = {secret}
    if "://" in secret:
        try:
            url = urlsplit(secret)
            parts |= {url.path, url.path.lstrip("/"), url.query, url.fragment, url.netloc, url.password or "", f"{url.path}?{url.query}"}
        except ValueError:
            pass
    forms = set()
    for part in parts:
        forms |= {part, quote(part, errors="replace"), quote_plus(part, errors="replace"), json.dumps(part)[1:-1], repr(part)[1:-1]}
    forms |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return {form for form in forms if len(form) >= SHORTEST or form == secret}
