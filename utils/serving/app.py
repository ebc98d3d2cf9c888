"""``create_app``: the routes of the server, as an ASGI application."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from utils.detector import Detector
from utils.drawing.colours import colour, ink
from utils.serving.access import SECURITY_HEADERS, Access
from utils.serving.bodies import read_uploads
from utils.serving.limits import Limits, RateLimit, Refusal
from utils.serving.metrics import CONTENT_TYPE, Metrics
from utils.serving.schema import MAX_DET, openapi
from utils.serving.service import Service
from utils.serving.web_page import render_page
from utils.thresholds import Thresholds


@dataclass
class State:
    """What changes while the server runs.

    Attributes:
        stopping: it takes no more pictures.
    """

    stopping: bool = False


def create_app(
    detector: Detector,
    *,
    name: str = "detector",
    token: str | None = None,
    thresholds: Thresholds | None = None,
    limits: Limits | None = None,
    metrics: Metrics | None = None,
    state: State | None = None,
) -> Starlette:
    """The application.

    Args:
        detector: finds the objects.
        name: of the detector, for people.
        token: that clients must send; None for clients on this machine.
        thresholds: of requests that give none.
        limits: of requests.
        metrics: are counted here.
        state: whoever runs the application says there that it stops.
    """
    thresholds, limits = thresholds or Thresholds(), limits or Limits()
    metrics, state = metrics or Metrics(), state or State()
    service = Service(detector, limits, metrics)
    metrics.watch("waiting_pictures", "Pictures that wait or are in work.",
                  lambda: service.queue.taken)  # fmt: skip
    metrics.watch("held_bytes", "Bytes of requests in memory.", lambda: service.bodies.taken)
    document = openapi(thresholds, limits, _version())
    page = render_page()

    async def detect(request: Request) -> Response:
        if state.stopping:
            raise Refusal(503, "the server stops; try again later", retry_after_s=10)
        wanted = read_thresholds(request.query_params, thresholds)
        service.queue.check()  # before the body is read
        with service.bodies.place() as take:
            uploads = await read_uploads(request, limits, take)
            return JSONResponse(await service.detect(uploads, wanted))

    async def model(request: Request) -> Response:
        return JSONResponse(
            {
                "name": name,
                "runtime": detector.runtime.description,
                "classes": [
                    {"name": class_name, "colour": _css(colour(i)), "ink": _css(ink(colour(i)))}
                    for i, class_name in enumerate(detector.class_names)
                ],
                "conf": thresholds.conf,
                "iou": thresholds.iou,
                "max_det": thresholds.max_det,
                "body_bytes": limits.body_bytes,
                "pixels": limits.pixels,
            }
        )

    async def health(request: Request) -> Response:
        if state.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ok"})

    async def metrics_text(request: Request) -> Response:
        return PlainTextResponse(metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def schema(request: Request) -> Response:
        return JSONResponse(document)

    async def index(request: Request) -> Response:
        return HTMLResponse(page)

    @asynccontextmanager
    async def running(app: Starlette) -> AsyncIterator[None]:
        async with service:
            yield

    routes = [
        Route("/", index),
        Route("/v1/detect", detect, methods=["POST"]),
        Route("/v1/model", model),
        Route("/health", health),
        Route("/metrics", metrics_text),
        Route("/openapi.json", schema),
    ]
    access = Access(token, RateLimit(limits.rate))
    return Starlette(
        routes=routes,
        middleware=[Middleware(_Gate, access=access, metrics=metrics,
                               paths={route.path for route in routes})],
        exception_handlers={Refusal: _refuse, HTTPException: _http_error},
        lifespan=running,
    )  # fmt: skip


def read_thresholds(query: QueryParams, default: Thresholds) -> Thresholds:
    """The thresholds of a request; ``default`` for those it does not give.

    Raises:
        Refusal: an unknown parameter, or a value that is no number or out of range (400).
    """
    known = ("conf", "iou", "max_det")
    if unknown := [name for name in query if name not in known]:
        raise Refusal(
            400, f"there is no parameter {unknown[0][:80]!r}; there are {', '.join(known)}"
        )

    def share(name: str, otherwise: float) -> float:
        return _number(name, query.get(name), otherwise, float, 0, 1)

    return Thresholds(
        share("conf", default.conf),
        share("iou", default.iou),
        _number("max_det", query.get("max_det"), default.max_det, int, 1, MAX_DET),
    )


def _number(
    name: str, text: str | None, otherwise: float, kind: type, low: float, high: float
) -> float:
    if text is None:
        return otherwise
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        whole = "a whole number" if kind is int else "a number"
        raise Refusal(400, f"{name}: expected {whole} from {low} to {high}, not {text[:80]!r}")
    return value


class _Gate:
    """Around all routes: who may enter, what every answer says, counting and timing."""

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics, paths: set[str]) -> None:
        self._app, self._access, self._metrics, self._paths = app, access, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        client = scope["client"][0] if scope.get("client") else ""
        try:
            self._access.check(scope["method"], scope["path"], Headers(scope=scope), client)
            await self._app(scope, receive, send_with_headers)
        except Refusal as refusal:
            await _answer(refusal)(scope, receive, send_with_headers)
        except Exception as error:  # a bug, or a network out of memory: the server goes on
            traceback.print_exception(error)
            failed = JSONResponse({"error": "the server failed; its output says why"}, 500)
            await failed(scope, receive, send_with_headers)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.requests.add(1, path, str(status))
            self._metrics.request_seconds.observe(time.perf_counter() - started)


def _answer(refusal: Refusal) -> Response:
    headers = {}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.close:
        headers["Connection"] = "close"
    return JSONResponse({"error": refusal.sentence}, refusal.status, headers)


async def _refuse(request: Request, refusal: Refusal) -> Response:
    return _answer(refusal)


async def _http_error(request: Request, error: HTTPException) -> Response:
    """No such path, or another method."""
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _css(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _version() -> str:
    try:
        return version("efficient-yolo3")
    except PackageNotFoundError:  # a copy that is not installed
        return "0"
