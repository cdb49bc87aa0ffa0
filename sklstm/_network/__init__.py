"""Networks that compute scores from token ids; contains all code that uses Keras layers."""
