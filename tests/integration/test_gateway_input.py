"""Whatever callers send, they get a small problem that says what to change; and what they may send is answered."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import zoo
from tests.asking import JSON, Answered, ask, post, timing
from tests.integration.model_server_calls import eventually, metric
from tests.processes import Tier, gateway
from twotier.families.iris import FAMILY

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}
GOOD = json.dumps(ROW).encode()
HEAD = b'{"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": '


@pytest.fixture(name="served", scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    with zoo.zoo() as keeper, gateway(keeper.url, tmp_path_factory.mktemp("gateway") / "log") as tier:
        tier.wait_ready()
        yield tier


def send(tier: Tier, body: bytes, query: str = "", **headers: str) -> Answered:
    """Send a body to the iris family."""
    return ask(f"{tier.url}/iris/predict{query}", "POST", body, JSON | {name.replace("_", "-"): text for name, text in headers.items()})


def problem(answered: Answered, status: int) -> Any:
    """The problem, which is small."""
    assert status == answered.status, answered
    assert "application/problem+json" == answered.headers["Content-Type"]
    assert len(answered.body) < 64 * 1024
    assert b"secret" not in answered.body
    return answered.json


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        (HEAD + b"NaN}", 400, ["/PetalWidthCm"]),
        (HEAD + b"Infinity}", 400, ["/PetalWidthCm"]),
        (HEAD + b"-Infinity}", 400, ["/PetalWidthCm"]),
        (HEAD + b"1e999}", 400, ["/PetalWidthCm"]),
        (b"[" + GOOD + b"," + HEAD + b"NaN}]", 400, ["/1/PetalWidthCm"]),
        (HEAD + b'"\\ud800"}', 400, ["/PetalWidthCm"]),
        (HEAD + b'4, "PetalWidthCm": 4}', 400, [""]),
        (b'{"k":' + GOOD + b',"k":' + GOOD + b"}", 400, [""]),
        (HEAD + b'"5"}', 422, ["/PetalWidthCm"]),
        (HEAD + b"true}", 422, ["/PetalWidthCm"]),
        (HEAD + b"null}", 422, ["/PetalWidthCm"]),
        (HEAD + b"-0}", 422, ["/PetalWidthCm"]),
        (HEAD + b"1e-400}", 422, ["/PetalWidthCm"]),
        (HEAD + b"1" + b"0" * 400 + b"}", 422, ["/PetalWidthCm"]),
        (HEAD + b"[[[4]]]}", 422, ["/PetalWidthCm"]),
        (HEAD + b'4, "secret\xc3\xa9": 1}'.replace(b"secret", b"unheard"), 422, ["/unheardé"]),
        (b'{"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3}', 422, ["/PetalWidthCm"]),
        (b'{"a/b": {}, "c": 1}', 422, ["/a~1b/SepalLengthCm", "/a~1b/SepalWidthCm", "/a~1b/PetalLengthCm", "/a~1b/PetalWidthCm", "/c"]),
        (b"[[5, 2, 3, 4]]", 422, ["/0"]),
        (b'"secret"', 422, [""]),
        (b"[]", 422, [""]),
        (b"{}", 422, [""]),
        (b"", 400, [""]),
        (HEAD + b"1" * 5000 + b"}", 400, [""]),
        (GOOD + b" secret", 400, [""]),
        (GOOD[:-1], 400, [""]),
        (b"[" * 100_000 + b"]" * 100_000, 400, [""]),
        (b"\xef\xbb\xbf" + GOOD, 400, [""]),
        (HEAD + b"NaN,}", 400, [""]),
        (HEAD + b"1e999, " + b"[" * 100_000, 400, [""]),
        (HEAD + b'4, "PetalWidthCm": ' + b"1" * 5000 + b', "PetalWidthCm": Infinity}', 400, [""]),
        (b"[" + (GOOD + b",") * 100 + HEAD + b"NaN}, secret]", 400, [""]),
        (GOOD.decode().encode("utf-16"), 400, [""]),
        (GOOD.decode().encode("utf-16-le"), 400, [""]),
        (b"[" + b",".join([GOOD] * 10_001) + b"]", 422, [""]),
        (b" " * (33 * 1024 * 1024), 413, [""]),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_bad_bodies_are_small_problems(served: Tier, body: bytes, status: int, pointers: list[str]) -> None:
    """Each is a 4xx that points at the cell, or at the whole body; never a 500 and never an echo."""
    made = problem(send(served, body), status)

    assert pointers == [fault["pointer"] for fault in made["errors"]]


def test_a_chunked_body_is_no_way_around_the_limit(served: Tier) -> None:
    """A body that does not say how long it is is read no further than allowed."""
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as caller:
        caller.sendall(b"POST /iris/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(33):
            caller.sendall(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
        assert caller.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json, text/plain"},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
def test_other_media_types_are_415(served: Tier, headers: dict[str, str]) -> None:
    """What is not plain JSON is refused by its headers, and the answer says what is taken."""
    answered = send(served, GOOD, **headers)

    assert "/problems/unsupported-media-type" == problem(answered, 415)["type"]
    assert "application/json" == answered.headers["Accept"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", 'APPLICATION/JSON;charset="UTF-8"', "application/json;version=1"])
def test_json_by_any_of_its_names_is_taken(served: Tier, kind: str) -> None:
    """The negative control: the same body under each spelling of JSON."""
    assert 200 == send(served, GOOD, Content_Type=kind, Content_Encoding="identity").status


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?probability=true", "there is no query parameter probability; there are: partial, probabilities"),
        ("?partial=yes", "the query parameter partial must be true or false"),
        ("?partial=true&partial=false", "the query parameter partial is given twice"),
    ],
)
def test_bad_queries_are_told(served: Tier, query: str, words: str) -> None:
    """A misspelt wish is refused rather than passed over."""
    assert words == problem(send(served, GOOD, query), 422)["detail"]


@pytest.mark.parametrize("deadline", ["0", "-1", "1.5", "soon", "1e3", "9" * 10, " ", "²"])
def test_bad_deadlines_are_told(served: Tier, deadline: str) -> None:
    """A budget that is no number of milliseconds is refused."""
    made = problem(send(served, GOOD, X_Request_Deadline_Ms=deadline), 422)

    assert "X-Request-Deadline-Ms must be a whole number of milliseconds, from 1 to 999999999" == made["detail"]


def test_good_rows_are_answered_in_their_shape(served: Tier) -> None:
    """One row, a list and a keyed object; more on request; never to be kept by a cache."""
    one = send(served, GOOD, "?partial=false&probabilities=true", X_Request_Deadline_Ms="5000")
    rows = [dict(example.row) for example in FAMILY.examples]
    outputs = [example.answer["output"] for example in FAMILY.examples]

    assert {"output", "probabilities", "model_name"} == one.json.keys()
    assert "no-store" == one.headers["Cache-Control"]
    assert outputs == [answer["output"] for answer in post(served.url + "/iris/predict", rows).json]
    keyed = post(served.url + "/iris/predict", {f"k{9 - at}": row for at, row in enumerate(rows)}).json
    assert [(f"k{9 - at}", output) for at, output in enumerate(outputs)] == [(key, answer["output"]) for key, answer in keyed.items()]


def test_ten_thousand_rows_are_answered_in_order(served: Tier) -> None:
    """The largest call there may be."""
    rows = [{**ROW, "PetalLengthCm": 1 if at % 3 else 3} for at in range(10_000)]
    outputs = [answer["output"] for answer in post(served.url + "/iris/predict", rows).json]

    assert ["Iris-setosa" if at % 3 else "Iris-virginica" for at in range(10_000)] == outputs


def test_partial_answers_stand_beside_problems(served: Tier) -> None:
    """A bad row among good ones has its problem in its place, and the call is 200."""
    answered = post(served.url + "/iris/predict?partial=true", [ROW, {**ROW, "PetalWidthCm": -1}])

    assert (200, ["log_reg_1", None]) == (answered.status, [one.get("model_name") for one in answered.json])
    assert "/1/PetalWidthCm" == answered.json[1]["errors"][0]["pointer"]


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/docs/", 404, "not-found"),
        ("POST", "/nothing/predict", 404, "unknown-family"),
        ("POST", "/nothing/versions/log_reg_1/predict", 404, "unknown-family"),
        ("GET", "/models/nothing", 404, "unknown-family"),
        ("GET", "/models/iris/versions/log_reg_9", 404, "unknown-version"),
        ("GET", "/models/iris/versions/Log-Reg", 404, "unknown-version"),
        ("POST", "/iris/versions/log_reg_9/predict", 404, "unknown-version"),
        ("POST", "/iris/versions/..%2f..%2fsecret/predict", 404, None),
        ("POST", "/iris/versions/secret%0d%0ax/predict", 404, "unknown-version"),
        ("POST", "/iris/versions/not_servable/predict", 503, "not-servable"),
        ("GET", "/problems/nothing", 404, "not-found"),
        ("GET", "/iris/predict", 405, "method-not-allowed"),
        ("DELETE", "/models", 405, "method-not-allowed"),
        ("POST", "/readyz", 405, "method-not-allowed"),
    ],
)
def test_what_is_not_there_is_a_problem_too(served: Tier, method: str, path: str, status: int, slug: str | None) -> None:
    """Unknown names and wrong methods are told apart, each by its own problem."""
    answered = ask(served.url + path, method, GOOD, JSON)
    made = problem(answered, status)

    assert slug is None or f"/problems/{slug}" == made["type"]
    assert (status == 405) == ("Allow" in answered.headers)
    assert slug is None or 200 == ask(served.url + made["type"]).status


def test_a_line_break_in_a_header_splits_nothing(served: Tier) -> None:
    """An id that would add a header is not passed on; the negative control is."""
    for given, kept in ((b"good-id", True), (b"bad\tid", False), (b"bad%0d%0aSet-Cookie: x=1", False), (b'{"event": "forged"}', False)):
        head = _raw(served, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: " + given + b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert kept == (b"x-request-id: " + given in head)
        assert b"set-cookie" not in head.lower()
    for given in (b"bad\rSet-Cookie: x=1", b"bad\nSet-Cookie x=1", b"bad\0id"):
        head = _raw(served, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-ID: " + given + b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"set-cookie" not in head.lower()


def _raw(tier: Tier, request: bytes) -> bytes:
    host, port = tier.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall(request)
        answer = b""
        while more := caller.recv(65536):
            answer += more
        return answer


def test_the_pages_that_describe(served: Tier) -> None:
    """A word of welcome for browsers and for clients, the document, its page, the metrics."""
    page = ask(served.url + "/", headers={"Accept": "text/html,*/*"})

    assert ("text/html; charset=utf-8", True) == (page.headers["Content-Type"], b"Welcome" in page.body)
    assert "Welcome to twotier. The routes are described at /docs." == ask(served.url + "/").json["message"]
    assert 200 == ask(served.url + "/docs").status
    assert "/iris/predict" in ask(served.url + "/openapi.json").json["paths"]
    assert {"message": "OK"} == ask(served.url + "/healthz").json == ask(served.url + "/livez").json
    assert ask(served.url + "/metrics").headers["Content-Type"].startswith("text/plain")
    assert (200, b"") == ((head := ask(served.url + "/healthz", "HEAD")).status, head.body)


def test_the_page_of_routes_needs_nothing_from_elsewhere(served: Tier) -> None:
    """Every file that /docs names is given by the gateway itself, so it works without the internet; and no other file is."""
    page = ask(served.url + "/docs").body.decode()
    named = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)["']""", page)
    kinds = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}

    assert 3 == len(named) and "://" not in page
    for path in named:
        answered = ask(served.url + path)
        assert 200 == answered.status, path
        assert answered.headers["Content-Type"].startswith(kinds[Path(path).suffix])
        assert len(answered.body) > 1000
        assert "max-age=3600" == answered.headers["Cache-Control"]
    for other in ("__init__.py", "..%2f__init__.py", "swagger-ui.css.map"):
        assert 404 == ask(f"{served.url}/docs/{other}").status


@pytest.mark.parametrize("path", ["/models", "/models/iris", "/models/iris/versions/champion"])
def test_what_did_not_change_is_not_sent_again(served: Tier, path: str) -> None:
    """The ETag of before is answered by 304; any other by the whole."""
    whole = ask(served.url + path)
    tag = whole.headers["ETag"]

    assert whole.status == 200
    for held in (tag, f'W/{tag}, "other"', "*"):
        again = ask(served.url + path, headers={"If-None-Match": held})
        assert (304, b"", tag) == (again.status, again.body, again.headers["ETag"])
    assert 200 == ask(served.url + path, headers={"If-None-Match": '"other"'}).status


def test_models_are_described(served: Tier) -> None:
    """The catalogue tells families, versions and aliases, of one family what the gate found too, and a card tells all about a version."""
    models = ask(served.url + "/models").json
    family = ask(served.url + "/models/iris").json
    card = ask(served.url + "/models/iris/versions/champion").json

    assert [["passed: accuracy is 0.9474."]] * 2 == [one.pop("gate_findings") for one in family["versions"]]
    assert models["families"]["iris"] == family
    assert ["log_reg_2", "log_reg_1"] == [one["version"] for one in models["families"]["iris"]["versions"]]
    assert ("log_reg_1", 0.94737) == (card["version"], card["metrics"]["test"]["accuracy"])


def test_a_caller_who_leaves_disturbs_nobody(served: Tier) -> None:
    """A body that is never finished is no failure of the gateway's."""
    host, port = served.url.removeprefix("http://").split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port)), timeout=10) as caller:
            caller.sendall(b"POST /iris/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")

    assert 200 == send(served, GOOD).status
    assert "the gateway failed" not in served.log.read_text()


@contextlib.contextmanager
def dripping(tier: Tier, path: str, deadline: int, *pieces: bytes) -> Iterator[socket.socket]:
    """A connection on which a call was begun: its head, and after a while each piece of its body, which is said to have 100 bytes."""
    host, port = tier.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as caller:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-Deadline-Ms: {deadline}\r\n"
        caller.sendall(head.encode() + b"Content-Length: 100\r\n\r\n")
        for piece in pieces:
            time.sleep(0.05)
            caller.sendall(piece)
        yield caller


def read_whole(caller: socket.socket) -> bytes:
    """What comes until the connection is closed."""
    whole = b""
    while more := caller.recv(65536):
        whole += more
    return whole


PREDICTING = [
    "/iris/predict",
    "/iris/versions/log_reg_1/predict",
    "/v2/models/iris/infer",
    "/v2/models/iris/versions/log_reg_1/infer",
    "/",
    "/serve_decision_tree",
    "/models/serve/log_reg/1",
    "/predict",
    "/v1/predict",
]


@pytest.mark.parametrize(
    ("status", "method", "body", "headers"),
    [
        (400, "POST", b"{", JSON),
        (405, "PATCH", b"{}", JSON),
        (413, "POST", b"", JSON | {"Content-Length": "99999999"}),
        (415, "POST", b"{}", JSON | {"Content-Encoding": "gzip"}),
        (422, "POST", b"[]", JSON),
        (422, "POST", b"{}", JSON | {"X-Request-Deadline-Ms": "soon"}),
    ],
    ids=["400", "405", "413", "415", "422", "422 by a header"],
)
@pytest.mark.parametrize("path", PREDICTING)
def test_every_problem_says_where_its_time_went(
    served: Tier, path: str, status: int, method: str, body: bytes, headers: dict[str, str]
) -> None:
    """However early it is found, and whichever route found it: no time went to a queue or a model server."""
    answered = ask(served.url + path, method, body, headers)
    assert status == answered.status
    assert (0, 0, 0) == timing(answered)[1:]


@pytest.mark.parametrize("path", PREDICTING)
def test_a_body_that_does_not_come_is_not_waited_for(served: Tier, path: str) -> None:
    """It is told so when the call's time is over, and how much of it had come; and what comes of it later is no request."""
    begun = time.monotonic()
    with dripping(served, path, 400, b"{", b'"S') as caller:
        head, _, body = caller.recv(65536).partition(b"\r\n\r\n")
        took = time.monotonic() - begun
        later = b"GET /livez HTTP/1.1\r\n\r\n"
        caller.sendall(later.ljust(97) + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert 1 == read_whole(caller).count(b"HTTP/1.1 200 ")
    made = json.loads(body)

    assert head.startswith(b"HTTP/1.1 408 ")
    assert ("/problems/body-too-slow", 408) == (made["type"], made["status"])
    assert "the body had not all come when the call's time was over: 3 bytes of it had" == made["detail"]
    assert 0.39 <= took < 10
    assert 200 == ask(served.url + made["type"]).status


def test_a_body_that_drips_and_ends_in_time_is_answered(served: Tier) -> None:
    """The negative control: only the deadline matters, and the connection is kept for the next call."""
    body = GOOD.ljust(100)
    with dripping(served, "/iris/predict", 30_000, *(body[at:at + 20] for at in range(0, 100, 20))) as caller:
        assert caller.recv(65536).startswith(b"HTTP/1.1 200 ")
        caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_whole(caller).startswith(b"HTTP/1.1 200 ")


def test_who_is_still_sending_hears_that_it_is_too_late(served: Tier) -> None:
    """A connection that was closed under a caller who sends would be reset, and the answer lost with it."""
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as caller:
        head = b"POST /iris/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-Deadline-Ms: 200\r\n"
        caller.sendall(head + b"Content-Length: 16000000\r\n\r\n")
        for _ in range(160):
            caller.sendall(b" " * 100_000)
            time.sleep(0.005)
        assert caller.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_those_who_send_no_body_shut_nobody_out(tmp_path: Path) -> None:
    """While they wait, as many as may be are under way and others are refused; when their time is over, the gateway is free again."""
    with zoo.zoo() as keeper, gateway(keeper.url, tmp_path / "log", None, GATEWAY_MAX_REQUESTS="20", GATEWAY_BUDGET_MS="6000") as tier:
        tier.wait_ready()
        with contextlib.ExitStack() as callers:
            begun = [callers.enter_context(dripping(tier, "/iris/predict", 999_999_999)) for _ in range(20)]
            for caller in begun:
                caller.sendall(b"{")
            assert eventually(lambda: metric(tier.url, "twotier_gateway_requests_in_flight") > 20)
            assert 503 == _whole(tier)
            assert [b"HTTP/1.1 408 "] * 20 == [caller.recv(65536)[:13] for caller in begun]
            assert 200 == _whole(tier)
            # The call for the metrics is one itself.
            assert eventually(lambda: metric(tier.url, "twotier_gateway_requests_in_flight") == 1)


def _whole(tier: Tier) -> int:
    """The status of a good call that comes in one piece."""
    length = str(len(GOOD)).encode()
    head = b"POST /iris/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + length + b"\r\n\r\n"
    host, port = tier.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall(head + GOOD)
        return int(caller.recv(65536).split()[1])


@pytest.mark.parametrize(
    ("status", "path"),
    [
        (200, "/iris/predict"),
        (404, "/nothing/predict"),
        (404, "/nothing/versions/log_reg_1/predict"),
        (404, "/iris/versions/no%20version/predict"),
        (404, "/v2/models/nothing/infer"),
        (404, "/nothing/at/all"),
        (422, "/iris/predict?partial=perhaps"),
    ],
)
def test_every_answer_says_where_its_time_went(served: Tier, status: int, path: str) -> None:
    """What names nothing that there is as well; the negative control is answered, and the model server took its time."""
    answered = post(served.url + path, ROW)
    assert status == answered.status
    assert (status == 200) == (timing(answered)[2] > 0)
