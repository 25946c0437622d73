"""Servers on loopback that behave as receivers do on bad days: they answer, refuse, redirect, hang, or drop what they took."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What an HTTP server got, and how it answers: a status, ``hang`` or ``drop``; it may be changed while it runs."""

    answer: int | str = 200
    body: str = ""
    got: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiver(answer: int | str = 200) -> Iterator[Receiver]:
    """Run an HTTP server on loopback for the block."""
    state = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((self.path, dict(self.headers), json.loads(body)))
            if state.answer == "hang":
                state.released.wait(30)
                return
            if state.answer == "drop":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(int(state.answer))
            if 300 <= int(state.answer) < 400:
                self.send_header("Location", f"{state.url}/elsewhere")
            text = state.body.encode()
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()


@dataclass
class MailServer:
    """What an SMTP server got, and what it says to the end of a mail; ``drop`` takes it and hangs up."""

    answer: str = "250 taken"
    mails: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0


@contextmanager
def mail_server(answer: str = "250 taken") -> Iterator[MailServer]:
    """Run an SMTP server on loopback for the block: as much of RFC 5321 as a client needs."""
    state = MailServer(answer)
    listening = socket.create_server(("127.0.0.1", 0))
    state.port = listening.getsockname()[1]

    def converse(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:

            def say(text: str) -> None:
                stream.write(text.encode() + b"\r\n")
                stream.flush()

            say("220 loopback")
            while line := stream.readline().decode().strip():
                state.commands.append(line)
                verb = line.split()[0].upper()
                if verb == "EHLO":
                    say("250-loopback")
                    say("250 AUTH PLAIN")
                elif verb == "DATA":
                    say("354 go on")
                    lines = []
                    while (part := stream.readline()) not in (b".\r\n", b""):
                        lines.append(part.decode())
                    state.mails.append("".join(lines))
                    if state.answer == "drop":
                        return
                    say(state.answer)
                elif verb == "RCPT" and "nobody@" in line:
                    say("550 no such mailbox")
                elif verb == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("535 no" if verb == "AUTH" and state.answer.startswith("535") else "235 ok" if verb == "AUTH" else "250 ok")

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield state
    finally:
        listening.close()


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
