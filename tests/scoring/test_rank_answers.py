"""The answers of ranks: those of a single process, in the same order, up to the same error."""

import sys
from pathlib import Path

import pytest

from charrnn.errors import CharRNNError, VocabularyError
from charrnn.scoring.lines import score_batches
from charrnn.scoring.rank_answers import RankAnswers, answering
from support.random_models import random_model
from support.ranks import mpiexec, needs_mpi, run_line

BATCHES = [["ab\n", "abc\n"], ["ba\n"], [], ["a☃\n", "b\n"], ["c\n"]]


def test_without_ranks_this_process_answers():
    model = random_model()
    found = [*answering("scores", model, None, unknown="skip", threads=1)(iter(BATCHES))]
    assert found == [*score_batches(model, BATCHES, unknown="skip", threads=1)]


def test_an_error_of_a_rank_has_the_number_of_the_text_in_its_batch():
    model = random_model()
    answers = RankAnswers(lambda batches: score_batches(model, batches, unknown="error", threads=1))
    *good, bad = answers([*BATCHES[:3], ["a\n", "a☃\n", "b\n"], ["c\n"]])
    assert [len(found) for found, error in good if error is None] == [2, 1, 0]
    assert len(bad.answers) == 1
    assert (type(bad.error), bad.error.number) == (VocabularyError, 2)


JOB = """
import sys
from functools import partial
from charrnn.checkpoint.model_file import load
from charrnn.distributed.ranks import DismissedError, join
from charrnn.errors import CharRNNError
from charrnn.scoring import rank_answers, windows
from charrnn.scoring.rank_answers import answering, serve
from support.readmes import DOCS

ranks = join()
rank_answers.BATCHES_PER_ROUND = 2
if not ranks.is_leader:
    try:
        serve(ranks)
    except DismissedError:
        sys.exit()

def same(kind, model, batches, **options):
    wanted, found, errors = [], [], []
    for over, answers in ((None, wanted), (ranks, found)):
        try:
            for each in answering(kind, model, over, **options)(iter(batches)):
                answers.append([str(vars(x) if kind == "labels" else x) for x in each])
        except CharRNNError as error:
            errors.append((type(error), str(error), error.number, error.what))
    assert wanted == found and len(set(errors)) == len(errors) // 2, (wanted, found, errors)
    return found, errors

lines = [["Ab\\n", "Abbey\\n" * 20], [], ["Bo\\n"], ["Carl\\n", "x" * 99, ""], ["Tor\\n"] * 60] * 3
names = load(DOCS / "names.safetensors").model
found, errors = same("scores", names, lines, unknown="error", threads=1)
assert len(found) == 15 and not errors
same("scores", names, [], unknown="count", threads=1)
bad = [*lines[:9], ["Bo\\n", "B☃\\n", "Bo\\n"], ["Bo\\n"], ["☃\\n"]]
found, errors = same("scores", names, bad, unknown="error", threads=1)
assert [len(each) for each in found[8:]] == [3, 1]
assert errors[0][1].startswith("line {}: ".format(sum(map(len, lines[:9])) + 2)), errors
same("labels", load(DOCS / "classifier.safetensors").model, lines, threads=1, unknown="skip")
tales = load(DOCS / "tales.safetensors").model
windows.MAX_ROWS = 3
text = ["The tide was out. " * 40, "", "She said: no. " * 70]
options = dict(size=30, overlap=10, threads=1)
alone = windows.score_windows(tales, text, 30, overlap=10, threads=1)
of_ranks = answering("windows", tales, ranks, **options)
over = windows.score_windows(tales, text, 30, overlap=10, threads=1, score=of_ranks)
assert alone == over and over.chars == sum(map(len, text)), (alone, over)
ranks.dismiss(0)
"""


@needs_mpi
def test_ranks_answer_as_one_process_does(tmp_path: Path):
    path = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
    done = run_line(mpiexec(2, [sys.executable, "-c", path + JOB]), tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_error_that_is_about_no_text_has_no_number():
    def fail(batches):
        yield next(batches)
        raise CharRNNError("the predictions are NaN")

    answers = RankAnswers(fail)
    assert answers([["a"]])[0].error is None
    (found,) = answers([["b"]])
    assert found.error is not None
    assert found.error.number == 0


def test_options_are_refused_before_ranks_are_told():
    with pytest.raises(CharRNNError, match="unknown can't be 'what'"):
        answering("scores", random_model(), object(), unknown="what", threads=1)  # type: ignore[arg-type]
