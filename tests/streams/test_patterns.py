"""engine.patterns against the server's own matching: one dialect everywhere."""

from __future__ import annotations

import pytest
import redis as redis_library
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.engine.patterns import PatternError, check_pattern, escape, literal_name, literal_prefix, matches

Redis = redis_library.Redis

letters = "ab:é^-]\\*?["
written = st.text(letters, max_size=8)
keys = st.text(letters, min_size=1, max_size=8)


def usable(pattern: str) -> bool:
    try:
        check_pattern(pattern)
    except PatternError:
        return False
    return True


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(pattern=written.filter(usable), key=keys)
def test_a_pattern_matches_what_the_server_matches(redis: Redis, pattern: str, key: str) -> None:
    redis.set(f"test:{key}", "", px=5000)
    assert matches(f"test:{pattern}", f"test:{key}") == (
        redis.keys(f"test:{pattern}").count(f"test:{key}".encode()) == 1
    )


@given(st.text(min_size=1))
def test_every_name_has_one_exact_pattern(name: str) -> None:
    pattern = escape(name)
    assert literal_name(pattern) == name
    assert literal_prefix(pattern) == name
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "name", "prefix"),
    [
        ("orders", "orders", "orders"),
        ("stream:*", None, "stream:"),
        ("*", None, ""),
        (r"a\*b", "a*b", "a*b"),
        (r"a\*b?", None, "a*b"),
        ("a[0-9]z", None, "a"),
    ],
)
def test_what_a_pattern_names_and_begins_with(pattern: str, name: str | None, prefix: str) -> None:
    assert (literal_name(pattern), literal_prefix(pattern)) == (name, prefix)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "empty"),
        ("orders\\", "escapes nothing"),
        (r"\orders", "then written orders"),
        ("a[bc", "without its"),
        ("a[]", "matches nothing"),
        ("a[b-]", "without an end"),
        ("a[é]", "no ASCII"),
        ("a[b-\\]]", "without an end"),
        ("*a" * 9, "more than 8"),
    ],
)
def test_what_a_server_would_read_otherwise_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(PatternError, match=why):
        check_pattern(pattern)
