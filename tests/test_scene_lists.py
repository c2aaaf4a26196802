"""What a command line means: folders, globs, lists, standard input, shares."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfiscan import workflows
from rfiscan.errors import SceneError, UsageError
from rfiscan.workflows import own_outputs
from rfiscan.workflows.detecting.input_state import input_state
from rfiscan.workflows.scene_lists import expand_arguments, parse_shard, take_shard
from tests.make_scenes import make_safe


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A folder with a product, files on two levels, what rfiscan writes, and what is no scene."""
    monkeypatch.chdir(tmp_path)
    names = ("a/x.tif", "a/deep/y.TIFF", "b.npy", "look.png", "z.zip", "notes.txt", "a/x_mask.tif", "a/x_score.tif")
    for name in (*names, "a/x_error.tif", "a/x_quicklook.png", "a/tiles/x_r00_c00_error.tif", "a/x_mask_geocoded.tif"):
        path = Path("archive", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    make_safe(Path("archive/a"), shape=(20, 30))
    return sorted(str(path) for path in Path("archive/a").glob("*.SAFE"))


SCENES = ["archive/a/deep/y.TIFF", "archive/a/x.tif", "archive/b.npy", "archive/look.png", "archive/z.zip"]


def test_a_folder_means_the_scenes_in_it_and_not_what_rfiscan_wrote(archive):
    assert sorted(expand_arguments(["archive"], ())) == sorted([*SCENES, *archive])
    assert expand_arguments(archive, ()) == archive  # a product is a folder, and one scene


def test_a_folder_of_tiles_is_a_folder_like_any_other(archive):
    Path("archive/a/tiles/mine.png").write_bytes(b"x")
    assert sorted(expand_arguments(["archive"], ())) == sorted([*SCENES, *archive, "archive/a/tiles/mine.png"])


@pytest.mark.parametrize(
    ("names", "companion"),
    [
        (["detection_curves.png", "precision_recall.png", "false_alarms.png"], "figures.csv"),
        (["grid.png"], "comparison.csv"),
        (["latent.png", "training.png"], "latent.csv"),
        (["sweep.png"], "sweep.csv"),
        (["importance.png"], "search.json"),
        (["pictures/step_000120.png", "pictures/step_1000000.png"], "config.yaml"),
    ],
)
def test_plots_are_no_scenes_but_what_only_has_their_names_is(tmp_path, names, companion):
    for folder in ("mine", "drawn"):
        for name in (*names, "scene.png"):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    (tmp_path / "drawn" / companion).write_text("")
    assert expand_arguments([str(tmp_path / "drawn")], ()) == [str(tmp_path / "drawn" / "scene.png")]
    assert len(expand_arguments([str(tmp_path / "mine")], ())) == len(names) + 1


def test_every_picture_that_a_workflow_writes_is_known():
    texts = (path.read_text(encoding="utf-8") for path in Path(workflows.__file__).parent.rglob("*.py"))
    drawn = {name for text in texts for name in re.findall(r'"(\w+\.png)"', text)}
    assert drawn
    assert not {name for name in drawn if not any(pattern.fullmatch(name) for pattern, _ in own_outputs._PICTURES)}


def test_globs_that_the_shell_left_alone_are_read(archive):
    assert expand_arguments(["archive/*.npy", "archive/**/y.*"], ()) == ["archive/b.npy", "archive/a/deep/y.TIFF"]
    Path("odd[1].tif").write_bytes(b"x")
    assert expand_arguments(["odd[1].tif"], ()) == ["odd[1].tif"]  # a name, as it exists


def test_lists_and_standard_input_hold_anything_that_a_command_line_does(archive):
    Path("list.txt").write_text("# mine\n\n  archive/*.npy \nhttps://host/x.tif?sig=1\n")
    expected = ["archive/b.npy", "https://host/x.tif?sig=1"]
    assert expand_arguments(["@list.txt"], ()) == expected
    assert expand_arguments(["-", "archive/z.zip"], iter(["@list.txt\n"])) == [*expected, "archive/z.zip"]


def test_what_does_not_exist_is_left_to_whoever_opens_it():
    assert expand_arguments(["absent.tif", "s3://bucket/*.tif"], ()) == ["absent.tif", "s3://bucket/*.tif"]


@pytest.mark.parametrize(
    "argument", ["archive/empty", "archive/*.jp2", "@absent.txt", "@empty.txt", "@binary.txt", "-"]
)
def test_what_names_no_scene_is_an_error(archive, argument):
    Path("archive/empty").mkdir()
    Path("empty.txt").write_text("# nothing\n")
    Path("binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SceneError) as caught:
        expand_arguments([argument], ["\n"])
    assert caught.value.hint


@given(st.lists(st.integers(), unique=True), st.integers(1, 12))
def test_shares_hold_every_scene_once_and_are_even(scenes, count):
    shares = [take_shard(scenes, *parse_shard(f"{number}/{count}", {})) for number in range(1, count + 1)]
    assert sorted(scene for share in shares for scene in share) == sorted(scenes)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("first", "step", "ids"),
    [(0, 1, [0, 1, 2]), (1, 1, [1, 2, 3]), (5, 10, [5, 15, 25])],
    ids=["0-2", "1-3", "5-25:10"],
)
def test_a_job_array_takes_every_share(first, step, ids):
    found = [
        parse_shard(
            "slurm",
            {
                "SLURM_ARRAY_TASK_ID": str(task),
                "SLURM_ARRAY_TASK_COUNT": str(len(ids)),
                "SLURM_ARRAY_TASK_MIN": str(first),
                "SLURM_ARRAY_TASK_STEP": str(step),
            },
        )
        for task in ids
    ]
    assert found == [(0, 3), (1, 3), (2, 3)]


def test_a_part_of_an_array_takes_its_own_shares():
    assert parse_shard("slurm/20", {"SLURM_ARRAY_TASK_ID": "7"}) == (6, 20)


def test_a_list_that_names_itself_and_a_link_that_leads_back_end(archive):
    Path("list.txt").write_text("archive/z.zip\n@other.txt\n")
    Path("other.txt").write_text("@list.txt\n")
    with pytest.raises(SceneError, match="names itself"):
        expand_arguments(["@list.txt"], ())
    Path("archive/a/back").symlink_to("..")
    assert sorted(expand_arguments(["archive"], ())) == sorted([*SCENES, *archive])


def test_a_name_that_the_system_refuses_is_an_error():
    with pytest.raises(SceneError, match="cannot be read"):
        expand_arguments(["x" * 5000], ())


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "slurm", "slurm/4"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(UsageError):
        parse_shard(text, {})


def test_the_state_of_a_scene_changes_with_any_of_its_files(tmp_path):
    product = make_safe(tmp_path, shape=(20, 30))
    before = input_state([product])
    assert input_state([product]) == before == input_state([product / "manifest.safe"])
    part = next((product / "measurement").iterdir())
    os.utime(part, ns=(0, 0))
    touched = input_state([product])
    assert touched != before
    part.write_bytes(part.read_bytes() + b"x")
    os.utime(part, ns=(0, 0))
    assert input_state([product]) not in {before, touched}


def test_a_product_is_looked_at_whole_and_a_stac_item_not_at_all(tmp_path):
    (tmp_path / "productInfo.json").write_text("{}")
    (tmp_path / "item.json").write_text("{}")
    (tmp_path / "iw-vv.tiff").write_bytes(b"x")
    before = input_state([tmp_path / "productInfo.json"])
    (tmp_path / "iw-vv.tiff").write_bytes(b"xx")
    assert before != input_state([tmp_path / "productInfo.json"])
    assert input_state([tmp_path / "item.json"]) is None


def test_a_file_that_cannot_be_looked_at_is_an_error(tmp_path):
    with pytest.raises(SceneError, match="cannot be read"):
        input_state([tmp_path / "absent.tif"])
