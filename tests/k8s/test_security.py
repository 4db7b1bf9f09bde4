"""Pods that the pod-security level `restricted` admits, and secrets that stay in files."""

import re
from typing import Any

import pytest

from ray_jobs import tasks

Manifest = dict[str, Any]

TALKS_TO_THE_API_SERVER = {"CronJob/nightread-nightly"}
DATABASE_SECRETS = {"nightread-database-owner", "nightread-database-job"}
LOOKS_SECRET = re.compile(
    r"(?i)(passw(or)?d|secret|token|api_?key|access_?key)\w*['\"]?\s*[=:]"
    r"|://[^/\s@:]+:[^/\s@]+@"  # user:password@
    r"|AKIA[0-9A-Z]{16}|-----BEGIN"
)


def secrets_of(template: Manifest) -> set[str]:
    return {v["secret"]["secretName"] for v in template["spec"].get("volumes", ()) if "secret" in v}


def test_no_pod_runs_as_root_or_without_seccomp(pods: dict[str, Manifest]) -> None:
    for name, template in pods.items():
        context = template["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] >= 1000, name  # a number: a named USER is refused
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name


def test_every_container_is_restricted(containers: dict[str, Manifest]) -> None:
    for name, container in containers.items():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_pods_touch_nothing_of_their_node(pods: dict[str, Manifest]) -> None:
    for name, template in pods.items():
        spec = template["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        for volume in spec.get("volumes", ()):
            assert volume.keys() - {"name"} <= {"emptyDir", "secret", "configMap"}, name
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"], name


def test_the_launcher_alone_has_a_token(
    rendered: list[Manifest], pods: dict[str, Manifest]
) -> None:
    mounted = {
        name
        for name, pod in pods.items()
        if pod["spec"]["automountServiceAccountToken"] is not False
    }
    assert mounted == TALKS_TO_THE_API_SERVER
    accounts = [o for o in rendered if o["kind"] == "ServiceAccount"]
    assert accounts
    assert all(o["automountServiceAccountToken"] is False for o in accounts)


def test_the_launcher_may_create_rayjobs_and_nothing_else(rendered: list[Manifest]) -> None:
    (role,) = (o for o in rendered if o["kind"].endswith("Role"))
    assert role["kind"] == "Role"
    assert role["rules"] == [
        {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create"]}
    ]


def test_other_services_do_not_leak_into_the_environment(pods: dict[str, Manifest]) -> None:
    """A Service named like one of our settings would otherwise set a NIGHTREAD_ variable."""
    for name, template in pods.items():
        assert template["spec"]["enableServiceLinks"] is False, name


def test_no_secret_stands_in_a_manifest(
    rendered: list[Manifest], rayjob: Manifest, containers: dict[str, Manifest]
) -> None:
    assert not [o for o in rendered if o["kind"] == "Secret"]
    words = [("RayJob/entrypoint", rayjob["spec"]["entrypoint"])]
    for item in rendered:
        if item["kind"] == "ConfigMap" and "rayjob.yaml" not in item["data"]:
            words += [(item["metadata"]["name"], f"{k}={v}") for k, v in item["data"].items()]
    for name, container in containers.items():
        assert "secretRef" not in str(container.get("envFrom")), name
        for variable in container.get("env", ()):
            # Files can be exchanged while a pod runs, and no child process inherits them.
            assert "secretKeyRef" not in str(variable), name
            words.append((name, f"{variable['name']}={variable.get('value')}"))
        words += [(name, word) for key in ("command", "args") for word in container.get(key, ())]
    assert [(name, word) for name, word in words if LOOKS_SECRET.search(word)] == []


@pytest.mark.parametrize(
    "text",
    [
        "PGPASSWORD=x",
        "postgresql://job:pw@postgres/nightread",
        "AWS_SECRET_ACCESS_KEY=x",
        "--token=x",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_the_search_for_secrets_knows_one_when_it_sees_it(text: str) -> None:
    assert LOOKS_SECRET.search(text)


def test_workers_hold_the_right_to_read_the_archive_and_nothing_else(
    pods: dict[str, Manifest],
) -> None:
    """A file that takes over a decoder finds no database and no pseudonym key."""
    workers = [template for name, template in pods.items() if name.startswith("RayJob/worker")]
    assert workers
    for worker in workers:
        assert secrets_of(worker) == {"nightread-s3-read"}
        assert "initContainers" not in worker["spec"]
        for container in worker["spec"]["containers"]:
            assert "envFrom" not in container
            names = [variable["name"] for variable in container["env"]]
            assert not [name for name in names if name.startswith(("NIGHTREAD_", "PG"))]


def test_only_the_head_and_the_migration_see_a_database_password(
    pods: dict[str, Manifest],
) -> None:
    holders = {
        name: found
        for name, template in pods.items()
        if (found := secrets_of(template) & DATABASE_SECRETS)
    }
    assert holders == {
        "RayJob/head": {"nightread-database-job"},
        "Job/nightread-migrate-0-1-0": {"nightread-database-owner"},
    }


def test_no_study_is_decoded_where_the_database_password_is(rayjob: Manifest) -> None:
    head = rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    for task in (tasks.read_headers, tasks.screen_study):
        assert task._default_options["num_cpus"] >= 1


def test_nobody_submits_to_the_cluster_without_its_token(rayjob: Manifest) -> None:
    assert rayjob["spec"]["rayClusterSpec"]["authOptions"]["mode"] == "token"
    assert "enableIngress" not in rayjob["spec"]["rayClusterSpec"]["headGroupSpec"]
