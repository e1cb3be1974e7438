"""Fill the site's Pyodide with packages, so that a notebook imports them as anywhere else.

    packages.py FOLDER NAME... -- WHEEL...

FOLDER holds Pyodide with its `pyodide-lock.json`, the list of packages that it can load. NAMEs are
packages of that list, taken from PyPI with what they depend on. WHEELs are put into the list.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path
from typing import Any

PYTHON = "3.14"  # that of Pyodide

Packages = dict[str, dict[str, Any]]


def main(folder: Path, names: list[str], wheels: list[Path]) -> None:
    path = folder / "pyodide-lock.json"
    lock = json.loads(path.read_text())
    packages: Packages = lock["packages"]
    added = {}
    for wheel in wheels:
        shutil.copy(wheel, folder)
        added.update(entry(folder / wheel.name))
    packages.update(added)
    for facts in added.values():
        facts["depends"] = [name for name in facts["depends"] if name in packages]
    needed = with_dependencies([*names, *added], packages)
    fetch(folder, [packages[name] for name in needed if name not in added])
    lock["packages"] = {name: packages[name] for name in needed}
    path.write_text(json.dumps(lock))


def entry(wheel: Path) -> Packages:
    """Return what the list says of a wheel, by its name."""
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
        about = next(name for name in files if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(about).decode(), headersonly=True)
    tops = {name.partition("/")[0] for name in files if name.endswith(".py")}
    needs = [one for one in metadata.get_all("Requires-Dist", []) if "extra ==" not in one]
    name = normal(metadata["Name"])
    facts = {
        "name": name,
        "version": metadata["Version"],
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": checksum(wheel),
        "package_type": "package",
        "imports": sorted(top for top in tops if top.isidentifier()),
        "depends": [normal(re.split(r"[^\w.-]", one)[0]) for one in needs],
        "unvendored_tests": False,
    }
    return {name: facts}


def with_dependencies(names: Iterable[str], packages: Packages) -> list[str]:
    """Return names and all that they depend on."""
    found: set[str] = set()
    waiting = [normal(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += map(normal, packages[name]["depends"])
    return sorted(found)


def fetch(folder: Path, packages: list[dict[str, Any]]) -> None:
    """Take wheels from PyPI; Pyodide packs its own anew, so that checksums are not the same."""
    with tempfile.TemporaryDirectory() as name:
        pure = [one for one in packages if one["file_name"].endswith("-none-any.whl")]
        pip("download", "--only-binary=:all:", f"--python-version={PYTHON}", *pins(pure), into=name)
        for one in packages:
            if one not in pure:
                # Whoever finds no compiler does without, and is pure Python then.
                pip("wheel", "--no-binary=:all:", *pins([one]), into=name, CC="false")
        for wheel in Path(name).glob("*.whl"):
            (facts,) = entry(wheel).values()
            known = next(one for one in packages if normal(one["name"]) == facts["name"])
            known.update(file_name=wheel.name, sha256=facts["sha256"])
            shutil.move(wheel, folder / wheel.name)


def pip(command: str, *arguments: str, into: str, **environment: str) -> None:
    options = ["-qq", "--disable-pip-version-check", "--no-deps", f"--dest={into}"]
    if command == "wheel":
        options[-1] = f"--wheel-dir={into}"
    subprocess.run(
        [sys.executable, "-m", "pip", command, *options, *arguments],
        check=True,
        env={**os.environ, **environment},
    )


def pins(packages: list[dict[str, Any]]) -> list[str]:
    return [f"{one['name']}=={one['version']}" for one in packages]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    middle = rest.index("--")
    main(Path(folder), rest[:middle], [Path(wheel) for wheel in rest[middle + 1 :]])
