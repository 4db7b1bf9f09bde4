"""Triton's python backend on the CPU: runs the model's ONNX graph with onnxruntime.

Copied beside each graph of a release. It imports nothing of nightread: Triton's python stub
has an environment of its own.
"""

import json
import os

import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance: one session, one thread."""

    def initialize(self, args):
        """Load the graph; names of inputs and outputs come from config.pbtxt."""
        config = json.loads(args["model_config"])
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]
        options = onnxruntime.SessionOptions()
        # Instances use the cores, threads do not: two threads cost more CPU for one image, and
        # a spinning pool takes it from the decoders.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests):
        """One graph run a request: on the CPU a batch gains nothing."""
        responses = []
        for request in requests:
            feeds = {
                name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
                for name in self.inputs
            }
            values = self.session.run(self.outputs, feeds)
            tensors = [pb_utils.Tensor(n, v) for n, v in zip(self.outputs, values, strict=True)]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return responses
