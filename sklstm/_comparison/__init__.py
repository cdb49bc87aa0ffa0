"""What `compare` does: checks, folds, frames, tests of differences, and the plot."""
