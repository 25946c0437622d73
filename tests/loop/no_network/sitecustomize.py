"""Loaded by every Python process that has this folder on its path: refuses and records every connection that leaves the machine."""

import ipaddress
import os
import sys

LOG = os.environ["VIGIL_TEST_NETWORK_LOG"]


def is_local(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def watch(event: str, arguments: tuple) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if not is_local(host) and host != "0.0.0.0":  # 0.0.0.0 is asked for when a server looks for a free port
        with open(LOG, "a") as log:
            log.write(f"{event} {host!r} by {' '.join(sys.argv)}\n")
        raise PermissionError(f"the test lets nothing leave the machine: {event} {host!r}")


sys.addaudithook(watch)
sys.modules["uvloop"] = None  # it connects in C, past the hook; uvicorn falls back to asyncio
