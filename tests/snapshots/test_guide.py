"""The integration guide's step 3, as it stands there: only its import is another."""

from __future__ import annotations

import ast
import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import redis as redis_library
import redis.asyncio as redis_asyncio

from snapshots.engine import codec, frame
from snapshots.engine.thresholds import GUIDE
from snapshots.publisher import SnapshotReader, aio

INIT = """
# ============================================
# IMPORTS AÑADIR
# ============================================
from shared.utils.snapshot_manager import SnapshotManager

# ============================================
# EN __init__ DEL ScannerEngine
# ============================================
class ScannerEngine:
    def __init__(self, redis_client: RedisClient, ...):
        # ... código existente ...
        
        # 🔥 AGREGAR: Snapshot Manager
        self.snapshot_manager = SnapshotManager(
            redis_client=redis_client,
            full_snapshot_interval=300,  # 5 minutos
            delta_compression_threshold=100,
            min_price_change_percent=0.001,  # 0.1%
            min_rvol_change_percent=0.05     # 5%
        )
        
        logger.info("snapshot_manager_initialized")
"""

SAVE = """
# ============================================
# ACTUALIZAR _save_ranking_to_redis (línea ~1480)
# ============================================
async def _save_ranking_to_redis(
    self,
    list_name: str,
    tickers: List[ScannerTicker]
):
    \"\"\"
    Guarda ranking usando snapshot inteligente (full o delta)
    \"\"\"
    try:
        # Convertir tickers a dict
        ranking_dict = {
            t.symbol: t.model_dump(mode='json')
            for t in tickers
        }
        
        # 🔥 USAR SNAPSHOT MANAGER en lugar de JSON directo
        result = await self.snapshot_manager.save_snapshot(ranking_dict)
        
        # Guardar sequence number
        current_sequence = self.sequence_numbers.get(list_name, 0)
        await self.redis.set(
            f"scanner:sequence:{list_name}",
            current_sequence,
            ttl=86400
        )
        
        logger.debug(
            "ranking_saved_with_snapshot_manager",
            list=list_name,
            snapshot_type=result["type"],  # "full" o "delta"
            count=len(tickers),
            size_kb=result.get("compressed_size", result.get("size", 0)) / 1024
        )
        
    except Exception as e:
        logger.error("save_ranking_error", error=str(e), list=list_name)
"""


class Logger:
    """As structlog's: an event and whatever belongs to it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    debug = error = info


class RedisClient:
    """What the guide's services have around redis-py: it answers text, and its `set` takes a ttl."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: Any = None

    async def connect(self) -> None:
        self.client = redis_asyncio.Redis.from_url(self.url, decode_responses=True, protocol=2)

    async def set(self, key: str, value: Any, *, ttl: int) -> None:
        await self.client.set(key, value, ex=ttl)


class Ticker(SimpleNamespace):
    def model_dump(self, *, mode: str) -> dict[str, Any]:
        assert mode == "json"
        return dict(vars(self))


def run(code: str, **names: Any) -> dict[str, Any]:
    """Executes the guide's code; `...` among parameters, which is no Python, is left out."""
    code = code.replace("from shared.utils.snapshot_manager import", "from snapshots.publisher import")
    code = code.replace(", ...)", ")")
    exec(compile(ast.parse(code), "guide", "exec"), names)
    return names


def test_the_guides_step_3_as_it_is_written(redis: redis_library.Redis, redis_url: str) -> None:
    logger = Logger()
    names: dict[str, Any] = {"logger": logger, "RedisClient": RedisClient, "List": list, "ScannerTicker": Ticker}
    engine_class = run(INIT, **names)["ScannerEngine"]
    engine_class._save_ranking_to_redis = run(SAVE, **names)["_save_ranking_to_redis"]

    async def scan() -> tuple[dict[str, Any], Any, Any, Any]:
        client = RedisClient(redis_url)
        await client.connect()
        engine = engine_class(client)
        engine.redis, engine.sequence_numbers = client, {"gappers": 7}
        aapl = Ticker(symbol="AAPL", price=227.5, rvol=1.2, volume_today=1200, timestamp="09:30:00", score=50)
        msft = Ticker(symbol="MSFT", price=415.0, rvol=None, volume_today=900, timestamp="09:30:00", score=None)
        await engine._save_ranking_to_redis("gappers", [aapl, msft])
        aapl.price, aapl.timestamp, msft.timestamp = 228.0, "09:30:05", "09:30:05"
        await engine._save_ranking_to_redis("gappers", [aapl, msft])
        msft.price = float("inf")  # logged by the guide's own `except`, with symbol and field
        await engine._save_ranking_to_redis("gappers", [aapl, msft])
        manager = engine.snapshot_manager
        assert isinstance(manager, aio.SnapshotManager)
        answers = manager.get_stats(), await manager.get_latest_snapshot(), await manager.get_latest_delta()
        other = await client.client.get("scanner:sequence:gappers")
        await manager.aclose()
        await client.client.aclose()
        return *answers, other

    stats, snapshot, delta, sequence = asyncio.run(scan())
    assert sequence == "7"
    assert [event for event, _ in logger.lines] == [
        "snapshot_manager_initialized",
        "ranking_saved_with_snapshot_manager",
        "ranking_saved_with_snapshot_manager",
        "save_ranking_error",
    ]
    assert [fields.get("snapshot_type") for _, fields in logger.lines] == [None, "full", "delta", None]
    assert all(fields["size_kb"] > 0 for _, fields in logger.lines[1:3])
    assert logger.lines[3][1]["error"] == "MSFT: price is inf; JSON has no such number."

    aapl = {"symbol": "AAPL", "price": 228, "rvol": 1.2, "volume_today": 1200, "timestamp": "09:30:05", "score": 50}
    msft = {"symbol": "MSFT", "price": 415, "rvol": None, "volume_today": 900, "timestamp": "09:30:00", "score": None}
    assert snapshot == {"AAPL": aapl, "MSFT": msft} == SnapshotReader(redis).state()
    assert delta.pop("timestamp").endswith("+00:00")
    assert delta == {
        "added": [],
        "updated": [{"symbol": "AAPL", "data": aapl}],
        "removed": [],
        "unchanged_count": 1,
        "sequence": 2,
    }
    assert (stats["full_snapshots"], stats["delta_snapshots"], stats["delta_ratio_percent"]) == (1, 1, "50.0%")
    assert stats["profile"] == GUIDE.profile
    assert 0 < redis.ttl("snapshot:full:latest") <= 900
    assert 0 < redis.ttl("snapshot:delta:latest") <= 60
    newest: Any = redis.get("snapshot:delta:latest")
    assert codec.read(frame.unpack(newest)).header.profile == GUIDE.profile


def test_the_results_have_the_guides_keys(redis: redis_library.Redis, redis_url: str) -> None:
    many = {f"T{number}": {"price": number / 4, "volume": number} for number in range(200)}

    async def save() -> list[dict[str, Any]]:
        client = redis_asyncio.Redis.from_url(redis_url, protocol=2)
        manager = aio.SnapshotManager(client, name="many")
        results = [await manager.save_snapshot(many)]
        results.append(await manager.save_snapshot(many))
        changed: Any = {**many, "T1": {"price": 9, "volume": 1}, "NEW": {"price": 1, "volume": 1}}
        del changed["T2"]
        results.append(await manager.save_snapshot(changed))
        assert (await manager.get_latest_delta() or {})["removed"] == ["T2"]
        results.append(await manager.save_snapshot(changed, force_full=True))
        assert await manager.get_latest_delta() is None, "the newest document is a full"
        await client.aclose()
        return results

    full, idle, delta, forced = asyncio.run(save())
    assert (full["type"], full["ticker_count"]) == ("full", 200)
    assert full["compressed_size"] < full["original_size"]
    assert full["compression_ratio"] == pytest.approx(100 - 100 * full["compressed_size"] / full["original_size"])
    assert (idle["type"], idle["skipped"], idle["unchanged"]) == ("delta", True, 200)
    parts = [delta[name] for name in ("added", "updated", "removed", "unchanged")]
    assert (delta["type"], delta["skipped"], parts) == ("delta", False, [1, 1, 1, 198])
    assert delta["compressed"] is True
    assert delta["size"] + delta["bytes_saved"] == pytest.approx(full["original_size"], rel=0.01)
    assert (forced["type"], forced["cause"], forced["sequence"]) == ("full", "forced", 4)
