"""PyTorch loops and the Trainer of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelyard.sdk.autolog import last_model, pytorch
from modelyard.sdk.runs.handle import Run
from tests.support.libraries import library


@pytest.fixture
def torch() -> Any:
    return library("torch")


def test_a_plain_loop(noted: Run, torch: Any) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    X = torch.randn(16, 2)
    y = X.sum(1, keepdim=True)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = ((model(X) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert noted.params["optimizer"] == "SGD"
    assert (noted.params["lr"], noted.params["momentum"]) == (0.1, 0.9)
    assert (noted.params["module"], noted.params["parameters"]) == ("Linear", 3)
    assert noted.metrics == {"loss": losses[-1]}
    found = last_model()
    assert found is not None
    assert found.model is model


def test_long_loops_are_thinned_out(noted: Run, torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[int | None] = []
    monkeypatch.setattr(pytorch, "LOSS_SECONDS", 3600)
    monkeypatch.setattr(noted, "log_metric", lambda name, value, step: said.append(step))
    value = torch.ones(1, requires_grad=True)
    for _ in range(300):
        (value * 2).sum().backward()
    assert said == list(range(100))


def test_a_trainer(noted: Run, torch: Any, tmp_path: Path) -> None:
    transformers, _ = library("transformers"), library("accelerate")

    class Rows(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return 8

        def __getitem__(self, _: int) -> dict[str, Any]:
            return {"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor([1, 2, 3])}

    config = transformers.GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=10, n_positions=8)
    model = transformers.GPT2LMHeadModel(config)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        max_steps=4,
        logging_steps=2,
        per_device_train_batch_size=2,
        report_to=[],
        use_cpu=True,
        save_strategy="no",
    )
    transformers.Trainer(model, arguments, train_dataset=Rows()).train()
    assert noted.params["max_steps"] == 4
    assert "train:loss" in noted.metrics
    assert "train:train_loss" not in noted.metrics
    found = last_model()
    assert found is not None
    assert found.model is model
