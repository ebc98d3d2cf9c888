"""Who may use the server: ``Access``.

Three things keep other people and other sites' pages out.

- **Host.** Without a token, the ``Host`` header must name this machine. A site that lets its own
  name point to 127.0.0.1 (DNS rebinding) is still called by its own name there.
- **Origin.** What a browser sends for another site's page says so in ``Origin`` or
  ``Sec-Fetch-Site``, and is refused. No answer allows other origins to read it (CORS).
- **Token.** It is sent in the ``Authorization`` header. Browsers send no such header by
  themselves, as they do with cookies, so no form of another site can use it (CSRF).
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from utils.serving.limits import RateLimit, Refusal

OPEN_PATHS = ("/", "/health", "/openapi.json")  # need no token: nothing in them is secret

# Of every answer: it belongs to this page alone, is never framed, kept, or taken for another type.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Access:
    """Checks the headers of a request.

    Args:
        token: what clients must send; None lets in everyone who is on this machine.
        rate: how often a client may come.
    """

    def __init__(self, token: str | None, rate: RateLimit) -> None:
        self._token, self._rate = token, rate

    def check(self, method: str, path: str, headers: Headers, client: str) -> None:
        """
        Args:
            client: its address.

        Raises:
            Refusal: another site's page (403), a name that is not this machine's (403), too many
                requests (429), no or a wrong token (401).
        """
        host = headers.get("host", "")
        if not self._token and not _is_loopback(_host_name(host)):
            raise Refusal(403, "this address is not one of this machine; use http://localhost")
        self._check_origin(method, path, headers, host)
        if path != "/health":
            self._rate.take(client)
        if self._token and path not in OPEN_PATHS:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(given.strip().encode(), self._token.encode())
            if scheme.lower() != "bearer" or not right:
                raise Refusal(
                    401, "needs the header Authorization: Bearer TOKEN with the server's token"
                )

    def _check_origin(self, method: str, path: str, headers: Headers, host: str) -> None:
        origin = headers.get("origin")
        if origin is not None and origin.lower().partition("://")[2] != host.lower():
            raise Refusal(403, "pages of other sites may not use this server")
        site = headers.get("sec-fetch-site", "same-origin")
        link = (
            method in ("GET", "HEAD")
            and path == "/"
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        if site not in ("same-origin", "none") and not link:
            raise Refusal(403, "pages of other sites may not use this server")


def _is_loopback(name: str) -> bool:
    """Whether only this machine can be meant. An address is no name that a site could let point
    here."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _host_name(host: str) -> str:
    """``Host`` without the port: ``[::1]:8000`` → ``::1``. Empty where it is no host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
