"""Every public name of the API that code for huey is written against, and every parameter.

A line is a class, a function or a method with its parameters. What stands under a storage, or
under the Huey of one, is for that storage alone.
"""

from huey import storage

_LINES = """
Huey name results store_none utc immediate serializer compression use_zlib immediate_use_memory
Huey storage_kwargs
Huey.immediate
Huey.task retries retry_delay priority context name expires kwargs
Huey.periodic_task validate_datetime retries retry_delay priority context name expires kwargs
Huey.context_task obj as_argument retries retry_delay context name kwargs
Huey.pre_execute name
Huey.unregister_pre_execute name_or_fn
Huey.post_execute name
Huey.unregister_post_execute name_or_fn
Huey.on_startup name
Huey.unregister_on_startup name_or_fn
Huey.on_shutdown name
Huey.unregister_on_shutdown name_or_fn
Huey.signal signals
Huey.disconnect_signal receiver signals
Huey.enqueue task
Huey.revoke task revoke_until revoke_once
Huey.revoke_by_id task_id revoke_until revoke_once
Huey.revoke_all task_class revoke_until revoke_once
Huey.restore task
Huey.restore_by_id task_id
Huey.restore_all task_class
Huey.is_revoked task timestamp
Huey.result task_id blocking timeout backoff max_delay revoke_on_timeout preserve
Huey.lock_task lock_name
Huey.is_locked lock_name
Huey.flush_locks names
Huey.put key value
Huey.get key peek
Huey.pending limit
Huey.scheduled limit
Huey.all_results
Huey.__len__
TaskWrapper huey func retries retry_delay context name task_base settings
TaskWrapper.schedule args kwargs eta delay
TaskWrapper.revoke revoke_until revoke_once
TaskWrapper.is_revoked timestamp
TaskWrapper.restore
TaskWrapper.call_local
TaskWrapper.s args kwargs priority expires
TaskWrapper.map it
Task args kwargs id eta retries retry_delay priority expires on_complete on_error
Task.then task args kwargs
Task.error task args kwargs
crontab month day day_of_week hour minute strict
TaskLock huey name
TaskLock.clear
Result huey task
Result.id
Result.get blocking timeout backoff max_delay revoke_on_timeout preserve
Result.__call__
Result.revoke revoke_once
Result.restore
Result.is_revoked
Result.reschedule eta delay expires
Result.reset
ResultGroup
ResultGroup.get kwargs
Serializer compression compression_level use_zlib
Serializer._serialize data
Serializer._deserialize data
HueyException
ConfigurationError
TaskLockedException
ResultTimeout
CancelExecution retry
RetryTask msg delay eta
TaskException
BaseStorage name storage_kwargs
BaseStorage.enqueue data priority
BaseStorage.dequeue
BaseStorage.queue_size
BaseStorage.enqueued_items limit
BaseStorage.flush_queue
BaseStorage.add_to_schedule data timestamp
BaseStorage.read_schedule timestamp
BaseStorage.schedule_size
BaseStorage.scheduled_items limit
BaseStorage.flush_schedule
BaseStorage.put_data key value
BaseStorage.peek_data key
BaseStorage.pop_data key
BaseStorage.put_if_empty key value
BaseStorage.has_data_for_key key
BaseStorage.result_store_size
BaseStorage.result_items
BaseStorage.flush_results
BlackHoleStorage
MemoryHuey
MemoryStorage
SqliteHuey filename cache_mb fsync
SqliteStorage filename name cache_mb fsync journal_mode timeout strict_fifo kwargs
FileHuey path levels use_thread_lock
FileStorage name path levels use_thread_lock
RedisHuey blocking connection_pool url host port password db
RedisStorage name blocking read_timeout connection_pool url client_name connection_params
RedisExpireHuey expire_time blocking connection_pool url host port password db
RedisExpireStorage name expire_time blocking read_timeout connection_pool url client_name
RedisExpireStorage connection_params
PriorityRedisHuey blocking connection_pool url host port password db
PriorityRedisStorage name blocking read_timeout connection_pool url client_name connection_params
PriorityRedisExpireHuey expire_time blocking connection_pool url host port password db
PriorityRedisExpireStorage name expire_time blocking read_timeout connection_pool url client_name
PriorityRedisExpireStorage connection_params
"""


def _names(lines):
    for line in lines.strip().splitlines():
        owner, *parameters = line.split()
        yield owner
        yield from (f"{owner}({parameter})" for parameter in parameters)


NAMES = list(dict.fromkeys(_names(_LINES)))

_STORAGES = ("Memory", "Sqlite", "File", "Redis", "RedisExpire", "PriorityRedis")
BOUND = {
    f"{each}{kind}" for each in (*_STORAGES, "PriorityRedisExpire") for kind in ("Huey", "Storage")
}
"""The classes whose names are proved on their own storage alone."""


def applies(name, huey):
    """Say whether a name is to be proved on a Huey."""
    owner = name.partition("(")[0]
    if owner == "BlackHoleStorage":
        return hasattr(storage, owner)
    return owner not in BOUND or owner in (type(huey).__name__, type(huey.storage).__name__)
