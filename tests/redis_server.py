"""A Redis server of the tests' own: on a socket in a temporary folder, nothing kept on a disk."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from waiting import PATIENCE, eventually


class RedisServer:
    """A server; several may run beside each other.

    :param options: of its command line, such as ``--requirepass``.
    """

    def __init__(self, *options):
        self.program = shutil.which("redis-server") or shutil.which("valkey-server")
        if self.program is None:
            pytest.skip("no Redis server: sudo apt-get install redis-server")
        self.folder = Path(tempfile.mkdtemp(prefix="huey-redis-"))
        self.socket = self.folder / "redis.sock"
        self.options = options
        self.process = None
        self.start()

    @property
    def url(self):
        return f"unix://{self.socket}"

    def client(self, **options):
        return redis.Redis(unix_socket_path=str(self.socket), **options)

    def start(self):
        place = ("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder))
        kept = ("--save", "", "--appendonly", "no")
        self.process = subprocess.Popen(
            [self.program, *place, *kept, *self.options], stdout=subprocess.DEVNULL
        )
        eventually(self._answers)

    def stop(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def restart(self):
        self.stop()
        self.start()

    def pass_time(self, seconds):
        """Bring all that the server does at a time nearer, as its clock cannot be turned on."""
        with self.client() as client:
            for key in client.scan_iter():
                left = client.pttl(key)
                if left > 1000 * seconds:
                    client.pexpire(key, int(left - 1000 * seconds))
                elif left > 0:
                    client.delete(key)
                if key.startswith((b"huey.expires.", b"huey.limit.", b"huey.alive.")):
                    for member in client.zrange(key, 0, -1):
                        client.zincrby(key, -seconds, member)

    def end(self):
        self.stop()
        shutil.rmtree(self.folder)

    def _answers(self):
        with self.client(retry=Retry(NoBackoff(), 0)) as client:
            try:
                return client.ping()
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False
