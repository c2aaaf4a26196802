"""Loaded by the Dask workers of tests: computing a scene leaves a mark at its beginning, and takes a while."""

from __future__ import annotations

import os
import time
from pathlib import Path

from rfiscan.workflows import detect

_find = detect.find


def _slowly(*arguments):
    time.sleep(float(os.environ["RFISCAN_TEST_SECONDS"]))
    return _find(*arguments)


def _marked(*arguments, **options):
    marks = Path(os.environ["RFISCAN_TEST_MARKS"])
    (marks / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    return _expect(*arguments, **options)


_expect = detect.expect


def dask_setup(worker):
    detect.expect, detect.find = _marked, _slowly
