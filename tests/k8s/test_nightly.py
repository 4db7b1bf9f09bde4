"""The night's RayJob: KubeRay 1.7's own rules, which no schema holds, and ours."""

import re
from pathlib import Path
from typing import Any

from nightread.errors import LockedError
from nightread.settings import Settings
from ray_jobs.cluster import OBJECT_STORE_BYTES, WORKER_SETTINGS

Manifest = dict[str, Any]

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
RANDOM_SUFFIX = 5  # characters that the API server adds to a generateName
LONGEST_NAME = 47  # KubeRay's limit for a RayJob


def groups_of(rayjob: Manifest) -> list[Manifest]:
    cluster = rayjob["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def test_the_cron_job_starts_at_most_one_run_a_night(rendered: list[Manifest]) -> None:
    (cron,) = (
        o["spec"]
        for o in rendered
        if (o["kind"], o["metadata"]["name"]) == ("CronJob", "nightread-nightly")
    )
    assert cron["concurrencyPolicy"] == "Forbid"
    assert 0 < cron["startingDeadlineSeconds"] < 24 * 3600
    assert cron["timeZone"]
    minute, hour, *days = cron["schedule"].split()
    assert minute.isdecimal()
    assert hour.isdecimal()
    assert days == ["*", "*", "*"]
    assert {"successfulJobsHistoryLimit", "failedJobsHistoryLimit"} <= cron.keys()


def test_a_run_is_over_before_the_next_night(rayjob: Manifest) -> None:
    spec = rayjob["spec"]
    assert spec["preRunningDeadlineSeconds"] < spec["activeDeadlineSeconds"] < 24 * 3600


def test_the_launcher_creates_the_file_that_is_mounted(
    pods: dict[str, Manifest], containers: dict[str, Manifest]
) -> None:
    launch = containers["CronJob/nightread-nightly/launch"]
    program, verb, file = launch["command"]
    assert (program, verb) == ("/bin/kubectl", "create")
    (mount,) = (m for m in launch["volumeMounts"] if m["name"] == "rayjob")
    assert file == f"--filename={mount['mountPath']}/rayjob.yaml"
    volumes = {v["name"]: v for v in pods["CronJob/nightread-nightly"]["spec"]["volumes"]}
    assert volumes["rayjob"]["configMap"]["name"] == "nightread-rayjob"


def test_each_night_has_a_new_name_that_kuberay_takes(rayjob: Manifest) -> None:
    metadata = rayjob["metadata"]
    assert "name" not in metadata
    name = metadata["generateName"] + "x" * RANDOM_SUFFIX
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= LONGEST_NAME


def test_the_cluster_goes_away_after_the_run(rayjob: Manifest) -> None:
    spec = rayjob["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["ttlSecondsAfterFinished"] > 0
    assert "deletionStrategy" not in spec  # KubeRay refuses both
    assert 1 <= spec["backoffLimit"] <= 2


def test_a_namespace_that_is_restricted_admits_the_submitter(rayjob: Manifest) -> None:
    """KubeRay's own template carries no securityContext."""
    assert rayjob["spec"]["submissionMode"] == "K8sJobMode"
    pod = rayjob["spec"]["submitterPodTemplate"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert not {"command", "args"} & container.keys()  # KubeRay fills them in


def test_head_workers_and_submitter_are_one_image(rayjob: Manifest) -> None:
    """Python and Ray must be the same to the patch."""
    templates = [g["template"] for g in groups_of(rayjob)] + [
        rayjob["spec"]["submitterPodTemplate"]
    ]
    assert len({c["image"] for t in templates for c in t["spec"]["containers"]}) == 1


def test_ray_is_the_locked_version(rayjob: Manifest) -> None:
    (locked,) = re.findall(r"^ray==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)
    assert rayjob["spec"]["rayClusterSpec"]["rayVersion"] == locked


def test_ray_start_is_told_strings_and_no_resource_twice(rayjob: Manifest) -> None:
    head, *workers = groups_of(rayjob)
    for group in (head, *workers):
        parameters = group["rayStartParams"]
        assert all(isinstance(value, str) for value in parameters.values())
        assert int(parameters["object-store-memory"]) == OBJECT_STORE_BYTES
        assert "memory" not in parameters
        assert "labels" not in parameters
        assert "resources" not in group  # the pod's say it
    assert all("num-cpus" not in worker["rayStartParams"] for worker in workers)


def test_workers_have_a_local_rays_settings(containers: dict[str, Manifest]) -> None:
    worker = containers["RayJob/worker cpu/ray-worker"]
    settings = {variable["name"]: variable["value"] for variable in worker["env"]}
    assert settings.items() >= WORKER_SETTINGS.items()
    assert 0.5 < float(settings["RAY_memory_usage_threshold"]) < 0.95


def test_a_worker_has_the_memory_that_its_studies_ask_for(containers: dict[str, Manifest]) -> None:
    """Ray starts a study on a worker only where this much of the pod's limit is free."""
    needs = containers["RayJob/worker cpu/ray-worker"]["resources"]
    studies = int(needs["requests"]["cpu"])
    limit = int(needs["limits"]["memory"].removesuffix("Gi")) << 30
    study = Settings.model_fields["study_memory_mb"].default << 20
    assert studies * study + OBJECT_STORE_BYTES <= limit * 0.9  # RAY_memory_usage_threshold


def test_ray_can_write_where_its_root_is_read_only(
    pods: dict[str, Manifest], containers: dict[str, Manifest]
) -> None:
    for name in ("RayJob/head/ray-head", "RayJob/worker cpu/ray-worker"):
        template = pods[name.rpartition("/")[0]]
        volumes = {v["name"]: v for v in template["spec"]["volumes"]}
        (tmp,) = (m for m in containers[name]["volumeMounts"] if m["mountPath"] == "/tmp")
        assert "emptyDir" in volumes[tmp["name"]]
        assert {"name": "HOME", "value": "/tmp"} in containers[name]["env"]


def test_the_head_is_not_moved_during_a_run(pods: dict[str, Manifest]) -> None:
    notes = pods["RayJob/head"]["metadata"]["annotations"]
    assert notes["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"


def test_the_entrypoint_needs_no_shell(rayjob: Manifest) -> None:
    """The submitter's shell would expand it, with the submitter's variables."""
    assert re.fullmatch(r"[A-Za-z0-9_./:= -]+", rayjob["spec"]["entrypoint"])


def test_two_runs_that_meet_are_told_apart_by_an_exit_code() -> None:
    """What nightly-cronjob.yaml and docs/deploy.md promise of the lock in Postgres."""
    assert LockedError.exit_code == 6
