"""Write docs/configuration.md again, from the sections of the code."""

from pathlib import Path

from teamsup.cli.configuration.reference_page import render_page

if __name__ == "__main__":
    Path(__file__).with_name("configuration.md").write_text(render_page(), "utf-8")
