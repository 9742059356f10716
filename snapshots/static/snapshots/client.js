// Rebuilds a published snapshot in a browser or in Node, and follows it. Verifies every state by its checksum and
// returns none that differs from the writer's. The format: docs/snapshot-format.md.
//
//   const client = new SnapshotClient("/snapshot/enriched");
//   await client.refresh();          // a full at first, afterwards what changed
//   client.records();                // Map: symbol → record
//
// Integers beyond ±(2^53 − 1) are BigInt; all other numbers are numbers.

const VERSION = 1;

/** A document that does not continue the state at hand, or continues it into another state than the writer's. */
export class ChainBroken extends Error {}

// --- state: { symbols: [string | null], columns: Map(name → cells), rowOf: Map(symbol → row), digests: Map } -----------
// A cell is null, true, false, a number, a string, a BigInt, an array, an empty object, or undefined: no such field.

function makeState(symbols, columns, digests = new Map()) {
  const rowOf = new Map();
  symbols.forEach((symbol, row) => symbol !== null && rowOf.set(symbol, row));
  return { symbols, columns, rowOf, digests };
}

/** Takes a full document, parsed. Returns where the reader stands: {epoch, base, seq, ts, profile, state}. */
export function openFull(document) {
  check(document, "full");
  const state = readTable(document);
  verify(state, document);
  return position(document, document.seq, state);
}

/** Takes the next delta, parsed. Returns the new position; `at` stays as it is. */
export function follow(at, document) {
  check(document, "delta");
  if (document.epoch !== at.epoch) throw new ChainBroken(`a new epoch ${document.epoch} began, after ${at.epoch}`);
  if (document.seq !== at.seq + 1) throw new ChainBroken(`a gap: the state is at ${at.seq}, the delta is ${document.seq}`);
  if (document.base !== at.base) throw new ChainBroken(`delta ${document.seq} numbers rows by ${document.base}, not ${at.base}`);
  let state = applyDelta(at.state, document);
  if (document.reorder) state = reorder(state, document.reorder.by);
  verify(state, document);
  return position(document, document.reorder ? document.seq : at.base, state);
}

/** Symbol → record, as the source had it. */
export function records(state) {
  const paths = [...state.columns].map(([name, cells]) => [splitName(name), cells]);
  const found = new Map();
  for (const [symbol, row] of state.rowOf) {
    const record = {};
    for (const [path, cells] of paths) {
      if (cells[row] === undefined) continue;
      let node = record;
      for (const key of path.slice(0, -1)) node = own(node, key) ?? put(node, key, {});
      put(node, path[path.length - 1], cells[row]);
    }
    found.set(symbol, record);
  }
  return found;
}

function check(document, kind) {
  if (document.v !== VERSION) throw new ChainBroken(`version ${document.v}; this reader knows ${VERSION}`);
  if (document.kind !== kind) throw new ChainBroken(`expected a ${kind}, got a ${document.kind}`);
}

function position(document, base, state) {
  const { name, epoch, seq, ts, profile } = document;
  return { name, epoch, base, seq, ts, profile, state };
}

function verify(state, document) {
  const found = checksum(state);
  if (found !== document.checksum) {
    throw new ChainBroken(`after ${document.kind} ${document.seq} the checksum is ${found}, the writer's was ${document.checksum}`);
  }
}

function readTable({ symbols, columns }) {
  const read = new Map();
  for (const [name, column] of Object.entries(columns)) read.set(name, readColumn(column, symbols.length));
  return makeState(symbols, read);
}

function applyDelta(before, document) {
  const columns = new Map(before.columns);
  const touched = new Set();
  const size = before.symbols.length;
  const touch = (name) => {
    if (!touched.has(name)) {
      touched.add(name);
      columns.set(name, columns.get(name)?.slice() ?? before.symbols.map((symbol) => (symbol === null ? 0 : undefined)));
    }
    return columns.get(name);
  };
  for (const group of document.groups) {
    const rows = rowsOf(group.rows);
    if (rows.length && !(rows[0] >= 0 && rows[rows.length - 1] < size)) throw new ChainBroken("a row that is not there");
    for (const [name, column] of Object.entries(group.columns ?? {})) {
      const old = before.columns.get(name);
      const cells = readChanges(column, rows.length, (index) => old?.[rows[index]]);
      const target = touch(name);
      rows.forEach((row, index) => (target[row] = cells[index]));
    }
    for (const name of group.missing ?? []) {
      const target = touch(name);
      for (const row of rows) target[row] = undefined;
    }
  }
  let symbols = before.symbols;
  if (document.remove || document.add) {
    symbols = symbols.slice();
    for (const name of new Set([...columns.keys(), ...Object.keys(document.add?.columns ?? {})])) touch(name);
    for (const row of rowsOf(document.remove ?? [])) {
      symbols[row] = null;
      for (const cells of columns.values()) cells[row] = 0;
    }
    if (document.add) {
      const added = readTable(document.add);
      symbols.push(...added.symbols);
      for (const [name, cells] of columns) {
        const more = added.columns.get(name);
        for (let row = 0; row < added.symbols.length; row += 1) cells.push(more?.[row]);
      }
    }
  }
  const digests = new Map([...before.digests].filter(([name]) => !touched.has(name)));
  return makeState(symbols, columns, digests);
}

/** As the writer does at a full: no removed rows, no empty columns, the largest `by` first, equal ones as they were. */
function reorder(state, by) {
  const rows = [];
  state.symbols.forEach((symbol, row) => symbol !== null && rows.push(row));
  const cells = by === null ? undefined : state.columns.get(by);
  if (cells) {
    const key = (row) => (typeof cells[row] === "number" ? cells[row] : -Infinity);
    rows.sort((a, b) => (key(a) === key(b) ? 0 : key(a) < key(b) ? 1 : -1));
  }
  const columns = new Map();
  for (const [name, column] of state.columns) {
    const moved = rows.map((row) => column[row]);
    if (moved.some((cell) => cell !== undefined)) columns.set(name, moved);
  }
  return makeState(rows.map((row) => state.symbols[row]), columns);
}

// --- columns on the wire -----------------------------------------------------------------------------------------------
function rowsOf(steps) {
  let row = 0;
  return steps.map((step) => (row += step));
}

function readColumn(column, size) {
  let cells;
  if (Array.isArray(column)) {
    cells = column.map(readCell);
  } else if (column.rows) {
    const rows = rowsOf(column.rows);
    const values = readColumn(column.values, rows.length);
    cells = new Array(size).fill(undefined);
    rows.forEach((row, index) => (cells[row] = values[index]));
  } else {
    cells = column.big.map((text) => (text === null ? null : integer(BigInt(text))));
  }
  if (cells.length !== size) throw new ChainBroken(`a column has ${cells.length} cells for ${size} rows`);
  return cells;
}

function readCell(cell) {
  if (cell === null || typeof cell !== "object" || Array.isArray(cell)) return cell;
  const root = [cell.value];
  for (const path of cell.big ?? []) {
    const keys = [0, ...path];
    const last = keys.pop();
    const node = keys.reduce((found, key) => found[key], root);
    node[last] = integer(BigInt(node[last]));
  }
  return root[0];
}

function readChanges(column, size, old) {
  if (Array.isArray(column) || !column.v) return readColumn(column, size);
  const { d, v } = column;
  if (v.length !== size) throw new ChainBroken(`${v.length} differences for ${size} rows`);
  const scale = 10 ** d;
  return v.map((step, index) => {
    if (Array.isArray(step)) return readCell(step[0]);
    const before = old(index);
    if (d === 0) {
      const sum = typeof before === "number" ? before + step : NaN;
      return Number.isSafeInteger(sum) ? sum : integer(BigInt(before) + BigInt(step));
    }
    return (Math.round(before * scale) + step) / scale;
  });
}

function integer(big) {
  const number = Number(big);
  return Number.isSafeInteger(number) ? number : big;
}

function splitName(name) {
  const parts = [""];
  for (let at = 0; at < name.length; at += 1) {
    if (name[at] === ".") parts.push("");
    else parts[parts.length - 1] += name[at] === "\\" ? name[(at += 1)] : name[at];
  }
  return parts;
}

function own(node, key) {
  return Object.hasOwn(node, key) ? node[key] : undefined;
}

function put(node, key, value) {
  // Not node[key] = value: a field may be called __proto__.
  Object.defineProperty(node, key, { value, writable: true, enumerable: true, configurable: true });
  return value;
}

// --- checksum ----------------------------------------------------------------------------------------------------------
const TABLES = crcTables();

export function checksum(state) {
  let total = crcText(state.symbols.map((symbol) => (symbol === null ? "-\n" : `+${symbol}\n`)).join(""), 0);
  for (const [name, cells] of state.columns) {
    if (!state.digests.has(name)) state.digests.set(name, hex(digest(cells)));
    total = (total + crcText(`${name}\n${state.digests.get(name)}`, 0)) >>> 0;
  }
  return hex(total);
}

function digest(cells) {
  const numbers = new DataView(new ArrayBuffer(cells.length * 8));
  let rest = "";
  for (let row = 0; row < cells.length; row += 1) {
    const cell = cells[row];
    if (typeof cell === "number") numbers.setFloat64(row * 8, cell, true);
    else if (cell === null) rest += `${row}n\n`;
    else if (typeof cell === "string") rest += `${row}s${cell}\n`;
    else rest += `${row}j${cell === undefined ? "" : canonical(cell)}\n`;
  }
  const crc = crcWords(numbers, 0);
  return rest ? crcText(rest, crc) : crc;
}

/** JSON text that Python writes alike: RFC 8785, but doubles beyond the safe integers in exponent form. */
export function canonical(value) {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") {
    return Math.abs(value) > Number.MAX_SAFE_INTEGER ? value.toExponential() : String(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

function hex(number) {
  return (number >>> 0).toString(16).padStart(8, "0");
}

/** CRC-32 of the text as UTF-16LE, continued from `crc`. */
function crcText(text, crc) {
  const [table] = TABLES;
  let value = ~crc;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    value = table[(value ^ unit) & 0xff] ^ (value >>> 8);
    value = table[(value ^ (unit >>> 8)) & 0xff] ^ (value >>> 8);
  }
  return ~value >>> 0;
}

/** CRC-32 of whole 8-byte words, eight bytes a step. */
function crcWords(view, crc) {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
  let value = ~crc;
  for (let at = 0; at < view.byteLength; at += 8) {
    const low = value ^ view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    value =
      t7[low & 0xff] ^ t6[(low >>> 8) & 0xff] ^ t5[(low >>> 16) & 0xff] ^ t4[low >>> 24] ^
      t3[high & 0xff] ^ t2[(high >>> 8) & 0xff] ^ t1[(high >>> 16) & 0xff] ^ t0[high >>> 24];
  }
  return ~value >>> 0;
}

function crcTables() {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte += 1) {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    tables[0][byte] = value;
  }
  for (let table = 1; table < 8; table += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const before = tables[table - 1][byte];
      tables[table][byte] = tables[0][before & 0xff] ^ (before >>> 8);
    }
  }
  return tables;
}

// --- over HTTP ---------------------------------------------------------------------------------------------------------
export class SnapshotClient {
  /** `url`: where /full and /deltas are, as in "/snapshot/enriched"; `options` go to fetch: a token, credentials. */
  constructor(url, options = {}) {
    this.url = url.replace(/\/$/, "");
    this.options = options;
    this.at = null;
  }

  /** Catches up; true if there was something new. On an error the client keeps the state that it has. */
  async refresh() {
    const before = this.at;
    if (this.at !== null) {
      try {
        this.at = await this.#followed(this.at);
        if (this.at !== null) return this.at !== before;
      } catch (error) {
        this.at = before;
        if (!(error instanceof ChainBroken)) throw error;
      }
    }
    try {
      this.at = openFull(await this.#get("/full"));
      this.at = (await this.#followed(this.at)) ?? this.at;
    } catch (error) {
      this.at = before;
      throw error;
    }
    return true;
  }

  records() {
    return this.at === null ? new Map() : records(this.at.state);
  }

  /** The position after all deltas there are; null where they are gone and the full is needed. */
  async #followed(at) {
    const answer = await this.#get(`/deltas?since=${at.seq}&epoch=${encodeURIComponent(at.epoch)}`, 410);
    return answer === null ? null : answer.deltas.reduce(follow, at);
  }

  async #get(path, gone = 0) {
    const response = await fetch(this.url + path, this.options);
    if (response.status === gone) return null;
    if (!response.ok) throw new Error(`${this.url}${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}
