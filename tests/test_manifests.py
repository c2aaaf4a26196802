"""Lists and manifests of training scenes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.__main__ import main
from rfiscan.errors import ConfigError
from rfiscan.training_data.acquisitions import find_scenes, split_by_acquisition
from rfiscan.training_data.manifests import Claim, read_listings

NAMES = ("a[1].png", "b.png", "c.png", "d.png")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with scenes in ``scenes``, which is not the working folder."""
    (tmp_path / "scenes").mkdir()
    for name in NAMES:
        (tmp_path / "scenes" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def split(entries, share=0.0, seed=0):
    listing = read_listings(entries)
    training, validation = split_by_acquisition(find_scenes(listing.patterns), share, seed, listing.claims)
    return [path.name for path in training], [path.name for path in validation]


def test_what_is_no_list_stays_as_it_is():
    assert read_listings(["clean/*.png", "a.tif"]) == (["clean/*.png", "a.tif"], {})
    assert read_listings([]) == ([], {})


def test_a_list_has_a_line_for_each_file_folder_glob_or_list(folder):
    write(folder / "inner.txt", "scenes/b.png")
    write(folder / "list.txt", "# clean ones", "", "scenes/[cd].png  ", "@inner.txt")
    found = find_scenes(read_listings(["@list.txt"]).patterns)
    assert [path.name for path in found] == ["b.png", "c.png", "d.png"]


def test_a_manifest_splits_and_its_paths_are_relative_to_it(folder):
    rows = ("a[1].png,train,", "b.png,Val,", "c.png,test,", "d.png,training,")
    write(folder / "scenes" / "clean.csv", "path,split,acquisition", *rows)
    for share in (0.0, 0.9):
        assert split(["scenes/clean.csv"], share) == (["a[1].png", "d.png"], ["b.png"])


def test_a_manifest_needs_only_paths_and_may_begin_as_spreadsheets_do(folder):
    (folder / "scenes" / "clean.CSV").write_bytes(b"\xef\xbb\xbfpath,comment\r\nb.png,calm sea\r\nc.png,\r\n")
    assert split(["scenes/clean.CSV"]) == (["b.png", "c.png"], [])
    assert read_listings(["scenes/clean.CSV"]).claims[folder.joinpath("scenes/b.png").relative_to(folder)] == Claim()


def test_scenes_of_an_acquisition_follow_the_one_whose_split_is_given(folder):
    rows = ("b.png,validation,day", "c.png,,day", "d.png,,other")
    write(folder / "scenes" / "clean.csv", "path,split,acquisition", *rows)
    assert split(["scenes/clean.csv"]) == (["d.png"], ["b.png", "c.png"])


@settings(max_examples=60, deadline=None)
@given(
    claims=st.lists(
        st.tuples(st.sampled_from(["train", "validation", "test", None]), st.sampled_from(list("uvwxyz"))), max_size=12
    ),
    share=st.floats(0, 0.99),
    seed=st.integers(0, 9),
)
def test_no_acquisition_is_on_two_sides_whatever_manifests_say(claims, share, seed):
    from pathlib import Path

    said = {Path(f"{number}.png"): Claim(*claim) for number, claim in enumerate(claims)}
    wanted = {
        acquisition: {claim.split for claim in said.values() if claim.acquisition == acquisition} - {None}
        for acquisition in {claim.acquisition for claim in said.values()}
    }
    if any(len(sides) > 1 for sides in wanted.values()):
        with pytest.raises(ConfigError, match="scenes of the acquisition"):
            split_by_acquisition(list(said), share, seed, said)
        return
    parts = dict(zip(("train", "validation"), split_by_acquisition(list(said), share, seed, said), strict=True))
    for acquisition, sides in wanted.items():
        own = {path for path, claim in said.items() if claim.acquisition == acquisition}
        homes = {name for name, part in parts.items() if own & set(part)}
        assert len(homes) <= 1
        if sides == {"test"}:
            assert not homes
        else:
            (home,) = homes
            assert own <= set(parts[home])
            assert not sides or sides == {home}
    if not any(sides for sides in wanted.values()):
        assert bool(parts["train"]) == bool(said)


def test_without_claims_the_split_is_that_of_names(tmp_path):
    from pathlib import Path

    paths = [Path(f"S1A_{day}T04.png") for day in range(20240101, 20240111)]
    order = np.random.default_rng(3).permutation(10)  # as runs that have begun drew it
    expected = {paths[i] for i in order[:3]}
    assert set(split_by_acquisition(paths, 0.3, 3)[1]) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["name,split", "b.png,train"], "no column 'path'"),
        (["path,split"], "names no scene"),
        (["path,split", "b.png,train", "c.png,dev"], "line 3: there is no split 'dev'"),
        (["path,split", "gone.png,train"], "line 2: .*gone.png does not exist"),
        (["path,split", ",train"], "line 2: the path is empty"),
        (["path,split", "b.png,train", "b.png,test"], "line 3: .*b.png is listed twice"),
        (["path,split,acquisition", "b.png,train,x", "c.png,val,x"], "acquisition x are in train and in validation"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(folder, lines, message):
    write(folder / "scenes" / "clean.csv", *lines)
    with pytest.raises(ConfigError, match=message) as caught:
        split(["scenes/clean.csv"])
    assert "\n" not in str(caught.value)


def test_two_manifests_must_agree(folder):
    write(folder / "scenes" / "one.csv", "path,split", "b.png,train")
    write(folder / "scenes" / "two.csv", "path,split", "b.png,val")
    with pytest.raises(ConfigError, match="listed twice"):
        split(["scenes/one.csv", "scenes/two.csv"])


@pytest.mark.parametrize("entry", ["@gone.txt", "gone.csv", "@raw.txt", "raw.csv", "@empty.txt", "@self.txt"])
def test_a_list_that_cannot_be_read_ends_training_with_code_4(folder, entry, capsys):
    for name in ("raw.txt", "raw.csv"):
        (folder / name).write_bytes(b"\xff\xfe\x00\xd8")
    write(folder / "empty.txt", "# nothing")
    write(folder / "self.txt", "@self.txt")
    assert main(["train", "--scenes", entry, "-o", str(folder / "run")]) == 4
    assert "data.scenes" in capsys.readouterr().err
    assert not (folder / "run").exists()
