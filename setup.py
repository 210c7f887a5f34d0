"""What pyproject.toml cannot say: the packages, and the files beside them that go into the wheel."""

import tomllib
from pathlib import Path

from setuptools import find_packages, setup

CODE = ("stack", "clients", "exporter", "grafana", "webhook_actions", "demo_bot")
BESIDE = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-dir"]

setup(packages=[*find_packages(include=[f"{name}*" for name in CODE]), *BESIDE])
