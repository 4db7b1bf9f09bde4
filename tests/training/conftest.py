"""What tests of training share.

Tests that need torch are not collected where it is not installed (`make test`).
"""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.training.tiny import TINY

collect_ignore = (
    []
    if find_spec("torch")
    else [
        "test_balance.py",
        "test_crops.py",
        "test_fusion.py",
        "test_networks.py",
        "test_parity.py",
        "test_precision.py",
        "test_retina.py",
        "test_specks.py",
        "test_training.py",
        "test_wholes.py",
    ]
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the recipe `quick` on phantoms alone; its release is `tiny`."""
    from training import release  # noqa: PLC0415 -- needs torch

    folder = tmp_path_factory.mktemp("tiny") / "run"
    release.main([*TINY, str(folder)])
    return folder
