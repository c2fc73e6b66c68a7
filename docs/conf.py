"""Sphinx configuration. `make docs` builds without network, warnings are errors."""

import os

# matplotlib draws into files here, and small matrix products stay on one thread.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import skknn  # noqa: E402

project = "skknn"
author = "The skknn developers"
copyright = f"2026, {author}"
version = release = skknn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx-mathjax-offline",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "auto_examples",
    "plot_gallery": "True",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "within_subsection_order": "FileNameSortKey",
}
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["_build"]
nitpicky = False
# Docstrings inherited from scikit-learn point into its own glossary.
suppress_warnings = ["ref.term"]
default_role = "literal"

autosummary_generate = True
autodoc_default_options = {"members": True, "inherited-members": False}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = "skknn"
html_static_path = ["_static"]
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
# These pages have no pages below them to list.
html_sidebars = {
    page: []
    for page in (
        "install",
        "quick_start",
        "evidence",
        "faq",
        "reproducing",
        "how_it_is_built",
        "whats_new",
    )  # fmt: skip
}
html_show_sourcelink = False
