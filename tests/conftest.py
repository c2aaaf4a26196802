"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flat_model import save_flat_model

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep converted graphs out of the user's folder of caches, in other processes, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RFISCAN_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a tiny model that expects every pixel at the median of its scene."""
    return str(save_flat_model(tmp_path_factory.mktemp("models") / "flat"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real Sentinel-1 data; the test is skipped where there is none."""
    folder = Path(os.environ.get("REAL_SENTINEL1_DATA", BESIDE_THE_CHECKOUT))
    if not folder.is_dir():
        pytest.skip("needs the folder of real Sentinel-1 data (REAL_SENTINEL1_DATA)")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Run torch on one thread: sums then come in one order, and tests that run side by side do not slow each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
