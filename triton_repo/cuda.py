"""Which GPU is here, asked of NVIDIA's driver: no package is needed for that."""

import ctypes
from typing import Any, NamedTuple

from triton_repo.release import ReleaseError

_DRIVER = "libcuda.so.1"  # comes with the driver, into containers too
_NAME_BYTES = 256
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


class Gpu(NamedTuple):
    """What a plan is built for."""

    name: str  # as the driver says it, such as NVIDIA A10
    capability: str  # such as 8.6


def driver() -> Any:
    """The driver's library; raises `ReleaseError` where there is no GPU."""
    try:
        library = ctypes.CDLL(_DRIVER)
    except OSError:
        raise ReleaseError(
            f"There is no NVIDIA driver here ({_DRIVER}): run this on a machine with a GPU, "
            "in a container with `--gpus all`."
        ) from None
    call(library.cuInit, 0)
    return library


def gpu(library: Any) -> Gpu:
    """The first GPU that this process may use, which is the one that plans are built on."""
    device, major, minor = (ctypes.c_int() for _ in range(3))
    name = ctypes.create_string_buffer(_NAME_BYTES)
    call(library.cuDeviceGet, ctypes.byref(device), 0)
    call(library.cuDeviceGetName, name, _NAME_BYTES, device)
    call(library.cuDeviceGetAttribute, ctypes.byref(major), _MAJOR, device)
    call(library.cuDeviceGetAttribute, ctypes.byref(minor), _MINOR, device)
    return Gpu(name.value.decode(), f"{major.value}.{minor.value}")


def call(function: Any, *arguments: Any) -> None:
    """Raises `ReleaseError` with the number that the driver answered with, which is its reason."""
    status = function(*arguments)
    if status:
        raise ReleaseError(f"NVIDIA's driver refused {function.__name__}: error {status}.")
