"""The live market in a real browser: it follows, recovers, filters, sorts, keeps still, and reads without script."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import redis as redis_library

from snapshots import services
from snapshots.engine.names import keys_of
from snapshots.models import SnapshotPolicy
from tests.snapshots.factories import later, make_policy, put
from tests.snapshots.test_client_js import ALL_STEPS
from tradeul_ops.demo.servers import free_port

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore:No directory at")]
KEYS = keys_of("test")
PAGE = "/snapshots/live/test/"
TICKERS = 11_900
AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"  # as a tab that is looked at again: it asks at once


def market(*, bumped: int = 0, tickers: int = TICKERS) -> dict[str, dict[str, object]]:
    """By volume: T0 first. `bumped` tickers, from T0 on, have another price."""
    return {
        f"T{number}": {
            "price": number + (0.5 if number < bumped else 0),
            "volume_today": tickers - number,
            "sector": "Energy" if number % 2 else "Health Care",
            "rvol": None if number % 3 else number / 100,
        }
        for number in range(tickers)
    }


@pytest.fixture
def market_policy(redis: redis_library.Redis, transactional_db: None) -> SnapshotPolicy:
    services.forget()
    return make_policy()


@pytest.fixture
def published(redis: redis_library.Redis, market_policy: SnapshotPolicy) -> SnapshotPolicy:
    publish(redis, market(), 0)
    return market_policy


def publish(redis: redis_library.Redis, records: dict[str, dict[str, object]], at: float) -> None:
    put(redis, records)
    (row,) = services.build_snapshots(later(at))
    assert row.outcome == "done", row.detail


def opened(page, sequence: int = 1) -> None:
    page.goto(PAGE)
    page.wait_for_selector(f"#state:has-text('at sequence {sequence},')")


def row_of(page, symbol: str) -> str:
    return page.inner_text(f"#grid tbody tr:has(th:text-is('{symbol}'))")


def test_it_reads_the_vectors_as_node_and_python_do(page) -> None:
    page.goto("/login/")
    check = (
        (Path(__file__).parents[1] / "snapshots" / "check_steps.mjs").read_text().replace("export function", "function")
    )
    counts = page.evaluate(
        f"""async (files) => {{
          {check}
          const client = await import("/static/snapshots/client.js");
          const checked = Object.entries(files).map(([file, steps]) => [file, checkSteps(client, file, steps)]);
          return Object.fromEntries(checked);
        }}""",
        ALL_STEPS,
    )
    assert counts == {file: len(steps) for file, steps in ALL_STEPS.items()}


def test_it_shows_all_tickers_and_draws_few(page, published: SnapshotPolicy) -> None:
    opened(page)
    assert "11,900 tickers" in page.inner_text("#state")
    assert page.locator("#grid tbody tr").count() < 60
    page.evaluate("document.getElementById('scroll').scrollTop = 1e9")
    page.wait_for_selector("#grid th:text-is('T11899')")
    assert "11,899" in row_of(page, "T11899")
    page.evaluate("document.getElementById('scroll').scrollTop = 28 * 6000")
    page.wait_for_selector("#grid th:text-is('T6000')")
    assert page.complaints == []


def test_a_delta_changes_cells_marks_them_and_costs_little(
    page, published: SnapshotPolicy, redis: redis_library.Redis
) -> None:
    opened(page)
    publish(redis, market(bumped=3), 5)
    page.evaluate(AGAIN)
    page.wait_for_selector("#state:has-text('at sequence 2,')")
    assert page.locator("#grid td.up").count() == 3
    assert row_of(page, "T2").split()[1] == "2.50"
    assert "1 full and 1 delta" in page.inner_text("#cost")
    said = page.evaluate("performance.getEntriesByType('resource').filter((e) => e.name.includes('/since/')).length")
    assert said >= 2
    assert page.complaints == []


def test_nothing_moves_for_who_asked_for_less_motion(
    page, published: SnapshotPolicy, redis: redis_library.Redis
) -> None:
    page.emulate_media(reduced_motion="reduce")
    opened(page)
    publish(redis, market(bumped=3), 5)
    page.evaluate(AGAIN)
    cell = page.wait_for_selector("#grid td.up")
    style = cell.evaluate(
        "(cell) => { const s = getComputedStyle(cell); return [s.animationName, s.backgroundColor]; }"
    )
    assert style == ["none", "rgba(0, 0, 0, 0)"]


def test_it_comes_over_a_new_epoch_and_over_deltas_that_are_gone(
    page, published: SnapshotPolicy, redis: redis_library.Redis
) -> None:
    opened(page)
    redis.delete(KEYS.head)
    publish(redis, market(bumped=1), 5)
    publish(redis, market(bumped=2), 10)
    page.evaluate(AGAIN)
    page.wait_for_selector("#state:has-text('at sequence 2,')")
    assert row_of(page, "T1").split()[1] == "1.50"
    for at in (15, 20, 310):
        publish(redis, market(bumped=at), at)
    redis.xtrim(KEYS.deltas, maxlen=1, approximate=False)
    page.evaluate(AGAIN)
    page.wait_for_selector("#state:has-text('at sequence 5,')")
    assert row_of(page, "T9").split()[1] == "9.50"
    assert [text for text in page.complaints if "410" not in text] == []  # the browser itself notes a 410


def test_filter_and_sort(page, published: SnapshotPolicy) -> None:
    opened(page)
    page.fill("#filter", "t11")
    page.wait_for_selector("#filter-told:has-text('1,011 of 11,900')")
    page.fill("#filter", "price>=11000 rvol>100 sector=energy")
    page.wait_for_selector("#filter-told:has-text('150 of 11,900')")
    page.fill("#filter", "prize>5")
    page.wait_for_selector("#filter-told:has-text('There is no column prize.')")
    page.fill("#filter", "zzz")
    page.wait_for_selector("#grid td:has-text('No ticker is like that.')")
    page.fill("#filter", "")
    page.wait_for_selector("#grid th:text-is('T0')")

    button = "#grid thead button:has-text('price')"
    page.click(button)
    page.wait_for_selector("#grid th:text-is('T11899')")
    assert page.get_attribute("#grid thead th:has(button:has-text('price'))", "aria-sort") == "descending"
    assert page.evaluate("document.activeElement.textContent").startswith("price")
    page.click(button)
    page.wait_for_selector("#grid th:text-is('T0')")
    page.click("#grid thead button:has-text('rvol')")  # null is last, either way
    page.wait_for_selector("#grid th:text-is('T11898')")
    page.click("#grid thead button:has-text('rvol')")
    page.wait_for_selector("#grid tbody tr:nth-child(2):has(th:text-is('T0'))")


def test_chosen_columns_stay_chosen(page, published: SnapshotPolicy) -> None:
    opened(page)
    page.click(".choose summary")
    page.uncheck("#choices input[value=sector]")
    page.reload()
    page.wait_for_selector("#state:has-text('Live.')")
    assert page.inner_text("#grid thead").split() == ["symbol", "price", "volume_today", "rvol"]


def test_without_an_answer_it_fades_says_since_when_and_why_and_recovers(
    page, published: SnapshotPolicy, settings
) -> None:
    opened(page)
    url, settings.REDIS_URL = settings.REDIS_URL, f"redis://127.0.0.1:{free_port()}/0"
    page.evaluate(AGAIN)
    said = page.wait_for_selector("#state.failed").inner_text()
    assert said.startswith("■ Stale since ") and "Redis does not answer" in said and "Trying again in" in said
    assert page.locator("#grid th:text-is('T0')").count() == 1, "what there was has to stay"
    assert page.evaluate("getComputedStyle(document.getElementById('grid')).opacity") == "0.6"
    settings.REDIS_URL = url
    page.evaluate(AGAIN)
    page.wait_for_selector("#state:has-text('● Live.')")
    assert page.evaluate("getComputedStyle(document.getElementById('grid')).opacity") == "1"


def test_nothing_published_says_so_and_the_table_comes_by_itself(
    page, market_policy: SnapshotPolicy, redis: redis_library.Redis
) -> None:
    page.goto(PAGE)
    page.wait_for_event("response", lambda response: response.status == 404)
    assert "The worker builds it within 5 s" in page.inner_text("#state")
    publish(redis, market(tickers=20), 0)
    page.evaluate(AGAIN)
    page.wait_for_selector("#state:has-text('20 tickers at sequence 1')")


@pytest.mark.parametrize("width", [390, 768, 1440])
@pytest.mark.parametrize("path", ["/snapshots/", "/snapshots/policies/{}/", PAGE])
def test_nothing_needs_sideways_scrolling(page, published: SnapshotPolicy, width: int, path: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path.format(published.pk))
    if path == PAGE:
        page.wait_for_selector("#state:has-text('Live.')")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []


def test_the_ledger_refreshes_beside_its_form(page, published: SnapshotPolicy, redis: redis_library.Redis) -> None:
    page.goto(f"/snapshots/policies/{published.pk}/")
    page.select_option("#refresh", "1")
    page.fill("[name=note]", "half a sen")
    publish(redis, market(bumped=3), 5)
    page.wait_for_selector(".builds td:text-is('delta')", timeout=5000)
    assert page.input_value("[name=note]") == "half a sen"
    page.click("button:has-text('Rebuild it now')")
    page.wait_for_selector(".message:has-text('Rebuilt 11,900 tickers at sequence 2.')")
    assert page.complaints == []


def test_without_script_the_first_fifty_are_there_and_it_says_what_to_do(
    chromium, page, published: SnapshotPolicy
) -> None:
    opened(page)
    plain = chromium.new_context(java_script_enabled=False)
    plain.add_cookies(page.context.cookies())
    reader = plain.new_page()
    reader.goto(page.url)
    assert "Without JavaScript this page shows the first 50 of 11,900 tickers" in reader.inner_text("#state")
    assert reader.locator("#grid tbody tr").count() == 50
    assert "T49" in reader.inner_text("#grid") and not reader.is_visible("#tools")
    reader.goto(f"{page.url.split('/snapshots/')[0]}/snapshots/policies/{published.pk}/")
    reader.fill("[name=note]", "without script")
    reader.click("form.sheet button.primary")
    assert "saved" in reader.inner_text(".message")
    plain.close()
    published.refresh_from_db()
    assert published.note == "without script"


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The origin of an empty page. A real one: a page that Playwright makes up may not speak to this machine."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><link rel=icon href=data:,>")

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_page_of_another_origin_reads_only_where_it_may(
    page, published: SnapshotPolicy, settings, live_server, elsewhere: str
) -> None:
    """The browser itself decides, by what the preflight and the answer say."""
    settings.METRICS_TOKEN = "a-token-of-the-tests"
    url = f"{live_server.url}/snapshot/head/latest?list=test"
    ask = """(url) => fetch(url, { headers: { Authorization: "Bearer a-token-of-the-tests" } })
      .then((answer) => answer.json()).then((head) => head.name, String)"""
    page.goto(elsewhere)
    assert "Failed to fetch" in page.evaluate(ask, url)
    settings.SNAPSHOT_ORIGINS = [elsewhere]
    assert page.evaluate(ask, url) == "test", page.complaints
