"""The integration guide's step 2, as it stands there: only its import is another."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import logging
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import redis as redis_library
import redis.asyncio as redis_asyncio

from streams.producer import _process, get_stream_manager
from tests.streams.factories import make_limit
from tests.streams.test_producer import publish

Redis = redis_library.Redis

DATA_INGEST = """
# ============================================
# IMPORTS AÑADIR
# ============================================
from shared.utils.redis_stream_manager import (
    initialize_stream_manager,
    get_stream_manager
)

# ============================================
# EN LA FUNCIÓN lifespan (startup)
# ============================================
@asynccontextmanager
async def lifespan(app: FastAPI):
    # ... código existente ...
    
    # Inicializar RedisClient
    redis_client = RedisClient(...)
    await redis_client.connect()
    
    # 🔥 AGREGAR: Inicializar StreamManager
    stream_manager = initialize_stream_manager(redis_client)
    await stream_manager.start()  # Inicia auto-trimming
    logger.info("stream_manager_started")
    
    yield
    
    # 🔥 AGREGAR: Detener StreamManager
    await stream_manager.stop()
    logger.info("stream_manager_stopped")

# ============================================
# REEMPLAZAR TODOS LOS redis.xadd POR:
# ============================================

# ANTES:
await redis.xadd("snapshots:raw", {"data": snapshot})

# DESPUÉS:
stream_manager = get_stream_manager()
await stream_manager.xadd("snapshots:raw", {"data": snapshot})

# ¡Eso es todo! El MAXLEN es automático
"""

SCANNER = """
# ============================================
# IMPORTS AÑADIR AL INICIO
# ============================================
from shared.utils.redis_stream_manager import get_stream_manager

# ============================================
# EN __init__ DEL ScannerEngine
# ============================================
class ScannerEngine:
    def __init__(self, ...):
        # ... código existente ...
        self.stream_manager = get_stream_manager()  # Obtener instancia

# ============================================
# ACTUALIZAR emit_full_snapshot (línea ~1540)
# ============================================
async def emit_full_snapshot(self, list_name: str, tickers: List[ScannerTicker]):
    # ... código existente hasta message = {...} ...
    
    # REEMPLAZAR:
    # await self.redis.xadd(
    #     settings.stream_ranking_deltas,
    #     message,
    #     maxlen=20000,  # ← ESTO ERA HARDCODED
    #     approximate=True
    # )
    
    # POR:
    await self.stream_manager.xadd(
        settings.stream_ranking_deltas,
        message
        # maxlen es automático según config
    )

# ============================================
# ACTUALIZAR emit_ranking_deltas (línea ~1450)
# ============================================
async def emit_ranking_deltas(self, list_name: str, deltas: List[Dict]):
    # ... código existente hasta message = {...} ...
    
    # REEMPLAZAR:
    # await self.redis.xadd(...)
    
    # POR:
    await self.stream_manager.xadd(
        settings.stream_ranking_deltas,
        message
    )
"""

# Of step 4, what concerns streams.
METRICS = '''
from shared.utils.redis_stream_manager import get_stream_manager

@app.get("/api/v1/internal/memory-metrics")
async def get_memory_metrics():
    """
    Endpoint interno para monitorear uso de memoria
    """
    try:
        stream_manager = get_stream_manager()
        
        # Stats de streams
        stream_stats = stream_manager.get_stats()
        all_streams = await stream_manager.get_all_streams_info()
        
        return {
            "streams": {
                "stats": stream_stats,
                "details": all_streams
            },
        }
        
    except Exception as e:
        logger.error("memory_metrics_error", error=str(e))
        raise HTTPException(status_code=500, detail=str(e))
'''

SNAPSHOT = {"AAPL": {"price": 187.2, "halted": False}}
DEFINITIONS = (ast.ImportFrom, ast.Import, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@pytest.fixture(autouse=True)
def no_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "_manager", None)


class App:
    """As much of FastAPI as the guide's code needs."""

    def __init__(self) -> None:
        self.routes: dict[str, Any] = {}

    def get(self, path: str) -> Any:
        def route(endpoint: Any) -> Any:
            self.routes[path] = endpoint
            return endpoint

        return route


def a_service(redis_url: str) -> dict[str, Any]:
    """The names that the guide's code takes from the service around it."""
    clients: list[Any] = []

    class RedisClient:
        """The services' own wrapper: not connected when it is made, and it writes dicts as JSON."""

        client: Any = None

        def __init__(self, *_: Any) -> None:
            clients.append(self)

        async def connect(self) -> None:
            self.client = redis_asyncio.Redis.from_url(redis_url)

        async def xadd(self, stream: str, fields: dict[str, Any]) -> Any:
            as_json = {name: json.dumps(value, separators=(",", ":")) for name, value in fields.items()}
            return await self.client.xadd(stream, as_json)

    return {
        "FastAPI": App,
        "HTTPException": RuntimeError,
        "RedisClient": RedisClient,
        "Dict": dict,
        "List": list,
        "ScannerTicker": dict,
        "app": App(),
        "asynccontextmanager": asynccontextmanager,
        "clients": clients,
        "logger": logging.getLogger("data_ingest"),
        "message": {"list": "gappers", "sequence": 7, "deltas": [{"symbol": "AAPL", "rank": 1}], "more": None},
        "settings": SimpleNamespace(stream_ranking_deltas="stream:ranking:deltas"),
        "snapshot": SNAPSHOT,
    }


def with_the_import_changed(code: str) -> str:
    assert code.count("shared.utils.redis_stream_manager") == 1
    return code.replace("shared.utils.redis_stream_manager", "streams.producer")


async def run(statements: list[ast.stmt], names: dict[str, Any]) -> None:
    """Statements of a module, in which `await` may stand outside of functions, as it does in the guide's."""
    code = compile(ast.Module(statements, []), "guide", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if inspect.iscoroutine(answer := eval(code, names)):
        await answer


def parsed(code: str) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """What it defines, and what it does: the latter is for the time between start-up and shutdown."""
    body = ast.parse(code).body
    return (
        [node for node in body if isinstance(node, DEFINITIONS)],
        [node for node in body if not isinstance(node, DEFINITIONS)],
    )


def test_step_2_runs_with_only_its_import_changed(redis: Redis, redis_url: str) -> None:
    """Data ingest writes a snapshot before and after, the scanner its ranking, and the gateway shows both."""
    publish(redis, make_limit("snapshots:raw", 1000), make_limit("stream:ranking:deltas", 5000))
    names = a_service(redis_url)
    defines, does = parsed(with_the_import_changed(DATA_INGEST))
    scanner_defines, nothing = parsed(with_the_import_changed(SCANNER).replace("self, ...", "self"))  # else no Python
    metrics_define, _ = parsed(with_the_import_changed(METRICS))
    assert len(does) == 3 and not nothing

    async def service() -> None:
        await run(defines, names)
        async with names["lifespan"](names["app"]):
            names["redis"] = names["clients"][0]
            await run(does, names)
            await run(scanner_defines, names)
            engine = names["ScannerEngine"]()
            await names["emit_full_snapshot"](engine, "gappers", [])
            await names["emit_ranking_deltas"](engine, "gappers", [])
            await run(metrics_define, names)
            shown = await names["app"].routes["/api/v1/internal/memory-metrics"]()
            json.dumps(shown)
            stats = shown["streams"]["stats"]
            assert stats["is_running"]
            assert stats["total_adds"] == 3
            assert stats["configured_streams"] == ["snapshots:raw", "stream:ranking:deltas"]
            assert {
                info["stream"]: (info["length"], info["usage_percent"]) for info in shown["streams"]["details"]
            } == {
                "snapshots:raw": (2, 0.2),
                "stream:ranking:deltas": (2, 0.0),
            }
        assert not get_stream_manager().get_stats()["is_running"]
        await names["clients"][0].client.aclose()

    asyncio.run(service())
    (_, before), (_, after) = redis.xrange("snapshots:raw")
    assert before == after, "what a consumer reads is what it was"
    assert json.loads(after[b"data"]) == SNAPSHOT
    assert redis.xrange("stream:ranking:deltas")[0][1] == {
        b"list": b"gappers",
        b"sequence": b"7",
        b"deltas": b'[{"symbol":"AAPL","rank":1}]',
        b"more": b"null",
    }


def test_step_2_bounds_the_streams(redis: Redis, redis_url: str) -> None:
    """ "¡Eso es todo! El MAXLEN es automático": without a console, at the guide's limits."""
    names = a_service(redis_url)
    defines, does = parsed(with_the_import_changed(DATA_INGEST))

    async def service() -> None:
        await run(defines, names)
        async with names["lifespan"](names["app"]):
            names["redis"] = names["clients"][0]
            for _ in range(3200):
                await run(does[1:], names)
        await names["clients"][0].client.aclose()

    asyncio.run(service())
    assert redis.xlen("snapshots:raw") <= 3 * 1000 + 99


def test_before_start_up_it_says_what_the_guide_says(redis_url: str) -> None:
    async def too_early() -> None:
        with pytest.raises(RuntimeError, match="RedisStreamManager not initialized"):
            await run(parsed(with_the_import_changed(DATA_INGEST))[1][1:], names)

    names = a_service(redis_url) | {"get_stream_manager": get_stream_manager}
    asyncio.run(too_early())
