"""The batch script for Slurm."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from rfiscan.__main__ import main
from tests.test_train import CAE

FAKE = {
    "scontrol": "#!/bin/sh\nprintf 'node1\\nnode2\\n'\n",
    "srun": '#!/bin/sh\nprintf "%s\\n" "$@"\n',
}


@pytest.fixture
def script(tmp_path, monkeypatch, capsys):
    """Print a script in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def print_script(*args):
        code = main(["train", *args, "--print-slurm"])
        return code, *capsys.readouterr()

    return print_script


def submit(script, folder):
    """What srun is asked to run."""
    for name, text in FAKE.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_GPUS_ON_NODE": "4"}
    environment = {**os.environ, **slurm, "PATH": f"{folder}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash"], input=script, env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    return ended.stdout.splitlines()


def test_the_script_begins_a_run_and_goes_on_with_it(script, tmp_path):
    given = ["--preset", "mae", "--scenes", "a b/*.png", "--scenes", "c", "--set", "data.pool=3", "-o", "my run"]
    code, out, err = script(*given)
    assert (code, err) == (0, "")
    assert out.startswith("#!/bin/bash\n")
    assert "#SBATCH --job-name=rfiscan-mae\n" in out
    assert list(tmp_path.iterdir()) == []
    asked = submit(out, tmp_path)
    first = asked.index("torchrun")
    assert {"--nnodes=2", "--nproc-per-node=4", "--rdzv-endpoint=node1:29500"} <= set(asked[first:])
    assert asked[asked.index("-m") :] == ["-m", "rfiscan", "train", *given[:-2], "--out", "my run"]
    (tmp_path / "my run" / "checkpoints" / "last").mkdir(parents=True)
    assert "--resume" not in submit(out, tmp_path)
    (tmp_path / "my run" / "checkpoints" / "last" / "state.safetensors").touch()
    asked = submit(out, tmp_path)
    assert asked[asked.index("-m") :] == ["-m", "rfiscan", "train", "--resume", "my run"]


def test_its_settings_are_checked_when_it_is_printed(script, tmp_path):
    code, out, err = script("--set", "optimiser.stes=3")
    assert (code, out) == (4, "")
    assert "unknown key" in err
    code, _, err = script("--resume", "run")
    assert code == 2
    assert "--print-slurm" in err


def test_a_configuration_is_named_as_it_was(script, tmp_path):
    import yaml

    (tmp_path / "my config.yaml").write_text(yaml.safe_dump(CAE))
    code, out, _ = script("my config.yaml", "--steps", "9", "--seed", "3")
    assert code == 0
    line = next(line for line in out.splitlines() if "my config.yaml" in line)
    words = shlex.split(line.strip().removeprefix("TRAIN=(").removesuffix(")"))
    assert words == ["my config.yaml", "--steps", "9", "--seed", "3", "--out", "runs/tiny-seed3"]
