"""Whether a release does what its manifest says, checked on this machine's CPU."""

from collections.abc import Iterator

from triton_repo import canary, configs, contract
from triton_repo.contract import CLASSIFIER, DETECTOR, ENSEMBLE, Model
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
    sizes = release.manifest.sizes
    graphs: dict[str, Model] = {
        DETECTOR: contract.detector(sizes),
        CLASSIFIER: contract.classifier(sizes),
    }
    weights = configs.weights_digest(*(release.models / n / "1/model.onnx" for n in graphs))
    for profile, name in _PROFILES.items():
        wanted = {n: configs.of_graph(model, profile, weights) for n, model in graphs.items()}
        wanted[ENSEMBLE] = configs.of_ensemble(sizes, profile, weights)
        for model_name, text in wanted.items():
            if (release.models / model_name / name).read_text() != text:
                yield f"{model_name}/{name} is not what the contract prints."
    for model_name, model in graphs.items():
        found = signature(release.models / model_name / "1" / "model.onnx")
        if found != set(model.inputs) | set(model.outputs):
            yield f"{model_name}/1/model.onnx does not have the contract's tensors."
            return
    wrong = canary.problem(release.manifest.canary, Graphs.of(release.models)(canary.image(sizes)))
    if wrong:
        yield f"On this machine {wrong}."
