"""How Sphinx builds this documentation."""

import re
import sys
from pathlib import Path

import sklstm

sys.path.insert(0, str(Path(__file__).parent))  # For the order of the gallery, in _gallery.py.

project = "sklstm"
author = "The sklstm developers"
copyright = "2026, The sklstm developers"
version = release = sklstm.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
nitpicky = False

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Every example runs, with its figures; one that fails ends the build.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_\w+\.py$",
    "ignore_pattern": r"^(?!plot_)",
    "within_subsection_order": "_gallery.place",
    "capture_repr": ("_repr_html_",),
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklstm",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "image_scrapers": ("matplotlib",),
    "image_srcset": ["2x"],
    "min_reported_time": 1,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklstm"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"getting_started": [], "api": [], "changelog": [], "contributing": []}


def _escape_fitted_attributes(app, what, name, obj, options, lines):
    """Keep reStructuredText from reading a shape such as (n_features_in_,) as a link."""
    for row, line in enumerate(lines):
        entry, separator, kind = line.partition(" : ")
        if separator and entry.strip().isidentifier():
            lines[row] = entry + separator + re.sub(r"\b(\w+)_(?=[,)\s]|$)", r"\1\\_", kind)


def setup(app):
    # Before numpydoc, whose own step has the usual priority of 500.
    app.connect("autodoc-process-docstring", _escape_fitted_attributes, priority=400)
