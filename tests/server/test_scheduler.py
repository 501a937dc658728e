"""The scheduler: texts of several requests side by side, each as if it were alone; those nobody waits for go."""

import math
import threading
import time
from queue import Queue

import numpy as np
import pytest

from charrnn.config import SamplingConfig
from charrnn.sampling.generate import generate
from charrnn.sampling.live_batch import PrimeReader
from charrnn.sampling.request import SamplingRequest
from charrnn.server.errors import ApiError
from charrnn.server.job import PART_SECONDS, Job
from charrnn.server.lane import MAX_IDLE, Lane, ModelBatch
from charrnn.server.scheduler import Scheduler
from support.random_models import random_model

PATIENCE = 300.0
"""The most seconds for a part: the kernels may have to be compiled."""


@pytest.fixture
def scheduler():
    def deliver(parts):
        for job, part in parts:
            job.hand_over(part)

    made = Scheduler(deliver, batch_size=16, max_queue=40, threads=2)
    yield made
    made.close()


class StoppedScheduler(Scheduler):
    """Takes turns only when it is told to."""

    def _run(self, lane):
        pass

    def turn(self):
        for lane in self.lanes:
            lane.turn()


def job_for(model, prime="", streams=False, **fields):
    """A job, and the queue of its parts."""
    parts = Queue()
    return Job(model, model.vocabulary.encode(prime), SamplingRequest(**fields), parts.put, streams), parts


def text_of(parts):
    """The whole text of a job, and how it ended."""
    text = ""
    while True:
        part = parts.get(timeout=PATIENCE)
        text += part.text
        if part.is_last:
            return text, part.finish_reason, part.error


def wait_until(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_texts_of_several_models_with_all_settings_are_those_of_their_seeds(engine, scheduler):
    models = [random_model("lstm", engine=engine), random_model("gru", characters=None, engine=engine)]
    configs = [SamplingConfig(), SamplingConfig(temp=0.7, top_p=0.9), SamplingConfig(top_k=3, loop_penalty=1)]
    jobs = []
    for n in range(45):
        fields = {"seed": n, "length": 5 * n, "config": configs[n % 3], "stops": ["ab"] if n % 4 == 0 else []}
        jobs.append((n, fields, *job_for(models[n % 2], "cab"[: n % 3], n % 2 == 1, **fields)))
    threads = [threading.Thread(target=scheduler.submit, args=([job],)) for _, _, job, _ in jobs]
    for thread in threads:
        thread.start()
        thread.join()
    for n, fields, job, parts in jobs:
        text, reason, error = text_of(parts)
        assert error is None
        assert text == "".join(generate(job.model, prime="cab"[: n % 3], **fields))
        assert reason == ("stop" if job.text.ending.stopped_before else "length")
    wait_until(lambda: scheduler.drawn == 0)


def test_the_characters_and_log_probabilities_of_the_parts_are_those_of_the_text(scheduler):
    model = random_model()
    job, parts = job_for(model, "cab", True, seed=1, length=300, stops=["ab"])
    scheduler.submit([job])
    text, logps = "", []
    while True:
        part = parts.get(timeout=PATIENCE)
        assert model.vocabulary.decode(part.ids) == part.text
        text, logps = text + part.text, [*logps, *part.logps]
        if part.is_last:
            break
    assert "ab" not in text
    assert len(text) == len(logps) > 0
    assert np.exp(logps).max() <= 1


def test_a_text_that_nobody_waits_for_leaves_its_place(scheduler):
    model = random_model()
    jobs = [job_for(model, seed=n, length=10**9, streams=True) for n in range(20)]
    scheduler.submit([job for job, _ in jobs])
    for _, parts in jobs[:16]:
        parts.get(timeout=PATIENCE)
    assert (scheduler.drawn, scheduler.waiting) == (16, 4)
    for job, _ in jobs[:10]:
        job.cancelled = True
    for _, parts in jobs[16:]:
        parts.get(timeout=PATIENCE)  # they have moved up
    wait_until(lambda: scheduler.drawn == 10)
    for job, _ in jobs:
        job.cancelled = True
    wait_until(lambda: scheduler.drawn == 0)


def test_more_texts_than_may_wait_are_refused_all_together(scheduler):
    model = random_model()
    jobs = [job_for(model, seed=n, length=10**9) for n in range(57)]
    with pytest.raises(ApiError, match="at most 40 can") as caught:
        scheduler.submit([job for job, _ in jobs])
    assert caught.value.status == 429
    assert (scheduler.drawn, scheduler.waiting) == (0, 0)


def test_a_long_prompt_keeps_no_short_one_waiting(scheduler):
    model = random_model(hidden_size=64)
    book, last = job_for(model, "cab" * 10_000, seed=1, length=3)
    scheduler.submit([book])
    wait_until(lambda: book.reader is not None)
    short, parts = job_for(model, "cab", seed=1, length=3)
    scheduler.submit([short])
    text_of(parts)
    assert last.empty()
    assert scheduler.waiting == 1
    assert text_of(last)[1] == "length"


def test_a_text_with_a_longer_prompt_gets_its_place_in_its_turn():
    made = StoppedScheduler(lambda parts: [job.hand_over(part) for job, part in parts], 2, 40, 1)
    model = random_model()
    made.submit([job_for(model, "a", length=50, seed=n)[0] for n in range(4)])
    longer, parts = job_for(model, "cab" * 30, length=5, seed=1)
    made.submit([longer])
    for n in range(200):  # shorter ones come all the time
        made.submit([job_for(model, "a", length=50, seed=n)[0]] if made.waiting < 3 else [])
        made.turn()
    assert text_of(parts)[0] == "".join(generate(model, prime="cab" * 30, length=5, seed=1))
    made.close()


def test_the_state_of_a_short_prompt_is_kept_once_it_comes_again(engine):
    made = StoppedScheduler(lambda parts: [job.hand_over(part) for job, part in parts], 16, 40, 1)
    model, kept = random_model(engine=engine), []
    for n in range(4):
        job, parts = job_for(model, "cab", length=5, seed=n)
        made.submit([job])
        while parts.empty():
            made.turn()
        assert text_of(parts)[0] == "".join(generate(model, prime="cab", length=5, seed=n))
        kept += made.lanes[0].batches[id(model)].states.values()
    if engine.Decoder is not None:
        assert kept.pop(0) is None  # it was read as the text was drawn
    assert kept[0].left == 0
    assert all(reader is kept[0] for reader in kept)
    made.close()


def test_a_prompt_that_comes_again_is_kept_even_if_it_can_not_be_read_in_one_turn(engine):
    model = random_model(engine=engine)
    made = ModelBatch(model)
    first, again = (job_for(model, "cab" * 9, length=5, seed=n)[0] for n in range(2))
    assert made.read(first, until=0.0) == (engine.Decoder is not None)  # as it is drawn
    assert not made.read(again, until=0.0)
    assert made.read(again, until=math.inf)
    (kept,) = made.states.values()
    assert kept is again.reader
    assert kept.left == 0


def test_the_lanes_share_the_texts_of_a_model_evenly_and_keep_to_their_sizes():
    made, model = StoppedScheduler(lambda parts: None, 17, 40, 2), random_model()
    for n in range(5):
        made.submit([job_for(model, seed=n, length=10**9)[0]])
    made.turn()
    assert [lane.drawn for lane in made.lanes] == [3, 2]
    made.submit([job_for(model, seed=n, length=10**9)[0] for n in range(20)])
    made.lanes[1].turn()
    assert (made.lanes[1].drawn, made.waiting) == (9, 13)
    made.turn()
    assert [lane.drawn for lane in made.lanes] == [8, 9]
    assert (made.drawn, made.waiting) == (17, 8)
    made.close()


def test_a_lane_keeps_the_models_that_were_used_last():
    made, models = StoppedScheduler(lambda parts: None, 17, 40, 1), [random_model() for _ in range(MAX_IDLE + 2)]
    for model in (*models, models[2]):
        made.submit([job_for(model, length=1, seed=1)[0]])
        made.turn()
    made.turn()
    assert [*made.lanes[0].batches] == [id(model) for model in (*models[3:], models[2])]
    made.close()


def test_a_lane_without_memory_ends_its_texts_and_draws_others(monkeypatch):
    def deliver(parts):
        for job, part in parts:
            job.hand_over(part)

    def fail(*args):
        monkeypatch.undo()
        raise MemoryError

    made, model = Scheduler(deliver, 16, 40, 1), random_model()
    first, parts = job_for(model, length=10**9, seed=1)
    made.submit([first])
    wait_until(lambda: made.drawn == 1)
    monkeypatch.setattr(Lane, "_batch", fail)
    assert isinstance(text_of(parts)[2], MemoryError)
    second, parts = job_for(model, length=50, seed=1)
    made.submit([second])
    assert text_of(parts)[0] == "".join(generate(model, length=50, seed=1))
    made.close()


def test_a_text_that_has_ended_in_a_turn_is_not_ended_again_by_an_error_in_it(monkeypatch):
    made = StoppedScheduler(lambda parts: [job.hand_over(part) for job, part in parts], 16, 40, 1)
    (short, parts), (other, other_parts) = (job_for(random_model(), length=1, seed=1) for _ in range(2))
    advance = Lane._advance

    def advance_once(lane, batch, joining):
        advance(lane, batch, joining)
        raise MemoryError

    made.submit([short, other])
    monkeypatch.setattr(Lane, "_advance", advance_once)
    with pytest.raises(MemoryError) as error:
        made.turn()
    made.lanes[0].fail(error.value)
    assert parts.get().finish_reason == "length"
    assert isinstance(other_parts.get().error, MemoryError)
    assert parts.empty()
    assert other_parts.empty()
    made.close()


def test_a_fault_in_a_text_ends_it_alone(scheduler, monkeypatch):
    model = random_model()
    (bad, bad_parts), (good, parts) = (job_for(model, length=50, seed=1) for _ in range(2))
    monkeypatch.setattr(bad, "add", lambda ids, logps: 1 / 0)
    scheduler.submit([bad, good])
    assert isinstance(text_of(bad_parts)[2], ZeroDivisionError)
    assert text_of(parts)[0] == "".join(generate(model, length=50, seed=1))


def test_parts_of_a_stream_are_rarer_the_more_texts_are_drawn():
    model = random_model()
    job, _ = job_for(model, streams=True, length=100, seed=1)
    job.reader = PrimeReader(model, job.prime)
    job.begin()
    handed = []
    for now in np.arange(0, 2, 0.02):
        job.add(np.zeros(1, np.uint8), np.zeros(1))
        if job.part(now, 4 if now < 1 else 50) is not None:
            handed.append(now)
    assert len([now for now in handed if now < 1]) == 10
    assert len([now for now in handed if now >= 1]) == 3  # with that at the end
    assert job.told == 100


def test_a_stream_beside_whole_answers_has_all_its_parts_and_one_of_thousands_has_one_in_a_second():
    model, handed = random_model(), []
    jobs = [job_for(model, streams=n == 0, length=10**9, seed=1)[0] for n in range(40)]
    made = StoppedScheduler(lambda parts: handed.extend(parts), 50, 50, 1)
    made.submit(jobs)
    made.turn()
    assert jobs[0].next_part - time.monotonic() <= PART_SECONDS
    made.close()
    alone, _ = job_for(model, streams=True, length=100, seed=1)
    alone.reader = PrimeReader(model, alone.prime)
    alone.begin()
    alone.add(np.zeros(1, np.uint8), np.zeros(1))
    assert alone.part(0.0, 4096) is not None
    assert alone.next_part == 1


def test_a_model_whose_predictions_are_not_finite_fails_alone(scheduler):
    broken, model = random_model(), random_model()
    for p in broken.params.values():
        p *= 1e38
    bad, good = job_for(broken, length=50, seed=1), job_for(model, length=50, seed=1)
    with np.errstate(all="ignore"):
        scheduler.submit([bad[0], good[0]])
        assert "NaN or infinite" in str(text_of(bad[1])[2])
    assert text_of(good[1])[0] == "".join(generate(model, length=50, seed=1))


def test_a_text_that_the_model_can_not_read_ends_alone():
    made = StoppedScheduler(lambda parts: [job.hand_over(part) for job, part in parts], 16, 40, 1)
    model = random_model()
    a = model.vocabulary.encode("a")
    model.params["W_ih0"][a] = np.nan
    model.params["b_out"][a] = -1e9
    (first, first_parts), (bad, bad_parts) = (job_for(model, prime, length=500, seed=1) for prime in "ba")
    made.submit([first, bad])
    made.turn()  # both are drawn
    joining, parts = job_for(model, "c", length=5, seed=1)
    made.submit([joining])
    while first_parts.empty() or parts.empty():
        made.turn()
    assert "NaN or infinite" in str(bad_parts.get(timeout=PATIENCE).error)
    assert text_of(first_parts)[0] == "".join(generate(model, prime="b", length=500, seed=1))
    assert text_of(parts)[0] == "".join(generate(model, prime="c", length=5, seed=1))
    made.close()


def test_a_fault_at_the_beginning_of_a_text_ends_only_what_is_drawn_beside_it(scheduler, monkeypatch):
    model = random_model()
    bad, bad_parts = job_for(model, length=3, seed=1)
    monkeypatch.setattr(bad, "begin", lambda: 1 / 0)
    scheduler.submit([bad])
    assert isinstance(text_of(bad_parts)[2], ZeroDivisionError)
    good, parts = job_for(model, length=3, seed=1)
    scheduler.submit([good])
    assert text_of(parts)[0] == "".join(generate(model, length=3, seed=1))
