"""`charrnn serve` as a process, with OpenAI's client and without: what it answers, and how it ends."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from charrnn import engine as engines
from charrnn.checkpoint import model_file
from charrnn.checkpoint.model_file import Checkpoint
from charrnn.sampling.generate import generate
from charrnn.scoring.classify import classify
from charrnn.scoring.score import surprisal
from charrnn.scoring.text import score
from support.processes import charrnn, error_line, posix
from support.random_models import random_model
from support.readmes import DOCS
from support.serving import Served, post, serving

for library in ("starlette", "uvicorn", "httptools", "openai"):
    pytest.importorskip(library)

from charrnn.server import serve  # noqa: E402
from charrnn.server.options import ServerOptions  # noqa: E402
from charrnn.server.protocol import MAX_HEAD  # noqa: E402

MAX_TOKENS, MAX_BODY = 5000, 20_000
"""The limits of the server that the tests share."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models that are served: `small` draws with the engine that the server chooses."""
    folder = tmp_path_factory.mktemp("serve")
    model_file.save(folder / "small.safetensors", Checkpoint(random_model("gru", hidden_size=24)))
    model_file.save(folder / "bytes.safetensors", Checkpoint(random_model(characters=None)))
    for name in ("names", "classifier", "tales"):
        shutil.copy(DOCS / f"{name}.safetensors", folder)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    names = ("small", "bytes", "names", "classifier", "tales")
    paths = [folder / f"{name}.safetensors" for name in names]
    limits = ("--timeout", 20, "--max-body", MAX_BODY, "--max-tokens", MAX_TOKENS)
    with serving(*paths, *limits, cwd=folder) as served:
        yield served
    assert "Traceback" not in served.log


@pytest.fixture(scope="module")
def model(folder: Path):
    loaded = model_file.load(folder / "small.safetensors").model
    return replace(loaded, engine=engines.load(engines.resolve("auto")))


@pytest.fixture(scope="module")
def client(server: Served):
    import openai

    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def wait_for(server: Served, name: str, value: float) -> None:
    until = time.monotonic() + 20
    while server.metric(name) != value:
        assert time.monotonic() < until, server.metric(name)
        time.sleep(0.01)


# OpenAI's client


def test_the_client_has_the_models_and_the_text_that_a_seed_gives(client, model):
    assert [each.id for each in client.models.list()] == ["small", "bytes", "names", "classifier", "tales"]
    assert client.models.retrieve("names").id == "names"
    wanted = "".join(generate(model, prime="cab", seed=7, length=200))
    answer = client.completions.create(model="small", prompt="cab", seed=7, max_tokens=200)
    assert answer.choices[0].text == wanted
    assert answer.choices[0].finish_reason == "length"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 200, 203)
    stream = client.completions.create(
        model="small", prompt="cab", seed=7, max_tokens=200, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = stream
    assert "".join(chunk.choices[0].text for chunk in chunks) == wanted
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["length"]
    assert (last.choices, last.usage.completion_tokens) == ([], 200)


def test_the_client_gets_several_texts_of_several_prompts_and_its_own_errors(client, model):
    import openai

    answer = client.completions.create(
        model="small", prompt=["cab", "b"], seed=3, max_tokens=30, n=2, stop=["ab"], temperature=0.9, echo=True
    )
    for index, choice in enumerate(answer.choices):
        prime = ("cab", "b")[index // 2]
        config = replace_temp(0.9)
        wanted = "".join(generate(model, prime=prime, seed=3 + index, length=30, stops=["ab"], config=config))
        assert (choice.index, choice.text) == (index, prime + wanted)
        assert choice.finish_reason == ("stop" if len(wanted) < 30 else "length")
    with pytest.raises(openai.NotFoundError, match="The model 'none' does not exist"):
        client.completions.create(model="none", prompt="")
    with pytest.raises(openai.BadRequestError, match="is not of type") as caught:
        client.completions.create(model="small", prompt="", max_tokens="a")
    assert caught.value.param == "max_tokens"
    with pytest.raises(openai.BadRequestError, match="the model has never seen"):
        client.completions.create(model="small", prompt="x")
    with pytest.raises(openai.BadRequestError, match="this model is a classifier"):
        client.completions.create(model="classifier", prompt="x")


def replace_temp(temp: float):
    from charrnn.config import SamplingConfig

    return SamplingConfig(temp=temp)


def test_the_log_probabilities_of_an_echoed_prompt_are_its_score(client, folder):
    tales, prompt = model_file.load(folder / "tales.safetensors").model, "It was a dark night."
    for stream in (False, True):
        answer = client.completions.create(
            model="tales", prompt=prompt, max_tokens=0, echo=True, logprobs=3, stream=stream
        )
        (choice,) = (next(iter(answer)) if stream else answer).choices
        assert choice.text == "".join(choice.logprobs.tokens) == prompt
        assert -sum(choice.logprobs.token_logprobs) == pytest.approx(score(tales, prompt).nats, rel=1e-4)
        assert choice.logprobs.text_offset == [*range(len(prompt))]
        for token, logp, top in zip(
            choice.logprobs.tokens, choice.logprobs.token_logprobs, choice.logprobs.top_logprobs, strict=True
        ):
            assert top[token] == logp <= max(top.values())
            assert 3 <= len(top) <= 4


def test_the_log_probabilities_of_a_completion_are_those_of_its_score(server, model):
    fields = {"prompt": "cab", "seed": 2, "max_tokens": 120, "logprobs": 0}
    whole = server.ask("/v1/completions", fields)[1]["choices"][0]
    text, logprobs = whole["text"], whole["logprobs"]
    assert (logprobs["tokens"], logprobs["top_logprobs"]) == ([*text], None)
    wanted = score(model, "cab" + text).nats - score(model, "cab").nats
    assert -sum(logprobs["token_logprobs"]) == pytest.approx(wanted, rel=1e-4)


def test_more_characters_than_can_be_read_again_are_refused(server):
    fields = {"prompt": "cab" * 5000, "logprobs": 0, "echo": True, "max_tokens": 0, "n": 4}
    status, answer = server.ask("/v1/completions", fields)
    assert status == 400
    assert answer["error"]["message"] == (
        "with logprobs a request can have at most 50,000 characters, and this one has up to 60,000"
    )


def test_the_best_of_several_texts_have_the_highest_likelihood(server, model):
    fields = {"prompt": "cab", "seed": 5, "max_tokens": 20, "n": 2, "best_of": 9}
    found = server.ask("/v1/completions", fields)[1]
    assert found["usage"]["completion_tokens"] == 180
    texts = [server.text(prompt="cab", seed=seed, max_tokens=20) for seed in range(5, 14)]
    ranked = sorted(texts, key=lambda text: score(model, "cab" + text).nats)
    assert [choice["text"] for choice in found["choices"]] == ranked[:2]


def test_a_model_of_lines_ends_with_its_line_and_one_of_bytes_writes_only_valid_text(server):
    status, answer = server.ask("/v1/completions", {"model": "names", "prompt": "Ab", "seed": 1, "max_tokens": 100})
    assert (status, answer["choices"][0]["finish_reason"]) == (200, "stop")
    line = charrnn("sample", DOCS / "names.safetensors", "--prime", "Ab", "--seed", 1, "--quiet", cwd=DOCS).stdout
    assert "Ab" + answer["choices"][0]["text"] == line.rstrip("\n")
    text = server.text(model="bytes", prompt="é", seed=1, max_tokens=500)
    assert "\ufffd" in text
    logprobs = server.ask(
        "/v1/completions", {"model": "bytes", "prompt": "é", "max_tokens": 0, "echo": True, "logprobs": 0}
    )
    assert logprobs[1]["choices"][0]["logprobs"]["tokens"] == ["bytes:\\xc3", "bytes:\\xa9"]
    assert logprobs[1]["choices"][0]["logprobs"]["text_offset"] == [0, 0]


# Many at once


def test_a_text_is_the_same_alone_and_among_many(server, model):
    settings = [{"temperature": 0.7}, {"top_p": 0.8}, {"top_k": 3}, {"min_p": 0.2, "loop_penalty": 1.0}, {}]
    asked = [{"prompt": "cab"[: n % 3], "seed": n, "max_tokens": 100 + 10 * n} | settings[n % 5] for n in range(40)]
    with ThreadPoolExecutor(40) as pool:
        among_many = list(pool.map(lambda fields: server.text(**fields), asked))
    for n in range(0, 40, 7):
        assert server.text(**asked[n]) == among_many[n]
    plain = asked[4]
    assert among_many[4] == "".join(generate(model, prime=plain["prompt"], seed=4, length=plain["max_tokens"]))


def test_a_client_that_leaves_frees_its_row(server):
    before = server.metric("charrnn_disconnects_total")
    for stream in (True, False):
        connections = [server.connect() for _ in range(8)]
        for n, connection in enumerate(connections):
            body = {"seed": n, "max_tokens": MAX_TOKENS, "stream": stream, "n": 16}
            connection.sendall(post(json.dumps(body).encode()))
        if stream:
            assert b"200 OK" in connections[0].recv(1000)
        while server.metric("charrnn_texts_drawn") < 64:
            time.sleep(0.01)
        for connection in connections:
            connection.close()
        wait_for(server, "charrnn_texts_drawn", 0)
        wait_for(server, "charrnn_texts_waiting", 0)
    wait_for(server, "charrnn_disconnects_total", before + 16)


# Scores, labels, and the rest


def test_scores_and_labels_are_those_of_the_library(server, folder):
    tales = model_file.load(folder / "tales.safetensors").model
    status, answer = server.ask("/score", {"model": "tales", "text": ["It was.", "He is."], "surprisal": True})
    assert status == 200
    for text, found in zip(("It was.", "He is."), answer["data"], strict=True):
        assert found["nats_per_char"] == pytest.approx(score(tales, text).nats_per_char, rel=1e-4)
        assert sum(found["surprisal"]) == pytest.approx(found["nats_per_char"] * found["chars"], rel=1e-5)
    long = "It was he. " * 900
    _, answer = server.ask("/score", {"model": "tales", "text": long, "surprisal": True})
    np.testing.assert_allclose(answer["data"][0]["surprisal"], surprisal(tales, long), rtol=1e-3, atol=1e-5)
    classifier = model_file.load(folder / "classifier.safetensors").model
    status, answer = server.ask("/classify", {"model": "classifier", "text": "Kirkcaldy", "top": 2})
    (wanted,) = classify(classifier, ["Kirkcaldy"])
    (found,) = answer["data"]
    assert found["label"] == wanted.label == next(iter(found["labels"]))
    assert found["labels"] == pytest.approx(dict(wanted.top(2)), rel=1e-3)
    for path, fields, message in (
        ("/score", {"model": "classifier", "text": "a"}, "this model is a classifier"),
        ("/classify", {"model": "tales", "text": "a"}, "gives no labels"),
        ("/score", {"model": "tales"}, "must provide a text"),
        ("/score", {"model": "tales", "text": ""}, "no text to score"),
        ("/score", {"model": "tales", "text": "ж", "unknown": "error"}, "ж"),
    ):
        status, answer = server.ask(path, fields)
        assert status == 400
        assert message in answer["error"]["message"]


def test_the_page_the_health_and_the_metrics(server):
    status, page = server.ask("/")
    assert status == 200
    assert "<!doctype html>" in page
    assert "<title>small</title>" in page
    assert server.ask("/healthz") == (200, {"status": "ok"})
    server.text(max_tokens=5)
    _, metrics = server.ask("/metrics")
    for line in metrics.splitlines():
        assert line.startswith("# ") or float(line.rpartition(" ")[2]) >= 0
    assert server.metric('charrnn_characters_total{model="small"}') >= 5
    assert server.ask("/v1/models/nothing")[1]["error"]["code"] == "model_not_found"
    assert server.ask("/v1/chat/completions", {})[0] == 404
    status, answer = server.ask("/v1/completions")
    assert (status, answer["error"]["type"]) == (405, "invalid_request_error")


def test_the_log_has_a_line_for_each_request(server):
    server.text(model="small", prompt="cab", max_tokens=7)
    wanted = r"127.0.0.1 POST /v1/completions 200"
    time.sleep(0.05)
    assert any(line.startswith(wanted) and line.endswith("small 3+7 characters") for line in server.lines)


# Malformed requests


def malformed() -> Iterator[bytes]:
    """Some 1,500 requests that can't be answered, or whose client leaves."""
    values = [None, True, -1, 0, 1.5, 10**40, 1e308, "", "x", "é\ud800", "a" * 3000, [], [[]], [1, "a"], [[1], "a"], {}]
    values += [{"a": 1}, [None], [-1], [10**30], ["\ud800"], [[[[1]]]]]
    names = ["model", "prompt", "max_tokens", "temperature", "top_p", "top_k", "min_p", "typical", "loop_penalty", "n"]
    names += ["best_of", "stop", "seed", "logprobs", "echo", "stream", "stream_options", "suffix", "logit_bias", "user"]
    names += ["presence_penalty", "frequency_penalty", "messages"]
    for name, value in product(names, values):
        yield post(json.dumps({name: value}).encode())
        yield post(json.dumps({"stream": True, name: value}).encode())
    for path, name in (("/score", "text"), ("/classify", "text"), ("/score", "unknown"), ("/classify", "top")):
        for value in values:
            yield post(json.dumps({"text": "a", name: value}).encode(), path)
    bodies = [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"prompt": "\xff"}',
        b"[" * 9000,
        b'{"a":' * 3000,
        b"null",
        b"0" * 9000,
        b"{}" * 9,
    ]
    bodies += [
        b'{"seed": NaN}',
        b'{"n": 1e999}',
        b"\x00" * 100,
        b'{"prompt": "\\ud800"}',
        '{"prompt": "a"}'.encode("utf-16"),
    ]
    whole = post(b'{"prompt": "cab", "max_tokens": 50, "stream": true}')
    for body, path in product(bodies, ("/v1/completions", "/score", "/classify", "/", "/v1/models/%00%ff", "/../..")):
        yield post(body, path)
        yield post(body, path).replace(b"application/json", b"text/plain")
    for start in (
        b"GET",
        b"PUT",
        b"HEAD",
        b"OPTIONS",
        b"BREW",
        b"\xff",
        b"",
        b" ",
        b"POST " * 50,
        b"GET /\x00",
        b"PRI * HTTP/2.0",
    ):
        for path in (b"/", b"/v1/models", b"/v1/completions", b"*", b"http://x/", b"/%", b"/" + b"a" * 5000):
            yield start + b" " + path + b" HTTP/1.1\r\nhost: localhost\r\n\r\n"
    for header in (b"content-length: -5", b"content-length: a", b"content-length: 999999999", b"transfer-encoding: x"):
        yield whole.replace(b"host: localhost", header)
        yield whole.replace(b"content-length: 51", header)
    for header in (b"a" * 70_000 + b": b", b"a: " + b"b" * 70_000, b"\xff: a", b": a", b"authorization: Basic %%%"):
        yield whole.replace(b"host: localhost", header)
    for cut in range(1, len(whole), 2):
        yield whole[:cut]  # and then the client leaves
    chunked = whole.replace(b"content-length: 51", b"transfer-encoding: chunked")
    for body in (b"zz\r\n", b"5\r\nabc", b"fffffffff\r\n", b"0\r\n\r\n", b"1\r\n{\r\n0\r\n\r\n"):
        yield chunked.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body


def test_malformed_requests_are_refused_and_nothing_is_left_of_them(server, model):
    requests = [*malformed()]
    assert len(requests) >= 1000
    server.text(max_tokens=5)
    files = server.metric("process_open_fds")

    def send(request: bytes) -> bytes:
        with server.connect() as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                return connection.recv(65536)
            except OSError:
                return b""  # it was cut off

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, requests))
    statuses = [int(answer[9:12]) for answer in answers if answer.startswith(b"HTTP/1.1")]
    assert len(statuses) > 500
    assert {status for status in statuses if status >= 500} == set()
    assert {400, 404, 405, 415} < {*statuses}
    wait_for(server, "charrnn_texts_drawn", 0)
    assert not [line for line in server.lines if " 500 " in line or "Error" in line.partition("Invalid")[0]]
    assert abs(server.metric("process_open_fds") - files) <= 2
    assert server.text(prompt="cab", seed=7, max_tokens=50) == "".join(generate(model, prime="cab", seed=7, length=50))


def test_bodies_that_are_too_large_are_refused_before_they_are_read(server):
    for headers in ((), ("transfer-encoding: chunked",)):
        with server.connect() as connection:
            request = post(b"", "/v1/completions", *headers)
            length = b"content-length: 0\r\n"
            if headers:
                chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
                connection.sendall(request.replace(length, b"") + chunk + chunk)
            else:
                connection.sendall(request.replace(length, b"content-length: 20001\r\n"))
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_headers_without_end_are_refused(server):
    start = b"POST /v1/completions HTTP/1.1\r\n"
    for begun, more in ((start, b"a: b\r\n"), (start + b"a: ", b"b")):
        with server.connect() as connection:
            connection.sendall(begun + (more * MAX_HEAD)[: MAX_HEAD + 1 - len(begun)])
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    chunked = b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n \r\n0\r\n"
    with server.connect() as connection:
        connection.sendall(start + chunked)
        try:
            for _ in range(3):
                connection.sendall(b"a: b\r\n" * (MAX_HEAD // 6 + 1))
            answer = connection.recv(100)
        except ConnectionError:  # what it has not read is lost
            answer = b""
        assert not answer.startswith(b"HTTP/1.1 408 ")


def test_slow_requests_are_cut_off_and_long_answers_too(folder):
    with serving(folder / "small.safetensors", "--timeout", 0.6, "--max-tokens", 10**9, cwd=folder) as served:
        whole = post(b'{"max_tokens": 5}')
        for sent, wanted in ((whole[:-3], b"408"), (whole[:30], b""), (b"", b"")):
            with served.connect() as connection:
                connection.sendall(sent)
                assert connection.recv(1000)[9:12] == wanted
        status, answer = served.ask("/v1/completions", {"max_tokens": 10**9})
        assert (status, answer["error"]["type"]) == (504, "server_error")
        status, answer = served.ask("/v1/completions", {"max_tokens": 10**9, "stream": True})
        assert status == 200
        assert json.loads(answer.strip().splitlines()[-1].removeprefix("data: "))["error"]["type"] == "server_error"
        wait_for(served, "charrnn_texts_drawn", 0)


def test_a_client_that_takes_no_more_of_its_answer_is_cut_off(folder):
    with serving(folder / "small.safetensors", "--timeout", 0.6, cwd=folder) as served, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", served.port))
        files = served.metric("process_open_fds")
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n" * 500)  # more than all buffers hold
        wait_for(served, "process_open_fds", files - 1)


# Keys, changes, and the end


def test_a_key_is_asked_for(folder):
    env = {"CHARRNN_SERVE_API_KEY": "secret"}
    with serving(folder / "small.safetensors", cwd=folder, env=env) as served:
        assert served.ask("/healthz")[0] == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "secret"}):
            status, answer = served.ask("/v1/models", headers=headers)
            assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
        assert served.ask("/v1/models", headers={"authorization": "Bearer secret"})[0] == 200
        assert served.ask("/", headers={"authorization": "Basic OnNlY3JldA=="})[0] == 200
        assert "secret" not in served.log


def test_a_model_is_loaded_again_when_its_file_has_changed(folder, tmp_path):
    path = tmp_path / "model.safetensors"
    shutil.copy(folder / "small.safetensors", path)
    with serving(path, cwd=tmp_path) as served:
        first = served.text(seed=1, max_tokens=50)
        other = Checkpoint(random_model("lstm", hidden_size=30))
        model_file.save(path, other)
        time.sleep(0.25)
        second = served.text(seed=1, max_tokens=50)
        assert second == "".join(
            generate(replace(other.model, engine=engines.load(engines.resolve("auto"))), seed=1, length=50)
        )
        assert second != first
        path.write_bytes(b"damaged")
        time.sleep(0.25)
        assert served.text(seed=1, max_tokens=50) == second
        assert "can't load" in served.log
        path.unlink()
        time.sleep(0.25)
        assert served.text(seed=1, max_tokens=50) == second


@posix
def test_a_signal_under_load_loses_no_answer_that_has_begun(folder, model):
    with serving(folder / "small.safetensors", "--max-tokens", 20_000, cwd=folder) as served, ExitStack() as stack:
        connections = [stack.enter_context(served.connect()) for _ in range(6)]
        stack.enter_context(served.connect())  # which asks for nothing
        for n, connection in enumerate(connections):
            body = {"seed": n, "max_tokens": 20_000, "stream": n % 2 == 0, "n": 4}
            connection.sendall(post(json.dumps(body).encode(), "/v1/completions", "connection: close"))
        while served.metric("charrnn_texts_drawn") < 24:
            time.sleep(0.005)
        served.process.send_signal(signal.SIGTERM)
        while served.ask("/healthz")[0] != 503:
            time.sleep(0.005)
        assert served.ask("/v1/completions", {})[0] == 503
        for n, connection in enumerate(connections):
            received = b"".join(iter(lambda c=connection: c.recv(1 << 20), b""))
            assert received.count(b'"finish_reason":"length"') == 4, received[-300:]
            assert (b"data: [DONE]" in received) == (n % 2 == 0)
        assert served.process.wait(20) == 0
    assert "Traceback" not in served.log


@posix
def test_a_drain_has_an_end(folder):
    with serving(folder / "small.safetensors", "--max-tokens", 10**9, "--drain", 0.2, cwd=folder) as served:
        with served.connect() as connection:
            connection.sendall(post(b'{"max_tokens": 1000000000, "stream": true}'))
            connection.recv(1000)
            os.kill(served.process.pid, signal.SIGINT)
            assert served.process.wait(20) == 1
        served.reader.join(5)
        assert served.lines[-1].startswith("charrnn: answers that were cut off after 0.2 seconds: 1")
        assert "CancelledError" not in served.log


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *[(each, 200) for each in ("localhost", "LOCALHOST.:8000", "127.0.0.1:1", "127.9.9.9", "[::1]:80")],
        *[(each, 421) for each in ("example.org", "localhost.example.org:80", "0.0.0.0", "", "127.0.0.1.nip.io")],
    ],
)
def test_a_request_to_this_machine_names_it_as_its_host(host, status, server):
    found, answer = server.ask("/v1/models", headers={"host": host})
    assert found == status
    if status != 200:
        error = answer["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "misdirected_request")
        assert error["message"].startswith("This server answers only requests to localhost, not to ")


def test_a_server_for_others_answers_whatever_its_host_is_called(folder):
    with serving(folder / "small.safetensors", "--host", "0.0.0.0", cwd=folder) as served:
        assert served.ask("/v1/models", headers={"host": "example.org"})[0] == 200
        assert "everyone who reaches 0.0.0.0 can use this server: set --api-key" in served.lines


def test_connections_are_refused_until_the_first_model_is_loaded():
    with serve.bind(ServerOptions(port=0)) as listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname(), timeout=10)


def test_what_can_not_be_served_is_one_line(folder, tmp_path):
    small = folder / "small.safetensors"
    shutil.copy(small, tmp_path / "small.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"bad")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for args, message in {
            ("none.safetensors",): "there is no none.safetensors",
            ("bad.safetensors", "--port", 0): "bad.safetensors",
            (small, "small.safetensors"): "the same name, small",
            (small, folder): "is not a file",
            (small, "--port", port): f"can't listen on 127.0.0.1:{port}",
            (small, "--port", 70_000): "--port must be from 0 to 65535",
            (small, "--host", "no such host"): "can't listen on",
            (small, "--api-key", ""): "--api-key",
            (small, "--api-key", " secret"): "--api-key",
        }.items():
            done = charrnn("serve", *args, "--quiet", cwd=tmp_path)
            assert message in error_line(done, 1, 2)
