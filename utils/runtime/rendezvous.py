"""Hosts connect to each other before TensorFlow does, which would wait for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from utils.errors import UserError

TIMEOUT = 45.0  # seconds
_PAUSE = 0.2
_ANSWER = 5.0


def meet(hosts: Sequence[str], place: int, timeout: float = TIMEOUT) -> None:
    """Return once every host has been reached from here and has reached this one.

    Args:
        hosts: addresses ``name:port`` of all hosts, as in ``TF_CONFIG``.
        place: this host's place among them.
        timeout: seconds to wait.

    Raises:
        UserError: an address is invalid, this host cannot listen at its own, another has a list of
            another length, or does not answer in time; the message names it.
    """
    addresses = [_address(host) for host in hosts]
    others = set(range(len(hosts))) - {place}
    reached: set[int] = set()
    deadline = time.monotonic() + timeout
    greeting = b"%d/%d\n" % (place, len(hosts))
    with (
        _Listener(hosts[place], addresses[place][1], len(hosts)) as listener,
        ThreadPoolExecutor(max(len(others), 1)) as pool,  # a silent host must not delay others
    ):
        while True:
            wait = max(_PAUSE, min(_ANSWER, deadline - time.monotonic()))
            calls = {i: pool.submit(_greet, addresses[i], greeting, wait)
                     for i in others - reached}  # fmt: skip
            reached |= {i for i, call in calls.items() if call.result()}
            found = reached & listener.heard
            if listener.counts:
                counts = sorted({len(hosts), *listener.counts})
                raise UserError(
                    "TF_CONFIG: the hosts' lists have different lengths "
                    f"({', '.join(map(str, counts))}); give all of them the same list"
                )
            if found == others:
                return
            if time.monotonic() > deadline:
                raise UserError(
                    f"TF_CONFIG: after {timeout:.0f} seconds there is no answer from "
                    f"{', '.join(hosts[i] for i in sorted(others - found))}; is the same command "
                    "running there, with its own index, and is the port open?"
                )
            time.sleep(_PAUSE)


def _address(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":")
    if not name or not port.isdigit():
        raise UserError(f"TF_CONFIG: {host!r} is not an address such as a.example:12345")
    return name.strip("[]"), int(port)


class _Listener:
    """Receives greetings in a thread: two hosts may greet each other at the same moment."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self.heard: set[int] = set()
        self.counts: set[int] = set()  # hosts in the lists of others, where it differs from ours
        self._count = count
        try:
            self._socket = socket.create_server(("", port), backlog=64)
        except OSError as error:
            raise UserError(
                f"TF_CONFIG: cannot listen at {host} ({error.strerror}); is another run using the "
                "port?"
            ) from None
        self._socket.settimeout(_PAUSE)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> _Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._done.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(_ANSWER)
                try:
                    place, count = map(int, connection.recv(32).split(b"/"))
                    connection.sendall(b"+")
                    if connection.recv(1) == b"!":  # it has received the answer
                        if count != self._count:
                            self.counts.add(count)
                        self.heard.add(place)
                except (OSError, ValueError):  # another program, or a closed connection
                    continue


def _greet(address: tuple[str, int], greeting: bytes, timeout: float) -> bool:
    """Send a greeting to a host; whether it answered."""
    try:
        with socket.create_connection(address, timeout=timeout) as connection:
            connection.sendall(greeting)
            answered = connection.recv(1) == b"+"
            connection.sendall(b"!")
            return answered
    except OSError:
        return False
