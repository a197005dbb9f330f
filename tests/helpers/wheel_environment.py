"""Wheels of this project, and new environments that have what teamsup needs, but not teamsup."""

import subprocess
import sys
import sysconfig
from pathlib import Path


def build(source: Path, target: Path, kind: str = "wheel") -> Path:
    """Build the project in ``source``, and return the file. ``kind`` is a target of hatchling: wheel or sdist."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    subprocess.run(words, cwd=source, check=True, capture_output=True)
    (built,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def make_environment(folder: Path) -> Path:
    """Make an environment that finds what is installed here, and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = (folder / "lib").glob("python3*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def install(python: Path, wheel: Path) -> None:
    """Install a wheel, or another version in place of it."""
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    words = [*pip, "install", "-U", "--no-deps", "--no-compile", "--no-index", str(wheel)]
    subprocess.run(words, check=True, capture_output=True)
