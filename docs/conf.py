"""How Sphinx builds these pages: ``make docs``."""

import importlib.metadata
import re
import sys
from pathlib import Path

from sphinx.util.nodes import make_refnode

sys.path.append(str(Path(__file__).parent))

project = "huey-jupyter"
author = copyright = "The huey-jupyter authors"
version = release = importlib.metadata.version("huey-jupyter")

extensions = ["course", "myst_nb", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx_copybutton"]
exclude_patterns = ["_build", "benchmarks/*.rst"]  # they stand in a page
html_theme = "pydata_sphinx_theme"
html_title = "huey-jupyter"
html_show_sourcelink = False
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["house.css"]
html_theme_options = {"show_prev_next": True, "navigation_with_keys": False}

nb_execution_mode = "off"  # tools/docs has run the lessons, as their tests do
nb_ipywidgets_js = {}  # cards that are done are plain HTML; these scripts would come from a CDN
lessons_elsewhere = ["07", "08"]  # they start processes, which a browser does not

# `name` in a docstring leads to what has that name, or is just shown as code.
default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90

nitpicky = True  # a name that is on no page is a warning
nitpick_ignore_regex = [
    # Not ours, and their pages are not looked up: a build needs no network.
    (
        "py:.*",
        r"(datetime|os|threading|collections|contextlib|logging|typing|types|argparse|numbers|queue)\..*",
    ),
    ("py:.*", r"(int|str|float|bool|bytes|dict|list|tuple|set|frozenset|type|object|None|Any)"),
    (
        "py:.*",
        r"(callable|optional|Callable|Path|Sequence|Iterable|Iterator|Mapping|AbstractContextManager)",
    ),
    # Ours, for those who read the code.
    ("py:.*", r"huey\.(tasks\.Run|executor\.Host|consumer\.Worker|drivers\..*)"),
    ("py:.*", r"huey_jupyter\.(card\.Card|overview\.Overview)"),
    (
        "py:.*",
        r"huey_jupyter\.teaching\.\w+\.(Kind|Consumer|Machine|Done|Call|Finding|Ledger)|Outcomes",
    ),
    # Type variables and aliases.
    (
        "py:.*",
        r"(.*\.)?(A|P|R|T|F|P\.args|P\.kwargs|Self|Final|Expires|Hook|Receiver|Item|Tell|Validate)",
    ),
    ("py:.*", r"(.*\.)?(Value|ScheduledItem|Waiter)"),
]


def find_by_its_last_name(app, env, node, contnode):
    """Resolve a reference like `Result.get`, wherever the object stands."""
    python = env.get_domain("py")
    wanted = node.get("reftarget", "")
    found = sorted(name for name in python.objects if name.endswith(f".{wanted}"))
    if node.get("refdomain") != "py" or not wanted or not found:
        return None
    entry = python.objects[found[0]]
    return make_refnode(
        app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, found[0]
    )


def show_the_tree_as_it_is(app, what, name, obj, options, lines):
    """Keep the lines of the tree of errors apart."""
    if (what, name) == ("module", "huey.exceptions"):
        lines[1:] = ["", "::", "", *(f"    {line}" for line in lines[1:])]


PARAMETERS = re.compile(r'(<span class="sig-paren">[([]</span>)\s*<dl>(.*?)</dl>', re.DOTALL)


def write_parameters_as_lines(app, page, template, context, tree):
    """Sphinx writes long signatures as lists without terms, which screen readers stumble over."""

    def lines(found):
        inside = found[2].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
        return f'{found[1]}<span class="sig-lines">{inside}</span>'

    if "body" in context:
        context["body"] = PARAMETERS.sub(lines, context["body"])


def setup(app):
    app.connect("html-page-context", write_parameters_as_lines)
    app.connect("missing-reference", find_by_its_last_name)
    app.connect("autodoc-process-docstring", show_the_tree_as_it_is)
