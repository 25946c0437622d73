"""Say a message to its channel: which form, which secret, and what went wrong without the secret. The room of Apprise.

Differs from :mod:`vigil.alerts.delivery`, which says when a message is tried, and from :mod:`tasks.post`, which speaks HTTP.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tasks.mail import send_mail
from tasks.post import post
from vigil.alerts import payloads
from vigil.alerts.delivery import Attempt, Send
from vigil.alerts.message import Message
from vigil.alerts.secrets import redacted, secrets_of
from vigil.errors import ChannelError, sentence_of
from vigil.spec.channels import AlertSettings, Channel, ChannelKind


def sender(settings: AlertSettings, environ: Mapping[str, str] | None = None) -> Send:
    """Return what sends a message to a channel of these settings; what it says of a failure holds no secret."""
    variables = os.environ if environ is None else environ

    def send(name: str, channel: Channel, message: Message) -> Attempt:
        try:
            secrets = secrets_of(channel, name, variables)
        except ChannelError as error:
            return Attempt(False, str(error))
        try:
            attempt = _send(channel, message, secrets, settings)
        except Exception as error:  # a channel's own defect is its failure, never that of the drain
            attempt = Attempt(False, sentence_of(error))
        return replace(attempt, detail=redacted(attempt.detail, secrets.values()))

    return send


def _send(channel: Channel, message: Message, secrets: Mapping[str, str], settings: AlertSettings) -> Attempt:
    def posted(url: str, payload: Any, headers: Mapping[str, str], read: Callable[[bytes], Attempt] | None = None) -> Attempt:
        return post(url, payload, headers=headers, timeout=settings.timeout_seconds, private_networks=settings.private_networks, read=read)

    match channel.kind:
        case ChannelKind.SLACK if channel.token is not None:
            headers = {"Authorization": f"Bearer {secrets['token']}"}
            return posted(channel.url or payloads.SLACK_URL, payloads.slack(message, channel.conversation), headers, _slack_answered)
        case ChannelKind.SLACK:
            return posted(secrets["secret_url"], payloads.slack(message), {})
        case ChannelKind.PAGERDUTY:
            return posted(channel.url or payloads.PAGERDUTY_URL, payloads.pagerduty(message, secrets["routing_key"]), {})
        case ChannelKind.WEBHOOK:
            headers = {"Idempotency-Key": message.key}
            if "authorization" in secrets:
                headers["Authorization"] = secrets["authorization"]
            return posted(secrets.get("secret_url") or str(channel.url), payloads.webhook(message), headers)
        case ChannelKind.EMAIL:
            return send_mail(channel, message, secrets.get("password"), settings.timeout_seconds)
        case ChannelKind.APPRISE:
            return _by_apprise(secrets["secret_url"], message)


def _slack_answered(body: bytes) -> Attempt:
    """Slack's Web API says with HTTP 200 whether it took the message, and what it calls it (docs.slack.dev, chat.postMessage)."""
    try:
        said = json.loads(body)
        if said["ok"]:
            return Attempt(True, "Slack took it", receipt=str(said["ts"]))
        error = str(said["error"])[:100]
    except (ValueError, KeyError, TypeError):
        return Attempt(False, "not an answer of Slack's Web API", permanent=True)
    return Attempt(False, f"Slack refused it: {error}", permanent=error not in payloads.SLACK_PASSING)


def _by_apprise(url: str, message: Message) -> Attempt:
    """Apprise knows some hundred services; it says only whether it worked, and connects wherever its address says."""
    from apprise import Apprise, NotifyFormat, NotifyType

    notifier = Apprise()
    if not notifier.add(url):
        return Attempt(False, "Apprise does not know this kind of address", permanent=True)
    kind = NotifyType.SUCCESS if message.kind == "resolve" else NotifyType.FAILURE if message.body["tier"] == "P0" else NotifyType.WARNING
    text = payloads.plain_text(message)
    done = notifier.notify(title=message.body["headline"], body=text, notify_type=kind, body_format=NotifyFormat.TEXT)
    return Attempt(bool(done), "sent by Apprise" if done else "Apprise could not send it")
