"""How Sphinx builds this documentation."""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

import sklstm

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
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
nitpicky = False

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False

myst_enable_extensions = ["attrs_block", "colon_fence"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "sklstm"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {
    page: [] for page in ("index", "getting_started", "api", "faq", "changelog", "contributing")
}

# `sphinx -b linkcheck` is for the links within these pages; the rest of the web is not ours to test.
linkcheck_ignore = [r"https?://"]


def _escape_fitted_attributes(app, what, name, obj, options, lines):
    """Keep reStructuredText from reading a shape such as (n_features_in_,) as a link."""
    for row, line in enumerate(lines):
        entry, separator, kind = line.partition(" : ")
        if separator and entry.strip().isidentifier():
            lines[row] = entry + separator + re.sub(r"\b(\w+)_(?=[,)\s]|$)", r"\1\\_", kind)


class LinkPublicNames(SphinxTransform):
    """Make `LSTMTextClassifier` in the text of a page a link to its reference."""

    default_priority = 5  # Before references are resolved.

    def apply(self):
        """Wrap each literal that is a public name, where it is not part of a link or heading."""
        for literal in list(self.document.findall(nodes.literal)):
            name = literal.astext().removesuffix("()")
            parents = (nodes.reference, nodes.title, addnodes.pending_xref)
            if name not in sklstm.__all__ or isinstance(literal.parent, parents):
                continue
            link = addnodes.pending_xref(
                "", refdomain="py", reftype="obj", reftarget=f"sklstm.{name}", refexplicit=True
            )
            literal.replace_self(link)
            link += literal


def setup(app):
    app.add_transform(LinkPublicNames)
    # Before numpydoc, whose own step has the usual priority of 500.
    app.connect("autodoc-process-docstring", _escape_fitted_attributes, priority=400)
