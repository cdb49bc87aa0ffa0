"""Token ids to scores: the only folder that knows Keras layers."""
