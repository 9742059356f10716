"""What a service refuses, named. What a server refuses is in store.errors."""

from __future__ import annotations


class RefreshRefused(Exception):
    """A refresh that would erase what an aggregate holds, or that nothing has."""

    def __init__(self, view: str, why: str) -> None:
        super().__init__(f"{view}: not refreshed: {why}")
        self.view = view


class UpgradeRunning(Exception):
    """Another process upgrades this database."""

    def __init__(self) -> None:
        super().__init__("another process upgrades this database now; wait for it.")
