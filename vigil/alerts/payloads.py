"""What each kind of channel is sent: the same headline, two lines and link, in the receiver's own form. Pure.

Sources: Slack Block Kit and incoming webhooks (docs.slack.dev), PagerDuty Events API v2 (developer.pagerduty.com), RFC 5322.
"""

from __future__ import annotations

import hashlib
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from vigil.alerts.message import Message, MessageKind
from vigil.spec.channels import Channel

SLACK_URL = "https://slack.com/api/chat.postMessage"
SLACK_PASSING = (
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
)
PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
PAGERDUTY_SEVERITY = {"P0": "critical", "P1": "error", "P2": "warning"}
SLACK_HEADER = 150  # characters that Slack takes in a header block
PAGERDUTY_SUMMARY = 1024


def slack(message: Message, conversation: str | None = None) -> dict[str, Any]:
    """Block Kit: a header, the lines, and one link.

    With a conversation it is for ``chat.postMessage``, and an update is a reply to the incident's first message. An incoming webhook
    cannot answer in a thread, so there an update stands by itself.
    """
    body = message.body
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": body["headline"][:SLACK_HEADER], "emoji": False}}
    ]
    if body["lines"]:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(map(_mrkdwn, body["lines"]))[:3000]}})
    where = f"<{_mrkdwn(body['link'])}|{body['incident']}>" if body.get("link") else body["incident"]
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": f"{where} · {_mrkdwn(body['owner'])}"}]})
    where_to = {"channel": conversation, "thread_ts": message.thread} if conversation else {}
    return {"text": _mrkdwn(body["headline"]), "blocks": blocks, **{key: value for key, value in where_to.items() if value}}


def pagerduty(message: Message, routing_key: str) -> dict[str, Any]:
    """Events API v2: the incident is the ``dedup_key``, so trigger, acknowledge and resolve meet, and a second copy changes nothing."""
    body = message.body
    event: dict[str, Any] = {"routing_key": routing_key, "event_action": message.kind.value, "dedup_key": message.incident_id}
    if message.kind is not MessageKind.TRIGGER:
        return event
    event["payload"] = {
        "summary": body["headline"][:PAGERDUTY_SUMMARY],
        "source": body["model"],
        "severity": PAGERDUTY_SEVERITY[body["tier"]],
        "component": body["model"],
        "custom_details": {"context": list(body["lines"]), "owner": body["owner"], "state": body["state"]},
    }
    if body.get("link"):
        event["links"] = [{"href": body["link"], "text": body["incident"]}]
    return event


def webhook(message: Message) -> dict[str, Any]:
    """Plain JSON: everything that is known of the message. ``key`` never changes, so a receiver can drop a second copy."""
    return {"key": message.key, "kind": message.kind.value, "created_at": message.created_at.isoformat(), **message.body}


def email(message: Message, channel: Channel) -> EmailMessage:
    """A mail; those of one incident are one thread, and a second copy has the same Message-ID."""
    body = message.body
    mail = EmailMessage()
    mail["Subject"] = " ".join(body["headline"].split())
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.to)
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = _message_id(message.key)
    mail["In-Reply-To"] = mail["References"] = _message_id(message.incident_id)
    mail.set_content(plain_text(message) + "\n")
    return mail


def plain_text(message: Message) -> str:
    """The lines, the link, and whose it is, for channels that take text."""
    body = message.body
    tail = [body["link"]] if body.get("link") else []
    return "\n".join([*body["lines"], *tail, f"{body['incident']}, owner {body['owner'] or 'nobody'}"])


def _message_id(text: str) -> str:
    return f"<{hashlib.sha256(text.encode()).hexdigest()[:32]}@vigil>"


def _mrkdwn(text: str) -> str:
    """Escape what Slack reads as its own markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
