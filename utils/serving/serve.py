"""``predict.py --serve``: from options to a running server, and its end.

The page is for people and ``POST /v1/detect`` for programs; ``docs/serving.md`` describes both.
Importing this module needs neither starlette nor uvicorn; ``check_installed`` says what is missing.
"""

from __future__ import annotations

import errno
import ipaddress
import secrets
import signal
import socket
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from utils.errors import UserError
from utils.text import listed

if TYPE_CHECKING:
    from utils.detector import Detector
    from utils.serving.limits import Limits
    from utils.thresholds import Thresholds

_PACKAGES = {"starlette": "starlette", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}
_TOKEN_BYTES = 24
_MIN_TOKEN = 16  # characters


def check_installed() -> None:
    """
    Raises:
        UserError: a package that serving needs is missing.
    """
    missing = [name for module, name in _PACKAGES.items() if find_spec(module) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise UserError(
            f"--serve: needs {listed(missing)}, which {are} not installed; install with: "
            f"pip install {' '.join(missing)}"
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Connections wait until the server takes them.

    Raises:
        UserError: the address is none of this machine, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise UserError(f"--host {host}: there is no such address ({error.strerror})") from None
    except UnicodeError:  # an empty part, or one of more than 63 letters
        raise UserError(f"--host {host}: is no name that a machine can have") from None
    try:
        listener = socket.socket(family, kind, protocol)
    except OSError as error:  # without IPv6, for example
        raise UserError(f"--host {host}: cannot be used here ({error.strerror})") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()  # only now does the system say that another program listens here
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"--port {port}: another program uses this port; choose another, or 0 for any "
                "that is free"
            ) from None
        if error.errno == errno.EACCES:
            raise UserError(
                f"--port {port}: needs the administrator's rights; choose one from 1024 on"
            ) from None
        raise UserError(f"--host {host}: cannot be used here ({error.strerror})") from None
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine reaches the socket."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def token_for(listener: socket.socket, given: str | None) -> str | None:
    """``--token``, or a new one where other machines reach the server.

    Raises:
        UserError: it can be guessed, or is no text for a header.
    """
    if given is None:
        return None if is_loopback(listener) else secrets.token_urlsafe(_TOKEN_BYTES)
    if len(given) < _MIN_TOKEN or not given.isascii() or not given.isprintable() or " " in given:
        raise UserError(
            f"--token: needs at least {_MIN_TOKEN} letters, digits or signs, without blanks"
        )
    return given


def page_address(listener: socket.socket, token: str | None) -> str:
    """What to open in a browser. The token stands behind #, which browsers send to nobody."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host.partition("%")[0])
    if host == "127.0.0.1":
        name = "localhost"
    elif address.is_unspecified:
        name = socket.gethostname()
    else:
        name = f"[{host}]" if address.version == 6 else host
    return f"http://{name}:{port}/" + (f"#token={quote(token, safe='')}" if token else "")


def serve(
    detector: Detector,
    listener: socket.socket,
    *,
    name: str,
    token: str | None,
    thresholds: Thresholds,
    limits: Limits,
) -> bool:
    """Serve until SIGTERM or Ctrl-C, answer what is in work, and return whether it was Ctrl-C.

    Args:
        detector: finds the objects.
        listener: from ``listen``.
        name: of the detector, for people.
        token: from ``token_for``.
        thresholds: of requests that give none.
        limits: of requests.
    """
    import uvicorn

    from utils.serving.app import State, create_app
    from utils.serving.connection import TimedConnection
    from utils.serving.metrics import Metrics

    metrics, state = Metrics(), State()
    app = create_app(
        detector,
        name=name,
        token=token,
        thresholds=thresholds,
        limits=limits,
        metrics=metrics,
        state=state,
    )

    class Server(uvicorn.Server):
        """Stops gracefully at the first signal, and at once at the second."""

        interrupted = False

        def handle_exit(self, number: int, frame: FrameType | None) -> Any:
            self.force_exit |= self.should_exit
            self.should_exit = state.stopping = True
            self.interrupted |= number == signal.SIGINT

    config = uvicorn.Config(
        app,
        http=TimedConnection.within(limits.head_seconds),
        ws="none",
        lifespan="on",
        log_level="critical",
        access_log=False,
        proxy_headers=False,  # anybody may write such headers
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=limits.stop_seconds,
    )
    server = Server(config)
    server.run(sockets=[listener])
    print(f"stopped after {metrics.requests.total():,} requests")
    return server.interrupted
