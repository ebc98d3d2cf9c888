"""From the body of a request to the pictures in it, as they come: ``read_uploads``.

A body is one picture, or a form (``multipart/form-data``) with one picture or several. Nothing is
read beyond the limits of size and time, and nothing is decoded here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from utils.serving.limits import Limits, Refusal
from utils.text import one_line

_MAX_NAME = 200  # characters of a file name in answers
_MAX_CHARSET = 40  # likewise


class Upload(NamedTuple):
    """A picture as it was sent.

    Attributes:
        name: of the file, as the sender calls it.
        data: its content.
    """

    name: str
    data: bytes


async def read_uploads(
    request: Request, limits: Limits, take: Callable[[int], None]
) -> list[Upload]:
    """All pictures in a request.

    Args:
        request: its body has not been read.
        limits: of size, time and number.
        take: called with the bytes that are going to be held.

    Raises:
        Refusal: the body is too large or has too many files (413), too slow (408), or empty or not
            understood (400).
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.body_bytes:
        raise _too_large(limits)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = kind == "multipart/form-data"
    try:
        async with asyncio.timeout(limits.body_seconds):
            chunks = _limited(request, limits, take)
            if form:
                uploads = await _read_form(request, chunks, limits)
            else:
                data = b"".join([chunk async for chunk in chunks])
                uploads = [Upload("picture", data)] if data else []
    except TimeoutError:
        raise Refusal(
            408, f"the body did not arrive in {limits.body_seconds:g} seconds", close=True
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "the connection ended within the body", close=True) from None
    if not uploads:
        where = "the form has no file" if form else "the body is empty"
        raise Refusal(400, f"{where}; send a picture, or a form with pictures as files")
    return uploads


async def _limited(
    request: Request, limits: Limits, take: Callable[[int], None]
) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.body_bytes:
            raise _too_large(limits)
        take(len(chunk))
        yield chunk


async def _read_form(
    request: Request, chunks: AsyncIterator[bytes], limits: Limits
) -> list[Upload]:
    """The files of a form; its other fields are passed over."""
    _check_charset(request)
    parser = MultiPartParser(
        request.headers, chunks, max_files=limits.most_pictures, max_fields=limits.pictures
    )
    parser.spool_max_size = limits.body_bytes  # all in memory: a disk may be full
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise limits.too_many_pictures() from None
        raise Refusal(400, f"the form cannot be read ({error.message.rstrip('.')})") from None
    try:
        return [
            Upload(one_line(value.filename or "picture")[:_MAX_NAME], await value.read())
            for _, value in form.multi_items()
            if isinstance(value, UploadFile)
        ]
    finally:
        await form.close()


def _check_charset(request: Request) -> None:
    """The parser would decode names and fields with any codec of Python, also with those that take
    minutes for a megabyte (punycode) and those that always fail (undefined)."""
    _, options = parse_options_header(request.headers["content-type"])
    charset = options.get(b"charset", b"").decode("latin-1")
    if charset.lower() not in ("", "utf-8", "utf8", "us-ascii"):
        raise Refusal(400, f"the form's charset is {charset[:_MAX_CHARSET]!a}; send it in utf-8")


def _too_large(limits: Limits) -> Refusal:
    return Refusal(
        413,
        f"the request is larger than {limits.body_bytes / 1e6:g} MB; send fewer or smaller "
        "pictures",
    )
