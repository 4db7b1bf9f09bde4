"""Pods that a busy cluster can place, drain and restart."""

import re
import subprocess
from decimal import Decimal
from typing import Any

import pytest

from nightread.stack import triton_env
from nightread.stack.process import base_env
from triton_repo.contract import ENSEMBLE

Manifest = dict[str, Any]

UNITS = {"": 1, "m": Decimal("0.001"), "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def amount(quantity: str) -> Decimal:
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", quantity).groups()
    return Decimal(number) * UNITS[unit]


@pytest.fixture(scope="session")
def triton(containers: dict[str, Manifest]) -> Manifest:
    return containers["Deployment/triton/triton"]


@pytest.fixture(scope="session")
def options(triton: Manifest) -> list[tuple[str, str]]:
    """Triton's options with their values, in order."""
    pairs = (word.removeprefix("--").partition("=") for word in triton["command"][1:])
    return [(name, value) for name, _, value in pairs]


def test_every_container_says_what_it_needs(containers: dict[str, Manifest]) -> None:
    for name, container in containers.items():
        needs = container["resources"]
        assert amount(needs["requests"]["cpu"]) > 0, name
        # Equal: memory that was promised twice is what gets a neighbour killed.
        assert amount(needs["requests"]["memory"]) == amount(needs["limits"]["memory"]), name


def test_shared_memory_fits_in_the_memory_that_counts_it(pods: dict[str, Manifest]) -> None:
    for name, template in pods.items():
        in_memory = {
            volume["name"]: amount(volume["emptyDir"]["sizeLimit"])
            for volume in template["spec"]["volumes"]
            if volume.get("emptyDir", {}).get("medium") == "Memory"
        }
        for container in template["spec"]["containers"]:
            used = sum(in_memory.get(m["name"], 0) for m in container["volumeMounts"])
            assert used <= amount(container["resources"]["limits"]["memory"]) / 2, name


def test_triton_has_shared_memory_of_its_own(pods: dict[str, Manifest], triton: Manifest) -> None:
    (mount,) = (m for m in triton["volumeMounts"] if m["mountPath"] == "/dev/shm")
    volumes = {v["name"]: v for v in pods["Deployment/triton"]["spec"]["volumes"]}
    assert volumes[mount["name"]]["emptyDir"]["medium"] == "Memory"


def test_a_server_that_stops_finishes_what_it_has(
    pods: dict[str, Manifest], triton: Manifest, options: list[tuple[str, str]]
) -> None:
    sleep = triton["lifecycle"]["preStop"]["sleep"]["seconds"]
    leave = int(dict(options)["exit-timeout-secs"])
    assert sleep > 0
    # Ten seconds to unload the models.
    assert sleep + leave + 10 < pods["Deployment/triton"]["spec"]["terminationGracePeriodSeconds"]


def test_a_server_is_ready_when_the_ensemble_is(triton: Manifest) -> None:
    assert triton["readinessProbe"]["httpGet"]["path"] == f"/v2/models/{ENSEMBLE}/ready"


def test_a_server_is_restarted_for_being_dead_not_for_being_unready(triton: Manifest) -> None:
    assert triton["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"
    startup = triton["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 300


def test_probes_wait_longer_than_kubelets_one_second(containers: dict[str, Manifest]) -> None:
    probes = {
        f"{name} {key}": probe
        for name, container in containers.items()
        for key, probe in container.items()
        if key.endswith("Probe")
    }
    assert probes
    assert all(probe["timeoutSeconds"] >= 5 for probe in probes.values())


def test_triton_loads_the_ensemble_and_its_steps_alone(options: list[tuple[str, str]]) -> None:
    assert ("model-control-mode", "explicit") in options
    assert [value for name, value in options if name == "load-model"] == [ENSEMBLE]


def test_triton_knows_every_option_that_it_is_given(options: list[tuple[str, str]]) -> None:
    """Asked of the local stack's server, an older version: it has all that base uses."""
    env = triton_env.find(None)
    done = subprocess.run(
        [env.home / "bin" / "tritonserver", "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=base_env(LD_LIBRARY_PATH=f"{env.site}/nvidia_pytriton.libs"),
    )
    known = set(re.findall(r"^\s+--([a-z0-9-]+)", done.stdout + done.stderr, re.MULTILINE))
    assert "model-repository" in known
    assert {name for name, _ in options} <= known


def test_a_drain_is_never_blocked(rendered: list[Manifest]) -> None:
    (budget,) = (o["spec"] for o in rendered if o["kind"] == "PodDisruptionBudget")
    (deployment,) = (o["spec"] for o in rendered if o["kind"] == "Deployment")
    assert 1 <= budget["maxUnavailable"] < deployment["replicas"]
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_roll_out_takes_no_server_away_before_another_is_there(
    rendered: list[Manifest],
) -> None:
    (deployment,) = (o["spec"] for o in rendered if o["kind"] == "Deployment")
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_jobs_end_by_themselves(rendered: list[Manifest]) -> None:
    jobs = [o["spec"] for o in rendered if o["kind"] == "Job"]
    jobs += [o["spec"]["jobTemplate"]["spec"] for o in rendered if o["kind"] == "CronJob"]
    assert len(jobs) == 3
    for job in jobs:
        assert job["activeDeadlineSeconds"] <= 3600
        assert job["backoffLimit"] <= 4
