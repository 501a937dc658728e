"""The exchange: the format of the numbers on their way, and sums over ranks, always in the same order."""

import sys
from pathlib import Path

import numpy as np
import pytest

from charrnn.distributed.exchange import to_bfloat16
from charrnn.layers.matmul import bfloat16, from_bfloat16
from support.ranks import mpiexec, needs_mpi, run_line


def test_bfloat16_is_the_nearest_of_its_numbers() -> None:
    values = np.random.default_rng(1).standard_normal((3, 1000), np.float32)
    values[0, :5] = 0, np.inf, -np.inf, 3.4e38, 1e-40
    found = from_bfloat16(to_bfloat16(values))
    np.testing.assert_array_equal(found, bfloat16(values))
    np.testing.assert_array_equal(from_bfloat16(to_bfloat16(found)), found)


def test_what_is_half_way_is_rounded_away_from_zero() -> None:
    one = np.array([1, -1], np.float32)
    np.testing.assert_array_equal(from_bfloat16(to_bfloat16(one * np.float32(1 + 2**-8))), one * np.float32(1 + 2**-7))


@pytest.mark.parametrize("bits", [0x7FC00000, 0xFFC00000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_nan_stays_nan(bits: int) -> None:
    values = np.array([1, bits, 2], np.uint32).view(np.float32)
    found = from_bfloat16(to_bfloat16(values))
    assert np.isnan(found[1])
    assert np.isfinite(found[[0, 2]]).all()


SUMS = """
import numpy as np
from charrnn.distributed import exchange as exchanges, ranks as ranks_module
from charrnn.distributed.exchange import Exchange
from charrnn.distributed.ranks import join
from charrnn.distributed.shared_cores import cores_of_rank
ranks = join()
shapes = {"a": (3, 5), "b": (7,), "c": ()}
def grads_of(rank):
    rng = np.random.default_rng(rank)
    return {name: np.asarray(10.0 ** rng.uniform(-4, 4, shape), np.float32) for name, shape in shapes.items()}
R = ranks.size
def along_the_ring(names):  # the bytes of the sums of a buffer: piece r begins on rank r
    flat = [np.concatenate([grads_of(rank)[name].ravel() for name in names]) for rank in range(R)]
    C = -(-len(flat[0]) // R)
    sums = [sum((flat[(r + k) % R] for k in range(1, R)), flat[r])[C * r : C * r + C] for r in range(R)]
    return np.concatenate(sums).tobytes()
losses = 0.1 * np.arange(1, R + 1)
exchange = Exchange(ranks, shapes, "float32")
for message in (60_000, 5, 4, 32):
    ranks_module.MESSAGE, ranks_module.WINDOW = message, 3
    loss, sums = exchange(losses[ranks.rank], grads_of(ranks.rank))
    assert loss == losses.sum(), loss
    assert all(found.dtype == np.float32 and found.shape == shapes[name] for name, found in sums.items())
    assert b"".join(found.tobytes() for found in sums.values()) == along_the_ring(shapes), message
    sums["a"] *= 1.2345  # as clipping does
_, sums = exchange(0.0, grads_of(ranks.rank))
narrow = Exchange(ranks, shapes, "bfloat16")
first = {name: found.copy() for name, found in narrow(1.0, grads_of(ranks.rank))[1].items()}
for buffer in narrow.buffers:
    buffer.pieces *= 1.2345
rough = narrow(1.0, grads_of(ranks.rank))[1]
assert all(rough[name].tobytes() == first[name].tobytes() for name in shapes)
assert all(np.allclose(rough[name], sums[name], rtol=2**-6) for name in shapes)
assert len({b"".join(p.tobytes() for p in each.values()) for each in ranks.collect(rough)}) == 1
odd = {"a": np.full((3, 5), np.nan), "b": np.full(7, np.inf), "c": np.array(3e38)}
for each in (exchange, narrow):  # 3e38 from all ranks is more than a float32 can be
    found = each(1.0, {name: np.asarray(d, np.float32) for name, d in odd.items()})[1]
    assert np.isnan(found["a"]).all() and (found["b"] == np.inf).all() and found["c"] == np.inf
ranks_module.MESSAGE = 1 << 18  # MPI announces these
large = Exchange(ranks, {"a": (1 << 20,)}, "float32")(1.0, {"a": np.arange(1 << 20, dtype=np.float32)})[1]["a"]
assert (large == R * np.arange(1 << 20)).all()

# in buffers, each of which is on its way before those after it are known, of two shards on each rank
exchanges.MIN_BUFFER = 1
for number_format, one in (("float32", exchange), ("bfloat16", narrow)):
    many = Exchange(ranks, shapes, number_format, [["c"], ["b"], ["a"]])
    assert [[*buffer.views] for buffer in many.buffers] == [["c"], ["b"], ["a"]]
    wanted_loss, wanted = one(1.0, grads_of(ranks.rank))
    many.begin(2, lambda name, arrays, out: np.add(*arrays, out=out))
    for n, names in enumerate(("c", "b", "a")):
        for shard in (1, 0):
            assert len(many.sums) == min(n, 2)
            share = np.float32((0.25, 0.75)[shard])
            many.add(shard, {name: d * share for name, d in grads_of(ranks.rank).items() if name in names})
        n < 2 and many.sums[n].result(20)  # all ranks come to it, so that none waits for the end
    loss, found = many.finish(1.0)
    assert loss == wanted_loss and [*found] == [*shapes]
    for name in shapes:
        assert np.allclose(found[name], wanted[name], rtol=2**-6), name
    bits = set()
    for allows_threads in (True, False):
        ranks.allows_threads = allows_threads
        again = Exchange(ranks, shapes, number_format, [["c"], ["b"], ["a"]])
        _, found = again(1.0, grads_of(ranks.rank))
        assert len(again.sums) == (2 if allows_threads else 0)
        assert all(np.allclose(found[name], wanted[name], rtol=2**-6) for name in shapes)
        bits.add(b"".join(found[name].tobytes() for name in shapes))
        assert number_format != "float32" or all(found[name].tobytes() == along_the_ring([name]) for name in shapes)
    assert len(bits) == 1
    ranks.allows_threads = True

ranks_module.MAX_BROADCAST = 7
large = {"ids": np.arange(20, dtype=np.uint16), "none": np.empty(0), "text": "abc", "rows": np.ones((3, 4)).T}
large["rows"].flags.writeable = False
found = ranks.share_large(large if ranks.is_leader else None)
assert found["text"] == "abc" and all(np.array_equal(found[name], large[name]) for name in ("ids", "none", "rows"))
assert found["ids"].dtype == np.uint16 and found["ids"].flags.writeable

assert 1 <= cores_of_rank(ranks)
whole = np.zeros((2, 1, 2 * R - 1, 4))
of_rank = [slice(0, 1), *(slice(2 * r - 1, 2 * r + 1) for r in range(1, R))]
own = of_rank[ranks.rank]
whole[:, :, own] = ranks.rank + 1
ranks.collect_rows(whole[:, :, own], whole, of_rank)
assert not ranks.is_leader or whole[0, 0, :, 0].tolist() == [1, 2, 2, 3, 3, 4, 4][: 2 * R - 1]
assert ranks.n_exchanges and ranks.waiting_since is None
"""


@needs_mpi
@pytest.mark.parametrize("n", [2, 3, 4])
def test_ranks_have_the_sums_of_all_in_the_order_of_the_ring(n: int, tmp_path: Path) -> None:
    done = run_line(mpiexec(n, [sys.executable, "-c", SUMS]), tmp_path)
    assert done.returncode == 0, done.stderr
