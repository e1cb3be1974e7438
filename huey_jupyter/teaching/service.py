"""A consumer as a service: the files by which other programs start it, watch it and restart it."""

from __future__ import annotations

import json
import re
import shlex
from typing import Final, NamedTuple

HEALTH: Final = "huey_consumer {target} --healthcheck"
NAME: Final = re.compile(r"[a-z][a-z0-9_]*\.[a-z_][a-z0-9_]*", re.IGNORECASE)


class Service(NamedTuple):
    """A consumer that is to run for good.

    Secrets are in none of the files: both read the environment from one that only the service may
    read.

    :param target: what the consumer serves, such as ``shop.huey``.
    :param options: for ``huey_consumer``, as one writes them on its command line.
    :param folder: where the module is on the machine; in it is ``.venv``, with huey installed.
    """

    target: str
    options: str = ""
    folder: str = "/srv/shop"

    @property
    def command(self) -> str:
        """The command that it runs."""
        return " ".join(filter(None, ("huey_consumer", self.checked, self.options)))

    @property
    def checked(self) -> str:
        """The target.

        :raises ValueError: if it is no import path.
        """
        if not NAME.fullmatch(self.target):
            raise ValueError(f"{self.target!r} is no import path such as shop.huey")
        return self.target

    def systemd(self) -> str:
        """Return a unit for systemd, ``/etc/systemd/system/shop.service``."""
        folder = self.folder.replace("%", "%%")
        program, *arguments = (one.replace("%", "%%") for one in shlex.split(self.command))
        return f"""\
[Unit]
Description=Tasks of {self.checked}
Wants=network-online.target
After=network-online.target

[Service]
WorkingDirectory={folder}
EnvironmentFile={folder}/secrets.env
ExecStart={" ".join(map(_quoted, [f"{folder}/.venv/bin/{program}", *arguments]))}
Restart=always
# SIGINT lets running tasks end. Those that take longer are begun again elsewhere.
KillSignal=SIGINT
TimeoutStopSec=120

[Install]
WantedBy=multi-user.target
"""

    def compose(self) -> str:
        """Return a ``compose.yaml`` for Docker or Podman, with the Redis server beside it."""
        health = json.dumps(["CMD", *HEALTH.format(target=self.checked).split()])
        return f"""\
services:
  redis:
    image: redis:7
    # What waits outlives a restart, and nobody gets in without the password.
    command: sh -c 'redis-server --appendonly yes --requirepass "$$HUEY_REDIS_PASSWORD"'
    env_file: secrets.env
    volumes: ["redis:/data"]
    restart: unless-stopped
  consumer:
    build: .
    command: {json.dumps(shlex.split(self.command))}
    env_file: secrets.env
    depends_on: [redis]
    restart: unless-stopped
    stop_signal: SIGINT  # lets running tasks end
    stop_grace_period: 2m
    healthcheck:
      test: {health}
      interval: 30s
volumes:
  redis:
"""


def _quoted(word: str) -> str:
    """Return a word of a command line as systemd reads it."""
    plain = re.fullmatch(r"[\w@%+=:,./-]+", word)
    return word if plain else json.dumps(word, ensure_ascii=False)
