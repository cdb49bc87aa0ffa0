"""Quantize an ONNX model to 8-bit integers."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def quantize_int8(model: onnx.ModelProto, embeddings: str) -> onnx.ModelProto:
    """Quantize the embeddings and the weights of the LSTM layers with onnxruntime.

    All other weights remain float32: the scores of the n-grams would lose accuracy, their checksums
    must be exact, and dense layers are small.

    Parameters
    ----------
    model : ModelProto
        The model.
    embeddings : str
        Name of the embedding matrix.

    Returns
    -------
    quantized : ModelProto
        The quantized model, with the properties and the producer of `model`.
    """
    import onnx
    from onnxruntime.quantization import quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    nodes = [
        node.name
        for node in model.graph.node
        if node.op_type == "LSTM" or (node.op_type == "Gather" and node.input[0] == embeddings)
    ]
    with TemporaryDirectory() as folder:
        exact, prepared, file = (
            Path(folder) / f"{name}.onnx" for name in ("exact", "prepared", "int8")
        )
        onnx.save(model, exact)
        # Only what `quantize_dynamic` asks for: an optimizer could rename the nodes.
        quant_pre_process(exact, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantize_dynamic(prepared, file, nodes_to_quantize=nodes)
        quantized = onnx.load(file)
    quantized.producer_name = model.producer_name
    quantized.producer_version = model.producer_version
    properties = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(quantized, properties)
    return quantized
