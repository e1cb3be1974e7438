"""The kinds of Huey that tests run on, one line each; two folders are two places."""

from huey import FileHuey, MemoryHuey, SqliteHuey

MAKE = {
    "memory": lambda folder, **options: MemoryHuey("test", **options),
    "sqlite": lambda folder, **options: SqliteHuey("test", filename=folder / "huey.db", **options),
    "file": lambda folder, **options: FileHuey("test", path=folder / "queue", **options),
}
