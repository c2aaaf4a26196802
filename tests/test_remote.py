"""Scenes over the network: the same as on disk, with the bytes that are needed and no more, and no secret told."""

from __future__ import annotations

import json
import shutil
import socket
import time

import numpy as np
import pytest

from rfiscan.__main__ import main
from rfiscan.errors import SceneError
from rfiscan.locations import locate
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.scenes.product import read_product
from rfiscan.workflows.grouping import group_scenes
from tests.make_calibration import draw_tables
from tests.make_remote import as_cog_safe, list_in_manifest, list_in_product_info, stac_item
from tests.make_rfi import Annotated, bursts_of, rfi_xml
from tests.make_scenes import (
    FIRST_LINE_TIME,
    PRODUCT,
    make_affine_tiff,
    make_grd_tiffs,
    make_quicklook_npy,
    make_quicklook_png,
    make_safe,
    write_tiff,
    zip_safe,
)
from tests.range_server import serving

SHAPE = (120, 160)
MOST_SHARE = 1.1
PATIENCE_S = 60


@pytest.fixture
def server(tmp_path):
    (tmp_path / "www").mkdir()
    with serving(tmp_path / "www") as running:
        yield running


@pytest.fixture(autouse=True)
def fresh_network(monkeypatch):
    """No credentials, no waiting between trials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_NO_SIGN_REQUEST", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.05")
    monkeypatch.setenv("GDAL_HTTP_LOW_SPEED_TIME", "1")


def make_product(folder, **options):
    """A product with everything in it, at real names."""
    rng = np.random.default_rng(5)
    given = {
        "tables": {pol: draw_tables(rng, SHAPE) for pol in ("VV", "VH")},
        "rfi": {p: rfi_xml(p, Annotated(bursts=bursts_of("IW1", FIRST_LINE_TIME, 2, time=30.0))) for p in ("VV", "VH")},
    }
    return make_safe(folder, shape=SHAPE, border_px=5, ipf="003.71", **{**given, **options})


def all_rows(scene):
    with scene:
        return scene.read_rows(0, scene.shape[0])


def same_scene(found, expected):
    """Compare two scenes, pixels and all."""
    for fact in ("scene_id", "polarizations", "shape", "units", "spacing_m", "swaths", "denoised"):
        assert getattr(found, fact) == getattr(expected, fact)
    assert found.georeferencing.kind == expected.georeferencing.kind
    assert len(found.georeferencing.gcps) == len(expected.georeferencing.gcps)
    for a, b in zip(all_rows(found), all_rows(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def plain_dn(shape):
    """Digital numbers that do not compress, cheaply made; none is zero."""
    return np.random.default_rng(shape[0]).integers(1, 500, shape, dtype=np.uint16)


def refused(*paths, **options):
    with pytest.raises(SceneError) as caught, open_scene(*paths, **options) as scene:
        read_working_grid(scene, 500)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return str(caught.value)


# what can be given


def test_tiffs(server):
    paths = make_grd_tiffs(server.folder, shape=SHAPE, border_px=5)
    urls = [f"{server.url}/{path.name}" for path in paths.values()]
    scene = open_scene(*urls)
    assert scene.sources == tuple(urls)
    assert scene.remote
    with scene, open_scene(*paths.values()) as local:
        assert not local.remote
        for a, b in zip(scene.read_rows(0, 120), local.read_rows(0, 120), strict=True):
            np.testing.assert_array_equal(a, b)
    assert open_scene(f"/vsicurl/{urls[0]}").polarizations == ("VV", None)


def test_picture(server):
    path = make_quicklook_png(server.folder / "S1A_IW_GRDH_1SDV_quick-look.png")
    same_scene(open_scene(f"{server.url}/{path.name}"), open_scene(path))


@pytest.mark.parametrize("given", ["manifest.safe", "", "/"])
def test_product_by_its_manifest_or_folder(server, given):
    safe = make_product(server.folder)
    list_in_manifest(safe)
    url = f"{server.url}/{safe.name}" + (f"/{given}" if given != "/" else "/")
    same_scene(open_scene(url, denoise=True), open_scene(safe, denoise=True))
    assert read_product(locate(url)).rfi == read_product(safe).rfi


@pytest.mark.parametrize(
    ("prefix", "query"), [("", ""), ("/vsizip//vsicurl/", ""), ("/vsizip/", "?sig=a/b"), ("", "?X-Amz-Signature=abc")]
)
def test_zip_is_not_downloaded_whole(server, prefix, query):
    safe = make_product(server.folder, dn={pol: plain_dn((1200, 1000)) for pol in ("VV", "VH")})
    list_in_manifest(safe)
    archive = zip_safe(safe)
    url = f"{prefix}{server.url}/{archive.name}{query}"
    if prefix == "/vsizip/":
        url = f"/vsizip/{{/vsicurl/{server.url}/{archive.name}{query}}}"
    scene = open_scene(url, calibrate=True)
    assert server.share_sent(archive.name) < 0.3
    same_scene(scene, open_scene(archive, calibrate=True))
    assert server.share_sent(archive.name) < 1.5


def test_cog_safe(server):
    cog = as_cog_safe(make_product(server.folder))
    list_in_manifest(cog)
    same_scene(open_scene(f"{server.url}/{cog.name}/manifest.safe", denoise=True), open_scene(cog, denoise=True))


@pytest.mark.parametrize("given", ["productInfo.json", "manifest.safe", ""])
def test_layout_of_the_open_data_mirror(server, given):
    folder = make_product(server.folder, layout="aws")
    list_in_product_info(folder)
    same_scene(open_scene(f"{server.url}/{folder.name}/{given}", denoise=True), open_scene(folder, denoise=True))
    same_scene(open_scene(folder / "productInfo.json"), open_scene(folder))


def test_nodes_of_the_copernicus_data_space(server):
    """.../Nodes(X.SAFE)/Nodes(measurement)/Nodes(x.tiff)/$value, as its OData has each file of a product."""
    safe = make_product(server.folder / "made")
    list_in_manifest(safe)
    top = server.folder / f"Nodes({safe.name})"
    for path in [path for path in safe.rglob("*") if path.is_file()]:
        node = top.joinpath(*(f"Nodes({part})" for part in path.relative_to(safe).parts)) / "$value"
        node.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, node)
    url = f"{server.url}/{top.name}/Nodes(manifest.safe)/$value"
    same_scene(open_scene(url, calibrate=True), open_scene(safe, calibrate=True))


def test_signed_query_goes_to_the_server_with_every_file(server):
    safe = make_product(server.folder)
    list_in_manifest(safe)
    same_scene(
        open_scene(f"{server.url}/{safe.name}/manifest.safe?sig=SECRET", denoise=True), open_scene(safe, denoise=True)
    )
    assert server.asked
    assert all(line.endswith("?sig=SECRET") for line in server.asked)


def test_s3_goes_by_the_credentials_of_the_environment(server, monkeypatch):
    safe = make_product(server.folder / "bucket")
    list_in_manifest(safe)
    for name, value in {
        "AWS_S3_ENDPOINT": server.url.removeprefix("http://"), "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_NO_SIGN_REQUEST": "YES",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    url = f"s3://bucket/{safe.name}/manifest.safe"
    scene = open_scene(url, denoise=True)
    assert scene.sources == (url,)
    same_scene(scene, open_scene(safe, denoise=True))
    assert "does not exist" in refused(f"s3://bucket/{safe.name}/measurement/absent.tiff")


def test_s3_without_credentials(server, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_S3_ENDPOINT", server.url.removeprefix("http://"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "TRUE")
    monkeypatch.setenv("CPL_AWS_AUTODETECT_EC2", "NO")
    monkeypatch.setenv("CPL_AWS_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert "access is denied" in refused("s3://private-bucket/scene_vv.tiff")


# what is read


@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_bytes_that_go_over_the_network(server, model, capsys, layout):
    stored = {"blockysize": 1} if layout == "strips" else {"tiled": True, "blockxsize": 512, "blockysize": 512}
    for pol in ("vv", "vh"):
        write_tiff(server.folder / f"iw-{pol}.tiff", plain_dn((2000, 3000)), **stored)
    names = ["iw-vv.tiff", "iw-vh.tiff"]
    urls = [f"{server.url}/{name}" for name in names]
    assert main(["info", *urls, "--model", model, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["shape"] == [2000, 3000]
    assert record["nodata"] is None
    assert record["sources"] == urls
    assert max(server.share_sent(name) for name in names) < 0.05
    with open_scene(*urls) as scene:
        read_working_grid(scene, 500)
    assert all(0.99 < server.share_sent(name) < MOST_SHARE for name in names)


def test_annotation_is_fetched_once(server, model, tmp_path):
    safe = make_product(server.folder)
    list_in_manifest(safe)
    url = f"{server.url}/{safe.name}/manifest.safe"
    args = ["--model", model, "--denoise", "--spacing", "native", "-o", str(tmp_path / "out"), "--quiet"]
    assert main(["detect", url, *args]) == 0
    fetched = [path for path in server.sent_bytes if path.endswith((".xml", ".safe"))]
    assert len(fetched) == 1 + 2 + 2 + 2 + 2  # manifest, and of each polarization annotation, two tables and rfi
    assert all(server.share_sent(path) < 1.01 for path in fetched)


# the command line


def test_detect_tells_no_secret(server, model, tmp_path, capfd):
    safe = make_product(server.folder)
    list_in_manifest(safe)
    out = tmp_path / "out"
    url = f"{server.url}/{safe.name}/manifest.safe?sig=SECRET"
    args = ["--model", model, "--calibrate", "--spacing", "native", "-o", str(out), "--skip-existing", "--verbose"]
    assert main(["detect", url, *args]) == 0
    record = json.loads((out / f"{PRODUCT}.json").read_text())
    assert record["sources"] == [url.partition("?")[0]]
    assert record["esa_rfi"]
    asked = len(server.asked)
    assert main(["detect", url, *args]) == 0
    assert "kept" in capfd.readouterr().err
    assert len(server.asked) <= asked + 2
    server.statuses[f"{safe.name}/gone.tiff"] = 403
    assert main(["detect", f"{server.url}/{safe.name}/gone.tiff?sig=SECRET", *args]) == 5
    captured = capfd.readouterr()
    assert "HTTP 403" in captured.err
    assert "SECRET" not in captured.out + captured.err
    for path in out.rglob("*"):
        assert path.is_dir() or b"SECRET" not in path.read_bytes()


def test_pairs_of_a_server_are_one_scene():
    vv, vh = "https://h/a/iw-vv.tiff?sig=1", "https://h/a/iw-vh.tiff?sig=2"
    assert group_scenes([vh, vv]) == [(locate(vv), locate(vh))]
    assert len(group_scenes([vv, "https://h/b/iw-vh.tiff"])) == 2
    assert len(group_scenes([vv, vv])) == 1


def test_batch_with_a_bad_address_goes_on(server, model, tmp_path, capsys):
    path = make_affine_tiff(server.folder / "good.tif", shape=(40, 50), pixel=500.0)
    args = ["--model", model, "-o", str(tmp_path / "out"), "--json", "--quiet"]
    assert main(["detect", f"{server.url}/absent.tif?sig=SECRET", f"{server.url}/{path.name}", *args]) == 9
    captured = capsys.readouterr()
    failed, done = map(json.loads, captured.out.splitlines())
    assert (failed["scene"], failed["exit_code"]) == ("absent", 5)
    assert failed["sources"] == [f"{server.url}/absent.tif"]
    assert done["scene"] == "good"
    assert "SECRET" not in captured.out + captured.err


# what goes wrong


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "does not exist"), (403, "access is denied"), (401, "access is denied"), (500, "fails with HTTP 500")],
)
@pytest.mark.parametrize("name", ["x_vv.tiff", "manifest.safe", "item.json", "x.zip"])
def test_answers_of_servers(server, name, status, words):
    server.statuses[name] = status
    message = refused(f"{server.url}/{name}?sig=SECRET")
    assert words in message
    assert str(status) in message
    assert f"{server.url}/{name}" in message
    assert "SECRET" not in message


def test_servers_that_cannot_be_reached_fail_soon(server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    server.silent = True
    started_s = time.monotonic()
    for url in (f"{closed}/x.tiff", "http://no-such-host.invalid/x.tiff", f"{server.url}/x.tiff"):
        message = refused(f"{url}?sig=SECRET")
        assert "cannot be reached" in message
        assert url in message
        assert "SECRET" not in message
    assert time.monotonic() - started_s < PATIENCE_S


def test_server_without_ranges(server):
    server.ranges = False
    path = make_grd_tiffs(server.folder, shape=(400, 500))["VV"]
    assert "whole files only" in refused(f"{server.url}/{path.name}")


@pytest.mark.parametrize("how", ["broken off", "failing", "cut on the server"])
def test_what_ends_in_the_middle_is_never_taken_for_zeros(server, how):
    path = write_tiff(server.folder / "iw-vv.tiff", plain_dn((2000, 2000)), blockysize=1)
    if how == "cut on the server":
        path.write_bytes(path.read_bytes()[:-2_000_000])
    server.cut = how == "broken off"
    server.fail_after = 4 if how == "failing" else None
    message = refused(f"{server.url}/iw-vv.tiff?sig=SECRET")
    assert f"{server.url}/iw-vv.tiff" in message
    assert "cannot be read" in message or "HTTP 500" in message
    assert "SECRET" not in message


def test_missing_and_truncated_files_of_a_product(server):
    safe = make_product(server.folder)
    list_in_manifest(safe)
    measurement = sorted((safe / "measurement").iterdir())[0]
    measurement.unlink()
    assert f"{measurement.name}: does not exist (HTTP 404)" in refused(f"{server.url}/{safe.name}/")
    annotation = sorted((safe / "annotation").glob("*.xml"))[0]
    annotation.write_text(annotation.read_text()[:300])
    assert annotation.name in refused(f"{server.url}/{safe.name}/manifest.safe?again")


def test_what_is_no_scene(server):
    files = {
        "page.html": "<html>Log in</html>",
        "list.json": "[1]",
        "x.json": '{"a": 1}',
        "cut.json": '{"a"',
        "b.bin": "",
    }
    for name, text in files.items():
        (server.folder / name).write_text(text)
    (server.folder / "x.zip").write_bytes(b"PK\3\4" + bytes(40))
    make_quicklook_npy(server.folder / "look.npy")
    expected = {
        "page.html": "text file", "list.json": "text file", "x.json": "no STAC item", "cut.json": "no whole JSON",
        "b.bin": "empty", "x.zip": "holds no Sentinel-1 product", "look.npy": "from disk only",
    }  # fmt: skip
    for name, words in expected.items():
        assert words in refused(f"{server.url}/{name}")


def test_product_without_tables_is_told_as_on_disk(server):
    safe = make_product(server.folder)
    shutil.rmtree(safe / "annotation/calibration")
    list_in_manifest(safe)
    assert "holds no annotation/calibration" in refused(f"{server.url}/{safe.name}/", calibrate=True)


def test_stac_item_by_its_address(server):
    safe = make_product(server.folder)
    (server.folder / "item.json").write_text(json.dumps(stac_item(safe, lambda member: f"./{safe.name}/{member}")))
    same_scene(open_scene(f"{server.url}/item.json", denoise=True), open_scene(safe, denoise=True))
