"""Tests of training that need torch are not collected where it is not installed (`make test`)."""

from importlib.util import find_spec

collect_ignore = (
    []
    if find_spec("torch")
    else [
        "test_balance.py",
        "test_crops.py",
        "test_fusion.py",
        "test_networks.py",
        "test_retina.py",
        "test_specks.py",
        "test_training.py",
    ]
)
