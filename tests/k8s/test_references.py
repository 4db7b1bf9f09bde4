"""What one manifest says of another is true."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url

from nightread.settings import PREFIX, Settings, load_settings
from triton_repo.release import names

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[2]
CREATE_SECRET = re.compile(r"kubectl create secret generic (\S+)((?: \\\n\s*|\s+)--from-file=\S+)+")


@pytest.fixture(scope="session")
def documented_secrets() -> dict[str, set[str]]:
    """Secret: its keys, from the commands in docs/deploy.md."""
    text = (ROOT / "docs" / "deploy.md").read_text()
    found = {}
    for match in CREATE_SECRET.finditer(text):
        words = shlex.split(match[0].replace("\\\n", " "))
        keys = (word.removeprefix("--from-file=") for word in words if word.startswith("--from"))
        found[match[1]] = {key.partition("=")[0] for key in keys}
    return found


def mounts(template: Manifest, container: Manifest) -> dict[str, Manifest]:
    """What lies under each mount path of a container."""
    volumes = {volume["name"]: volume for volume in template["spec"].get("volumes", ())}
    return {m["mountPath"]: volumes[m["name"]] for m in container.get("volumeMounts", ())}


def containers_of(template: Manifest) -> list[Manifest]:
    spec = template["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def mounted_file(template: Manifest, container: Manifest, path: str) -> tuple[Manifest, str]:
    """The volume that a path lies in, and the path inside it."""
    for mount, volume in mounts(template, container).items():
        if path.startswith(f"{mount}/"):
            return volume, path.removeprefix(f"{mount}/")
    raise AssertionError(f"{path} lies in no volume of {container['name']}")


def test_every_config_map_that_a_pod_names_is_made(
    pods: dict[str, Manifest], config_maps: dict[str, dict[str, str]]
) -> None:
    named = set()
    for template in pods.values():
        named |= {
            v["configMap"]["name"] for v in template["spec"].get("volumes", ()) if "configMap" in v
        }
        for container in containers_of(template):
            named |= {source["configMapRef"]["name"] for source in container.get("envFrom", ())}
            assert "valueFrom" not in str(container.get("env"))
    assert named == config_maps.keys()


def test_every_secret_that_a_pod_mounts_is_made_by_a_command_in_the_docs(
    pods: dict[str, Manifest], documented_secrets: dict[str, set[str]]
) -> None:
    mounted = {
        volume["secret"]["secretName"]
        for template in pods.values()
        for volume in template["spec"].get("volumes", ())
        if "secret" in volume
    }
    assert mounted == documented_secrets.keys()


def test_every_mount_has_its_volume_and_every_volume_a_mount(pods: dict[str, Manifest]) -> None:
    for name, template in pods.items():
        used = {m["name"] for c in containers_of(template) for m in c.get("volumeMounts", ())}
        assert used == {v["name"] for v in template["spec"].get("volumes", ())}, name


def test_every_service_account_is_made(rendered: list[Manifest], pods: dict[str, Manifest]) -> None:
    made = {o["metadata"]["name"] for o in rendered if o["kind"] == "ServiceAccount"}
    assert {template["spec"]["serviceAccountName"] for template in pods.values()} == made


def test_the_role_is_bound_to_the_launchers_account(rendered: list[Manifest]) -> None:
    (binding,) = (o for o in rendered if o["kind"] == "RoleBinding")
    (role,) = (o for o in rendered if o["kind"] == "Role")
    (cron,) = (o for o in rendered if o["metadata"]["name"] == "nightread-nightly")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert subject["name"] == pod["serviceAccountName"]
    # Without a namespace the API server refuses the binding.
    assert subject["namespace"] == binding["metadata"]["namespace"] == cron["metadata"]["namespace"]


def test_everything_lies_in_one_namespace(rendered: list[Manifest], rayjob: Manifest) -> None:
    assert len({o["metadata"]["namespace"] for o in rendered}) == 1
    assert "namespace" not in rayjob["metadata"]  # the launcher's own, in an overlay too


def test_every_selector_finds_pods(rendered: list[Manifest], pods: dict[str, Manifest]) -> None:
    selectors = {
        f"{o['kind']} {o['metadata']['name']}": o["spec"]["selector"]
        for o in rendered
        if "selector" in o.get("spec", {})
    }
    assert {name.split()[0] for name in selectors} == {
        "Service",
        "Deployment",
        "PodDisruptionBudget",
    }
    for name, selector in selectors.items():
        wanted = selector.get("matchLabels", selector).items()
        found = [pod for pod, t in pods.items() if wanted <= t["metadata"]["labels"].items()]
        assert found == ["Deployment/triton"], name


def test_every_named_port_exists(rendered: list[Manifest], pods: dict[str, Manifest]) -> None:
    for name, template in pods.items():
        for container in containers_of(template):
            ports = {port["name"] for port in container.get("ports", ())}
            probes = [c for key, c in container.items() if key.endswith("Probe")]
            assert {probe["httpGet"]["port"] for probe in probes} <= ports, name
    (service,) = (o for o in rendered if o["kind"] == "Service")
    (triton,) = pods["Deployment/triton"]["spec"]["containers"]
    numbers = {port["name"]: port["containerPort"] for port in triton["ports"]}
    for port in service["spec"]["ports"]:
        # Headless: clients reach the pods' own port.
        assert numbers[port["targetPort"]] == port["port"]


def test_the_settings_name_the_service_that_serves_triton(
    rendered: list[Manifest], config_maps: dict[str, dict[str, str]]
) -> None:
    (service,) = (o for o in rendered if o["kind"] == "Service")
    url = urlsplit("//" + config_maps["nightread-settings"]["NIGHTREAD_TRITON_URL"])
    assert url.hostname == service["metadata"]["name"]
    assert url.port == next(p["port"] for p in service["spec"]["ports"] if p["name"] == "grpc")


@pytest.mark.parametrize(
    "name", ["nightread-settings", "nightread-migration", "nightread-retention"]
)
def test_nightread_takes_the_settings(
    name: str,
    config_maps: dict[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    settings = config_maps[name]
    (tmp_path / "file").touch()
    for variable, value in settings.items():
        assert variable.removeprefix(PREFIX).lower() in Settings.model_fields, variable
        there = str(tmp_path / "file") if variable.endswith("_FILE") else value
        monkeypatch.setenv(variable, there)
    read = load_settings(stack_file=None)
    assert read.log_format == "json"


def test_all_logins_are_of_one_database(config_maps: dict[str, dict[str, str]]) -> None:
    job = make_url(config_maps["nightread-settings"]["NIGHTREAD_DATABASE_URL"])
    owner = make_url(config_maps["nightread-migration"]["NIGHTREAD_MIGRATION_DATABASE_URL"])
    eraser = make_url(config_maps["nightread-retention"]["NIGHTREAD_ERASURE_DATABASE_URL"])
    assert job.set(username=owner.username) == owner
    assert job.set(username=eraser.username) == eraser
    assert len({job.username, owner.username, eraser.username}) == 3
    assert job.query["sslmode"] == "require"


def test_the_files_that_the_settings_name_are_mounted_on_the_head(
    pods: dict[str, Manifest],
    config_maps: dict[str, dict[str, str]],
    documented_secrets: dict[str, set[str]],
) -> None:
    settings = config_maps["nightread-settings"]
    head = pods["RayJob/head"]
    (container,) = head["spec"]["containers"]
    for variable in ("NIGHTREAD_S3_CREDENTIALS_FILE", "NIGHTREAD_PSEUDONYM_KEY_FILE"):
        volume, key = mounted_file(head, container, settings[variable])
        assert key in documented_secrets[volume["secret"]["secretName"]]


def test_workers_find_the_s3_credentials_where_the_head_says(
    pods: dict[str, Manifest],
    config_maps: dict[str, dict[str, str]],
    documented_secrets: dict[str, set[str]],
) -> None:
    path = config_maps["nightread-settings"]["NIGHTREAD_S3_CREDENTIALS_FILE"]
    worker = pods["RayJob/worker cpu"]
    volume, key = mounted_file(worker, worker["spec"]["containers"][0], path)
    assert key in documented_secrets[volume["secret"]["secretName"]]


def test_the_images_inside_the_rayjob_are_those_of_the_kustomization(
    containers: dict[str, Manifest],
) -> None:
    """Kustomize's `images` does not reach into a ConfigMap."""
    by_name: dict[str, set[str]] = {}
    for container in containers.values():
        image = container["image"]
        by_name.setdefault(re.split(r"[:@]", image)[0], set()).add(image)
    assert by_name.keys() == {"nightread", "nightread-triton", "registry.k8s.io/kubectl"}
    assert all(len(images) == 1 for images in by_name.values()), by_name


def test_images_and_the_migration_carry_the_projects_version(
    containers: dict[str, Manifest], rendered: list[Manifest]
) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, container in containers.items():
        image, _, tag = container["image"].rpartition(":")
        assert image, f"{name} has no tag"
        assert tag != "latest", name
        assert image == "registry.k8s.io/kubectl" or tag == version, name
    (job,) = (o for o in rendered if o["kind"] == "Job")
    assert job["metadata"]["name"] == f"nightread-migrate-{version.replace('.', '-')}"


def test_the_release_that_base_names_is_in_the_image(
    config_maps: dict[str, dict[str, str]],
) -> None:
    built = names()
    if not built:
        pytest.skip("triton_repo/releases holds no release")
    assert config_maps["nightread-settings"]["NIGHTREAD_RELEASE"] in built


def test_another_release_rolls_triton(config_maps: dict[str, dict[str, str]]) -> None:
    """Its ConfigMap's name is a hash of the release's; the job's settings hold the same name."""
    (name,) = (n for n in config_maps if re.fullmatch(r"nightread-release-[a-z0-9]{10}", n))
    release = config_maps[name]["NIGHTREAD_RELEASE"]
    assert config_maps["nightread-settings"]["NIGHTREAD_RELEASE"] == release
