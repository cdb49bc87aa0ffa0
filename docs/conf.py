"""Sphinx configuration."""

import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

import sklstm

sys.path.insert(0, str(Path(__file__).parent))  # For _gallery.py.

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
nitpicky = True
# A scikeras property without a documentation page.
nitpick_ignore = [("py:obj", "model_")]
# External packages: the build must work offline.
nitpick_ignore_regex = [("py:.*", r"(IPython|keras|matplotlib|numpy|pandas|sklearn)\..*")]

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
# The default token pattern has 2,500 characters.
autodoc_preserve_defaults = True
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False

myst_enable_extensions = ["attrs_block", "colon_fence"]
myst_heading_anchors = 3

# All examples are run; an error stops the build.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_\w+\.py$",
    "ignore_pattern": r"^(?!plot_)",
    # examples/index.rst groups the examples by task.
    "copyfile_regex": r"index\.rst",
    "within_subsection_order": "_gallery.place",
    "minigallery_sort_order": "_gallery.place",
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
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Drawn by images/draw_logo.py.
html_favicon = "_static/logo.svg"
html_theme_options = {
    "logo": {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
        "text": "sklstm",
        "alt_text": "",
    },
    "header_links_before_dropdown": 6,
    # A button instead of a field, so that the navigation fits on one line.
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {
    page: [] for page in ("index", "getting_started", "api", "faq", "changelog", "contributing")
}

# Check only internal links.
linkcheck_ignore = [r"https?://"]


# A trailing underscore that reStructuredText would parse as a link.
_REFERENCE = re.compile(r"""(\w)_(?=[\s'")\]}>\-/:.,;!?\\]|$)""")


def _escape_fitted_attributes(app, what, name, obj, options, lines):
    """Escape names such as classes_ outside code, which would be parsed as links."""
    is_doctest = False
    for row, line in enumerate(lines):
        is_doctest = line.lstrip().startswith(">>>") or (is_doctest and bool(line.strip()))
        entry, separator, kind = line.partition(" : ")
        if not (separator and entry.strip().isidentifier()):
            entry, separator, kind = "", "", line
        if not is_doctest:
            # Odd-numbered segments are in backquotes.
            segments = re.split(r"(``.*?``|`[^`]*`_?)", kind)
            segments[::2] = [_REFERENCE.sub(r"\1\\_", segment) for segment in segments[::2]]
            lines[row] = entry + separator + "".join(segments)


class LinkPublicNames(SphinxTransform):
    """Link public names such as `LSTMTextClassifier` to their API reference.

    Links to api.rst, which also work in the repository, are replaced too.
    """

    default_priority = 5  # Before references are resolved.

    def apply(self):
        """Link public names in backquotes that are not in another link or heading."""
        for kind in (nodes.literal, nodes.title_reference):
            for node in list(self.document.findall(kind)):
                name = node.astext().removesuffix("()")
                replaced = node
                if isinstance(node.parent, addnodes.pending_xref):
                    if node.parent["reftarget"].split("/")[-1] not in ("api", "api.rst"):
                        continue
                    replaced = node.parent
                if name in sklstm.__all__ and not isinstance(
                    replaced.parent, nodes.reference | nodes.title
                ):
                    link = addnodes.pending_xref(
                        "", refdomain="py", reftype="obj", reftarget=f"sklstm.{name}"
                    )
                    link += nodes.literal("", node.astext())
                    replaced.replace_self(link)


def setup(app):
    app.add_transform(LinkPublicNames)
    # Run before numpydoc (default priority 500).
    app.connect("autodoc-process-docstring", _escape_fitted_attributes, priority=400)
