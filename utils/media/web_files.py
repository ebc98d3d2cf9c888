"""Which addresses of the web are files with an end, such as a photo or a film, and no cameras."""

from __future__ import annotations

import http.client
import urllib.request
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from utils.images import IMAGE_SUFFIXES
from utils.media.frames import VIDEO_SUFFIXES

_TIMEOUT_S = 3.0  # for each answer of the server; there may be ten that lead on
_USER_AGENT = "Lavf/60.16.100"  # as FFmpeg, which reads it afterwards; many refuse Python
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
    return suffix in VIDEO_SUFFIXES + IMAGE_SUFFIXES


def is_web_file(address: str | int) -> bool:
    """Whether an address of the web is that of a file.

    Cameras send endless pictures and videos under the names of files. So the server is asked, which
    takes seconds where it is slow, and the name decides only where its answer does not.
    """
    if not _is_of_the_web(address):
        return False
    told = _told_by_server(address)
    return is_named_like_a_file(address) if told is None else told


def _is_of_the_web(address: str | int) -> bool:
    return str(address).lower().startswith(("http://", "https://"))


def _told_by_server(address: str) -> bool | None:
    """Whether the head of the server's answer is that of a file; None where that does not show.

    The rest of the answer is not read.
    """
    try:
        # Some servers do not know HEAD, and some cameras answer it with a length.
        opener, request = _opener(address), _request(address)
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            kind = answer.headers.get_content_maintype()
            length = int(answer.headers.get("Content-Length") or 0)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    if kind == "multipart":  # an endless row of pictures, to which some cameras give a length, too
        return False
    if length > 0:
        return True
    return False if kind == "video" else None


def _request(address: str) -> urllib.request.Request:
    account, at, _ = urlsplit(address).netloc.rpartition("@")
    address = address.replace(account + at, "", 1)
    return urllib.request.Request(address, headers={"User-Agent": _USER_AGENT})


def _opener(address: str) -> urllib.request.OpenerDirector:
    """What opens the address with its name and password, in the way that the server asks for."""
    parts = urlsplit(address)
    account, _, host = parts.netloc.rpartition("@")
    name, _, password = account.partition(":")
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if account:
        known.add_password(None, f"{parts.scheme}://{host}", unquote(name), unquote(password))
    ways = urllib.request.HTTPBasicAuthHandler, urllib.request.HTTPDigestAuthHandler
    return urllib.request.build_opener(*(way(known) for way in ways))
