"""The command line: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from rfiscan import __version__, console
from rfiscan.__main__ import main
from rfiscan.cli import app
from rfiscan.cli.options import UnitsName
from rfiscan.console import ConsoleReporter
from rfiscan.errors import ModelError, RfiscanError
from rfiscan.export.rasters import write_cog
from rfiscan.radiometry import Units
from rfiscan.workflows.detecting import outputs
from rfiscan.workflows.stop_signals import STOP_SIGNALS
from tests.flat_model import sea_power, write_scene

ROOT = Path(__file__).parents[1]
SHAPE = (120, 260)
COMMANDS = get_command(app).commands
OPTIONS = [(name, option) for name, command in COMMANDS.items() for option in command.params]


@pytest.fixture
def run(model, tmp_path, monkeypatch, capsys):
    """Run `rfiscan detect` in an empty folder; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run_detect(*args):
        code = main(["detect", "--model", model, *[str(arg) for arg in args]])
        return code, *capsys.readouterr()

    return run_detect


@pytest.fixture
def scene(tmp_path):
    return write_scene(tmp_path / "sea.tif", sea_power(SHAPE, stripe_db=6))


def rfiscan(*args, **kwargs):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "rfiscan", *args], capture_output=True, text=True, env=environment, check=False, **kwargs
    )


# help and version


@pytest.mark.parametrize("args", [[], ["-h"], ["--help"]])
def test_help_is_a_result(args, capsys):
    assert main(args) == 0
    out, err = capsys.readouterr()
    assert "Usage" in out
    assert "detect" in out
    assert not err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert main([command, "-h"]) == 0
    out, _ = capsys.readouterr()
    assert "Examples" in out
    assert COMMANDS[command].help


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=[f"{name} {option.name}" for name, option in OPTIONS])
def test_every_option_has_a_help_text(command, option):
    assert option.help
    assert option.help.endswith((".", ")"))


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rfiscan {__version__}\n"


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from rfiscan.__main__ import main;"
        "main(['--help']); main(['detect', '--help']); main(['info', '--help']);"
        "print([m for m in ('torch', 'rasterio', 'scipy', 'numpy', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_units_on_the_command_line_are_all_units():
    assert set(get_args(UnitsName)) == {unit.value for unit in Units}


# results and streams


def test_a_table_on_stdout_and_everything_else_on_stderr(run, scene):
    code, out, err = run(scene)
    assert code == 0
    assert out.splitlines()[0].split()[:2] == ["scene", "flagged"]
    assert "sea" in out
    assert "VH" in out
    assert "units dn" in err
    assert "padded by reflection" in err
    assert Path("rfiscan_out/sea.json").exists()


def test_json_is_one_record_a_line(run, scene, tmp_path):
    other = write_scene(tmp_path / "other.tif", sea_power(SHAPE, seed=1))
    code, out, _ = run(scene, other, "--json", "-o", "found")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [record["scene"] for record in records] == ["sea", "other"]
    assert records[0] == json.loads(Path("found/sea.json").read_text())


def test_quiet_leaves_results_only(run, scene):
    code, out, err = run(scene, "--quiet")
    assert code == 0
    assert out
    assert not err


def test_a_pair_of_files_is_one_scene(run, tmp_path):
    power = sea_power(SHAPE, stripe_db=6)
    vv = write_scene(tmp_path / "iw-vv.tiff", power[:1], names=("VV",))
    vh = write_scene(tmp_path / "iw-vh.tiff", power[1:], names=("VH",))
    code, out, _ = run(vh, vv, "--json")
    (record,) = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert record["polarizations"] == ["VV", "VH"]
    assert record["sources"] == ["iw-vv.tiff", "iw-vh.tiff"]


def test_a_batch_goes_on_sums_up_and_tells(run, scene, tmp_path):
    (tmp_path / "notes.txt").write_text("no scene")
    code, out, err = run("notes.txt", scene, "missing.tif")
    assert code == 9
    assert out.count("failed") == 2
    assert "sea" in out
    assert "notes.txt" in err
    assert "missing.tif" in err
    assert err.strip().splitlines()[-1] == "error: 2 of 3 scenes failed"


def test_failed_scenes_have_records_on_stdout_only(run, scene):
    code, out, _ = run("missing.tif", scene, "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 9
    assert [record["status"] for record in records] == ["failed", "done"]
    assert records[0]["exit_code"] == 5
    assert "missing.tif" in records[0]["error"]
    assert not Path("rfiscan_out/missing.json").exists()


def test_a_lone_scene_fails_with_its_own_code(run, tmp_path):
    (tmp_path / "notes.txt").write_text("no scene")
    code, out, err = run("notes.txt", "--json")
    assert code == 5
    assert json.loads(out)["status"] == "failed"
    assert err.startswith("error: ")
    assert not Path("rfiscan_out").exists()


def test_skip_existing_keeps_and_still_reports(run, scene):
    _, first, _ = run(scene, "--json")
    code, second, err = run(scene, "--json", "--skip-existing")
    assert code == 0
    assert second == first
    assert "kept" in err


@pytest.mark.parametrize(("percent", "code"), [("0", 10), ("0.5", 10), ("50", 0)])
def test_the_gate(run, scene, percent, code):
    ended, out, err = run(scene, "--fail-on-rfi", percent)
    assert ended == code
    assert "sea" in out
    assert ("% of the valid pixels" in err) == (code == 10)
    assert Path("rfiscan_out/sea.json").exists()


def test_a_lower_rate_never_flags_more(run, scene):
    shares = []
    for far in ("1e-4", "1e-3", "1e-2"):
        _, out, _ = run(scene, "--json", "--far", far)
        shares.append(json.loads(out)["flagged_share"])
    assert shares == sorted(shares)


# misuse


@pytest.mark.parametrize(
    "args",
    [
        ["--far", "0"],
        ["--far", "1"],
        ["--far", "-1"],
        ["--far", "nan"],
        ["--far", "often"],
        ["--spacing", "0"],
        ["--spacing", "-10"],
        ["--spacing", "inf"],
        ["--spacing", "nan"],
        ["--spacing", "fine"],
        *(["--pixel-spacing", wrong] for wrong in ("0", "-5", "1e-320", "1e6", "ten", "10,20,30", "10,", "inf", "nan")),
        ["--units", "volts"],
        ["--fail-on-rfi", "101"],
        ["--fail-on-rfi", "-1"],
        ["--no-such-option"],
        ["--verbose", "--quiet"],
        ["--far", "1e-12"],
        ["--denoise", "--no-calibrate"],
    ],
    ids=" ".join,
)
def test_wrong_options_are_usage_errors(run, scene, args):
    code, out, err = run(scene, *args)
    assert code == 2
    assert not out
    assert err
    assert "Traceback" not in err
    assert not Path("rfiscan_out").exists()


def test_no_scene_at_all_is_a_usage_error(run):
    assert run()[0] == 2


def test_an_unknown_command_names_the_nearest(capsys):
    assert main(["detct"]) == 2
    assert "detect" in capsys.readouterr().err


# how it ends


def test_every_error_ends_with_its_code_and_hint(run, scene, monkeypatch):
    def fail(*args, **kwargs):
        raise ModelError("no such model", hint="Name another one.")

    monkeypatch.setattr("rfiscan.runtimes.loading.load_runnable", fail)
    code, out, err = run(scene)
    assert (code, out) == (5, "")
    assert err == "error: no such model\nhint: Name another one.\n"


def test_a_bug_is_one_line_and_a_traceback_if_asked_for(run, scene, monkeypatch):
    def fail(*args, **kwargs):
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr("rfiscan.runtimes.loading.load_runnable", fail)
    code, _, err = run(scene)
    assert code == 1
    assert "Traceback" not in err
    assert "ZeroDivisionError" in err
    code, _, err = run(scene, "-v")
    assert code == 1
    assert "Traceback" in err


@pytest.mark.parametrize(("failure", "code"), [(MemoryError(), 8), (KeyboardInterrupt(), 130)])
def test_what_python_raises_has_its_code_too(run, scene, monkeypatch, failure, code):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr("rfiscan.runtimes.loading.load_runnable", fail)
    ended, out, err = run(scene)
    assert (ended, out) == (code, "")
    assert len(err.splitlines()) <= 2


def stop_this_process(number):
    """Send a signal that is answered; to this thread, for a library's thread might take it late."""
    assert signal.getsignal(number) != signal.SIG_DFL
    signal.raise_signal(number)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_batch_system_stops_a_run_in_order_and_it_can_go_on(run, scene, tmp_path, monkeypatch, number):
    scenes = [scene, *(write_scene(tmp_path / f"{name}.tif", sea_power(SHAPE)) for name in ("more", "most"))]

    def stopped(path, *args, **kwargs):
        for _ in range(2):  # as timeout does
            stop_this_process(number)
        return write_cog(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(outputs, "write_cog", lambda path, *args, **kwargs: (
            stopped if path.name.startswith("more_mask") else write_cog)(path, *args, **kwargs))  # fmt: skip
        code, out, err = run(*scenes)
    assert code == 75
    assert "sea" in out
    assert "1 of 3 scenes had ended" in err
    assert f"stopped by {number.name}" in err
    assert not [
        *Path("rfiscan_out").glob("*.part"),
        *Path("rfiscan_out").glob(".*"),
        *Path("rfiscan_out").glob("most*"),
    ]
    assert not Path("rfiscan_out/more.json").exists()
    code, _, err = run(*scenes, "--skip-existing")
    assert (code, err.count("kept")) == (0, 1)


def test_a_stop_that_a_library_makes_something_else_of_is_a_stop():
    code = """
import signal
from rfiscan.errors import ResumableError
from rfiscan.workflows.stop_signals import ended_by_signals
try:
    with ended_by_signals("Start again."):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None
except ResumableError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "stopped by SIGTERM\n"


def all_errors(kind=RfiscanError):
    yield kind
    for child in kind.__subclasses__():
        yield from all_errors(child)


@pytest.mark.parametrize("kind", sorted(all_errors(), key=lambda kind: kind.__name__))
def test_the_readme_lists_every_exit_code(kind):
    assert f"| {kind.exit_code} |" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("args", [["--help"], ["detect", "--help"], ["--version"]])
def test_a_reader_that_leaves_gets_no_traceback(args):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "rfiscan", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as run:
        run.stdout.close()
        err = run.stderr.read()
    assert run.returncode == console.EXIT_BROKEN_PIPE
    assert "Traceback" not in err
    assert "Exception" not in err


def test_records_for_a_reader_that_left_get_no_traceback(model, scene, tmp_path):
    command = (
        f'"{sys.executable}" -m rfiscan detect sea.tif sea.tif --model "{model}" --json | true; echo ${{PIPESTATUS[0]}}'
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, env=environment, check=True
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert int(done.stdout) == console.EXIT_BROKEN_PIPE


# progress


def test_progress_in_a_log_is_a_line_per_tenth_at_most(capsys, monkeypatch):
    clock = iter(range(0, 100_000, 1))
    monkeypatch.setattr("rfiscan.console.time.monotonic", lambda: float(next(clock)))
    console.set_verbosity(verbose=False, quiet=False)
    with ConsoleReporter() as reporter:
        reporter.begin(2, 3)
        for done in range(1001):
            reporter.progress("reading", done, 1000)
    out, err = capsys.readouterr()
    assert not out
    assert len(err.splitlines()) == 10
    assert err.splitlines()[-1] == "[2/3] reading 100 %"


def test_quick_work_is_not_logged_at_all(capsys):
    console.set_verbosity(verbose=False, quiet=False)
    with ConsoleReporter() as reporter:
        for done in range(1001):
            reporter.progress("reading", done, 1000)
    assert capsys.readouterr() == ("", "")


def test_a_bar_never_takes_results_off_stdout(capsys, monkeypatch):
    monkeypatch.setattr(console, "_err", console.Console(stderr=True, force_terminal=True))
    console.set_verbosity(verbose=False, quiet=False)
    with ConsoleReporter() as reporter:
        reporter.progress("reading", 1, 2)
        console.show_json({"scene": "sea"})
        reporter.progress("reconstructing", 1, 2)
        reporter.clear()
        console.show_json({"scene": "coast"})
    assert capsys.readouterr().out.splitlines() == ['{"scene": "sea"}', '{"scene": "coast"}']


def test_threads_sleep_while_they_wait_unless_the_user_has_them_spin(capsys, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert main(["--version"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert main(["--version"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
