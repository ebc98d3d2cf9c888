"""Hosts find each other before TensorFlow starts its own search, which would wait for ever."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Sequence

from utils.errors import UserError

PATIENCE = 45.0  # seconds
_PAUSE = 0.2


def meet(hosts: Sequence[str], place: int, patience: float = PATIENCE) -> None:
    """Return once every host has been reached from here and has reached this one.

    Args:
        hosts: addresses ``name:port`` of all hosts, as in ``TF_CONFIG``.
        place: this host's place among them.
        patience: seconds to wait.

    Raises:
        UserError: an address is none, this host cannot listen at its own, or another was not
            found in time; the message names it.
    """
    addresses = [_address(host) for host in hosts]
    unmet = set(range(len(hosts))) - {place}
    unheard = set(unmet)
    deadline = time.monotonic() + patience
    with _listening(hosts[place], addresses[place][1]) as listener, _selector(listener) as selector:
        while unmet or unheard:
            for other in sorted(unmet):
                if _greet(addresses[other], place):
                    unmet.discard(other)
            while selector.select(timeout=_PAUSE):
                unheard.discard(_hear(listener))
                if not unheard:
                    break
            if time.monotonic() > deadline:
                lost = ", ".join(hosts[i] for i in sorted(unmet | unheard))
                raise UserError(
                    f"TF_CONFIG: after {patience:.0f} seconds there is no answer from {lost}; is "
                    "the same command running there, with its own index, and is the port open?"
                )


def _address(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":")
    if not name or not port.isdigit():
        raise UserError(f"TF_CONFIG: {host!r} is not an address such as a.example:12345")
    return name.strip("[]"), int(port)


@contextlib.contextmanager
def _listening(host: str, port: int):
    try:
        listener = socket.create_server(("", port), backlog=64)
    except OSError as error:
        raise UserError(
            f"TF_CONFIG: cannot listen at {host} ({error.strerror}); is another run using the port?"
        ) from None
    with listener:
        yield listener


@contextlib.contextmanager
def _selector(listener: socket.socket):
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        yield selector


def _greet(address: tuple[str, int], place: int) -> bool:
    """Tell a host who is here; whether it heard."""
    try:
        with socket.create_connection(address, timeout=2) as connection:
            connection.sendall(b"%d\n" % place)
            return connection.recv(1) == b"+"
    except OSError:
        return False


def _hear(listener: socket.socket) -> int:
    """Which host has just come; −1 for one that is none of ours."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(2)
        try:
            place = int(connection.recv(16))
            connection.sendall(b"+")
        except (OSError, ValueError):
            return -1
    return place
