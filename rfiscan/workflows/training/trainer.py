"""One training run: its data, its steps, its validation, and the finished model."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from rfiscan.config.schema import TrainConfig
from rfiscan.errors import ResourceError, ResumableError
from rfiscan.model_files.checkpoint import save_model, save_state
from rfiscan.model_files.model_card import ModelCard
from rfiscan.networks import Autoencoder, Evidence, EvidenceNetwork, Prediction, Reconstruction
from rfiscan.networks.losses import evidence_loss
from rfiscan.networks.mae import MaskedAutoencoder
from rfiscan.networks.shared_norm import share_batch_norms
from rfiscan.networks.trimming import Trimming
from rfiscan.priors import bundled_priors
from rfiscan.scoring import ScoringSettings
from rfiscan.simulation import SimulatedScene
from rfiscan.standardisation import Standardisation
from rfiscan.training_data.backgrounds import Background
from rfiscan.training_data.dataset import Batch, validation_scenes
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.training.averaging import WeightAverages
from rfiscan.workflows.training.building import build_from_config, open_stream, pick_device
from rfiscan.workflows.training.calibrate import (
    ScoredScene,
    cross_entropy,
    denoising_losses,
    score_scenes,
    validation_figures,
)
from rfiscan.workflows.training.compiling import training_calls
from rfiscan.workflows.training.epoch_log import EpochListener, append_epoch, picture_path
from rfiscan.workflows.training.finishing import calibrate_model
from rfiscan.workflows.training.judging import judge_of
from rfiscan.workflows.training.objective import Objective
from rfiscan.workflows.training.optimisers import build_optimiser
from rfiscan.workflows.training.pace import Pace, pace_text
from rfiscan.workflows.training.pictures import picture_tiles
from rfiscan.workflows.training.pretrained import keep_share
from rfiscan.workflows.training.provenance import source_commit
from rfiscan.workflows.training.schedule import autoencoder_steps, learning_rate, statistics_steps, weighs
from rfiscan.workflows.training.stepping import WHOLE, PixelShare, Stepper
from rfiscan.workflows.training.trained_card import rounded, trained_card
from rfiscan.workflows.training.training_state import last_state, take_state
from rfiscan.workflows.training.world import ALONE, World

VALIDATION_SEED = 7_000_000
"""Added to the run's seed for validation scenes, so that they are none of the training stream's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What a training run gives.

    Attributes:
        run_dir: Its folder.
        model_dir: Folder of the best model.
        figures: Figures of the best model, by name.
    """

    run_dir: Path
    model_dir: Path
    figures: dict[str, float]


class Trainer:
    """One training run.

    Args:
        config: Its configuration.
        run_dir: Its folder, made if absent.
        real: Real RFI-free backgrounds for training and for validation.
        scene_names: Their names, for the model's card.
        world: This process among those that train together; only one of them writes into the folder.
    """

    def __init__(
        self,
        config: TrainConfig,
        run_dir: Path,
        real: tuple[tuple[Background, ...], tuple[Background, ...]] = ((), ()),
        scene_names: dict[str, list[str]] | None = None,
        world: World = ALONE,
    ) -> None:
        self.config, self.run_dir, self.world = config, run_dir, world
        self.scene_names = scene_names or {"training": [], "validation": []}
        torch.manual_seed(config.seed)
        if config.threads:
            torch.set_num_threads(config.threads)
        self.device = pick_device(config.device)
        self.network = build_from_config(config).to(self.device)
        self.evidence = EvidenceNetwork(**config.evidence.model_dump()).to(self.device)
        self.evidence = self.evidence.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = Objective.of(config, self.network)
        self.trimming = Trimming(config.data.trim_contaminated)
        if not isinstance(self.network, MaskedAutoencoder):
            self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        options = config.optimiser
        parameters = [*self.network.parameters(), *self.evidence.parameters()]
        self.optimiser = build_optimiser(parameters, options)
        if world.size > 1:
            share_batch_norms(self.network)
            share_batch_norms(self.evidence)
        self._predict, self._weigh = training_calls(self.network, self.evidence, compiled=config.compile)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=options.precision == "fp16")
        self.stepper = Stepper(self._loss, (self.network, self.evidence), self.optimiser, self.scaler, options, world)
        decay = options.average_decay
        self.averages = WeightAverages((self.network, self.evidence), decay) if decay else None
        self.standardisation = Standardisation(**config.standardisation.model_dump())
        self.scoring = ScoringSettings(**config.scoring.model_dump())
        self.stream = open_stream(config, real[0], world)
        self.validation = validation_scenes(
            config.seed + VALIDATION_SEED,
            config.data.validation_tiles,
            real[1],
            config.tile_shape,
            config.spacing_m,
            priors=bundled_priors(),
        )
        self.commit = source_commit()
        self.pretrained: dict[str, Any] | None = None  # the model that it began with
        self.step = 0
        self.best_loss = math.inf
        self.losses: list[float] = []  # of the steps since the last validation
        self.elapsed_s = 0.0
        self.stop_requested = False
        self.epoch_listeners: list[EpochListener] = []  # told once the state of the epoch is kept
        self.pace = Pace(options.batch, options.steps, self.device, world)

    def run(self, reporter: Reporter = SILENT) -> None:
        """Train to the last step; keep the best model by validation loss.

        Raises:
            ResumableError: If `stop_requested` was set meanwhile, in any process; the state of that step is kept.
            ResourceError: If the loss is no number any more.
        """
        started = time.monotonic() - self.elapsed_s
        steps = self.config.optimiser.steps
        self.pace.begin(self.step)
        while self.step < steps:
            self.losses.append(self.train_step())
            self.elapsed_s = time.monotonic() - started
            reporter.progress("training", self.step, steps)
            if self.step % self.config.validate_every == 0 or self.step == steps:
                self._end_epoch(reporter)
            if self.world.any(self.stop_requested):
                self.world.by_writer(lambda: save_state(last_state(self.run_dir), *take_state(self)))
                stopped = ResumableError(
                    f"stopped after step {self.step} of {steps}; its state is kept in {self.run_dir}",
                    hint=f"Go on with: rfiscan train --resume {self.run_dir}",
                )
                raise self.world.agreed(stopped)

    def _end_epoch(self, reporter: Reporter) -> None:
        pace = self.pace.figures(self.step)
        figures = {"step": self.step, "train_loss": float(np.mean(self.losses))} | self.validate()
        figures |= {"learning_rate": self.learning_rate(), "elapsed_s": self.elapsed_s} | pace
        self.losses.clear()
        self.world.by_writer(lambda: self._keep(figures))
        reporter.note(
            f"step {self.step}: loss {figures['train_loss']:.3f}, in validation {figures['loss']:.3f}; "
            f"pixel AP {figures['pixel_ap']:.3f}; SSIM {figures['ssim']:.3f} "
            f"(co-pol {figures['ssim_co']:.3f}, cross-pol {figures['ssim_cross']:.3f}); {pace_text(pace)}"
        )
        self.pace.begin_epoch(self.step)
        for tell in self.epoch_listeners:
            tell(figures)

    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return learning_rate(self.config, self.step)

    @property
    def autoencoder_steps(self) -> int:
        """Steps in which the autoencoder learns."""
        return autoencoder_steps(self.config)

    @property
    def weighs(self) -> bool:
        """True where the evidence network makes the anomaly map; else it learns nothing, and is not kept."""
        return weighs(self.config)

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters of what is kept."""
        return self.network.parameter_count + (self.evidence.parameter_count if self.weighs else 0)

    @property
    def kept_network(self) -> Autoencoder:
        """The autoencoder of the model: that of the last step, or an average."""
        return self.network if self.averages is None else cast("Autoencoder", self.averages[0])

    @property
    def kept_evidence(self) -> EvidenceNetwork:
        """The evidence network of the model: that of the last step, or an average."""
        return self.evidence if self.averages is None else cast("EvidenceNetwork", self.averages[1])

    @property
    def evidence_alone(self) -> bool:
        """True for the last steps, in which the autoencoder does not change and small stripes weigh more."""
        return self.config.optimiser.steps > self.autoencoder_steps <= self.step

    def train_step(self) -> float:
        """One optimiser step; returns its loss.

        Raises:
            ResourceError: If the loss is no number any more.
        """
        if self.averages is not None and self.evidence_alone and self.step == self.autoencoder_steps:
            self.network.load_state_dict(self.kept_network.state_dict())  # what is kept is what evidence learns from
        if self.averages is not None and 0 < self.step == statistics_steps(self.config):
            self.network.load_state_dict(self.kept_network.state_dict())  # its statistics are steadier
            self.evidence.load_state_dict(self.kept_evidence.state_dict())
        self._let_learn(self.network)
        self._let_learn(self.evidence)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        whole: tuple[torch.nn.Module, ...] = (self.network, self.evidence) if self.weighs else (self.network,)
        learning = (self.evidence,) if self.evidence_alone else whole
        loss = self.stepper.gradients(self.stream, learning)
        if not math.isfinite(loss):  # in all processes, as it is their sum
            error = ResourceError(f"the loss is {loss} at step {self.step}", hint="Lower optimiser.learning_rate.")
            raise self.world.agreed(error)
        self.stepper.update()
        if self.averages is not None:
            self.averages.update((self.network, self.evidence))
        self.step += 1
        return loss

    def _loss(self, batch: Batch, share: PixelShare = WHOLE) -> torch.Tensor:
        tiles, targets, valid, truth, weights, real = (torch.from_numpy(x).to(self.device) for x in batch)
        prediction: Prediction | None = None
        log_odds = torch.zeros_like(tiles)
        precision = self.config.optimiser.precision
        half = torch.float16 if precision == "fp16" else torch.bfloat16
        with torch.autocast(self.device.type, half, enabled=precision != "fp32"):
            if self.evidence_alone:
                left = self._predict_frozen(tiles, valid)
            elif self.config.objective == "denoise":
                prediction = left = self._predict(tiles, valid)
            else:  # learns from clean tiles alone; the evidence is weighed where there is interference
                prediction = left = self._predict(targets, valid)
                left = self._predict_frozen(tiles, valid) if self.weighs else left
            if self.weighs:
                # the evidence must not teach the autoencoder to leave more of it: it learns RFI-free backscatter alone
                seen = Reconstruction(left.mean.detach(), left.log_spread.detach().exp())
                log_odds = self._weigh(tiles, valid, seen)
        kept = self._trim(prediction or left, targets, valid, real)
        sure = valid & (kept | truth)  # what is left out may be interference, which the truth knows nothing of
        if prediction is None:
            return share.weighted * evidence_loss(log_odds, truth, sure, weights)
        loss = self.objective(prediction, targets, kept, self.step / self.autoencoder_steps, share)
        return loss + share.valid * evidence_loss(log_odds, truth, sure) if self.weighs else loss

    def _trim(
        self, prediction: Prediction, targets: torch.Tensor, valid: torch.Tensor, real: torch.Tensor
    ) -> torch.Tensor:
        """Pixels to learn from: without those that look like interference in real scenes, once that can be told."""
        if self.step < self.config.data.trim_after_share * self.autoencoder_steps:
            return valid
        return self.trimming.keep(prediction, targets, valid, real)

    def _predict_frozen(self, tiles: torch.Tensor, valid: torch.Tensor) -> Prediction:
        """Predict without learning anything: neither weights nor the statistics of batches."""
        self.network.eval()
        with torch.no_grad():
            prediction = self._predict(tiles, valid)
        self._let_learn(self.network)
        return prediction

    def _let_learn(self, network: torch.nn.Module) -> None:
        """Put a network into the mode of training; but its batch norms only while they take statistics of batches."""
        network.train()
        if self.step >= statistics_steps(self.config):
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()

    def validate(self) -> dict[str, float]:
        """Loss and figures on the fixed validation scenes."""
        network = self.kept_network.eval()
        scored = self.world.each_share(self.validation, lambda scenes: self._score(network, self._judge(), scenes))
        losses = self.world.each_share(
            self.validation,
            lambda scenes: denoising_losses(network, scenes, self.standardisation, self.config.tile_shape),
        )
        loss = float(np.mean(losses)) + (cross_entropy(scored) if self.weighs else 0.0)  # other maps are no log odds
        return {"loss": loss} | validation_figures(scored)

    def _judge(self) -> Evidence | None:
        judge = judge_of(self.config, self.kept_network, self.kept_evidence)
        return None if judge is None else judge.eval()

    def _keep(self, figures: dict[str, float]) -> None:
        """Write metrics, the state, and the model if it is the best so far."""
        append_epoch(self.run_dir, figures, first=self.step <= self.config.validate_every)
        if (self.step // self.config.validate_every) % self.config.picture_every == 0:
            picture = picture_path(self.run_dir, self.step)
            picture_tiles(picture, self.kept_network, self.validation, self.standardisation, self.config.tile_shape)
        if figures["loss"] < self.best_loss or self.evidence_alone:  # weighed otherwise, its loss is no measure
            self.best_loss = figures["loss"]
            save_model(self.run_dir / "model", self.kept_network, self.card(figures), self._judge())
        save_state(last_state(self.run_dir), *take_state(self))

    def finish(self, reporter: Reporter = SILENT) -> TrainResult:
        """Set the thresholds of the best model, on scenes that nothing else saw."""
        reporter.note("calibrating thresholds")
        model_dir = self.run_dir / "model"
        self.world.by_writer(lambda: keep_share(model_dir, self.config))
        figures = calibrate_model(model_dir, self.config, self.validation, self._score, self.world)
        return TrainResult(run_dir=self.run_dir, model_dir=model_dir, figures=figures)

    def _score(
        self, network: Autoencoder, evidence: Evidence | None, scenes: Sequence[SimulatedScene]
    ) -> list[ScoredScene]:
        shapes = (self.config.tile_shape, self.config.spacing_m)
        return score_scenes(network, scenes, self.standardisation, self.scoring, *shapes, evidence)

    def card(self, figures: dict[str, float]) -> ModelCard:
        """The model's card, without thresholds."""
        facts = {
            "commit": self.commit,
            "scenes": self.scene_names,
            "step": self.step,
            "parameters": self.parameter_count,
            **({"pretrained": self.pretrained} if self.pretrained else {}),
            "validation": rounded(figures),
        }
        return trained_card(self.config, facts)
