"""Texts and their tokens for the tests of TextSequencer."""

from sklstm.sequencer import TextSequencer

TEXTS = [
    "The film was good, and I don't say that often.",
    "The film was bad. A very, very bad film!",
    "Good actors; a bad plot.",
    "It was 1999 and I was 7: the film is older.",
]


def tokens_of(text, **parameters):
    """Give the tokens that a text is cut into."""
    sequencer = TextSequencer(**parameters)
    return sequencer.inverse_transform(sequencer.fit_transform([text]))[0].tolist()
