"""Sends calls to the nodes of a cluster, each to the one that has its key. One that is away costs the others nothing.

A pipeline of redis-py fails as a whole where one node does not answer, and sends its calls again: of a trim nobody
knows then what the first one took.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import redis
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisClusterException, TryAgainError

from streams.store.server import Client, Unanswered

# What one node says when another has the key by now, or will have. It did nothing, so the call may be sent again.
ELSEWHERE = (AskError, MovedError, TryAgainError)


def is_cluster(client: Client) -> bool:
    return not hasattr(client, "connection_pool")


def node_of(client: Client, key: str) -> str:
    """host:port; empty where no node has the key."""
    try:
        return str(client.get_node_from_key(key).name)
    except RedisClusterException:
        return ""


def answers_of_nodes(client: Client, lot: Sequence[Sequence[Any]]) -> list[Any]:
    """The answers in order, each its ResponseError or Unanswered where it has none. All nodes work at once.

    Raises redis.ConnectionError where none of them answers.
    """
    answers: list[Any] = [None] * len(lot)
    places: dict[Any, list[int]] = {}
    for place, words in enumerate(lot):
        try:
            places.setdefault(client.get_node_from_key(_key(words)), []).append(place)
        except RedisClusterException as error:  # nobody has its slot
            answers[place] = Unanswered(error, node="", sent=False)
    asked: list[tuple[Any, Any, list[int]]] = []
    lost = bool(len(lot) - sum(map(len, places.values())))
    try:
        for node, its in places.items():
            connection, sent = None, False
            try:
                connection = node.redis_connection.connection_pool.get_connection()
                packed = connection.pack_commands([lot[place] for place in its])
                sent = True
                connection.send_packed_command(packed)
            except redis.RedisError as error:
                lost = True
                _leave(answers, its, Unanswered(error, node=node.name, sent=sent))
                if connection is not None:
                    node.redis_connection.connection_pool.release(connection)
                continue
            asked.append((node, connection, its))
        while asked:
            node, connection, its = asked[0]
            lost |= not _read(answers, its, node, connection)
            node.redis_connection.connection_pool.release(connection)
            del asked[0]
    finally:
        for node, connection, _ in asked:
            connection.disconnect()  # with answers that nobody will read
            node.redis_connection.connection_pool.release(connection)
    _send_elsewhere(client, lot, answers)
    if lost:
        _look_again(client, none_answers=all(isinstance(answer, Unanswered) for answer in answers))
    return answers


def _read(answers: list[Any], places: Sequence[int], node: Any, connection: Any) -> bool:
    """False: the node fell silent on the way."""
    for number, place in enumerate(places):
        try:
            answers[place] = connection.read_response()
        except redis.ResponseError as error:
            answers[place] = error
        except redis.RedisError as error:
            connection.disconnect()
            _leave(answers, places[number:], Unanswered(error, node=node.name, sent=True))
            return False
    return True


def _leave(answers: list[Any], places: Iterable[int], error: Unanswered) -> None:
    for place in places:
        answers[place] = error


def _send_elsewhere(client: Client, lot: Sequence[Sequence[Any]], answers: list[Any]) -> None:
    for place, answer in enumerate(answers):
        # Also said by a node that has just come back, while the others are well.
        if isinstance(answer, ClusterDownError):
            answers[place] = Unanswered(answer, node=node_of(client, _key(lot[place])), sent=False)
        elif isinstance(answer, ELSEWHERE):
            try:
                answers[place] = client.execute_command(*lot[place])
            except redis.ResponseError as error:
                answers[place] = error
            except (redis.RedisError, RedisClusterException) as error:
                answers[place] = Unanswered(error, node=node_of(client, _key(lot[place])), sent=True)


def _look_again(client: Client, *, none_answers: bool) -> None:
    """Who has which slots may have changed with the loss. Raises redis.ConnectionError where all nodes are lost."""
    try:
        client.nodes_manager.initialize()
    except (redis.RedisError, RedisClusterException) as error:
        if none_answers:
            raise redis.ConnectionError(f"no node of the cluster answers: {error}") from error


def _key(words: Sequence[Any]) -> Any:
    """A script's comes after the number of its keys; every other command's here is its first word."""
    return words[3] if words[0] in ("EVALSHA", "EVAL") else words[1]
