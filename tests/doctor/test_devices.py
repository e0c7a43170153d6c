"""GPUs of torch, and GPUs that it does not see."""

from pathlib import Path

import pytest
import torch

from tests.doctor.machines import Gpus, only
from tlbench.doctor.devices import devices

H200, T4 = ("NVIDIA H200", 140, (9, 0)), ("Tesla T4", 15, (7, 5))


def test_one_gpu(gpus: Gpus, tmp_path: Path) -> None:
    gpus(H200)
    found = only(devices(tmp_path))
    assert found.level == "ok"
    assert found.found.startswith(
        "1 x NVIDIA H200 (140.0 GiB, compute capability 9.0, bf16); trainer.accelerator=auto and "
    )


def test_several_gpus_and_how_to_use_them_all(gpus: Gpus, tmp_path: Path) -> None:
    gpus(H200, T4, H200)
    found = only(devices(tmp_path))
    assert found.level == "note"
    assert found.found.startswith("2 x NVIDIA H200 (140.0 GiB, compute capability 9.0, bf16), 1 x ")
    assert "Tesla T4 (15.0 GiB, compute capability 7.5, no bf16)" in found.found
    assert "hydra/launcher=gpus" in found.advice
    assert "trainer.devices=auto" in found.advice


def test_none(gpus: Gpus, tmp_path: Path) -> None:
    gpus()
    found = only(devices(tmp_path))
    assert found.level == "ok"
    assert found.found.startswith("the CPU, as torch finds no GPU; trainer.accelerator=auto and ")


@pytest.mark.parametrize(
    ("cuda", "why"), [(None, "is a build for CPUs"), ("13.0", "can't use its driver")]
)
def test_a_gpu_that_torch_can_not_use_is_a_problem(
    gpus: Gpus, cuda: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus()
    monkeypatch.setattr(torch.version, "cuda", cuda)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    found = only(devices(tmp_path))
    assert found.level == "problem"
    assert found.found.startswith("2 NVIDIA GPUs are there, but torch ")
    assert why in found.found


@pytest.mark.parametrize("value", ["", "-1"])
def test_gpus_that_are_hidden_on_purpose(
    gpus: Gpus, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert only(devices(tmp_path)).level == "ok"  # there are none to hide
    (tmp_path / "nvidia0").touch()
    found = only(devices(tmp_path))
    assert (found.level, found.advice) == (
        "note",
        "Unset CUDA_VISIBLE_DEVICES to train on a GPU.",
    )
    assert found.found.startswith("1 NVIDIA GPU is there, which CUDA_VISIBLE_DEVICES hides from ")


def test_an_apple_gpu_is_not_tested(
    gpus: Gpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus()
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    found = only(devices(tmp_path))
    assert (found.level, found.advice) == ("note", "Set trainer.accelerator=cpu.")


def test_an_amd_gpu_has_bf16_whatever_its_number(
    gpus: Gpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(("AMD Instinct", 64, (6, 0)))
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert "capability 6.0, bf16" in only(devices(tmp_path)).found
