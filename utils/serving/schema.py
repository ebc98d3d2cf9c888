"""The description of the endpoint for programs: ``openapi``, an OpenAPI 3.1 document."""

from __future__ import annotations

from typing import Any

from utils.serving.limits import Limits
from utils.thresholds import Thresholds

PICTURE_TYPES = (
    "image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif", "image/tiff",
    "application/octet-stream",
)  # fmt: skip
MAX_DET = 10_000  # the most objects a picture that a request may ask for

_REFUSALS = {
    400: "The request is malformed.",
    401: "The token is missing or wrong.",
    403: "The request comes from another site's page.",
    408: "The body did not arrive in time.",
    413: "The body is too large, or has too many pictures or pixels.",
    415: "This is no picture.",
    429: "The client sends too many requests; Retry-After says when to go on.",
    503: "The queue is full or the server stops; Retry-After says when to try again.",
}


def openapi(thresholds: Thresholds, limits: Limits, version: str) -> dict[str, Any]:
    """The document.

    Args:
        thresholds: of requests that give none.
        limits: of a request.
        version: of the project.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "efficient-yolo3", "version": version},
        "paths": {
            "/v1/detect": {"post": _detect(thresholds, limits)},
            "/v1/model": {"get": _get("What the server runs.", "Model")},
            "/health": {"get": _get("Whether the server takes requests.", "Health")},
            "/metrics": {
                "get": {
                    "summary": "Counts and times in Prometheus' text format.",
                    "responses": {"200": {"description": "OK", "content": {"text/plain": {}}}},
                }
            },
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],  # without a token where the server has none
    }


def _detect(thresholds: Thresholds, limits: Limits) -> dict[str, Any]:
    picture = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "description": "Every file of the form is a picture, whatever its field is called.",
        "properties": {
            "file": {"type": "array", "items": picture, "maxItems": limits.most_pictures},
        },
    }
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "summary": "The objects on one picture or several.",
        "description": f"A body may have {limits.body_bytes} bytes, and a picture {limits.pixels} "
        "pixels.",
        "parameters": [
            _query("conf", "Lowest score.", {**share, "default": thresholds.conf}),
            _query(
                "iou",
                "IoU above which the weaker of two boxes of a class is dropped.",
                {**share, "default": thresholds.iou},
            ),
            _query(
                "max_det",
                "Most objects a picture.",
                {"type": "integer", "minimum": 1, "maximum": MAX_DET,
                 "default": thresholds.max_det},
            ),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                **{kind: {"schema": picture} for kind in PICTURE_TYPES},
            },
        },
        "responses": {
            "200": _answer("An entry for each picture, in order.", {
                "type": "array", "items": {"$ref": "#/components/schemas/Entry"},
            }),
            **{
                str(status): _answer(text, {"$ref": "#/components/schemas/Error"})
                for status, text in _REFUSALS.items()
            },
        },
    }  # fmt: skip


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _get(summary: str, schema: str) -> dict[str, Any]:
    answer = _answer("OK", {"$ref": f"#/components/schemas/{schema}"})
    return {"summary": summary, "responses": {"200": answer}}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


_STRING, _INTEGER, _NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
_SCHEMAS = {
    "Entry": _object(
        source={**_STRING, "description": "Name of the file."},
        width={**_INTEGER, "description": "Pixels, of the upright picture."},
        height=_INTEGER,
        frame={"type": ["integer", "null"], "description": "Always null: pictures only."},
        time_s={"type": ["number", "null"], "description": "Always null: pictures only."},
        detections={"type": "array", "items": {"$ref": "#/components/schemas/Detection"}},
    ),
    "Detection": _object(
        **{"class": _STRING},
        class_id=_INTEGER,
        score={**_NUMBER, "minimum": 0, "maximum": 1},
        box={
            "type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4,
            "description": "x0, y0, x1, y1 in pixels of the upright picture.",
        },
    ),
    "Error": _object(error={**_STRING, "description": "What is wrong, and what to do."}),
    "Health": _object(status={"type": "string", "enum": ["ok", "stopping"]}),
    "Model": _object(
        name=_STRING,
        runtime=_STRING,
        classes={
            "type": "array",
            "items": _object(name=_STRING, colour=_STRING, ink=_STRING),
        },
        conf=_NUMBER, iou=_NUMBER, max_det=_INTEGER, body_bytes=_INTEGER, pixels=_INTEGER,
    ),
}  # fmt: skip
