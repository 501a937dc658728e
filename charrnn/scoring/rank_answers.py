"""The answers of ranks: the leader deals out batches of texts, and has the answers of all ranks in order.

    1. The leader tells the others which model answers, and what.
    2. In each round it deals some batches to each rank, itself included, and each answers its own.
    3. The leader gathers the answers, and yields them in the order of the batches.

A batch is answered as a single process answers it with as many threads as a rank has: so the answers are the same.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from charrnn import engine as engines
from charrnn.dataset.groups import in_groups
from charrnn.distributed.ranks import Ranks
from charrnn.engine.threads import row_shards
from charrnn.errors import CharRNNError
from charrnn.model.model import Model
from charrnn.scoring.lines import score_batches
from charrnn.scoring.windows import score_blocks

BATCHES_PER_ROUND = 4
"""The batches of a rank in a round: the fewer, the sooner they are answered, and the more often ranks wait."""

Answer = Callable[[Iterable[Sequence[Any]]], Iterator[list[Any]]]
"""Yields what it finds for each batch before it asks for the next; before an error, the answers for a part of it."""


class BatchAnswer(NamedTuple):
    """What a rank has found for a batch."""

    answers: list[Any]
    error: CharRNNError | None
    """The error that ended it after these, about the text with its `number` in the batch, if about one."""


def answering(kind: str, model: Model, ranks: Ranks | None, **options: Any) -> Answer:
    """Answers batches on all ranks of a job, or in this process if there is none.

    `kind` is one of `scores` (see `lines.score_batches`), `windows` (`windows.score_blocks`) and `labels`
    (`classify.classify_batches`), whose options these are. On several ranks, batches are read ahead: up to
    `BATCHES_PER_ROUND` for each of them, before the first is answered.
    """
    answer: Answer = partial(_function(kind), model, **options)
    if ranks is None:
        return answer
    own = RankAnswers(answer)  # which may refuse the options
    engine = "numpy" if model.engine is engines.load("numpy") else "numba"
    ranks.tell("prepare", kind, model.without_engine(), engine, options)
    return partial(_answer_on_ranks, ranks, own)


def _function(kind: str) -> Callable[..., Iterator[list[Any]]]:
    """The function that answers batches."""
    if kind == "labels":
        from charrnn.scoring.classify import classify_batches

        return classify_batches
    return score_batches if kind == "scores" else score_blocks


def _answer_on_ranks(ranks: Ranks, own: "RankAnswers", batches: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
    """The answers of all ranks, in the order of the batches; the leader's part."""
    before = 0
    for dealt in in_groups(batches, BATCHES_PER_ROUND * ranks.size):
        with ranks.busy():
            ranks.tell("answer")
            found = ranks.gather(own(ranks.deal([dealt[part] for part in row_shards(len(dealt), ranks.size)])))
        for batch, (answers, error) in zip(dealt, (each for of_rank in found for each in of_rank), strict=False):
            yield answers
            if error is not None:
                raise _numbered(error, before)
            before += len(batch)


def _numbered(error: CharRNNError, before: int) -> CharRNNError:
    """The error about a text of a batch, with its number among all texts, of which some were in batches before."""
    if not error.number:
        return error
    unit, _ = str(error).removesuffix(error.what).rsplit(" ", 1)
    return type(error).of_text(before + error.number, error.what, unit)


class RankAnswers:
    """The answers of a rank to the batches that it gets."""

    def __init__(self, answer: Answer):
        self.given: deque[Sequence[Any]] = deque()
        self.n_before = 0
        """The texts in the batches before."""
        self.answers = answer(self._batches())

    def _batches(self) -> Iterator[Sequence[Any]]:
        while True:
            yield self.given.popleft()

    def __call__(self, batches: Iterable[Sequence[Any]]) -> list[BatchAnswer]:
        """The answers to some batches, up to an error."""
        found = []
        for batch in batches:
            found.append(self._answer(batch))
            if found[-1].error is not None:
                break
        return found

    def _answer(self, batch: Sequence[Any]) -> BatchAnswer:
        self.given.append(batch)
        answers: list[Any] = []
        try:
            answers = next(self.answers)
            if len(answers) < len(batch):
                next(self.answers)  # the error about the first text that has no answer
        except CharRNNError as error:
            error.number = max(0, error.number - self.n_before)
            return BatchAnswer(answers, error)
        self.n_before += len(batch)
        return BatchAnswer(answers, None)


def serve(ranks: Ranks) -> None:
    """Answers what the leader deals to a follower; ends with `DismissedError`, when the leader ends the job."""
    answers: RankAnswers | None = None
    while True:
        match ranks.hear():
            case "prepare", (kind, parts, engine, options):
                model = Model(**parts, engine=engines.load(engine))
                answers = RankAnswers(partial(_function(kind), model, **options))
            case "answer", ():
                assert answers is not None
                ranks.gather(answers(ranks.deal()))
            case unknown:
                raise AssertionError(f"unknown task: {unknown}")
