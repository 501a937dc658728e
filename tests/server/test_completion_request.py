"""Requests for completions: what each field may be, what is left out, and which prompts a model can continue."""

import json

import numpy as np
import pytest

from charrnn.config import SamplingConfig
from charrnn.errors import VocabularyError
from charrnn.server.completion_request import parse, prime_ids
from charrnn.server.errors import ApiError, to_json
from support.random_models import random_model


def parsed(**fields):
    return parse(json.dumps(fields).encode(), 1000)


def test_what_is_left_out_or_null_has_the_defaults_of_the_original():
    for request in (
        parsed(),
        parsed(**dict.fromkeys(("prompt", "max_tokens", "stop", "seed", "n", "best_of", "echo"))),
    ):
        assert request.prompts == [""]
        assert (request.max_tokens, request.n, request.best_of, request.seed) == (16, 1, 1, None)
        assert request.config == SamplingConfig()
        assert (request.stops, request.echo, request.stream, request.logprobs) == ([], False, False, None)


def test_every_field_reaches_the_request():
    request = parsed(
        model="m",
        prompt=["a", "b"],
        max_tokens=7,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        min_p=0.1,
        typical=0.8,
        loop_penalty=2,
        n=2,
        best_of=3,
        stop=["x", "yz"],
        seed=-1,
        logprobs=0,
        echo=True,
        user="me",
        suffix="",
        presence_penalty=0,
        frequency_penalty=0.0,
        logit_bias={},
    )
    assert request.config == SamplingConfig(0.5, 3, 0.9, 0.1, 0.8, 2.0)
    assert (request.model, request.prompts, request.max_tokens, request.n, request.best_of) == (
        "m",
        ["a", "b"],
        7,
        2,
        3,
    )
    assert (request.stops, request.seed, request.logprobs, request.echo) == (["x", "yz"], -1, 0, True)
    asked = request.sampling_request(random_model(), 4, -1)
    assert (asked.length, asked.seed, asked.stops) == (7, 3, ["x", "yz"])
    assert parsed(stream=True, stream_options={"include_usage": True}).include_usage
    assert parsed(prompt=[1, 2]).prompts == [[1, 2]]
    assert parsed(prompt=[[1], [2, 3]]).prompts == [[1], [2, 3]]


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"max_tokens": "5"}, "max_tokens", "\"5\" is not of type 'integer' - 'max_tokens'"),
        ({"max_tokens": True}, "max_tokens", "not of type 'integer'"),
        ({"max_tokens": -1}, "max_tokens", "-1 is less than the minimum of 0"),
        ({"max_tokens": 1001}, "max_tokens", "1001 is greater than the maximum of 1000"),
        ({"max_tokens": 10**30}, "max_tokens", "such a large number is greater than"),
        ({"temperature": 2.5}, "temperature", "2.5 is greater than the maximum of 2"),
        ({"temperature": "hot"}, "temperature", "not of type 'number'"),
        ({"top_p": 0}, "top_p", "must be above 0"),
        ({"n": 0}, "n", "less than the minimum of 1"),
        ({"n": 2, "best_of": 1}, "best_of", "best_of must be at least n"),
        ({"best_of": 2, "stream": True}, "best_of", "can't be streamed"),
        ({"prompt": ["a"] * 3, "n": 100}, "n", "at most 128 completions"),
        ({"prompt": []}, "prompt", "too short"),
        ({"prompt": {}}, "prompt", "not of type 'string'"),
        ({"prompt": ["a", 1]}, "prompt", "of one kind"),
        ({"prompt": [[]]}, "prompt", "of one kind"),
        ({"prompt": [True]}, "prompt", "of one kind"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"stop": [1]}, "stop", "not of type 'string'"),
        ({"stop": "a" * 1001}, "stop", "1,001 characters"),
        ({"logprobs": 6}, "logprobs", "greater than the maximum of 5"),
        ({"logprobs": True}, "logprobs", "not of type 'integer'"),
        ({"stream": 1}, "stream", "not of type 'boolean'"),
        ({"stream_options": {}}, "stream_options", "only allowed when stream"),
        ({"stream": True, "stream_options": []}, "stream_options", "not of type 'object'"),
        ({"stream": True, "stream_options": {"x": 1}}, None, "Unrecognized request argument supplied: x"),
        ({"suffix": "end"}, "suffix", "has no suffix"),
        ({"presence_penalty": 0.1}, "presence_penalty", "has no presence_penalty"),
        ({"frequency_penalty": False}, "frequency_penalty", "has no frequency_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "has no logit_bias"),
        ({"messages": []}, None, "Unrecognized request argument supplied: messages"),
        ({"a": 1, "b": 2}, None, "Unrecognized request arguments supplied: a, b"),
    ],
)
def test_what_a_field_can_not_be_is_an_error_that_names_it(fields, param, message):
    with pytest.raises(ApiError) as caught:
        parsed(**fields)
    assert message in str(caught.value)
    assert caught.value.as_dict()["error"]["param"] == param
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"a"',
        b"\xff",
        b'{"seed": NaN}',
        b"[" * 100_000,
        b'{"seed": ' + b"9" * 9999 + b"}",
    ],
)
def test_a_body_that_is_no_object_of_json_is_an_error(body):
    with pytest.raises(ApiError, match=r"^the body of the request"):
        parse(body, 1000)


# Prompts


def test_a_prompt_of_ids_is_the_prompt_of_their_characters():
    model = random_model()
    assert (
        prime_ids(model, "cab", "error").tolist()
        == prime_ids(model, model.vocabulary.encode("cab").tolist(), "error").tolist()
    )
    with pytest.raises(ApiError, match="from 0 to 8"):
        prime_ids(model, [9], "error")


def test_unknown_characters_are_an_error_or_skipped():
    with pytest.raises(VocabularyError):
        prime_ids(random_model(), "cabx", "error")
    assert len(prime_ids(random_model(), "cabx", "skip")) == 3


def test_a_model_of_lines_continues_the_beginning_of_one_and_stops_at_its_end():
    model = random_model(layout="lines")
    np.testing.assert_array_equal(prime_ids(model, "ab\n", "error"), prime_ids(model, "ab", "error"))
    with pytest.raises(ApiError, match="several lines"):
        prime_ids(model, "a\nb", "error")
    assert parsed().sampling_request(model, 0, 1).stops == ["\n"]


def test_a_model_of_pairs_needs_a_source():
    model = random_model(characters="\n\tab", layout="pairs")
    with pytest.raises(ApiError, match="a source and a tab"):
        prime_ids(model, "ab", "error")
    assert len(prime_ids(model, "a\tb", "error")) == 3


def test_half_a_surrogate_pair_reaches_no_client():
    assert to_json({"a": "é\udc80"}) == '{"a":"é\ufffd"}'.encode()
