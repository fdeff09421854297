"""The learning rate over time, and a loss that is no longer a number."""

from contextlib import closing
from pathlib import Path

import pytest
import torch

from tests.pure.engine.conftest import events
from training.engine.checkpoint import Checkpoints
from training.engine.config import MachineConfig
from training.engine.folder import EventLog, RunFolder
from training.engine.loop import Loop, Progress, Work, scheduled
from training.engine.outcome import BadInput
from training.engine.stop import Stop


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1, 1, 0.853553, 0.5, 0.146447]),
    ],
)
def test_learning_rate_rises_to_its_peak_and_follows_its_schedule(schedule: str, expected: list[float]) -> None:
    learning_rate = scheduled(1.0, steps=6, warmup_share=0.3, schedule=schedule)

    assert [learning_rate(step) for step in range(6)] == pytest.approx(expected, abs=1e-6)


def run_loop(path: Path, losses: list[float], *, checkpoint_seconds: float = 0) -> Progress:
    """Run a loop over one weight whose losses are given."""
    weight = torch.nn.Parameter(torch.ones(1))

    def backward(step: int) -> tuple[float, int]:
        weight.grad = torch.full((1,), losses[step])
        return losses[step], 1

    work = Work(
        parameters={"weight": weight},
        optimizer=torch.optim.AdamW([weight], lr=0.0, fused=True),
        device=torch.device("cpu"),
        learning_rate=lambda step: 0.1,
        tokens_of=[10] * len(losses),
        steps_per_epoch=2,
        backward=backward,
        evaluate=lambda step: {"loss": 1.0},
        evaluate_at=frozenset({0, len(losses)}),
    )
    folder = RunFolder(path)
    machine = MachineConfig(device="cpu", checkpoint_seconds=checkpoint_seconds)
    with closing(EventLog(folder)) as log:
        return Loop(work, Checkpoints(folder.checkpoints, "identity"), log, Stop(), machine).run()


def test_a_loss_that_is_no_number_is_refused_with_its_update(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no longer a number at update 3") as refused:
        run_loop(tmp_path, [1.0, 1.0, float("nan")])
    assert "Lower the learning rate" in refused.value.advice


def test_long_runs_write_at_most_500_step_events_and_lose_no_loss_between_them(tmp_path: Path) -> None:
    losses = [float(step) for step in range(1, 1202)]

    progress = run_loop(tmp_path, losses, checkpoint_seconds=3600)

    steps = events(RunFolder(tmp_path), "step")
    assert len(steps) == 401
    assert [event["loss"] for event in steps[:2]] == [2.0, 5.0]
    assert steps[-1]["step"] == 1201
    assert progress.loss_sum == sum(losses)
