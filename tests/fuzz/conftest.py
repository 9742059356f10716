"""How long the fuzzers try: a moment in the suite, many minutes with `make fuzz`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("fuzz", max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile(
    "moment", max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)


def examples(factor: float = 1.0) -> settings:
    """Of the profile in force, more for what is cheap and fewer for what is dear."""
    profile = settings.get_profile("fuzz") if settings.default.max_examples >= 400 else settings.get_profile("moment")
    return settings(profile, max_examples=max(1, round(profile.max_examples * factor)))
