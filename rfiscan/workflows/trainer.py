"""One training run: its data, its steps, its validation, and the finished model."""

from __future__ import annotations

import csv
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from rfiscan.backgrounds import Background
from rfiscan.checkpoint import load_model, save_model, save_state
from rfiscan.config.schema import TrainConfig
from rfiscan.dataset import Batch, TileStream, validation_scenes
from rfiscan.errors import ResourceError, ResumableError
from rfiscan.export.tile_pictures import write_tile_pictures
from rfiscan.model_card import ModelCard
from rfiscan.networks import Autoencoder, Evidence, EvidenceNetwork, Prediction, Reconstruction
from rfiscan.networks.losses import evidence_loss
from rfiscan.networks.mae import MaskedAutoencoder
from rfiscan.networks.trimming import Trimming
from rfiscan.priors import bundled_priors
from rfiscan.scoring import ScoringSettings
from rfiscan.simulation import SimulatedScene
from rfiscan.standardisation import Standardisation
from rfiscan.workflows.building import build_from_config, pick_device
from rfiscan.workflows.calibrate import (
    ScoredScene,
    calibrate_stripes,
    calibrate_thresholds,
    cross_entropy,
    denoising_loss,
    score_scenes,
    validation_figures,
)
from rfiscan.workflows.judging import judge_of
from rfiscan.workflows.objective import Objective
from rfiscan.workflows.provenance import source_commit
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.trained_card import rounded, trained_card
from rfiscan.workflows.training_state import METRICS_NAME, last_state, take_state

VALIDATION_SEED = 7_000_000
"""Added to the run's seed for validation scenes, so that they are none of the training stream's."""
CALIBRATION_SEED = 8_000_000
"""The same for the scenes that set the thresholds."""
PICTURED_TILES = 3


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
    """

    def __init__(
        self,
        config: TrainConfig,
        run_dir: Path,
        real: tuple[tuple[Background, ...], tuple[Background, ...]] = ((), ()),
        scene_names: dict[str, list[str]] | None = None,
    ) -> None:
        self.config, self.run_dir = config, run_dir
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
        self.optimiser: torch.optim.Optimizer = torch.optim.AdamW(
            [*self.network.parameters(), *self.evidence.parameters()],
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=True,
        )
        self.standardisation = Standardisation(**config.standardisation.model_dump())
        self.scoring = ScoringSettings(**config.scoring.model_dump())
        self.stream = TileStream(
            seed=config.seed,
            real=real[0],
            real_share=config.data.real_share,
            contaminated_share=config.data.contaminated_share,
            standardisation=self.standardisation,
            tile_shape=config.tile_shape,
            crop_shape=config.crop_shape or config.tile_shape,
            spacing_m=config.spacing_m,
            pool=config.data.pool,
            renew_every=config.data.renew_every,
            priors=bundled_priors(),
        )
        self.validation = validation_scenes(
            config.seed + VALIDATION_SEED,
            config.data.validation_tiles,
            real[1],
            config.tile_shape,
            config.spacing_m,
            priors=bundled_priors(),
        )
        self.commit = source_commit()
        self.step = 0
        self.best_loss = math.inf
        self.losses: list[float] = []  # of the steps since the last validation
        self.elapsed_s = 0.0
        self.stop_requested = False

    def run(self, reporter: Reporter = SILENT) -> None:
        """Train to the last step; keep the best model by validation loss.

        Raises:
            ResumableError: If `stop_requested` was set meanwhile; the state of that step is kept.
            ResourceError: If the loss is no number any more.
        """
        started = time.monotonic() - self.elapsed_s
        steps = self.config.optimiser.steps
        while self.step < steps:
            self.losses.append(self.train_step())
            self.elapsed_s = time.monotonic() - started
            reporter.progress("training", self.step, steps)
            if self.step % self.config.validate_every == 0 or self.step == steps:
                self._end_epoch(reporter)
            if self.stop_requested:
                save_state(last_state(self.run_dir), *take_state(self))
                raise ResumableError(
                    f"stopped after step {self.step} of {steps}; its state is kept in {self.run_dir}",
                    hint=f"Go on with: rfiscan train --resume {self.run_dir}",
                )

    def _end_epoch(self, reporter: Reporter) -> None:
        figures = {"step": self.step, "train_loss": float(np.mean(self.losses))} | self.validate()
        figures |= {"learning_rate": self.learning_rate(), "elapsed_s": self.elapsed_s}
        self.losses.clear()
        self._keep(figures)
        reporter.note(
            f"step {self.step}: loss {figures['train_loss']:.3f}, in validation {figures['loss']:.3f}; "
            f"pixel AP {figures['pixel_ap']:.3f}; SSIM {figures['ssim']:.3f} "
            f"(co-pol {figures['ssim_co']:.3f}, cross-pol {figures['ssim_cross']:.3f})"
        )

    def learning_rate(self) -> float:
        """Linear warm-up, half a cosine down to a hundredth of the peak; then again from its half for the evidence."""
        options, last = self.config.optimiser, self.autoencoder_steps
        if self.evidence_alone:
            return 0.5 * options.learning_rate * _half_cosine((self.step - last) / (options.steps - last))
        warmup = max(1.0, options.warmup_share * last)
        if self.step < warmup:
            return options.learning_rate * (self.step + 1) / warmup
        progress = (self.step - warmup) / max(1.0, last - warmup)
        return options.learning_rate * _half_cosine(progress)

    @property
    def autoencoder_steps(self) -> int:
        """Steps in which the autoencoder learns; in those that follow the evidence network learns alone."""
        return round(self.config.optimiser.steps * (1.0 - self.config.optimiser.evidence_share * self.weighs))

    @property
    def weighs(self) -> bool:
        """True where the evidence network makes the anomaly map; else it learns nothing, and is not kept."""
        return self.config.score == "evidence"

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters of what is kept."""
        return self.network.parameter_count + (self.evidence.parameter_count if self.weighs else 0)

    @property
    def evidence_alone(self) -> bool:
        """True for the last steps, in which the autoencoder does not change and small stripes weigh more."""
        return self.config.optimiser.steps > self.autoencoder_steps <= self.step

    def train_step(self) -> float:
        """One optimiser step; returns its loss.

        Raises:
            ResourceError: If the loss is no number any more.
        """
        self.network.train()
        self.evidence.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        batch = self.stream.next_batch(self.config.optimiser.batch)
        loss = self._loss(batch)
        if not torch.isfinite(loss):
            raise ResourceError(f"the loss is {float(loss)} at step {self.step}", hint="Lower optimiser.learning_rate.")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for trained in (self.network, self.evidence):  # apart: a steep loss of one must not slow the other
            torch.nn.utils.clip_grad_norm_(trained.parameters(), self.config.optimiser.gradient_clip)
        self.optimiser.step()
        self.step += 1
        return float(loss.detach())

    def _loss(self, batch: Batch) -> torch.Tensor:
        tiles, targets, valid, truth, weights, real = (torch.from_numpy(x).to(self.device) for x in batch)
        prediction: Prediction | None = None
        log_odds = torch.zeros_like(tiles)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.optimiser.precision == "bf16"):
            if self.evidence_alone:
                left = self._predict_frozen(tiles, valid)
            elif self.config.objective == "denoise":
                prediction = left = self.network.predict(tiles, valid)
            else:  # learns from clean tiles alone; the evidence is weighed where there is interference
                prediction = left = self.network.predict(targets, valid)
                left = self._predict_frozen(tiles, valid) if self.weighs else left
            if self.weighs:
                # the evidence must not teach the autoencoder to leave more of it: it learns RFI-free backscatter alone
                seen = Reconstruction(left.mean.detach(), left.log_spread.detach().exp())
                log_odds = self.evidence(tiles, valid, seen)
        kept = self._trim(prediction or left, targets, valid, real)
        sure = valid & (kept | truth)  # what is left out may be interference, which the truth knows nothing of
        if prediction is None:
            return evidence_loss(log_odds, truth, sure, weights)
        loss = self.objective(prediction, targets, kept, self.step / self.autoencoder_steps)
        return loss + evidence_loss(log_odds, truth, sure) if self.weighs else loss

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
            prediction = self.network.predict(tiles, valid)
        self.network.train()
        return prediction

    def validate(self) -> dict[str, float]:
        """Loss and figures on the fixed validation scenes."""
        self.network.eval()
        self.evidence.eval()
        scored = self._score(self.network, self._judge(), self.validation)
        loss = denoising_loss(self.network, self.validation, self.standardisation, self.config.tile_shape)
        loss += cross_entropy(scored) if self.weighs else 0.0  # other maps are no log odds
        return {"loss": loss} | validation_figures(scored)

    def _judge(self) -> Evidence | None:
        judge = judge_of(self.config, self.network, self.evidence)
        return None if judge is None else judge.eval()

    def _keep(self, figures: dict[str, float]) -> None:
        """Write metrics, the state, and the model if it is the best so far."""
        path = self.run_dir / METRICS_NAME
        new = self.step <= self.config.validate_every or not path.exists()
        with path.open("w" if new else "a", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, fieldnames=list(figures))
            if new:
                writer.writeheader()
            writer.writerow(figures)
        if (self.step // self.config.validate_every) % self.config.picture_every == 0:
            self.write_pictures(self.run_dir / "pictures" / f"step_{self.step:06d}.png")
        if figures["loss"] < self.best_loss or self.evidence_alone:  # weighed otherwise, its loss is no measure
            self.best_loss = figures["loss"]
            save_model(self.run_dir / "model", self.network, self.card(figures), self._judge())
        save_state(last_state(self.run_dir), *take_state(self))

    def write_pictures(self, path: Path) -> None:
        """Picture the first validation scenes: original, masked input, reconstruction, error."""
        shown = [s for s in self.validation if s.power.shape[1:] == self.config.tile_shape][:PICTURED_TILES]
        tiles = np.stack([self.standardisation.apply(s.power, s.valid_mask)[0] for s in shown])
        valid = torch.from_numpy(np.stack([s.valid_mask for s in shown])).to(self.device)
        inputs = torch.from_numpy(tiles).to(self.device)
        with torch.inference_mode():
            hidden = self.network.hidden_in_first_pass(inputs).cpu().numpy()
            mean = self.network.reconstruct(inputs, valid).mean.cpu().numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tile_pictures(path, tiles, hidden, mean)

    def finish(self, reporter: Reporter = SILENT) -> TrainResult:
        """Set the thresholds of the best model, on scenes that nothing else saw."""
        model, data = load_model(self.run_dir / "model"), self.config.data
        reporter.note("calibrating thresholds")
        clean = validation_scenes(
            self.config.seed + CALIBRATION_SEED,
            data.calibration_tiles,
            (),
            self.config.tile_shape,
            self.config.spacing_m,
            priors=bundled_priors(),
            contaminated_share=0.0,
        )
        clean += [scene for scene in self.validation if not scene.interferers]
        scored = self._score(model.network, model.evidence, clean)
        maps = [scene.anomaly_map for scene in scored]
        thresholds = calibrate_thresholds(maps)
        seams = [scene.seams_px for scene in scored]
        ranks = calibrate_stripes(maps, seams, thresholds, self.scoring, self.config.spacing_m)
        figures = validation_figures(self._score(model.network, model.evidence, self.validation))
        provenance = {**model.card.provenance, "validation": rounded(figures)}
        card = replace(model.card, thresholds=thresholds, stripe_ranks=ranks, provenance=provenance)
        save_model(self.run_dir / "model", model.network, card, model.evidence)
        return TrainResult(run_dir=self.run_dir, model_dir=self.run_dir / "model", figures=figures)

    def _score(
        self, network: Autoencoder, evidence: Evidence | None, scenes: list[SimulatedScene]
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
            "validation": rounded(figures),
        }
        return trained_card(self.config, facts)


def _half_cosine(progress: float) -> float:
    """From 1 at 0 down to a hundredth at 1."""
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))
