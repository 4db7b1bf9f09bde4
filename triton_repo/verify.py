"""Whether a release does what its manifest says, checked on this machine's CPU."""

from collections.abc import Iterator

from triton_repo import canary, configs, reference
from triton_repo.graphs import Graphs, signature
from triton_repo.release import Release


def problems(release: Release) -> Iterator[str]:
    """One sentence for each thing that is wrong; nothing when the release is sound.

    Files are as named (`release.load` has seen to that); here: configurations are what the
    contract prints, graphs have the contract's tensors, and the canary and the reference views
    get their answers, these from the graphs for TensorRT too, as onnxruntime runs them.
    """
    sizes, members = release.manifest.sizes, release.manifest.members
    weights = configs.weights_digest(release.graphs.values())
    for name, text in configs.all_files(sizes, members, weights):
        path = release.models / name
        if not path.is_file() or path.read_text() != text:
            yield f"{name} is not what the contract prints."
    planned = release.planned
    for model in (step.model for step in release.steps):
        graphs = [release.graphs[model.name], *filter(None, [planned.get(model.name)])]
        for path in graphs:
            if signature(path) != {*model.inputs, *model.outputs}:
                name = path.relative_to(release.folder).as_posix()
                yield f"{name} does not have the contract's tensors."
                return
    ensemble = Graphs.of(release)
    wrong = canary.problem(release.manifest.canary, ensemble(canary.image(sizes)))
    if wrong:
        yield f"On this machine {wrong}."
    yield from reference.problems(release, ensemble, "cpu")
    if planned.keys() == release.graphs.keys():
        yield from reference.problems(release, Graphs(release.steps, planned), "tensorrt")
    elif planned:
        lacking = ", ".join(sorted(release.graphs.keys() - planned.keys()))
        yield f"It has graphs for TensorRT, but none of {lacking}."
