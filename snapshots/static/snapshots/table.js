// The state of a snapshot: symbols in rows, fields in columns.

import { crcOfText, hex } from "./checksum.js";
import { Column } from "./column.js";

export class Table {
  /** `symbols`: null where a row was removed; `columns`: name → Column. */
  constructor(symbols, columns, rowOf = null, symbolsCrc = null) {
    this.symbols = symbols;
    this.columns = columns;
    this.rowOf = rowOf ?? rowsBySymbol(symbols);
    this.symbolsCrc = symbolsCrc ?? crcOfText(symbols.map((symbol) => (symbol === null ? "-\n" : `+${symbol}\n`)).join(""));
  }

  get size() {
    return this.symbols.length;
  }

  checksum() {
    let total = this.symbolsCrc;
    for (const [name, column] of this.columns) total = (total + crcOfText(`${name}\n${hex(column.digest())}`)) >>> 0;
    return hex(total);
  }

  /** As the writer does at a full: no removed rows, no empty columns, the largest `by` first, equal ones as they were. */
  reordered(by) {
    const rows = [];
    this.symbols.forEach((symbol, row) => symbol !== null && rows.push(row));
    const column = by === null ? undefined : this.columns.get(by);
    if (column) {
      const keys = this.symbols.map((_, row) => (typeof column.get(row) === "number" ? column.get(row) : -Infinity));
      rows.sort((a, b) => (keys[a] === keys[b] ? 0 : keys[a] < keys[b] ? 1 : -1));
    }
    const columns = new Map();
    for (const [name, of] of this.columns) {
      const cells = rows.map((row) => of.get(row));
      if (cells.some((cell) => cell !== undefined)) columns.set(name, Column.of(cells));
    }
    return new Table(rows.map((row) => this.symbols[row]), columns);
  }

  /** A record as the source had it; undefined for a symbol that is not there. */
  record(symbol) {
    const row = this.rowOf.get(symbol);
    if (row === undefined) return undefined;
    const record = {};
    for (const [name, column] of this.columns) {
      const cell = column.get(row);
      if (cell === undefined) continue;
      const path = splitName(name);
      let node = record;
      for (const key of path.slice(0, -1)) node = Object.hasOwn(node, key) ? node[key] : put(node, key, {});
      put(node, path[path.length - 1], cell);
    }
    return record;
  }
}

function rowsBySymbol(symbols) {
  const rowOf = new Map();
  symbols.forEach((symbol, row) => symbol !== null && rowOf.set(symbol, row));
  return rowOf;
}

const paths = new Map();

function splitName(name) {
  if (paths.has(name)) return paths.get(name);
  const parts = [""];
  for (let at = 0; at < name.length; at += 1) {
    if (name[at] === ".") parts.push("");
    else parts[parts.length - 1] += name[at] === "\\" ? name[(at += 1)] : name[at];
  }
  if (paths.size > 10_000) paths.clear();
  paths.set(name, parts);
  return parts;
}

function put(node, key, value) {
  // Not node[key] = value: a field may be called __proto__.
  Object.defineProperty(node, key, { value, writable: true, enumerable: true, configurable: true });
  return value;
}
