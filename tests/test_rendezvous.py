"""Hosts find each other, or say who is missing."""

import socket
import threading
import time

import pytest

from utils.errors import UserError
from utils.runtime import rendezvous
from utils.runtime.rendezvous import meet


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return addresses


def meet_in_threads(addresses, places, patience):
    outcome = {}

    def run(place):
        try:
            meet(addresses, place, patience)
            outcome[place] = None
        except UserError as error:
            outcome[place] = str(error)

    threads = [threading.Thread(target=run, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


def test_all_hosts_meet_whoever_comes_first():
    assert meet_in_threads(free_addresses(4), (2, 0, 3, 1), 20) == dict.fromkeys(range(4))


def test_the_missing_host_is_named_on_every_other():
    addresses = free_addresses(3)
    outcome = meet_in_threads(addresses, (0, 1), 1.5)
    for place in (0, 1):
        assert f"no answer from {addresses[2]}" in outcome[place]


def test_lists_of_different_lengths_are_refused_on_both_sides():
    addresses = free_addresses(3)
    outcome = {}

    def run(place, known):
        try:
            meet(known, place, 3)
        except UserError as error:
            outcome[place] = str(error)

    threads = [
        threading.Thread(target=run, args=arguments)
        for arguments in ((0, addresses[:2]), (1, addresses))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "different lengths (2, 3)" in outcome[0]
    assert "different lengths (2, 3)" in outcome[1] or "no answer" in outcome[1]


def test_hosts_that_swallow_everything_do_not_add_up(monkeypatch):
    """Each takes a whole timeout; one after the other they would take six."""
    monkeypatch.setattr(rendezvous, "_ANSWER", 0.5)
    silent = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]  # nobody accepts
    try:
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in silent]
        began = time.monotonic()
        with pytest.raises(UserError, match="no answer"):
            meet([*free_addresses(1), *addresses], 0, 0.5)
        assert time.monotonic() - began < 2.5
    finally:
        for s in silent:
            s.close()


def test_a_stranger_at_the_port_is_no_host():
    addresses = free_addresses(2)
    threading.Timer(0.3, call, (addresses[0], b"GET / HTTP/1.1\r\n\r\n")).start()
    with pytest.raises(UserError, match="no answer"):
        meet(addresses, 0, 1.5)


def call(address, words):
    name, port = address.split(":")
    with socket.create_connection((name, int(port)), timeout=2) as connection:
        connection.sendall(words)


def test_wrong_addresses_and_a_used_port():
    with pytest.raises(UserError, match="not an address"):
        meet(["a.example", "b.example:1"], 0, 1)
    (address,) = free_addresses(1)
    with (
        socket.create_server(("", int(address.split(":")[1]))),
        pytest.raises(UserError, match="cannot listen"),
    ):
        meet([address, "127.0.0.1:1"], 0, 1)
