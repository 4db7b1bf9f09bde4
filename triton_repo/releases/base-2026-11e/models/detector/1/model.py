"""Triton's python backend on the CPU: runs ONNX graphs with onnxruntime.

Copied beside each graph of a release, and where the whole ensemble is one model. It imports
nothing of nightread: Triton's python stub has an environment of its own.
"""

import json
import os

import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance: one session a graph, one thread."""

    def initialize(self, args):
        """Load the graphs; names of tensors come from config.pbtxt.

        Its parameter `steps` names the graphs of the models beside this one that are run in turn,
        and what each one's inputs and outputs are called here; without it there is one graph,
        beside this file.
        """
        config = json.loads(args["model_config"])
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]
        # The folder of this model; its neighbours are the other models of the release.
        here = args["model_repository"]
        if "steps" in config["parameters"]:
            repository = os.path.dirname(here)
            self.steps = [
                (_session(os.path.join(repository, *step["graph"])), step["reads"], step["writes"])
                for step in json.loads(config["parameters"]["steps"]["string_value"])
            ]
        else:
            graph = os.path.join(here, args["model_version"], "model.onnx")
            own = ({name: name for name in names} for names in (self.inputs, self.outputs))
            self.steps = [(_session(graph), *own)]

    def execute(self, requests):
        """One request after the other: on the CPU a batch gains nothing."""
        return [self.answer(request) for request in requests]

    def answer(self, request):
        """All graphs in turn."""
        known = {
            name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in self.inputs
        }
        for session, reads, writes in self.steps:
            feeds = {own: known[name] for own, name in reads.items()}
            known.update(zip(writes.values(), session.run(list(writes), feeds), strict=True))
        tensors = [pb_utils.Tensor(name, known[name]) for name in self.outputs]
        return pb_utils.InferenceResponse(output_tensors=tensors)


def _session(graph):
    options = onnxruntime.SessionOptions()
    # Instances use the cores, threads do not: two threads cost more CPU for one image, and a
    # spinning pool takes it from the decoders.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
