"""The GPU is asked of the driver, and its absence is a sentence."""

from types import SimpleNamespace
from typing import Any

import pytest

from triton_repo import cuda
from triton_repo.release import ReleaseError


def driver(status: int) -> SimpleNamespace:
    """Answers as libcuda does: a status, and results through pointers."""

    def get(device: Any, number: int) -> int:
        device._obj.value = number
        return status

    def name(text: Any, length: int, device: Any) -> int:
        text.value = b"NVIDIA L4"
        return status

    def attribute(value: Any, which: int, device: Any) -> int:
        value._obj.value = {75: 8, 76: 9}[which]
        return status

    return SimpleNamespace(cuDeviceGet=get, cuDeviceGetName=name, cuDeviceGetAttribute=attribute)


def test_the_gpu_is_what_the_driver_says() -> None:
    assert cuda.gpu(driver(status=0)) == ("NVIDIA L4", "8.9")


def test_a_refusal_is_named_with_its_number() -> None:
    with pytest.raises(ReleaseError, match="error 100"):
        cuda.gpu(driver(status=100))


def test_without_a_driver_it_says_where_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "_DRIVER", "libcuda-of-nobody.so")
    with pytest.raises(ReleaseError, match="a machine with a GPU"):
        cuda.driver()
