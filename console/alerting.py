"""Commands about incidents: list, show, act on, look back; channels, the digest, the metrics.

They need no orchestrator: they read and write the store, and send what waits in its outbox.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.exit_codes import ExitCode, UsageError
from console.output import Column, Json, console, print_json, print_table, say, working
from console.session import By, moment, name_of, session_of

if TYPE_CHECKING:
    from vigil.alerts.incident import Incident
    from vigil.alerts.message import Message
    from vigil.project import Project

IncidentArgument = Annotated[str, typer.Argument(metavar="INCIDENT", help="The incident's id, from `vigil incidents`.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the incident.")]

channels = typer.Typer(name="channels", help="Where alerts go. See `alerts.channels` of vigil.yaml.", no_args_is_help=True)


def incidents(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Only this model's. Default: all, and fleet incidents.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List incidents, the most urgent first. Those that are resolved are left out."""
    from vigil.alerts.alerting import incidents_of

    project = session_of(context).project()
    if model is not None and model != "fleet":
        project.model(model)
    with project.store() as store:
        found = [incident for incident in incidents_of(store, model).values() if everything or incident.active]
    rows = [incident_row(each) for each in sorted(found, key=lambda each: (each.state == "resolved", each.tier, each.opened_at))]
    if as_json:
        print_json(rows)
        return
    print_table(
        rows,
        [
            Column("incident", lambda r: r["incident_id"]),
            Column("tier", lambda r: str(r["tier"])),
            Column("state", lambda r: str(r["state"])),
            Column("what", lambda r: r["title"], fold=True),
            Column("windows", lambda r: f"{r['first'][:10]} – {r['last'][:10]}"),
            Column("owner", lambda r: r["owner"] or "nobody"),
        ],
        empty="No incidents." if everything else "No open incidents; `vigil incidents --all` lists those that are resolved.",
    )


def incident(context: typer.Context, incident: IncidentArgument, as_json: Json = False) -> None:
    """Show one incident. What is out of bounds, the suspected causes with why, what changed before, and what happened since."""
    from vigil.alerts.alerting import incident as read_incident
    from vigil.alerts.words import account

    project = session_of(context).project()
    with project.store() as store:
        found, events = read_incident(store, incident)
        messages = store.messages(incident_id=incident)
    if as_json:
        sent = [{"channel": m.channel, "kind": m.kind, "standing": m.standing, "attempts": m.attempts} for m in messages]
        print_json([incident_row(found) | {"events": [asdict(event) for event in events], "messages": sent}])
        return
    sys.stdout.write("\n".join(account(found)) + "\n\n")
    for event in events:
        if event.kind != "observed":
            reason = f": {event.reason}" if event.reason else ""
            sys.stdout.write(f"  {event.at:%Y-%m-%d %H:%M}  {event.kind} by {event.by}{reason}\n")
    for message in messages:
        sys.stdout.write(f"  message to {message.channel}: {message.standing} after {message.attempts} attempts\n")


def ack(context: typer.Context, incident: IncidentArgument, reason: Reason = "", by: By = None, as_json: Json = False) -> None:
    """Acknowledge an incident: somebody looks after it."""
    from vigil.alerts.alerting import acknowledge

    def act(store: Any, settings: Any) -> Incident:
        return acknowledge(store, settings, incident, by=name_of(by), reason=reason, at=datetime.now(UTC))

    _act(context, act, as_json=as_json)


def resolve(context: typer.Context, incident: IncidentArgument, reason: Reason, by: By = None, as_json: Json = False) -> None:
    """Resolve an incident. Should the same be in breach again soon, it opens again."""
    from vigil.alerts.alerting import resolve as resolve_incident

    def act(store: Any, settings: Any) -> Incident:
        return resolve_incident(store, settings, incident, by=name_of(by), reason=reason, at=datetime.now(UTC))

    _act(context, act, as_json=as_json)


def mute(
    context: typer.Context,
    incident: IncidentArgument,
    reason: Reason,
    until: Annotated[str | None, typer.Option("--until", metavar="MOMENT", help="When messages go on. Default: a day from now.")] = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Send nothing about an incident for a while. It goes on being observed."""
    from vigil.alerts.alerting import mute as mute_incident

    def act(store: Any, settings: Any) -> Incident:
        now = datetime.now(UTC)
        end = now + timedelta(days=1) if until is None else moment(until)
        return mute_incident(store, settings, incident, until=end, by=name_of(by), reason=reason, at=now)

    _act(context, act, as_json=as_json)


@channels.command("list")
def list_channels(context: typer.Context, as_json: Json = False) -> None:
    """List the channels with what waits for them and what they lost. The last failure is shown, without any secret."""
    project = session_of(context).project()
    with project.store() as store:
        everything = store.messages()
        rows = [_channel_row(store, name, channel, everything) for name, channel in sorted(project.spec.alerts.channels.items())]
    if as_json:
        print_json(rows)
        return
    print_table(
        rows,
        [
            Column("channel", lambda r: r["channel"]),
            Column("kind", lambda r: str(r["kind"])),
            Column("tiers", lambda r: " ".join(r["tiers"])),
            Column("pending", lambda r: str(r["pending"]), right=True),
            Column("delivered", lambda r: str(r["delivered"]), right=True),
            Column("dead", lambda r: str(r["dead"]), right=True),
            Column("last failure", lambda r: r["last_failure"] or "–", fold=True),
        ],
        empty="No channels yet: add alerts.channels to vigil.yaml (`vigil schema project` lists the keys).",
    )


@channels.command("test")
def check_channels(
    context: typer.Context,
    channel: Annotated[str | None, typer.Argument(metavar="[CHANNEL]", help="Only this one. Default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Send a test message, and say how it went. Nothing of it is kept in the store."""
    from tasks.notify import sender
    from vigil.alerts.message import trial_message

    settings = session_of(context).project().spec.alerts
    if channel is not None and channel not in settings.channels:
        raise UsageError(f"no channel {channel!r} in vigil.yaml; the channels are: {', '.join(sorted(settings.channels)) or 'none'}")
    names = sorted(settings.channels) if channel is None else [channel]
    send, rows = sender(settings), []
    for name in names:
        with working(f"sending to {name}"):
            attempt = send(name, settings.channels[name], trial_message(name, datetime.now(UTC)))
        rows.append({"channel": name, "delivered": attempt.delivered, "detail": attempt.detail})
    if as_json:
        print_json(rows)
    else:
        outcome = {True: "delivered", False: "failed"}
        print_table(
            rows,
            [
                Column("channel", lambda r: r["channel"]),
                Column("test", lambda r: outcome[r["delivered"]]),
                Column("detail", lambda r: r["detail"], fold=True),
            ],
            empty="No channels yet: add alerts.channels to vigil.yaml (`vigil schema project` lists the keys).",
        )
    if not all(row["delivered"] for row in rows):
        raise typer.Exit(ExitCode.UNREACHABLE)


def digest(
    context: typer.Context,
    end: Annotated[str | None, typer.Option("--to", metavar="MOMENT", help="The end of the week. Default: now.")] = None,
    as_json: Json = False,
) -> None:
    """Show the week's digest: minor incidents, labels that lack, and thresholds that fire never or always."""
    from vigil.alerts.digest import digest as digest_of
    from vigil.alerts.digest import digest_text

    project = session_of(context).project()
    until = datetime.now(UTC) if end is None else moment(end)
    with project.store() as store:
        found = digest_of(store, [project.models[name] for name in sorted(project.models)], until)
    if as_json:
        print_json([asdict(each) | {"minor": [incident_row(i) for i in each.minor]} for each in found.models])
    else:
        sys.stdout.write(digest_text(found) + "\n")


def postmortem(context: typer.Context, incident: IncidentArgument, as_json: Json = False) -> None:
    """Look back on one incident. What happened when, and which signals would have told earlier, at how many false alarms."""
    from vigil.alerts.alerting import incident as read_incident
    from vigil.alerts.postmortem import postmortem as look_back
    from vigil.alerts.words import headline
    from vigil.decision.phrases import plural

    project = session_of(context).project()
    with project.store() as store:
        found = look_back(store, project.model(read_incident(store, incident)[0].model), incident)
    if as_json:
        happened = [asdict(each) for each in found.timeline]
        days = [asdict(each) | {"signal": str(each.signal), "lead": each.lead / timedelta(days=1)} for each in found.earlier]
        print_json([incident_row(found.incident) | {"timeline": happened, "earlier": days}])
        return
    sys.stdout.write(f"{found.incident.incident_id}  {headline(found.incident)}\n\n")
    for each in found.timeline:
        sys.stdout.write(f"  {each.at:%Y-%m-%d %H:%M}  {each.what}\n")
    sys.stdout.write("\n")
    print_table(
        [asdict(each) for each in found.earlier],
        [
            Column("would have told earlier", lambda r: str(r["signal"])),
            Column("if alerted", lambda r: r["how"], fold=True),
            Column("days", lambda r: f"{r['lead'] / timedelta(days=1):g}", right=True),
            Column("false alarms", lambda r: f"{r['false_alarms']} in {plural(r['windows'], 'window')}", right=True),
        ],
        empty="Nothing that is measured would have told earlier.",
    )


def metrics(
    context: typer.Context,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Replace this file in one step. Default: print.")] = None,
) -> None:
    """Print the present state as OpenMetrics text, for Prometheus' textfile collector or an exporter."""
    from vigil.alerts.openmetrics import openmetrics

    project = session_of(context).project()
    with project.store() as store:
        text = openmetrics(store, [project.models[name] for name in sorted(project.models)], datetime.now(UTC))
    if to is None:
        sys.stdout.write(text)
        return
    half = to.with_name(f"{to.name}.{os.getpid()}.half")  # no name that the collector reads: *.prom
    try:
        half.write_text(text)
        half.replace(to)
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror}; give --to a file in a folder that exists") from None
    finally:
        half.unlink(missing_ok=True)


def send_waiting(project: Project) -> None:
    """Send what waits in the outbox; what cannot be sent now waits for the schedule, and is said."""
    settings = project.spec.alerts
    if not settings.channels:
        return
    from tasks.notify import sender
    from vigil.alerts.delivery import drain

    with project.store() as store, working("telling people"):
        done = drain(store, settings, sender(settings), lambda: datetime.now(UTC))
    if done.failed or done.dead:
        say(f"{done.failed + done.dead} messages could not be sent: `vigil channels list` says why.")


def incident_row(found: Incident) -> dict[str, Any]:
    """One incident, flat but for its signals, causes and context."""
    row = {name: getattr(found, name) for name in found.__dataclass_fields__ if name != "signals"}
    signals = [
        {"layer": signal.layer, "metric": signal.metric, "subject": signal.subject, **asdict(seen), "breaches": len(seen.breaches)}
        for signal, seen in sorted(found.signals.items())
    ]
    return row | {"signals": signals}


def _act(context: typer.Context, act: Callable[[Any, Any], Incident], *, as_json: bool) -> None:
    from vigil.alerts.words import headline

    project = session_of(context).project()
    with project.store() as store:
        found = act(store, project.spec.alerts)
    send_waiting(project)
    if as_json:
        print_json([incident_row(found)])
        return
    muted = "" if found.muted_until is None else f", muted until {found.muted_until:%Y-%m-%d %H:%M UTC}"
    console().print(f"{found.incident_id} {headline(found)}: {found.state}{muted}.", markup=False)


def _channel_row(store: Any, name: str, channel: Any, everything: Sequence[Message]) -> dict[str, Any]:
    messages = [message for message in everything if message.channel == name]
    failures = [d for message in messages for d in store.deliveries(message.key) if not d.delivered]
    last = max(failures, key=lambda delivery: delivery.at, default=None)
    counts = {standing: sum(m.standing == standing for m in messages) for standing in ("pending", "delivered", "dead")}
    return {
        "channel": name,
        "kind": channel.kind,
        "tiers": list(channel.tiers),
        **counts,
        "last_failure": None if last is None else f"{last.at:%Y-%m-%d %H:%M} {last.detail}",
    }
