"""Dramatiq's actors, on the database that the environment names."""

from __future__ import annotations

import os

import bodies
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from peers import URL

broker = RedisBroker(url=os.environ[URL])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ[URL])))
dramatiq.set_broker(broker)

ACTORS = {
    body.__name__: dramatiq.actor(body, store_results=True) for body in (bodies.add, bodies.mark)
}
