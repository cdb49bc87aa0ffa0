"""Order of the examples in the gallery."""

ORDER = (
    "plot_imdb.py",
    "plot_news.py",
    "plot_fake_news.py",
    "plot_multilabel.py",
    "plot_word_vectors.py",
    "plot_search_and_compare.py",
    "plot_gates.py",
    "plot_worst_mistakes.py",
    "plot_active_learning.py",
    "plot_saving.py",
    "plot_stream.py",
    "plot_custom_model.py",
)


def place(name: str) -> int:
    """Return the position of an example in the gallery."""
    if name not in ORDER:
        raise ValueError(f"{name} has no place in the gallery; add it to ORDER in docs/_gallery.py")
    return ORDER.index(name)
