"""The documentation as a site. Sphinx reads the project's pages where they are: ``make site``."""

from importlib.metadata import version as version_of

project = "teamsup"
version = release = version_of("teamsup")
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md"]
exclude_patterns = [".*", "dist", "**/.venv"]
suppress_warnings = ["toc.not_included"]  # a record of a decision is in the list of decisions
html_theme = "furo"
html_title = f"teamsup {release}"
html_static_path: list[str] = []
myst_heading_anchors = 3
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_ignore = [r"http://(127\.0\.0\.1|localhost)[:/]"]  # of this machine, as an example
linkcheck_anchors = False  # of pages that a script draws
