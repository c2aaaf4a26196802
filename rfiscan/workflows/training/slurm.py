"""A batch script for Slurm that trains on several machines, and goes on where it was stopped."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rfiscan.workflows.training.training_state import last_state

_SCRIPT = """#!/bin/bash
# Submit with sbatch; submit it again to go on where it was stopped.
#SBATCH --job-name={name}
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@300
# One task a machine: torchrun starts a process for each of its GPUs; optimiser.batch counts the tiles of all of them.
# 300 s before the time is up, Slurm tells the run to keep its state; the step at hand must be done in 240 s.
# On machines without GPUs leave out --gpus-per-node and set PROCESSES.
# The folder of the run must be reachable from the first machine, and every machine needs rfiscan.

set -euo pipefail
PROCESSES=${{SLURM_GPUS_ON_NODE:-1}}
RUN={run_dir}
STATE={state}
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=240

if [ -e "$STATE" ]; then
    TRAIN=(--resume "$RUN")
else
    TRAIN=({arguments})
fi
FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

srun --cpus-per-task="${{SLURM_CPUS_PER_TASK:-1}}" \\
    torchrun --nnodes="$SLURM_NNODES" --nproc-per-node="$PROCESSES" \\
    --rdzv-id="$SLURM_JOB_ID" --rdzv-backend=c10d --rdzv-endpoint="$FIRST:29500" \\
    -m rfiscan train "${{TRAIN[@]}}"
"""


def slurm_script(name: str, run_dir: Path, arguments: Sequence[str]) -> str:
    """The script.

    Args:
        name: Of the job.
        run_dir: Folder of the run.
        arguments: Of ``rfiscan train``, to begin it.

    Sources: torchrun's manual (docs.pytorch.org, "torchrun (Elastic Launch)") for its line; Slurm's of sbatch for the
    head of the script, and of srun, which does not take over ``--cpus-per-task`` since 22.05.
    """
    return _SCRIPT.format(
        name=shlex.quote(name),
        run_dir=shlex.quote(str(run_dir)),
        state=shlex.quote(str(last_state(run_dir) / "state.safetensors")),
        arguments=shlex.join(arguments),
    )
