"""Training: preparation of the data, batches, and the training loop."""
