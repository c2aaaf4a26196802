"""The queue behind the costs of the archive: what theory says of queues that theory can solve."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.archive import archive_table, serve


def erlang_c_wait(load, workers):
    """Mean wait of M/M/c in units of the mean service: load is arrivals times service."""
    full = load**workers / math.factorial(workers) * workers / (workers - load)
    waits = full / (sum(load**k / math.factorial(k) for k in range(workers)) + full)
    return waits / (workers - load)


@pytest.mark.parametrize(("workers", "load"), [(1, 0.5), (3, 2.1), (8, 5.0)])
def test_random_arrivals_wait_as_erlang_says(workers, load):
    rng = np.random.default_rng(0)
    arrivals = np.cumsum(rng.exponential(1 / load, 100_000))
    queue = serve(arrivals, rng.exponential(1.0, arrivals.size), workers)
    assert queue.waits_s.mean() == pytest.approx(erlang_c_wait(load, workers), rel=0.1)
    assert queue.busy == pytest.approx(load / workers, rel=0.02)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), workers=st.integers(1, 6))
def test_one_worker_more_makes_nobody_wait_longer(seed, workers):
    rng = np.random.default_rng(seed)
    arrivals, services = np.sort(rng.uniform(0, 50, 40)), np.full(40, 3.0)
    few, more = serve(arrivals, services, workers), serve(arrivals, services, workers + 1)
    assert (more.waits_s <= few.waits_s + 1e-9).all()
    assert (few.delays_s >= 3.0 - 1e-9).all()
    assert 0 < few.busy <= 1 + 1e-9


def test_the_table_scales_with_the_cost_of_a_scene():
    cheap = archive_table({"scene_cpu_s": 9.0, "megabytes": 2000, "output_mb": 2.0})
    assert "| a day | 1,000 | 2.5 | 2.0 TB | 2.0 GB |" in cheap
    assert "| the archive | 2,000,000 | 5,000.0 | 4,000.0 TB | 4,000.0 GB |" in cheap
