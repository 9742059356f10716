"""Sends many calls at once, and hands out their answers as they come. Knows no command, and tries none again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from hiredis import pack_command  # redis-py's own packer calls it after several times its work
from redis import RedisError, ResponseError
from redis.exceptions import NoScriptError, RedisClusterException

from streams.lua import Script
from streams.store.cluster import answers_of_nodes, is_cluster, node_of
from streams.store.server import Client, Unanswered, run

# A server works through all that one client has sent before it turns to the next. So calls go out in lots: forty reads
# keep the others waiting for about a millisecond, 500 at once did for twelve.
READS_AT_ONCE = 40

Words = tuple[Any, ...]
KeyAndArgs = tuple[str, Sequence[Any]]


def answers(client: Client, lots: Iterable[Sequence[Words]]) -> Iterator[Any]:
    """The answer to each call, in order; in the place of one that was refused, its ResponseError.

    In the place of one to a node of a cluster that does not answer: Unanswered. A single server's error is raised.
    Two lots are under way, so that the server works on one while the caller takes the other apart. `lots` is asked for
    the next when the first answer of the last is there.
    """
    rest = iter(lots)
    if (first := next(rest, None)) is None:
        return
    rest = chain((first,), rest)
    noted: Callable[[Sequence[Words]], Callable[[], None]] = getattr(client, "noted", _not_noted)
    if is_cluster(client):
        for lot in rest:
            answered = noted(lot)
            replies = answers_of_nodes(client, lot)
            answered()
            yield from replies
        return
    connection = client.connection_pool.get_connection()
    under_way: deque[tuple[int, Callable[[], None]]] = deque()

    def send() -> None:
        if lot := next(rest, None):
            packed = b"".join([pack_command((*name.split(), *rest)) for name, *rest in lot])
            connection.send_packed_command([packed])
            under_way.append((len(lot), noted(lot)))

    try:
        send()
        while under_way:
            send()
            number, answered = under_way.popleft()
            for _ in range(number):
                try:
                    yield connection.read_response()
                except ResponseError as error:
                    yield error
            answered()
    except BaseException:
        connection.disconnect()  # with answers that nobody will read
        raise
    finally:
        client.connection_pool.release(connection)


def answers_of(client: Client, code: Script, lots: Iterable[Sequence[KeyAndArgs]]) -> Iterator[Any]:
    """The same, of a script that is run for each key with that key's own arguments."""
    sent: deque[KeyAndArgs] = deque()

    def words() -> Iterator[list[Words]]:
        for lot in lots:
            sent.extend(lot)
            yield [("EVALSHA", code.sha, 1, key, *args) for key, args in lot]

    for answer in answers(client, words()):
        key, args = sent.popleft()
        if isinstance(answer, NoScriptError):
            try:
                answer = run(client, code, keys=(key,), args=args)
            except ResponseError as error:
                answer = error
            except (RedisError, RedisClusterException) as error:
                if not is_cluster(client):
                    raise
                answer = Unanswered(error, node=node_of(client, key), sent=True)
        yield answer


def _not_noted(lot: Sequence[Words]) -> Callable[[], None]:
    """Of a client that keeps no list of what it sent; one that does is told when the answers are there."""
    return lambda: None


def in_lots(calls: Iterable[Any]) -> Iterator[Sequence[Any]]:
    rest = iter(calls)
    while lot := list(islice(rest, READS_AT_ONCE)):
        yield lot
