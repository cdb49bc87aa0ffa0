"""A fitted network as an ONNX graph, and the settings of its tokenizer as JSON."""
