"""One guarded HTTP POST: the peer's address is checked at connect, no redirect is followed, and it ends in time.

Differs from a general client: there is no proxy, no cookie and no second address, so what is checked is what is spoken to.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from vigil.alerts.delivery import Attempt

MOST_OF_ANSWER = 65_536  # bytes that are read of an answer; convention
PASSING = (408, 425, 429)  # client errors that pass: RFC 9110, RFC 8470, RFC 6585


class NotPermitted(OSError):
    """The address is not public, and no network of ``alerts.private_networks`` holds it."""


def post(
    url: str,
    payload: Any,
    *,
    headers: Mapping[str, str],
    timeout: float,
    private_networks: Sequence[str],
    read: Callable[[bytes], Attempt] | None = None,
) -> Attempt:
    """Send ``payload`` as JSON. Delivered is an answer of 2xx; anything else is said in words of our own, without the address.

    Args:
        timeout: seconds for all of it: name, connection, request and answer.
        private_networks: that may be connected to beside public addresses.
        read: says what an answer of 2xx means; by default that it was delivered.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return Attempt(False, "the address is no http(s) address", permanent=True)
    try:
        connection = _Guarded(parts.hostname, parts.port, parts.scheme == "https", timeout, private_networks)
        status, answer = connection.ask(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", json.dumps(payload), headers)
    except NotPermitted as error:
        return Attempt(False, str(error), permanent=True)
    except ssl.SSLError as error:
        return Attempt(False, f"TLS failed: {error.reason or 'no reason given'}")
    except TimeoutError:
        return Attempt(False, f"no answer within {timeout:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Attempt(False, f"no answer: {type(error).__name__}")
    if 200 <= status < 300:
        return Attempt(True, f"HTTP {status}") if read is None else read(answer)
    return Attempt(False, f"HTTP {status}", permanent=status < 500 and status not in PASSING)


class _Guarded:
    """One connection to one address of the host, which is checked before anything is sent."""

    def __init__(self, host: str, port: int | None, encrypted: bool, timeout: float, private_networks: Sequence[str]) -> None:
        self.host, self.port, self.encrypted, self.timeout = host, port or (443 if encrypted else 80), encrypted, timeout
        self.expired = False
        self.networks = [ipaddress.ip_network(network) for network in private_networks]

    def ask(self, target: str, body: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        allowed = [place for *_, place in addresses if self._permitted(place[0])]
        if not allowed:
            raise NotPermitted("the address is not public; an admin may list its network in alerts.private_networks")
        self.socket = socket.create_connection(allowed[0][:2], timeout=self.timeout)
        alarm = threading.Timer(self.timeout, self._end)
        alarm.daemon = True
        alarm.start()
        try:
            return self._speak(target, body, headers)
        except (OSError, http.client.HTTPException):
            if self.expired:
                raise TimeoutError from None
            raise
        finally:
            alarm.cancel()
            self.socket.close()

    def _speak(self, target: str, body: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if not self._permitted(self.socket.getpeername()[0]):
            raise NotPermitted("the peer's address is not public")
        if self.encrypted:
            context = ssl.create_default_context()
            self.socket = context.wrap_socket(self.socket, server_hostname=self.host, do_handshake_on_connect=False)
            self.socket.do_handshake()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        connection.sock = self.socket
        connection.request("POST", target, body.encode(), {"Content-Type": "application/json", "User-Agent": "vigil", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_OF_ANSWER)

    def _end(self) -> None:
        """Time is up: wake whoever reads or writes."""
        self.expired = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _permitted(self, text: str) -> bool:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        return (address.is_global and not address.is_multicast) or any(address in network for network in self.networks)
