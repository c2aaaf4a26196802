from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from rfiscan.atomic import atomic_path, write_atomically
from rfiscan.errors import OutputError, ResourceError


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_file_appears_only_when_the_block_has_ended(tmp_path):
    final = tmp_path / "new" / "folder" / "a.tif"
    with atomic_path(final) as part:
        assert part.parent == final.parent
        part.write_bytes(b"whole")
        assert not final.exists()
    assert final.read_bytes() == b"whole"
    assert files(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_nothing_is_left_and_the_old_file_stays_when_the_block_fails(tmp_path, error):
    final = tmp_path / "a.json"
    final.write_bytes(b"old")

    def write_half():
        with atomic_path(final) as part:
            part.write_bytes(b"ha")
            raise error

    with pytest.raises(error):
        write_half()
    assert files(tmp_path) == ["a.json"]
    assert final.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("code", "expected"), [(errno.ENOSPC, ResourceError), (errno.EIO, OutputError), (errno.EROFS, OutputError)]
)
def test_an_error_of_the_disk_names_the_file_and_leaves_nothing(tmp_path, monkeypatch, code, expected):
    def failing_fsync(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", failing_fsync)
    with pytest.raises(expected, match=r"a\.json") as caught:
        write_atomically(tmp_path / "a.json", b"{}")
    assert caught.value.hint
    assert files(tmp_path) == []


def test_a_disk_that_takes_only_the_beginning_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "a.bin").write_bytes(b"old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError):
            write_atomically(tmp_path / "a.bin", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(tmp_path) == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"old"


def test_a_folder_that_cannot_be_written_to_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(tmp_path / "file" / "a.json", b"{}")


def test_a_folder_in_the_place_of_the_file_is_an_output_error(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(tmp_path / "a.json", b"{}")
    assert files(tmp_path) == []


def test_what_a_killed_run_left_is_overwritten(tmp_path):
    (tmp_path / "a.json.part").write_bytes(b"left by a run that was killed")
    write_atomically(tmp_path / "a.json", memoryview(b"{}"))
    assert files(tmp_path) == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"{}"


def test_many_processes_may_write_a_shared_file_and_one_of_them_wins(tmp_path):
    final, contents = tmp_path / "shared.json", [bytes([65 + n]) * 5000 for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: [write_atomically(final, content, shared=True) for _ in range(20)], contents))
    assert final.read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["shared.json"]
