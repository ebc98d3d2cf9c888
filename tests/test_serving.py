"""The endpoint of predict.py --serve, over real connections, with a made-up network."""

from __future__ import annotations

import re
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from starlette.datastructures import Headers

from tests.bad_input.images import many_segments
from tests.serving_cases import (
    CLIENT,
    SIDE,
    detector_of,
    picture_of,
    read_numbers,
    running,
    three_signs,
)
from utils.detector import Detector
from utils.runtime.runtime import Runtime
from utils.serving.access import Access
from utils.serving.limits import Limits, RateLimit, Refusal
from utils.serving.metrics import Count, Histogram
from utils.serving.schema import openapi
from utils.thresholds import Thresholds


@pytest.fixture(scope="module")
def server():
    with running(detector_of(three_signs)) as address:
        yield address


def post(server, content, path="v1/detect", **options):
    return CLIENT.post(f"{server}{path}", content=content, **options)


def number_in(entry) -> int:
    """What ``picture_of`` was given."""
    return round(4 * entry["detections"][0]["box"][2])


def test_raw_bytes_and_forms_give_the_json_of_predict(server):
    (entry,) = post(server, picture_of(7)).json()
    assert (entry["source"], entry["width"], entry["height"]) == ("picture", SIDE, SIDE)
    assert (entry["frame"], entry["time_s"]) == (None, None)
    first = entry["detections"][0]
    assert (first["class"], first["class_id"]) == ("stop", 0)
    assert first["score"] == pytest.approx(0.9)
    assert first["box"] == pytest.approx([6.4, 19.2, 25.6, 44.8], abs=1e-3)
    assert [one["class"] for one in entry["detections"]] == ["stop", "yield", "stop"]

    files = [("file", ("eins.png", picture_of(1))), ("other", ("zwei.png", picture_of(2)))]
    entries = CLIENT.post(f"{server}v1/detect", files=files, data={"word": "x"}).json()
    assert [one["source"] for one in entries] == ["eins.png", "zwei.png"]


def test_thresholds_of_a_request(server):
    def found(query):
        (entry,) = post(server, picture_of(7), f"v1/detect?{query}").json()
        return [one["class"] for one in entry["detections"]]

    assert found("conf=0.5") == ["stop", "yield"]
    assert found("conf=0.1") == ["stop", "yield", "stop", "no entry"]
    assert found("max_det=1") == ["stop"]
    assert len(found("iou=0.01")) < 3
    for query in ("conf=2", "conf=nan", "conf=x", "iou=-1", "max_det=0", "max_det=1.5", "cnof=1"):
        answer = post(server, picture_of(7), f"v1/detect?{query}")
        assert answer.status_code == 400
        assert query.partition("=")[0] in answer.json()["error"]


def test_upright_and_deep_pictures_are_read_as_by_predict(server):
    file = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(file, "JPEG", exif=exif)
    (entry,) = post(server, file.getvalue()).json()
    assert (entry["width"], entry["height"]) == (20, 40)


@pytest.mark.slow
def test_a_thousand_requests_of_fifty_clients_are_all_answered_rightly():
    """Each gets what is on its own picture; the network gets batches; memory stays."""
    most_at_once = []

    def infer(images):
        most_at_once.append(len(images))
        time.sleep(0.004)
        return read_numbers(images)

    def client(number):
        with httpx.Client(timeout=60, verify=False) as session:
            for i in range(20):
                wanted = (37 * number + i) % 200 + 20
                answer = session.post(f"{server}v1/detect", content=picture_of(wanted))
                assert answer.status_code == 200, answer.text
                assert number_in(answer.json()[0]) == wanted
                answered.append(wanted)

    answered: list[int] = []
    process = psutil.Process()
    with running(detector_of(infer), limits=Limits(rate=0, queue=50)) as server:
        client(0)  # what is imported late is there by now
        answered.clear()
        before = process.memory_info().rss
        with ThreadPoolExecutor(50) as clients:
            list(clients.map(client, range(50)))
        grown = process.memory_info().rss - before
        text = CLIENT.get(f"{server}metrics").text
    assert len(answered) == 1000
    assert grown < 150e6
    assert 2 < max(most_at_once) <= 8
    assert sum(most_at_once) == 1020
    assert 'yolo3_requests_total{path="/v1/detect",status="200"} 1020\n' in text
    assert "yolo3_batch_pictures_sum 1020" in text
    assert "yolo3_waiting_pictures 0\n" in text
    assert "yolo3_held_bytes 0\n" in text


def test_a_full_queue_says_when_to_come_back():
    go = threading.Event()

    def infer(images):
        go.wait(20)
        return read_numbers(images)

    detector = detector_of(infer, batch_size=1)
    with (
        running(detector, limits=Limits(rate=0, queue=3)) as server,
        ThreadPoolExecutor(3) as pool,
    ):
        answers = [pool.submit(post, server, picture_of(i)) for i in (50, 60, 70)]
        text = ""
        while "yolo3_waiting_pictures 3\n" not in text:
            text = CLIENT.get(f"{server}metrics").text
        refused = post(server, picture_of(9))
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "waiting" in refused.json()["error"]
        assert CLIENT.get(f"{server}health").json() == {"status": "ok"}
        go.set()
        assert [number_in(one.result().json()[0]) for one in answers] == [50, 60, 70]
        assert post(server, picture_of(9)).status_code == 200


def test_bodies_beyond_the_limits():
    limits = Limits(rate=0, body_bytes=20_000, pixels=100 * 100, pictures=2, all_bytes=30_000)
    with running(detector_of(read_numbers), limits=limits) as server:

        def status(content, **options):
            answer = post(server, content, **options)
            assert "error" in answer.json()
            return answer.status_code

        assert status(b"x" * 20_001) == 413  # known from its declared length
        assert status(iter([b"x" * 15_000] * 2)) == 413  # and in chunks
        large, bomb = BytesIO(), BytesIO()
        Image.new("L", (101, 100)).save(large, "PNG")
        assert status(large.getvalue()) == 413
        Image.new("1", (20_000, 20_000)).save(bomb, "TIFF", compression="group4")
        assert len(bomb.getvalue()) < 20_000
        assert status(bomb.getvalue()) == 413
        files = [("file", (f"{i}.png", picture_of(i))) for i in range(3)]
        answer = CLIENT.post(f"{server}v1/detect", files=files)
        assert answer.status_code == 413
        assert answer.json()["error"] == "a request may have 2 pictures; send several"
        assert post(server, picture_of(90)).status_code == 200
    limits = Limits(rate=0, all_bytes=10)
    with running(detector_of(read_numbers), limits=limits) as server:
        assert post(server, picture_of(1)).status_code == 503


def test_a_form_in_utf8_with_a_large_file_needs_no_disk(server, monkeypatch):
    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", fail)
    file = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (800, 800, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG", compress_level=0)
    assert len(file.getvalue()) > 1_500_000
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    content = head + file.getvalue() + b"\r\n--x--\r\n"
    for charset in ('"UTF-8"', "us-ascii", '""'):
        headers = {"content-type": f"multipart/form-data; charset={charset}; boundary=x"}
        answer = post(server, content, headers=headers)
        assert answer.status_code == 200, answer.text


def test_malformed_requests_are_answered(server):
    form = "multipart/form-data; boundary=x"
    boundary = {"content-type": form}
    field = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    for content, headers, status in (
        (b"", {}, 400),
        (b"no picture", {}, 415),
        (picture_of(1)[:60], {}, 415),
        (b"nonsense", boundary, 400),
        (head, boundary, 400),
        (b"nonsense", {"content-type": "multipart/form-data"}, 400),
        (field, boundary, 400),
        (head + b"\r\n--x--\r\n", boundary, 415),
        (many_segments(200_000), {}, 415),
        *((field, {"content-type": f"{form}; charset={charset}"}, 400)
          for charset in ("undefined", "idna", "punycode", "hex", "utf-16")),
        (picture_of(1), {"content-encoding": "gzip"}, 200),
    ):  # fmt: skip
        answer = post(server, content, headers=headers)
        assert answer.status_code == status, (content, answer.text)
        if status != 200:
            assert re.fullmatch(r"[^\n]{10,300}", answer.json()["error"])
    assert CLIENT.get(f"{server}v1/detect").status_code == 405
    assert CLIENT.get(f"{server}v1/nothing").status_code == 404
    for raw in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nA\r\n\r\n",
    ):
        assert b" 400 " in exchange(server, raw)
    assert CLIENT.get(f"{server}health").status_code == 200


def exchange(server, *parts, pause=0.0) -> bytes:
    """What comes back until the connection ends."""
    host, port = httpx.URL(server).host, httpx.URL(server).port
    with socket.create_connection((host, port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


def test_slow_requests_end_and_hold_nobody_up():
    limits = Limits(rate=0, body_seconds=0.4, head_seconds=0.4)
    with running(detector_of(read_numbers), limits=limits) as server:
        started = time.monotonic()
        host = b"Host: localhost\r\nContent-Length: 100\r\n\r\n"
        with ThreadPoolExecutor(6) as pool:
            silent = pool.submit(exchange, server)
            head = pool.submit(exchange, server, b"GET /health HTTP/1.1\r\nHo")
            body = pool.submit(exchange, server, b"POST /v1/detect HTTP/1.1\r\n" + host, b"x" * 9)
            assert post(server, picture_of(40)).status_code == 200
            assert silent.result() == head.result() == b""
            assert b" 408 " in body.result()
        assert time.monotonic() - started < 5


def test_a_network_that_fails_fails_one_request(capfd):
    def infer(images):
        if images.max() == 66:
            raise MemoryError("no memory for this one")
        return read_numbers(images)

    with running(detector_of(infer)) as server:
        answer = post(server, picture_of(66))
        assert answer.status_code == 500
        assert "failed" in answer.json()["error"]
        assert number_in(post(server, picture_of(60)).json()[0]) == 60
    assert "no memory for this one" in capfd.readouterr().err


def test_pictures_of_several_shapes_find_their_batches():
    def infer(images):
        batch, height, width = images.shape[:3]
        boxes = np.tile(np.float32([0, 0, width, height]), (batch, 12, 1))
        return boxes, np.full((batch, 12, 1), 0.9, np.float32)

    detector = Detector(
        Runtime(infer, ("whole",), (SIDE, SIDE), batch_size=4, any_shape=True, parallel=2)
    )

    def check(size):
        file = BytesIO()
        Image.new("RGB", size).save(file, "PNG")
        (entry,) = post(server, file.getvalue()).json()
        assert entry["detections"][0]["box"] == pytest.approx([0, 0, *size], abs=1e-3)

    with running(detector) as server, ThreadPoolExecutor(12) as pool:
        list(pool.map(check, [(200, 100), (100, 200), (64, 64)] * 12))


# Who may use it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "attacker.example:8000"},  # its name points here: DNS rebinding
        {"host": "localhost.attacker.example"},
        {"host": "192.168.1.7:8000"},
        {"host": "[::1"},
        {"origin": "https://attacker.example"},  # its script or form (CSRF)
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://localhost:1"},  # another server on this machine
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_another_sites_page_gets_nothing(server, headers, method):
    path = "v1/detect" if method != "GET" else "v1/model"
    answer = CLIENT.request(method, f"{server}{path}", headers=headers, content=picture_of(1))
    assert answer.status_code == 403
    assert "stop" not in answer.text
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_own_page_and_links_to_it_are_let_in(server):
    own = {"origin": server.rstrip("/"), "sec-fetch-site": "same-origin"}
    assert post(server, picture_of(1), headers=own).status_code == 200
    link = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    answer = CLIENT.get(server, headers=link)
    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    frame = {**link, "sec-fetch-dest": "iframe"}
    assert CLIENT.get(server, headers=frame).status_code == 403
    for host in ("localhost:80", "127.0.0.1", "[::1]:9", "LOCALHOST"):
        assert CLIENT.get(f"{server}v1/model", headers={"host": host}).status_code == 200


def test_the_token_is_needed_and_named_nowhere():
    token = "a-secret-of-enough-length"
    with running(detector_of(read_numbers), token=token) as server:
        for path in ("v1/model", "metrics", "v1/nothing"):
            for headers in (
                {},
                {"authorization": "Bearer no"},
                {"authorization": f"Basic {token}"},
            ):
                answer = CLIENT.get(f"{server}{path}", headers=headers)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
        assert post(server, picture_of(1)).status_code == 401
        right = {"authorization": f"Bearer {token}", "host": "detector.example"}
        assert post(server, picture_of(90), headers=right).status_code == 200
        assert "yolo3_requests" in CLIENT.get(f"{server}metrics", headers=right).text
        for path in ("", "health", "openapi.json"):
            answer = CLIENT.get(f"{server}{path}")
            assert answer.status_code == 200
            assert token not in answer.text


def test_a_client_that_sends_too_much_has_to_wait():
    with running(detector_of(read_numbers), limits=Limits(rate=0.1)) as server:
        first, second = (CLIENT.get(f"{server}v1/model") for _ in range(2))
        assert (first.status_code, second.status_code) == (200, 429)
        assert int(second.headers["retry-after"]) in range(1, 11)
        assert CLIENT.get(f"{server}health").status_code == 200


def test_the_rate_limit_fills_again_and_forgets():
    now = [0.0]
    limit = RateLimit(5, clock=lambda: now[0])
    for _ in range(10):
        limit.take("a")
    with pytest.raises(Refusal):
        limit.take("a")
    limit.take("b")
    now[0] += 0.2
    limit.take("a")
    with pytest.raises(Refusal):
        limit.take("a")
    for number in range(2 * RateLimit.MAX_CLIENTS):
        limit.take(str(number))
    assert len(limit._buckets) == RateLimit.MAX_CLIENTS


def test_after_the_time_that_is_told_a_client_may_come_again():
    now = [0.0]
    limit = RateLimit(0.3, clock=lambda: now[0])
    limit.take("a")
    with pytest.raises(Refusal) as refusal:
        limit.take("a")
    now[0] += refusal.value.retry_after_s
    limit.take("a")


# What it says of itself ------------------------------------------------------------------------


def test_the_schema_describes_the_answers(server):
    schema = CLIENT.get(f"{server}openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    parts = schema["components"]["schemas"]

    def check(value, shape):
        shape = parts[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
        kinds = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None),
                 "number": (int, float)}  # fmt: skip
        names = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
        assert any(isinstance(value, kinds[name]) for name in names), (value, shape)
        if names == ["object"]:
            assert set(value) == set(shape["properties"]) == set(shape["required"])
            for name, item in value.items():
                check(item, shape["properties"][name])
        for item in value if isinstance(value, list) else ():
            check(item, shape["items"])

    def answer(path, method, status):
        content = schema["paths"][path][method]["responses"][status]["content"]
        return content["application/json"]["schema"]

    check(post(server, picture_of(1)).json(), answer("/v1/detect", "post", "200"))
    check(post(server, b"x").json(), answer("/v1/detect", "post", "415"))
    check(CLIENT.get(f"{server}v1/model").json(), answer("/v1/model", "get", "200"))
    check(CLIENT.get(f"{server}health").json(), answer("/health", "get", "200"))


def test_the_schema_says_how_many_pictures_a_request_may_have():
    for limits, most in ((Limits(), 16), (Limits(queue=4), 4)):
        operation = openapi(Thresholds(), limits, "1")["paths"]["/v1/detect"]["post"]
        form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert form["properties"]["file"]["maxItems"] == most


def test_metrics_are_prometheus_text(server):
    answer = CLIENT.get(f"{server}metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    line = re.compile(
        r'# (HELP|TYPE) yolo3_\w+ .+|yolo3_\w+(\{\w+="[^"\n\\]*"(,\w+="[^"\n\\]*")*\})? [\d.e+-]+'
    )
    for text in answer.text.splitlines():
        assert line.fullmatch(text), text
    CLIENT.get(f"{server}some/path/of/an/attacker")
    assert "attacker" not in CLIENT.get(f"{server}metrics").text


def test_histograms_count_up_to_each_bound():
    histogram = Histogram("h", "help", (1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.observe(value)
    assert list(histogram.lines())[2:] == [
        'h_bucket{le="1"} 2', 'h_bucket{le="2"} 3', 'h_bucket{le="+Inf"} 4', "h_sum 12.000000",
        "h_count 4",
    ]  # fmt: skip
    count = Count("c", "help", ("path",))
    count.add(2, "/")
    assert list(count.lines())[2:] == ['c{path="/"} 2']


def test_any_loopback_address_names_this_machine():
    access = Access(None, RateLimit(0))
    for host in ("127.0.0.2:8000", "127.255.255.254", "[::1]:8000"):
        access.check("GET", "/", Headers({"host": host}), "127.0.0.1")
    for host in ("0.0.0.0:8000", "128.0.0.1", "[::2]", "127.0.0.2.nip.example"):
        with pytest.raises(Refusal):
            access.check("GET", "/", Headers({"host": host}), "127.0.0.1")


def test_host_names_that_no_browser_sends():
    access = Access(None, RateLimit(0))
    for host in ("", "localhost@attacker", "attacker/localhost", "127.0.0.1.nip.example"):
        with pytest.raises(Refusal):
            access.check("GET", "/", Headers({"host": host}), "127.0.0.1")
