"""Sphinx configuration. `make docs` builds without network, warnings are errors."""

import inspect
import os
import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# matplotlib draws into files here, and small matrix products stay on one thread.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import skknn  # noqa: E402

project = "skknn"
author = "The skknn developers"
copyright = f"2026, {author}"
version = release = skknn.__version__
# The one place for addresses of the project; none is written anywhere else.
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf8"))["project"]
URLS = PROJECT.get("urls", {})

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
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
    "within_subsection_order": "gallery_order.PhotosFirst",
    # Tables are shown, the last object of a block is not.
    "capture_repr": ("_repr_html_",),
    "write_computation_times": False,
    # Examples that use a class are listed on its page.
    "doc_module": ("skknn",),
    "reference_url": {"skknn": None},
    "backreferences_dir": "generated/backreferences",
}
# Lists of the names that these pages use, in Sphinx's plain format: a build needs no
# network. SKKNN_INTERSPHINX=1 takes the projects' own lists from their sites instead.
_OTHERS = {
    "sklearn": "https://scikit-learn.org/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "torch": "https://docs.pytorch.org/docs/stable/",
    "timm": "https://huggingface.co/docs/timm/",
    "python": "https://docs.python.org/3/",
    "joblib": "https://joblib.readthedocs.io/en/stable/",
}
intersphinx_mapping = {
    name: (url, f"_inventories/{name}.txt") for name, url in _OTHERS.items()
}
if os.environ.get("SKKNN_INTERSPHINX"):
    # timm's site has no such list.
    intersphinx_mapping |= {n: (u, None) for n, u in _OTHERS.items() if n != "timm"}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["_build"]
nitpicky = False
# Docstrings inherited from scikit-learn point into its own glossary.
suppress_warnings = ["ref.term"]
default_role = "literal"

autosummary_generate = True
autodoc_default_options = {"members": True}
# numpydoc's sections have the types.
autodoc_typehints = "none"
maximum_signature_line_length = 72
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = f"skknn {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_favicon = "_static/logo.svg"
html_theme_options = {
    "logo": {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
        "text": "skknn",
        "alt_text": "skknn",
    },
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_center": [],
    "footer_end": ["theme-version"],
    "icon_links": [
        {"name": name, "url": URLS[name], "icon": icon}
        for name, icon in (
            ("Homepage", "fa-solid fa-box"),
            ("Source", "fa-solid fa-code"),
            ("Repository", "fa-solid fa-code-branch"),
        )
        if name in URLS
    ],
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


def signature_of_class(app, what, name, obj, options, signature, returns):
    """Parameters of ``__init__``; Sphinx shows ``__new__``, which takes any."""
    if what != "class" or not signature:
        return None
    found = inspect.signature(obj)
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return str(inspect.Signature(plain)), None


# Labels of scikit-learn's site in the docstrings that are inherited from it.
SKLEARN_LABELS = {
    "accuracy_score": "modules/model_evaluation.html#accuracy-score",
    "df_output_transform": "modules/df_output_transform.html",
    "metadata_routing": "metadata_routing.html",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py": (
        "auto_examples/miscellaneous/plot_set_output.html"
    ),
}


def labels_of_sklearn(app, what, name, obj, options, lines):
    """Links to scikit-learn's site instead of labels that are not on ours."""

    def link(match):
        title, label = match[1] or "an example", match[2]
        if label not in SKLEARN_LABELS:
            return match[0]
        return f"`{title} <{_OTHERS['sklearn']}{SKLEARN_LABELS[label]}>`__"

    for row, line in enumerate(lines):
        lines[row] = re.sub(r":ref:`(?:([^<`]+) <)?([\w.]+)>?`", link, line)


def setup(app):
    app.connect("autodoc-process-signature", signature_of_class)
    app.connect("autodoc-process-docstring", labels_of_sklearn)
