"""Where scenes are: what an address means to GDAL, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfiscan.locations import RemoteFile, gdal_name, locate, source_name

PARTS = st.lists(st.text("Az09_-", min_size=1, max_size=4), min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("text", "name", "shown"),
    [
        ("https://h/a/x.tiff", "/vsicurl/https://h/a/x.tiff", "https://h/a/x.tiff"),
        ("https://u:pw@h/x.tiff?sig=a/b", "/vsicurl/https://u:pw@h/x.tiff?sig=a/b", "https://h/x.tiff"),
        ("s3://b/a/x.tiff", "/vsis3/b/a/x.tiff", "s3://b/a/x.tiff"),
        ("gs://b/x.tiff", "/vsigs/b/x.tiff", "gs://b/x.tiff"),
        ("az://b/x.tiff", "/vsiaz/b/x.tiff", "az://b/x.tiff"),
        ("/vsicurl/https://h/x.tiff?s=1", "/vsicurl/https://h/x.tiff?s=1", "https://h/x.tiff"),
        ("/vsis3/b/x.tiff", "/vsis3/b/x.tiff", "s3://b/x.tiff"),
        ("s3://b/x.tiff?X-Amz-Signature=S", "/vsis3/b/x.tiff?X-Amz-Signature=S", "s3://b/x.tiff"),
        ("/vsigzip//vsicurl/http://u:pw@h/x.gz?s=1",) * 2 + ("/vsigzip//vsicurl/http://h/x.gz",),
        ("/vsicurl_streaming/http://u:pw@h/x.tiff",) * 2 + ("/vsicurl_streaming/http://h/x.tiff",),
        ("https://h/a@b/x.tiff", "/vsicurl/https://h/a@b/x.tiff", "https://h/a@b/x.tiff"),
        ("/vsizip//vsicurl/https://h/p.zip", "/vsicurl/https://h/p.zip", "https://h/p.zip"),
        ("/vsizip//vsis3/b/p.zip/m/x.tiff", "/vsizip//vsis3/b/p.zip/m/x.tiff", "s3://b/p.zip/m/x.tiff"),
        (
            "/vsizip/{/vsicurl/https://h/p?s=1}/x.tiff",
            "/vsizip/{/vsicurl/https://h/p?s=1}/x.tiff",
            "https://h/p/x.tiff",
        ),
        (
            "/vsicurl?pc_url_signing=yes&url=https%3A%2F%2Fh%2Fx.tiff%3Fs%3D1",
            "/vsicurl?pc_url_signing=yes&url=https%3A%2F%2Fh%2Fx.tiff%3Fs%3D1",
            "https://h/x.tiff",
        ),
    ],
)
def test_remote_addresses(text, name, shown):
    location = locate(text)
    assert isinstance(location, RemoteFile)
    assert gdal_name(location) == name
    assert str(location) == shown
    assert source_name(shown) == shown
    assert locate(location) is location
    assert "sig" not in repr(location)


@pytest.mark.parametrize("text", ["a/x.tiff", "/data/x.tiff", "C:\\x.tiff", "file:///data/x.tiff", "/vsizip/a/p.zip"])
def test_paths_of_this_disk(text):
    assert isinstance(locate(text), Path)
    assert source_name("/data/x.tiff") == "x.tiff"


@given(PARTS, PARTS, st.sampled_from(["", "?sig=a/b&c=d", "?X-Amz-Security-Token=a%2Fb%3D"]))
def test_beside_keeps_the_query_and_hides_it(folders, below, query):
    base = "https://h/" + "/".join(folders)
    file = locate(f"{base}/manifest.safe{query}")
    relative = "/".join(below)
    assert gdal_name(file.beside(relative)) == f"/vsicurl/{base}/{relative}{query}"
    assert gdal_name(file.beside(f"./{relative}")) == gdal_name(file.beside(relative))
    assert str(file.beside(f"x/../{relative}")) == f"{base}/{relative}"
    assert file.beside(relative).name == below[-1]
    assert file.folder == base


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://h/a/x%20y.tiff?z=/q", "x y.tiff"),
        ("https://h/X.SAFE/", "X.SAFE"),
        ("https://h/v1/Products(1-2)/Nodes(X.SAFE)/Nodes(measurement)/Nodes(x-vv.tiff)/$value", "x-vv.tiff"),
        ("https://h/v1/Products(1-2)/$value", "1-2"),
        ("https://h", "h"),
        ("https://", "https_"),
        ("/vsicurl/", "scene"),
        ("https://h/..", "scene"),
    ],
)
def test_names(text, name):
    if name != "https_":
        assert locate(text).name == name
    assert locate(text).name
