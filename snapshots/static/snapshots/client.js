// Follows a published snapshot over HTTP, in a browser or in Node, and returns no state that differs from the writer's.
//
//   const client = new SnapshotClient("/snapshot", { list: "enriched" });
//   await client.refresh();                 // a full at first, afterwards what changed; after a gap a full again
//   client.record("AAPL"); client.get("AAPL", "day.c"); client.records();
//
// The addresses: docs/http.md. The format: docs/snapshot-format.md. Integers beyond ±(2^53 − 1) are BigInt.

import { TooLarge, textOf } from "./answer.js";
import { ChainBroken, DocumentUnreadable, follow, openFull, records } from "./documents.js";

export { ChainBroken, DocumentUnreadable, follow, openFull, records };

/** The server answered, but not with a document: `status` says how, the message in its own words. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class SnapshotClient {
  #underWay = null;

  /** `url`: where /full/latest is. `list`: the server's default one if there is none. The rest is for fetch. */
  constructor(url = "/snapshot", { list = "", ...options } = {}) {
    this.url = url.replace(/\/$/, "");
    this.list = list;
    this.options = options;
    /** Where the reader stands: {name, epoch, base, seq, ts, profile, state}; null before the first refresh. */
    this.at = null;
    /** Bytes as they came over the wire, by kind of answer; and how many documents were applied, and how fast. */
    this.received = { full: 0, deltas: 0 };
    this.applied = { fulls: 0, deltas: 0, ms: 0 };
  }

  /** Catches up; true if there was something new. On an error the client keeps the state that it has. */
  refresh() {
    this.#underWay ??= this.#refresh().finally(() => (this.#underWay = null));
    return this.#underWay;
  }

  get(symbol, field) {
    const row = this.at?.state.rowOf.get(symbol);
    return row === undefined ? undefined : this.at.state.columns.get(field)?.get(row);
  }

  record(symbol) {
    return this.at?.state.record(symbol);
  }

  records() {
    return this.at === null ? new Map() : records(this.at.state);
  }

  async #refresh() {
    const before = this.at;
    if (before !== null) {
      const after = await this.#followed(before, true);
      if (after !== null) {
        this.at = after;
        return after !== before;
      }
    }
    const query = this.list ? `?list=${encodeURIComponent(this.list)}` : "";
    const document = await this.#ask(`/full/latest${query}`, "full", {});
    const full = this.#timed(() => openFull(document));
    this.applied.fulls += 1;
    // The full is good by itself: deltas that do not follow it are left to the next time.
    this.at = (await this.#followed(full, false)) ?? full;
    return true;
  }

  /** The position after all deltas there are; null where they are gone or do not fit, and a full is needed. */
  async #followed(at) {
    let position = at;
    try {
      for (;;) {
        // Each is asked for once: the browser need not keep it.
        const path = `/${encodeURIComponent(at.name)}/since/${position.seq}?epoch=${encodeURIComponent(at.epoch)}`;
        const { deltas, head } = await this.#ask(path, "deltas", { cache: "no-store" });
        for (const delta of deltas) {
          position = this.#timed(() => follow(position, delta));
          this.applied.deltas += 1;
        }
        if (deltas.length === 0 || position.seq >= head) return position;
      }
    } catch (error) {
      const begin = error instanceof ChainBroken || error instanceof DocumentUnreadable || error.status === 410;
      if (begin) return null;
      throw error;
    }
  }

  #timed(work) {
    const began = performance.now();
    const result = work();
    this.applied.ms = performance.now() - began;
    return result;
  }

  async #ask(path, kind, options) {
    const response = await fetch(this.url + path, { ...this.options, ...options });
    // As the answer was sent; of one that the browser had already (304), as it was then.
    this.received[kind] += Number(response.headers.get("Content-Length") ?? 0);
    let body;
    try {
      body = JSON.parse(await textOf(response));
    } catch (error) {
      if (error instanceof TooLarge) throw new DocumentUnreadable(`${this.url}${path}: ${error.message}`);
      if (!(error instanceof SyntaxError)) throw error;
      if (response.ok) throw new DocumentUnreadable(`${this.url}${path}: no JSON`, { cause: error });
    }
    if (!response.ok) throw new Refused(response.status, body?.error ?? `${this.url}${path}: ${response.status}`);
    return body;
  }
}
