"""The frozen benchmark: balanced, the same for everyone, and told apart from what is not it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import rasterio
import scipy

from rfiscan.errors import SceneError
from rfiscan.simulation.emitters import KINDS
from rfiscan.workflows import benchmark
from rfiscan.workflows.benchmark import (
    POLARIZATIONS,
    RATIOS_DB,
    SURFACES,
    benchmark_jobs,
    checksum,
    frozen_checksums,
    real_jobs,
    write_benchmark,
)
from rfiscan.workflows.scene_jobs import run_job
from tests.flat_model import sea_power, write_scene

JOBS = benchmark_jobs()
CONTAMINATED = [job for job in JOBS if job.contaminated]
CLEAN = [job for job in JOBS if not job.contaminated]


class Heard:
    """Keeps what a workflow tells."""

    def __init__(self):
        self.notes, self.warnings = [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)

    def progress(self, _, done, total):
        assert 0 <= done <= total


def values_of(jobs, *keys):
    return [tuple(job.stratum[key] for key in keys) for job in jobs]


# what it holds


def test_names_and_seeds_are_unique():
    assert len({job.name for job in JOBS}) == len({job.seed for job in JOBS}) == len(JOBS)


def test_half_of_the_scenes_are_clean_and_of_the_same_surfaces_and_modes():
    assert len(CLEAN) == len(CONTAMINATED)
    assert Counter(job.surface for job in CLEAN) == Counter(job.surface for job in CONTAMINATED)
    for jobs in (CLEAN, CONTAMINATED):
        assert np.mean([job.mode == "EW" for job in jobs]) == pytest.approx(0.2, abs=0.01)


def test_every_cell_of_the_strata_is_met_twice():
    cells = Counter(values_of(CONTAMINATED, "kind", "ibr_db", "surface"))
    assert set(cells) == {(kind, ratio, surface) for kind in KINDS for ratio in RATIOS_DB for surface in SURFACES}
    assert set(cells.values()) == {2}


@pytest.mark.parametrize("pair", [*combinations(("kind", "ibr_db", "surface"), 2)], ids="-".join)
def test_pairs_of_strata_are_balanced(pair):
    assert len(set(Counter(values_of(CONTAMINATED, *pair)).values())) == 1


@pytest.mark.parametrize("key", ["kind", "ibr_db", "surface"])
def test_polarizations_are_as_frequent_in_every_stratum(key):
    counts = Counter(values_of(CONTAMINATED, key, "polarization"))
    strata = {job.stratum[key] for job in CONTAMINATED}
    assert set(counts) == {(value, polarization) for value in strata for polarization in POLARIZATIONS}
    assert len(set(counts.values())) == 1


def test_modes_are_spread_over_the_strata():
    for key in ("kind", "ibr_db", "surface", "polarization"):
        shares = [
            np.mean([job.mode == "EW" for job in CONTAMINATED if job.stratum[key] == value])
            for value in {job.stratum[key] for job in CONTAMINATED}
        ]
        assert shares == pytest.approx([0.2] * len(shares), abs=0.08)


def test_a_job_asks_for_what_its_stratum_says():
    for job in JOBS:
        stratum = job.stratum
        assert (job.kind, job.surface, job.polarization) == (
            stratum["kind"],
            stratum["surface"],
            stratum["polarization"],
        )
        assert job.ibr_db == (None if stratum["ibr_db"] is None else (stratum["ibr_db"],) * 2)
        assert job.interferers == 1
        assert job.software == "rfiscan benchmark v1"


# real backgrounds


@pytest.fixture
def backgrounds(tmp_path):
    folder = tmp_path / "real"
    folder.mkdir()
    for number in range(2):
        write_scene(folder / f"sea_{number}.tif", sea_power((60, 90), seed=number))
    (folder / "notes.txt").touch()
    return folder


def test_a_real_scene_comes_as_it_is_and_with_every_ratio(backgrounds):
    jobs = real_jobs(backgrounds)
    assert len(jobs) == 2 * (1 + len(RATIOS_DB))
    assert len({job.name for job in [*jobs, *JOBS]}) == len({job.seed for job in [*jobs, *JOBS]}) == len(jobs + JOBS)
    for path in backgrounds.glob("*.tif"):
        own = [job for job in jobs if job.background == (path,)]
        assert [job.contaminated for job in own].count(False) == 1
        assert sorted(job.ibr_db[0] for job in own if job.contaminated) == sorted(RATIOS_DB)
        assert {job.kind for job in own if job.contaminated} == set(KINDS)
        assert {job.polarization for job in own if job.contaminated} == set(POLARIZATIONS)


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_a_folder_without_scenes_is_told(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SceneError, match="holds no scenes"):
        real_jobs(tmp_path / name)


# what it writes


def small(version="v1"):
    return [dataclasses.replace(job, shape=(40, 60)) for job in (*CONTAMINATED[:2], CLEAN[0])]


def test_the_same_job_gives_the_same_files(tmp_path):
    job = small()[0]
    sums = {checksum(tmp_path / str(turn), run_job(job, tmp_path / str(turn))) for turn in range(2)}
    assert len(sums) == 1
    other = run_job(dataclasses.replace(job, seed=(1, 2)), tmp_path / "other")
    assert checksum(tmp_path / "other", other) not in sums


def test_a_checksum_covers_every_file_of_a_scene(tmp_path):
    record = run_job(small()[0], tmp_path)
    before = checksum(tmp_path, record)
    for path in sorted(tmp_path.iterdir()):
        kept = path.read_bytes()
        path.write_bytes(kept + b"\0")
        assert checksum(tmp_path, record) != before, path.name
        path.write_bytes(kept)
    assert checksum(tmp_path, record) == before


@pytest.mark.parametrize("right", [True, False])
def test_scenes_that_differ_from_the_frozen_ones_are_told(tmp_path, monkeypatch, right):
    jobs = small()
    frozen = {job.name: checksum(tmp_path / "first", run_job(job, tmp_path / "first")) for job in jobs}
    if not right:
        frozen[jobs[0].name] = "0" * 64
    monkeypatch.setattr(benchmark, "benchmark_jobs", small)
    monkeypatch.setattr(benchmark, "frozen_checksums", lambda _: frozen)
    heard = Heard()
    records = list(write_benchmark("v1", tmp_path / "second", reporter=heard))
    assert [record["scene"] for record in records] == [job.name for job in jobs]
    assert f"{3 if right else 2} of 3" in heard.notes[-1]
    assert bool(heard.warnings) != right


def test_real_backgrounds_come_after_the_simulated_ones(tmp_path, backgrounds, monkeypatch):
    monkeypatch.setattr(benchmark, "benchmark_jobs", small)
    records = list(write_benchmark("v1", tmp_path / "out", backgrounds, reporter=Heard()))
    assert [record["real_background"] for record in records] == [False] * 3 + [True] * 20
    assert {record["background"] for record in records[3:]} == {"sea_0", "sea_1"}
    contaminated = [record for record in records[3:] if record["emitters"]]
    assert len(contaminated) > 12
    assert all(record["stratum"]["kind"] == record["emitters"][0]["kind"] for record in contaminated)


# the frozen checksums

MADE_WITH = ("2.4.6", "1.17.1", "3.10.3", ("X86_V3", "X86_V4", "AVX512_ICL", "AVX512_SPR"))
"""Versions of numpy, scipy and GDAL, and what numpy used of the processor, when the checksums were frozen."""


def test_every_simulated_scene_has_a_frozen_checksum():
    frozen = frozen_checksums("v1")
    assert set(frozen) == {job.name for job in JOBS}
    assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in frozen.values())
    assert len(set(frozen.values())) == len(frozen)


@pytest.mark.parametrize("job", [CONTAMINATED[7], CLEAN[4]], ids=lambda job: job.name)
def test_a_scene_has_its_frozen_checksum(tmp_path, job):
    here = (
        np.__version__,
        scipy.__version__,
        rasterio.__gdal_version__,
        tuple(np.show_config(mode="dicts")["SIMD Extensions"].get("found", ())),
    )
    if here != MADE_WITH:
        pytest.skip("other versions of numpy, scipy or GDAL, and other kinds of processor, make other files")
    assert checksum(tmp_path, run_job(job, tmp_path)) == frozen_checksums("v1")[job.name]


def test_two_files_of_one_acquisition_are_one_background(backgrounds):
    for polarization in ("vv", "vh"):
        (backgrounds / f"iw-{polarization}.tiff").touch()
    pairs = {tuple(path.name for path in job.background) for job in real_jobs(backgrounds)}
    assert ("iw-vv.tiff", "iw-vh.tiff") in pairs


def test_a_real_scene_gives_the_same_jobs_whatever_lies_beside_it(backgrounds):
    before = [job for job in real_jobs(backgrounds) if job.background[0].name == "sea_1.tif"]
    (backgrounds / "sea_0.tif").unlink()
    assert real_jobs(backgrounds) == before
