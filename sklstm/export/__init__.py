"""Export fitted classifiers to ONNX."""

from sklstm.export._onnx import to_onnx

__all__ = ["to_onnx"]
