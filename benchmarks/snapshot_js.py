"""Measures the JavaScript reader, in Node and in headless Chromium: what it takes to follow the simulated market.

    python benchmarks/snapshot_js.py [--tickers 11900] [--ticks 12] [--rounds 20]

Needs no server; says which of Node and Chromium are not there. The documents are those of benchmarks/snapshots.py in
the normal regime. Each round reads the whole chain anew, as a page does from its full on: the first one with code that
never ran before. In ms by the clock, which other processes spoil: so there is also the best of all rounds, by document.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._market import Market
from snapshots.engine import frame
from snapshots.engine.build import encode, prepare
from snapshots.engine.plan import Options
from snapshots.engine.source import changes_of_fields
from tradeul_ops.demo.market import NORMAL

READER = Path(__file__).resolve().parent.parent / "snapshots" / "static" / "snapshots"
MEASURE = """
async function measure({ openFull, follow }, texts, rounds) {
  const found = [];
  for (let round = 0; round < rounds; round += 1) {
    let at = null;
    found.push(texts.map((text) => {
      const began = performance.now();
      const document = JSON.parse(text);
      const parsed = performance.now();
      at = at === null ? openFull(document) : follow(at, document);
      return [parsed - began, performance.now() - parsed];
    }));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return found;
}
"""

Rounds = list[list[list[float]]]  # round → document → ms to parse, ms to apply


def documents(*, tickers: int, ticks: int) -> Iterator[str]:
    market = Market(NORMAL, tickers=tickers, turn_at=ticks // 2)
    published, raw = None, {}
    for number in range(ticks + 1):
        if number:
            market.tick()
        fields = {symbol.encode(): record for symbol, record in market.fields.items()}
        row_of = published.state.row_of if published else {}
        changes = changes_of_fields(fields, raw_before=raw, published=row_of, source="benchmark")
        prepared = prepare(
            published,
            name="benchmark",
            new_epoch="epoch",
            upserts=changes.upserts,
            removals=changes.removals,
            now_ms=0,
            options=Options(),
        )
        build = encode(prepared, options=Options(), full_bytes=10**9)
        published, raw = build.published, changes.raw
        part = build.delta or build.full
        assert part is not None
        yield frame.unpack(part.stored).decode()


def in_node(texts: list[str], rounds: int) -> Rounds | None:
    node = shutil.which("node")
    if node is None:
        return None
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "documents.json"
        path.write_text(json.dumps(texts))
        script = (
            f"const client = await import({(READER / 'client.js').as_uri()!r});"
            f"const texts = JSON.parse((await import('node:fs')).readFileSync({str(path)!r}));"
            f"{MEASURE} console.log(JSON.stringify(await measure(client, texts, {rounds})));"
        )
        words = [node, "--input-type=module", "--eval", script]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: Rounds = json.loads(done.stdout)
    return found


def in_chromium(texts: list[str], rounds: int) -> Rounds | None:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        return None
    from playwright.sync_api import Route, sync_playwright

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        body = (READER / name).read_text() if name.endswith(".js") else json.dumps(texts) if name == "documents" else ""
        kind = "text/javascript" if name.endswith(".js") else "text/html"
        route.fulfill(body=body, content_type=f"{kind}; charset=utf-8")

    with sync_playwright() as playwright:
        flags = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        page = browser.new_page()
        page.route("**/*", answer)
        page.goto("http://benchmark.test/")
        found: Rounds = page.evaluate(
            f"""async () => {{
              {MEASURE}
              const texts = await (await fetch("/documents")).json();
              return measure(await import("/client.js"), texts, {rounds});
            }}"""
        )
        browser.close()
    return found


def line(where: str, what: str, times: list[list[float]]) -> str:
    cells: list[Any] = [median(each) for each in zip(*times, strict=True)] + [max(applied for _, applied in times)]
    return f"| {where} | {what} | " + " | ".join(f"{ms:.1f}" for ms in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickers", type=int, default=11_900)
    parser.add_argument("--ticks", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    texts = list(documents(tickers=arguments.tickers, ticks=arguments.ticks))
    print("| where | what | JSON.parse, median ms | applied, median ms | the longest |\n|---|---|---|---|---|")
    for where, run in (("Node", in_node), ("Chromium", in_chromium)):
        found = run(texts, arguments.rounds)
        if found is None:
            print(f"| {where} | is not on this machine | | | |")
            continue
        first = found[0]
        best = [[min(times) for times in zip(*document, strict=True)] for document in zip(*found, strict=True)]
        print(line(where, "full, first round", first[:1]))
        print(line(where, "full, best round", best[:1]))
        print(line(where, "delta, first round", first[1:]))
        print(line(where, "delta, best rounds", best[1:]))


if __name__ == "__main__":
    main()
