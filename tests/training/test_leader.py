"""The leader and its followers: in every layout they learn what a single process learns."""

import sys
from pathlib import Path

from support.ranks import mpiexec, needs_mpi, run_line

TRAININGS = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from charrnn.dataset import corpus
from charrnn.distributed import exchange
from charrnn.distributed.ranks import DismissedError, join
from charrnn.errors import DivergenceError
from charrnn.training import start
from charrnn.training.follower import serve
from support.trainings import SMALL, TEXTS, flat, run
exchange.MIN_BUFFER = 1  # each gradient is on its way as soon as it is known
ranks = join()

def check_starts(text):
    # from a model that is sure of a character that hardly ever comes
    options = SMALL["stream"] | {"steps": 6, "eval_every": 3, "threads": 2, "engine": sys.argv[2]}
    model = run(start.start(text, **options)).latest
    model.params["b_out"][0] += 60.0
    for name in ("hidden_size", "layers"):
        del options[name]
    found, wanted = (run(start.start(text, init_from=model, **options, **more)) for more in ({"ranks": ranks}, {}))
    assert wanted.history[0].val_loss > 2 + 2 * np.log(len(text.vocabulary))
    np.testing.assert_allclose(flat(found.state.params), flat(wanted.state.params), rtol=1e-3, atol=2e-5)
    assert found.state.counters.rollbacks == wanted.state.counters.rollbacks
    # weights that are bad from the start: all go back as often as one does, and then there is an error
    options = SMALL["stream"] | {"steps": 6, "eval_every": 3}
    bad = start.start(text, **options)
    for progress in bad:
        if progress.step == 3:
            break
    for p in bad.state.params.values():
        p *= 1e6
    try:
        run(start.resume(text, bad.state, ranks=ranks, steps=6))
        raise AssertionError("no error")
    except DivergenceError as error:
        assert "before step 3" in str(error), error

try:
    if not ranks.is_leader:
        serve(ranks)
    for layout, options in SMALL.items():
        text = corpus.from_text(TEXTS[layout])
        options = options | {"steps": 6, "eval_every": 3, "threads": 2, "engine": sys.argv[2]}
        if layout == "stream":
            options |= {"ema_decay": 0.9, "drop_connect": 0.2, "dropout": 0.2, "locked_dropout": True}
        found, wanted = run(start.start(text, ranks=ranks, **options)), run(start.start(text, **options))
        for name in ("params", "moments", "best"):
            a, b = (flat(getattr(trainer.state, name)) for trainer in (found, wanted))
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5, err_msg=f"{layout}: {name}")
        np.testing.assert_allclose(found.state.rnn_state, wanted.state.rnn_state, rtol=0, atol=2e-5, err_msg=layout)
        losses = ([row.val_loss for row in trainer.history] for trainer in (found, wanted))
        np.testing.assert_allclose(*losses, rtol=1e-5, err_msg=layout)
        assert found.rank_report is not None and found.n_ranks == 3
        # averages of the weights after each step are steps with the gradient of all rows, however these are shared out
        options |= {"optimizer": "sgd", "lr": 0.02, "clip": 0.0}
        found, wanted = (run(start.start(text, **options, **more)) for more in ({"ranks": ranks, "sync_every": 1}, {}))
        for name in ("params", "moments", *["ema"] * bool(found.state.ema)):
            a, b = (flat(getattr(trainer.state, name)) for trainer in (found, wanted))
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5, err_msg=f"{layout}, averages: {name}")
        if layout == "stream":
            options["optimizer"] = "adam"
            diverging = run(start.start(text, ranks=ranks, **options | {"lr": 30.0, "clip": 0.0, "steps": 4}))
            assert diverging.state.counters.rollbacks > 0
            assert np.isfinite(flat(diverging.state.params)).all()
            check_starts(text)
    ranks.dismiss(0)
except DismissedError:
    pass
except BaseException as error:
    print(repr(error), flush=True)
    ranks.abort()
"""


@needs_mpi
def test_three_ranks_learn_what_one_process_learns_in_every_layout(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1])
    done = run_line(mpiexec(3, [sys.executable, "-c", TRAININGS, tests, "numpy"]), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
