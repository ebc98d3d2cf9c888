"""HTTP requests for ``predict.py --serve``, as bytes on the wire."""

from __future__ import annotations

from collections.abc import Iterator

from .case import Case, content, encoded, picture
from .images import huge_pictures


def cases() -> Iterator[Case]:
    for name, data in {**_lines(), **_headers(), **_bodies()}.items():
        yield Case("request", name, content(data, "request.bin"))


_HOST = b"Host: localhost\r\n"


def _post(body: bytes, *headers: bytes, query: bytes = b"", length: bytes | None = None) -> bytes:
    said = str(len(body)).encode() if length is None else length
    lines = [b"POST /v1/detect" + query + b" HTTP/1.1", b"Host: localhost",
             b"Content-Length: " + said, b"Connection: close", *headers]  # fmt: skip
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _lines() -> dict[str, bytes]:
    return {
        "empty-line": b"\r\n\r\n",
        "noise": bytes(range(256)) * 4,
        "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        "http-0.9": b"GET /\r\n\r\n",
        "http-9.9": b"GET /health HTTP/9.9\r\n" + _HOST + b"\r\n",
        "unknown-method": b"STEAL /v1/detect HTTP/1.1\r\n" + _HOST + b"\r\n",
        "connect": b"CONNECT evil.example:443 HTTP/1.1\r\n" + _HOST + b"\r\n",
        "absolute-address": b"GET http://evil.example/ HTTP/1.1\r\n" + _HOST + b"\r\n",
        "path-up": b"GET /../../../../etc/passwd HTTP/1.1\r\n" + _HOST + b"\r\n",
        "path-up-encoded": b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + _HOST + b"\r\n",
        "path-long": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
        "path-nul": b"GET /\0 HTTP/1.1\r\n" + _HOST + b"\r\n",
        "line-without-end": b"GET /" + b"a" * 5000,
    }


def _headers() -> dict[str, bytes]:
    start = b"GET /health HTTP/1.1\r\n"
    return {
        "no-host": start + b"\r\n",
        "two-hosts": start + _HOST + b"Host: evil.example\r\n\r\n",
        "other-host": start + b"Host: evil.example\r\n\r\n",
        "host-of-noise": start + b"Host: \xff\xfe[::1\r\n\r\n",
        "header-without-colon": start + _HOST + b"nonsense\r\n\r\n",
        "header-long": start + _HOST + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
        "headers-many": start + _HOST + b"X: a\r\n" * 100_000 + b"\r\n",
        "header-folded": start + _HOST + b"X: a\r\n b\r\n\r\n",
        "header-with-nul": start + _HOST + b"X: a\0b\r\n\r\n",
        "length-negative": _post(b"x", length=b"-1"),
        "length-text": _post(b"x", length=b"many"),
        "length-huge": _post(b"x", length=b"9" * 30),
        "length-beyond-limit": _post(b"x", length=b"99000000000"),
        "lengths-that-differ": _post(b"xx", b"Content-Length: 5"),
        "length-and-chunks": _post(b"0\r\n\r\n", b"Transfer-Encoding: chunked"),
        "chunk-size-huge": b"POST /v1/detect HTTP/1.1\r\n" + _HOST
        + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\nx",
        "chunk-size-text": b"POST /v1/detect HTTP/1.1\r\n" + _HOST
        + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx",
        "origin-of-another-site": _post(_PNG, b"Origin: http://evil.example"),
    }  # fmt: skip


_PNG = encoded(picture(), "PNG")
_JPEG = encoded(picture(), "JPEG")
_FORM = b"Content-Type: multipart/form-data; boundary=x"


def _part(head: bytes, body: bytes = _PNG) -> bytes:
    return b"--x\r\n" + head + b"\r\n\r\n" + body + b"\r\n"


def _bodies() -> dict[str, bytes]:
    file = b'Content-Disposition: form-data; name="file"; filename="a.png"'
    named = file.replace(b"a.png", b"%s")
    bombs = {f"picture-{name}": _post(data) for name, data in huge_pictures(2_000_000)}
    return {
        **bombs,
        "body-empty": _post(b""),
        "body-text": _post(b"no picture"),
        "body-cut": _post(_PNG[:60]),
        "body-noise": _post(bytes(range(256)) * 100),
        "body-too-large": _post(bytes(21_000_000)),
        "encoding-gzip": _post(_PNG, b"Content-Encoding: gzip"),
        "type-of-noise": _post(_PNG, b"Content-Type: \xff/\xfe; boundary"),
        "form-without-boundary": _post(b"x", b"Content-Type: multipart/form-data"),
        "form-boundary-long": _post(
            b"x", b"Content-Type: multipart/form-data; boundary=" + b"y" * 9000
        ),
        "form-noise": _post(b"nonsense", _FORM),
        "form-without-end": _post(_part(file), _FORM),
        "form-without-disposition": _post(_part(b"X: y") + b"--x--\r\n", _FORM),
        "form-without-file": _post(
            _part(b'Content-Disposition: form-data; name="a"', b"b") + b"--x--\r\n", _FORM
        ),
        "form-with-1000-files": _post(_part(file) * 1000 + b"--x--\r\n", _FORM),
        "form-with-10000-fields": _post(
            _part(b'Content-Disposition: form-data; name="a"', b"b") * 10_000 + b"--x--\r\n", _FORM
        ),
        **{
            f"form-charset-{charset}": _post(
                _part(b'Content-Disposition: form-data; name="a"', b"A" * 250_000) + b"--x--\r\n",
                _FORM + b"; charset=" + charset.encode(),
            )
            for charset in ("punycode", "undefined", "idna", "hex")
        },
        "form-headers-long": _post(_part(file + b"\r\nX: " + b"y" * 1_000_000) + b"--x--", _FORM),
        "form-name-up": _post(_part(named % b"../../../etc/passwd") + b"--x--\r\n", _FORM),
        "form-name-long": _post(_part(named % (b"a" * 100_000)) + b"--x--\r\n", _FORM),
        "form-name-html": _post(
            _part(named % b"<script>alert(1)</script>.png") + b"--x--\r\n", _FORM
        ),
        "form-name-noise": _post(_part(named % b"\xff\xfe\x1b[31m") + b"--x--\r\n", _FORM),
        "query-unknown": _post(_PNG, query=b"?weights=/etc/passwd"),
        "query-conf-text": _post(_PNG, query=b"?conf=high"),
        "query-conf-nan": _post(_PNG, query=b"?conf=nan"),
        "query-conf-twice": _post(_PNG, query=b"?conf=0.1&conf=7"),
        "query-max-det-huge": _post(_PNG, query=b"?max_det=" + b"9" * 5000),
        "query-noise": _post(_PNG, query=b"?%ff%00=%fe&&==;"),
        "picture-cut-jpeg": _post(_JPEG[: len(_JPEG) // 2]),
    }
