"""Whether a release does what its manifest says, checked on this machine's CPU."""

from collections.abc import Iterator

from triton_repo import canary, configs
from triton_repo.contract import ENSEMBLE
from triton_repo.graphs import Graphs, signature
from triton_repo.release import Release

_PROFILES: dict[configs.Profile, str] = {
    "cpu": "config.pbtxt",
    "tensorrt": "configs/tensorrt.pbtxt",
}


def problems(release: Release) -> Iterator[str]:
    """One sentence for each thing that is wrong; nothing when the release is sound.

    Files are as named (`release.load` has seen to that); here: configurations are what the
    contract prints, graphs have the contract's tensors, and the canary gets its answer.
    """
    sizes, members = release.manifest.sizes, release.manifest.members
    models = [step.model for step in release.steps]
    weights = configs.weights_digest(release.graphs.values())
    for profile, name in _PROFILES.items():
        wanted = {model.name: configs.of_graph(model, profile, weights) for model in models}
        wanted[ENSEMBLE] = configs.of_ensemble(sizes, profile, weights, members)
        for model_name, text in wanted.items():
            if (release.models / model_name / name).read_text() != text:
                yield f"{model_name}/{name} is not what the contract prints."
    for model in models:
        if signature(release.graphs[model.name]) != {*model.inputs, *model.outputs}:
            yield f"{model.name}/1/model.onnx does not have the contract's tensors."
            return
    wrong = canary.problem(release.manifest.canary, Graphs.of(release)(canary.image(sizes)))
    if wrong:
        yield f"On this machine {wrong}."
