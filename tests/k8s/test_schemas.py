"""Each object is what the API server of Kubernetes 1.37 and KubeRay 1.7 would accept."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema

SCHEMAS = Path(__file__).parent / "schemas"
Manifest = dict[str, Any]


@functools.cache
def schema(api_version: str, kind: str) -> Manifest:
    group, _, version = api_version.rpartition("/")
    path = SCHEMAS / (group or "core") / f"{kind.lower()}_{version}.json"
    assert path.exists(), f"no schema for {api_version} {kind}"
    return json.loads(path.read_text())


@functools.cache
def validator(api_version: str, kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(api_version, kind))


def problems(item: Manifest) -> list[str]:
    """What the schema of the object's kind says against it."""
    check = validator(item["apiVersion"], item["kind"])
    return [f"{fault.json_path}: {fault.message[:200]}" for fault in check.iter_errors(item)]


def as_pod_template(template: Manifest) -> Manifest:
    """A pod template as an object of its own: CRDs check templates less strictly than core."""
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "x"},
        "template": template,
    }


def duplicates(value: Any, part: Manifest, whole: Manifest, where: str = "$") -> Iterator[str]:
    """Entries of a list that the API server merges by key, twice under one key."""
    while "$ref" in part:
        part = whole["$defs"][part["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        for key, item in value.items():
            below = part.get("properties", {}).get(key, part.get("additionalProperties"))
            if isinstance(below, dict):
                yield from duplicates(item, below, whole, f"{where}.{key}")
    elif isinstance(value, list):
        keys = part.get("x-kubernetes-list-map-keys", ())
        seen = [tuple(item.get(key) for key in keys) for item in value if keys]
        yield from (f"{where}: {key} twice" for key in sorted(set(seen)) if seen.count(key) > 1)
        for item in value:
            yield from duplicates(item, part.get("items", {}), whole, f"{where}[]")


def test_every_object_keeps_its_strict_schema(rendered: list[Manifest], rayjob: Manifest) -> None:
    faults = [
        f"{item['kind']} {item['metadata'].get('name', '')} {problem}"
        for item in [*rendered, rayjob]
        for problem in problems(item)
    ]
    assert faults == []


def test_every_pod_template_keeps_the_schema_of_pods(pods: dict[str, Manifest]) -> None:
    faults = [
        f"{name} {problem}"
        for name, template in pods.items()
        for problem in problems(as_pod_template(template))
    ]
    assert faults == []


def test_no_list_names_a_thing_twice(rendered: list[Manifest], pods: dict[str, Manifest]) -> None:
    items = [*rendered, *map(as_pod_template, pods.values())]
    faults = [
        f"{item['kind']} {fault}"
        for item in items
        for whole in [schema(item["apiVersion"], item["kind"])]
        for fault in duplicates(item, whole, whole)
    ]
    assert faults == []


def test_the_schemas_refuse_what_the_api_server_would(rayjob: Manifest) -> None:
    """The net has no holes where these faults would slip through."""
    misspelt = json.loads(json.dumps(rayjob))
    misspelt["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replica"] = 2
    assert any("replica" in problem for problem in problems(misspelt))
    template = json.loads(json.dumps(rayjob["spec"]["submitterPodTemplate"]))
    container = template["spec"]["containers"][0]
    container["env"] *= 2
    container["resources"]["requests"]["memory"] = "1GB"
    item = as_pod_template(template)
    whole = schema("v1", "PodTemplate")
    assert any("1GB" in problem for problem in problems(item))
    assert any("HOME" in fault for fault in duplicates(item, whole, whole))


def test_the_copied_schemas_are_the_shared_ones(shared: Path) -> None:
    copies = sorted(path.relative_to(SCHEMAS) for path in SCHEMAS.rglob("*.json"))
    assert copies
    for name in copies:
        assert (SCHEMAS / name).read_bytes() == (shared / "schemas" / name).read_bytes(), name
