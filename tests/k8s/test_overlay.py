"""The overlay that docs/deploy.md shows is one that works."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy.md"
HERE = re.compile(r"```yaml\n# k8s/overlays/here/kustomization\.yaml\n(.*?)```", re.DOTALL)


def test_the_overlay_in_the_docs_changes_what_it_says(
    base: Path, kubectl: Path, tmp_path: Path
) -> None:
    shutil.copytree(base, tmp_path / "base")
    here = tmp_path / "overlays" / "here"
    here.mkdir(parents=True)
    (kustomization,) = HERE.findall(DEPLOY.read_text())
    (here / "kustomization.yaml").write_text(kustomization)
    (here / "settings.env").write_text("NIGHTREAD_S3_ENDPOINT_URL=https://here.example.org\n")
    (here / "migration.env").write_text("NIGHTREAD_MIGRATION_DATABASE_URL=postgresql://db/n\n")
    (here / "retention.env").write_text("NIGHTREAD_KEEP_RUNS_DAYS=90\n")
    (here / "rayjob.yaml").write_text("kind: RayJob # of our own\n")
    done = subprocess.run(
        [kubectl, "kustomize", here], capture_output=True, text=True, check=True, timeout=30
    )
    assert not done.stderr
    objects: list[Manifest] = list(yaml.safe_load_all(done.stdout))
    maps = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
    settings = maps["nightread-settings"]  # still under the name that the RayJob asks for
    assert settings["NIGHTREAD_S3_ENDPOINT_URL"] == "https://here.example.org"
    assert settings["NIGHTREAD_TRITON_URL"] == "triton:8001"
    assert maps["nightread-migration"]["NIGHTREAD_MIGRATION_DATABASE_URL"] == "postgresql://db/n"
    assert maps["nightread-retention"]["NIGHTREAD_KEEP_RUNS_DAYS"] == "90"
    assert maps["nightread-rayjob"]["rayjob.yaml"] == "kind: RayJob # of our own\n"
    images = set(re.findall(r"^ *image: (\S+)$", done.stdout, re.MULTILINE))
    assert {image.rpartition(":")[0] for image in images} == {
        "registry.example.org/nightread",
        "registry.example.org/nightread-triton",
        "registry.k8s.io/kubectl",
    }
