"""Record `teamsup demo` in a terminal of 94 columns and draw it as docs/demo.svg. Run it with `make pictures`."""

import os
import pty
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

COLUMNS = 94
TEAMSUP = Path(sys.executable).with_name("teamsup")
PICTURE = Path(__file__).with_name("demo.svg")
# Without rich's links to a font on the web: a page that shows the picture loads nothing else.
FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: Helvetica, "DejaVu Sans", sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def record(*command: str) -> str:
    """Run the command in a terminal of its own and return what it prints."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
        os.execv(command[0], command)  # noqa: S606
    printed = b""
    try:
        while part := os.read(terminal, 1 << 16):
            printed += part
            if printed.endswith(b"(press Enter)"):
                os.write(terminal, b"\n")
    except OSError:  # Linux reports the end of the program so
        pass
    if os.waitpid(child, 0)[1]:
        sys.exit(printed.decode())
    return printed.decode().replace("\r", "").replace("    (press Enter)", "")


def draw(session: str) -> str:
    """Return the session as SVG: prompts and headings stand out, long lines are already wrapped."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    for line in session.strip().split("\n"):
        style = "bold green" if line.lstrip().startswith(("$ ", "you> ")) else "bold cyan" if line[:1].isdigit() else ""
        console.print(Text(line, style))
    return console.export_svg(title="teamsup demo", theme=DIMMED_MONOKAI, code_format=FRAME, unique_id="demo")


if __name__ == "__main__":
    PICTURE.write_text(draw(f"$ teamsup demo\n{record(str(TEAMSUP), 'demo')}"), encoding="utf-8")
