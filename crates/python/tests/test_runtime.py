"""Threads and memory."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import morphograd as mg


def test_several_threads_get_the_results_of_one():
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 255, (64, 48)).astype(t) for t in (np.uint8, np.float32) for _ in range(8)
    ]

    def work(image):
        x = image.astype(np.float32)[None, :, :, None]
        y, saved = mg.ops.dilation(x, np.zeros((3, 3, 1), np.float32))
        results = [mg.opening(image, mg.disk(3)), mg.area_opening(image, 20), *saved.backward(y)]
        results.append(mg.sets.Simplex().project(x))
        return [r.tobytes() for r in results]

    expected = [work(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(work, images)) == expected


def test_the_interpreter_runs_while_a_kernel_does():
    image = np.random.default_rng(1).random((3000, 3000)).astype(np.float32)
    footprint = mg.disk(30)
    mg.dilation(image[:9, :9], footprint)
    finished = threading.Event()
    thread = threading.Thread(target=lambda: (mg.dilation(image, footprint), finished.set()))
    thread.start()
    ticks = 0
    while not finished.is_set():
        time.sleep(0.001)
        ticks += 1
    thread.join()
    assert ticks >= 3, "the lock was held while the kernel ran"


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_ten_thousand_calls_keep_the_memory():
    rng = np.random.default_rng(2)
    x = rng.random((1, 32, 32, 2), dtype=np.float32)
    w = rng.random((3, 3, 2, 4), dtype=np.float32)
    image = rng.integers(0, 255, (64, 64)).astype(np.uint8)
    sets = mg.sets.Intersection(mg.sets.NonNegative(), mg.sets.L2Ball())

    def call(n):
        for i in range(n):
            y, saved = mg.ops.dilation(x, w)
            saved.backward(y)
            mg.opening(image)
            sets.project(w)
            if i % 10 == 0:
                mg.reconstruction(image, image)
                with pytest.raises(ValueError):
                    mg.dilation(image, mode="nowhere")

    call(500)
    gc.collect()
    before = resident()
    call(10_000)
    gc.collect()
    grown = resident() - before
    assert grown < 4 * 2**20, f"{grown / 2**20:.1f} MiB more after 10,000 calls"


def test_a_call_costs_less_than_twenty_microseconds():
    image, footprint = np.zeros((4, 4), np.float32), mg.disk(1).astype(bool)
    mg.dilation(image, footprint)
    times = []
    for _ in range(3000):
        start = time.perf_counter()
        mg.dilation(image, footprint)
        times.append(time.perf_counter() - start)
    # The best of many: other programs are none of ours.
    assert min(times) < 20e-6, f"{min(times) * 1e6:.1f} microseconds"
