"""Each channel on real loopback servers: what arrives, what a failure is called, and that no secret is ever written down."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_string, policy
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tasks.notify import sender
from tests.tasks.servers import Receiver, closed_port, mail_server, receiver
from vigil.alerts.delivery import Attempt
from vigil.alerts.message import Message, MessageKind
from vigil.alerts.secrets import HIDDEN, redacted
from vigil.spec.channels import AlertSettings, Channel

LOOPBACK = ("127.0.0.0/8",)
NOW = datetime(2024, 1, 2, tzinfo=UTC)
BODY = {
    "headline": "P1 churn: data at fault (age)",
    "lines": ["Suspected: data fault: nulls in <age> & more.", "age is 0.5 (limit 0.02). Decided: FIX_DATA."],
    "link": "https://vigil.example.org/i-1",
    "incident": "i-1",
    "model": "churn",
    "tier": "P1",
    "state": "open",
    "owner": "growth@example.org",
}


def a_message(kind: MessageKind = MessageKind.TRIGGER, **body: Any) -> Message:
    return Message("i-1:1:x", "i-1", 1, "x", kind, {**BODY, **body}, NOW, NOW)


def send(channel: dict[str, Any], message: Message | None = None, *, networks: tuple[str, ...] = LOOPBACK, **environ: str) -> Attempt:
    made = Channel.model_validate(channel)
    settings = AlertSettings(channels={"x": made}, timeout_seconds=0.3, private_networks=networks)
    return sender(settings, environ)("x", made, message or a_message())


class TestSlack:
    def test_blocks_arrive_with_headline_lines_and_one_link(self) -> None:
        with receiver() as server:
            attempt = send({"kind": "slack", "secret_url": "${HOOK}"}, HOOK=f"{server.url}/services/T0/B0/abcdef")
        assert attempt == Attempt(True, "HTTP 200")
        ((path, _, got),) = server.got
        assert path == "/services/T0/B0/abcdef"
        header, section, context = got["blocks"]
        assert header["text"] == {"type": "plain_text", "text": BODY["headline"], "emoji": False}
        assert section["text"]["text"].splitlines()[0] == "Suspected: data fault: nulls in &lt;age&gt; &amp; more."
        assert context["elements"][0]["text"].startswith("<https://vigil.example.org/i-1|i-1>")
        assert json.dumps(got).count("https://") == 1


class TestSlackBot:
    def send(self, server: Receiver, answered: str, message: Message | None = None) -> Attempt:
        server.body = answered
        channel = {"kind": "slack", "token": "${TOKEN}", "conversation": "C012345", "url": server.url}
        return send(channel, message, TOKEN="xoxb-secretword")

    def test_the_first_message_gets_a_receipt_and_a_later_one_replies_to_it(self) -> None:
        with receiver() as server:
            first = self.send(server, '{"ok": true, "channel": "C012345", "ts": "1503435956.000247", "message": {}}')
            assert first == Attempt(True, "Slack took it", receipt="1503435956.000247")
            self.send(server, '{"ok": true, "ts": "1503435999.000001"}', replace(a_message(MessageKind.RESOLVE), thread=first.receipt))
        (_, headers, opened), (_, _, update) = server.got
        assert headers["Authorization"] == "Bearer xoxb-secretword"
        assert (opened["channel"], opened.get("thread_ts"), update["thread_ts"]) == ("C012345", None, "1503435956.000247")
        assert opened["blocks"] == update["blocks"]

    @pytest.mark.parametrize(
        ("answered", "attempt"),
        [
            ('{"ok": false, "error": "channel_not_found"}', Attempt(False, "Slack refused it: channel_not_found", permanent=True)),
            ('{"ok": false, "error": "internal_error"}', Attempt(False, "Slack refused it: internal_error")),
            (
                '{"ok": false, "error": "bad token xoxb-secretword"}',
                Attempt(False, f"Slack refused it: bad token {HIDDEN}", permanent=True),
            ),
            ("<html>", Attempt(False, "not an answer of Slack's Web API", permanent=True)),
            ('{"ok": true}', Attempt(False, "not an answer of Slack's Web API", permanent=True)),
        ],
    )
    def test_what_slack_refuses_is_no_delivery_though_it_is_http_200(self, answered: str, attempt: Attempt) -> None:
        with receiver() as server:
            assert self.send(server, answered) == attempt


class TestPagerDuty:
    @pytest.mark.parametrize("kind", list(MessageKind))
    def test_trigger_acknowledge_and_resolve_meet_in_the_incident(self, kind: MessageKind) -> None:
        with receiver(202) as server:
            attempt = send({"kind": "pagerduty", "routing_key": "${KEY}", "url": server.url}, a_message(kind), KEY="0123456789abcdef")
        assert attempt.delivered
        ((_, _, got),) = server.got
        assert (got["event_action"], got["dedup_key"], got["routing_key"]) == (kind.value, "i-1", "0123456789abcdef")
        assert ("payload" in got) is (kind is MessageKind.TRIGGER)

    @pytest.mark.parametrize(("tier", "severity"), [("P0", "critical"), ("P1", "error"), ("P2", "warning")])
    def test_the_tier_is_a_severity(self, tier: str, severity: str) -> None:
        with receiver(202) as server:
            send({"kind": "pagerduty", "routing_key": "${KEY}", "url": server.url}, a_message(tier=tier), KEY="0123456789abcdef")
        assert server.got[0][2]["payload"]["severity"] == severity


class TestWebhook:
    def test_plain_json_arrives_with_a_key_that_never_changes(self) -> None:
        with receiver() as server:
            for _ in range(2):
                send({"kind": "webhook", "url": f"{server.url}/alerts", "authorization": "${TOKEN}"}, TOKEN="Bearer abcdef")
        assert [headers["Idempotency-Key"] for _, headers, _ in server.got] == ["i-1:1:x"] * 2
        assert server.got[0][1]["Authorization"] == "Bearer abcdef"
        assert server.got[0][2] == {"key": "i-1:1:x", "kind": "trigger", "created_at": NOW.isoformat(), **BODY}

    @pytest.mark.parametrize(
        ("answer", "detail", "permanent"),
        [
            (500, "HTTP 500", False),
            (429, "HTTP 429", False),
            (404, "HTTP 404", True),
            (302, "HTTP 302", True),
            ("drop", "no answer: RemoteDisconnected", False),
            ("hang", "no answer within 0.3 s", False),
        ],
    )
    def test_a_failure_says_what_happened_and_whether_it_may_pass(self, answer: int | str, detail: str, permanent: bool) -> None:
        with receiver(answer) as server:
            attempt = send({"kind": "webhook", "url": server.url})
        assert attempt == Attempt(False, detail, permanent)
        assert len(server.got) == 1  # in particular no redirect was followed

    def test_nobody_listens(self) -> None:
        attempt = send({"kind": "webhook", "url": f"http://127.0.0.1:{closed_port()}"})
        assert attempt == Attempt(False, "no answer: ConnectionRefusedError")

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001", "169.254.169.254", "10.0.0.1"])
    def test_a_private_address_is_not_spoken_to_however_it_is_written(self, host: str) -> None:
        with receiver() as server:
            port = server.url.rpartition(":")[2]
            attempt = send({"kind": "webhook", "url": f"http://{host}:{port}"}, networks=())
        assert not attempt.delivered
        assert attempt.permanent
        assert "not public" in attempt.detail
        assert server.got == []


class TestMail:
    channel = staticmethod(
        lambda port, **more: {
            "kind": "email",
            "host": "127.0.0.1",
            "port": port,
            "sender": "vigil@example.org",
            "to": ["ops@example.org"],
            "encryption": "none",
            **more,
        }
    )

    def test_mails_of_one_incident_are_one_thread(self) -> None:
        with mail_server() as server:
            assert send(self.channel(server.port)).delivered
        mail = message_from_string(server.mails[0], policy=policy.default)
        assert (mail["Subject"], mail["To"]) == (BODY["headline"], "ops@example.org")
        assert mail["In-Reply-To"] == mail["References"]
        assert mail["Message-ID"] != mail["References"]
        assert "Decided: FIX_DATA." in mail.get_content()

    @pytest.mark.parametrize(("answer", "permanent"), [("550 no such mailbox", True), ("451 later", False)])
    def test_a_refusal_of_the_five_hundreds_is_permanent(self, answer: str, permanent: bool) -> None:
        with mail_server(answer) as server:
            assert send(self.channel(server.port)) == Attempt(False, f"SMTP {answer[:3]}", permanent)

    def test_dropped_after_it_was_taken_it_is_tried_again(self) -> None:
        with mail_server("drop") as server:
            attempt = send(self.channel(server.port))
        assert (attempt.delivered, attempt.permanent) == (False, False)

    def test_an_unencrypted_server_is_refused_where_encryption_is_asked_for(self) -> None:
        with mail_server() as server:
            attempt = send({**self.channel(server.port), "encryption": "starttls"})
        assert attempt == Attempt(False, "the server cannot do what is asked of it: STARTTLS extension not supported by server.")
        assert server.mails == []

    def test_one_of_two_recipients_who_is_refused_is_named(self) -> None:
        with mail_server() as server:
            attempt = send(self.channel(server.port, to=["ops@example.org", "nobody@example.org"]))
        assert attempt == Attempt(True, "accepted by the server, but not for nobody@example.org (550)")
        assert len(server.mails) == 1

    def test_the_password_is_given_and_not_told(self) -> None:
        with mail_server("535 no") as server:
            attempt = send(self.channel(server.port, username="vigil", password="${PASSWORD}"), PASSWORD="correct horse")
        assert attempt == Attempt(False, "SMTP 535", permanent=True)
        assert base64.b64encode(b"\0vigil\0correct horse").decode() in " ".join(server.commands)


def test_apprise_sends_to_what_it_knows() -> None:
    with receiver() as server:
        attempt = send({"kind": "apprise", "secret_url": "${URL}"}, URL=f"json://{server.url.removeprefix('http://')}/")
    assert attempt == Attempt(True, "sent by Apprise")
    assert server.got[0][2]["title"] == BODY["headline"]


def test_apprise_logs_no_address(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """It would log the address that it cannot use, secret and all."""
    attempt = send({"kind": "apprise", "secret_url": "${URL}"}, URL="nosuch://chatsecret/word")
    assert attempt == Attempt(False, "Apprise does not know this kind of address", permanent=True)
    assert "chatsecret" not in caplog.text + "".join(capfd.readouterr())


def test_a_variable_that_is_not_set_is_named_and_may_be_set_later() -> None:
    attempt = send({"kind": "slack", "secret_url": "${HOOK}"})
    assert attempt == Attempt(False, "channel x: the environment variable HOOK is not set; set it where vigil runs")


secrets = st.text(min_size=8, max_size=60) | st.from_regex(r"https://[a-z]{3,9}\.org/[A-Za-z0-9/]{8,30}\?t=[a-z]{8,12}", fullmatch=True)


@given(secret=secrets, before=st.text(max_size=20), after=st.text(max_size=20), form=st.sampled_from(["plain", "quoted", "json", "repr"]))
def test_no_form_of_a_secret_is_left(secret: str, before: str, after: str, form: str) -> None:
    """However an error writes it, the secret is not in what is kept."""
    assume(secret not in HIDDEN)
    written = {
        "plain": secret,
        "quoted": quote(secret, errors="replace"),
        "json": json.dumps(secret)[1:-1],
        "repr": repr(secret)[1:-1],
    }[form]
    kept = redacted(f"{before}{written}{after}", [secret])
    assert secret not in kept
    assert written not in kept


@settings(max_examples=15, deadline=None)
@given(path=st.from_regex(r"[A-Za-z0-9]{12,30}", fullmatch=True), status=st.sampled_from([200, 302, 404, 500, "drop"]))
def test_no_attempt_tells_the_secret_of_its_address(path: str, status: int | str) -> None:
    with receiver(status) as server:
        attempt = send({"kind": "slack", "secret_url": "${HOOK}"}, HOOK=f"{server.url}/{path}")
    assert path not in attempt.detail
