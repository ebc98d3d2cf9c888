"""Which addresses of the web are files with an end, such as a photo or a film, and no cameras."""

from __future__ import annotations

import base64
import http.client
import urllib.request
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from utils.images import IMAGE_SUFFIXES
from utils.media.frames import VIDEO_SUFFIXES

_TIMEOUT_S = 3.0  # for each answer of the server; there may be ten that lead on
_ALSO_LIVE = (".flv",)  # servers of live streams send this format without an end, too
_PLAYLIST = ".m3u8"


def is_playlist(address: str) -> bool:
    """Whether it is a playlist, which may be live. Its frames come in bursts."""
    return _PLAYLIST in address.lower()


def is_named_like_a_file(address: str | int) -> bool:
    """Whether an address of the web ends like a picture or video file, whatever question follows.

    The server is not asked.
    """
    if not _is_of_the_web(address):
        return False
    try:
        suffix = PurePosixPath(unquote(urlsplit(address).path)).suffix.lower()
    except ValueError:  # no address; opening it says so
        return False
    return suffix in VIDEO_SUFFIXES + IMAGE_SUFFIXES and suffix not in _ALSO_LIVE


def is_web_file(address: str | int) -> bool:
    """Whether an address of the web is that of a file: it is named like one, or its server says how
    many bytes it has, which takes seconds where the server is slow."""
    return is_named_like_a_file(address) or (_is_of_the_web(address) and _has_length(address))


def _is_of_the_web(address: str | int) -> bool:
    return str(address).lower().startswith(("http://", "https://"))


def _has_length(address: str) -> bool:
    """Whether the server answers with a length. Only the head of the answer is read."""
    try:
        # Some servers do not know HEAD, and some cameras answer it with a length.
        with urllib.request.urlopen(_request(address), timeout=_TIMEOUT_S) as answer:
            # An endless row of pictures, to which some cameras give a length, too.
            row = answer.headers.get_content_maintype() == "multipart"
            return not row and int(answer.headers.get("Content-Length") or 0) > 0
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _request(address: str) -> urllib.request.Request:
    """A request with the name and password of the address, which urllib wants apart from it."""
    account, at, _ = urlsplit(address).netloc.rpartition("@")
    request = urllib.request.Request(address.replace(account + at, "", 1) if at else address)
    if at:
        code = base64.b64encode(unquote(account).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {code}")  # for this host alone
    return request
