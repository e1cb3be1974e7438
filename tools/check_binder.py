"""Check what mybinder.org would do with binder/, without a Docker engine.

    python tools/check_binder.py [--keep] [NOTEBOOK...]

1. repo2docker renders the Dockerfile, which must have our Python, our packages and our postBuild.
2. What it would do is done in a clean environment, on a clean copy of what git holds: the packages
   that each image has, binder/requirements.txt, binder/postBuild. Packages of apt must be known.
3. JupyterLab is started there, and the address that a Binder link opens is asked for.
4. The notebooks run there as shipped; NOTEBOOK names some of them.

Not covered: the build of the image itself, on the Ubuntu of its base.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / "build" / "binder-tools"
PATIENCE = 60.0  # seconds for JupyterLab to answer

# What repo2docker puts into each image, from the environment file of its Python buildpack.
EVERYWHERE = ("jupyterlab==4.*", "notebook==7.*", "jupyter_server==2.*", "ipywidgets==8.*")


class Wrong(Exception):
    """What is wrong with binder/, in a sentence."""


def main() -> int:
    """Check, say each step in a line, and return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="without: all of them")
    parser.add_argument("--keep", action="store_true", help="keep the environment, and say where")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="huey-binder-"))
    try:
        look_at_dockerfile(dockerfile())
        replay(folder, options.notebooks)
    except Wrong as error:
        say(f"WRONG: {error}")
        return 1
    finally:
        if options.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder)
    return 0


def say(line: str) -> None:
    print(f"binder: {line}", flush=True)


# --- the Dockerfile ------------------------------------------------------------------------------


def dockerfile() -> str:
    """Return what repo2docker would build, and what it says of it."""
    program = TOOLS / "bin" / "jupyter-repo2docker"
    if not program.exists():
        say("installing repo2docker")
        run(sys.executable, "-m", "venv", "--clear", TOOLS)
        run(TOOLS / "bin" / "python", "-m", "pip", "install", "-q", "jupyter-repo2docker")
    done = run(program, "--no-build", "--debug", ROOT)
    return done.stdout + done.stderr


def look_at_dockerfile(text: str) -> None:
    """Compare the Dockerfile with binder/.

    :raises Wrong: if something of binder/ is not in it.
    """
    expected = [
        (rf"python={re.escape(python_version())}\b", "the Python of runtime.txt"),
        (r"binder/requirements\.txt", "requirements.txt"),
        (r"\./binder/postBuild", "postBuild"),
        *((rf"apt-get .*install .*\b{re.escape(name)}\b", name) for name in apt_packages()),
    ]
    for pattern, what in expected:
        if not re.search(pattern, text, re.DOTALL):
            raise Wrong(f"the Dockerfile lacks {what}")
    if "Python version unspecified" in text:
        raise Wrong("repo2docker does not see the Python of runtime.txt")
    base = re.search(r"^FROM (\S+)", text, re.MULTILINE)
    say(f"the Dockerfile has Python {python_version()} on {base and base[1]}")


def python_version() -> str:
    return (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")


def apt_packages() -> list[str]:
    lines = (ROOT / "binder" / "apt.txt").read_text().splitlines()
    return [name for line in lines if (name := line.partition("#")[0].strip())]


# --- what it would do ----------------------------------------------------------------------------


def replay(folder: Path, notebooks: list[str]) -> None:
    """Do in a folder what the image's build and start would do.

    :raises Wrong: if a step fails.
    """
    home, env = folder / "home", folder / "env"
    home.mkdir()
    for name in apt_packages():
        run("apt-cache", "show", name)
    run("git", "checkout-index", "-a", f"--prefix={home}/")
    python = an_interpreter()
    run(python, "-m", "venv", env)
    variables = environment(home, env)
    pip = (env / "bin" / "python", "-m", "pip", "install", "-q")
    say(f"installing with {run(python, '--version').stdout.strip()}")
    run(*pip, *EVERYWHERE, cwd=home, env=variables)
    run(*pip, "-r", "binder/requirements.txt", cwd=home, env=variables)
    run("./binder/postBuild", cwd=home, env=variables)
    say("requirements.txt and postBuild are done")
    paths = [f"notebooks/{Path(name).name}" for name in notebooks] or [
        str(path.relative_to(home)) for path in sorted(home.glob("notebooks/*.ipynb"))
    ]
    with served(folder, home, variables) as (address, token):
        for path in paths:
            look_at_link(address, token, path)
    say(f"JupyterLab opens {len(paths)} notebooks")
    done = run(
        *(env / "bin" / "python", "tools/run_notebooks.py", "--mode", "learner", *paths),
        cwd=home,
        env=variables,
    )
    say(done.stdout.splitlines()[-1])


def an_interpreter() -> str:
    """Return the Python of runtime.txt if it is here, else this one."""
    found = shutil.which(f"python{python_version()}")
    with contextlib.suppress(Wrong):
        if found and run(found, "--version"):
            return found
    return sys.executable


def environment(home: Path, env: Path) -> dict[str, str]:
    """Return the variables that repo2docker sets, and where pip finds packages here."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "HUEY_TUTORIAL_")) or name.lower().endswith("_proxy")
    }
    own = {"HOME": home, "REPO_DIR": home, "NB_PYTHON_PREFIX": env, "KERNEL_PYTHON_PREFIX": env}
    path = f"{env}/bin:{os.environ['PATH']}"
    return {**kept, **{name: str(value) for name, value in own.items()}, "PATH": path}


@contextlib.contextmanager
def served(folder: Path, home: Path, variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Start JupyterLab as the image does; give its address and token."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    token, log = secrets.token_hex(16), folder / "server.log"
    command = ["jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", "--allow-root"]
    executable = shutil.which("jupyter", path=variables["PATH"])
    with log.open("wb") as stream:
        server = subprocess.Popen(
            command, executable=executable, cwd=home, env=variables, stdout=stream, stderr=stream
        )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while not _answers(f"{address}/api/status?token={token}"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise Wrong(f"JupyterLab does not answer:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield address, token
    finally:
        server.terminate()
        server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def look_at_link(address: str, token: str, path: str) -> None:
    """Ask for what a Binder link with this notebook opens.

    :raises Wrong: if it is not there.
    """
    try:
        urllib.request.urlopen(f"{address}/lab/tree/{path}?token={token}").close()
        url = f"{address}/api/contents/{path}?content=0&token={token}"
        with urllib.request.urlopen(url) as answer:
            kind = json.load(answer)["type"]
    except urllib.error.HTTPError as error:
        raise Wrong(f"/lab/tree/{path} answers {error.code}") from error
    if kind != "notebook":
        raise Wrong(f"{path} is a {kind}")


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it said.

    :raises Wrong: if it fails.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, **{"cwd": ROOT, **options})
    if done.returncode:
        raise Wrong(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


if __name__ == "__main__":
    sys.exit(main())
