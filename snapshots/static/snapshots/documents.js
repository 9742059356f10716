// Reads documents of version 1, as docs/snapshot-format.md says: a full makes a state, a delta the next one of it. Each is
// verified by its checksum; none is handed out that differs from the writer's.

import { Column } from "./column.js";
import { Table } from "./table.js";

const VERSION = 1;
const MAX_DECIMALS = 8;
const MAX_COLUMNS = 4096;
const MAX_CELLS = 2 ** 25;

/** A document that does not continue the state at hand, or continues it into another state than the writer's. */
export class ChainBroken extends Error {}

/** No document of version 1. */
export class DocumentUnreadable extends Error {}

/** Takes a full document, parsed. Returns where the reader stands: {name, epoch, base, seq, ts, profile, state}. */
export function openFull(document) {
  return reading(document, "full", () => {
    const { symbols, columns } = readTable(document);
    const state = new Table(symbols, columns);
    if (state.rowOf.size !== symbols.length) throw new DocumentUnreadable("a symbol is there twice");
    return position(document, document.seq, state);
  });
}

/** Takes the next delta, parsed. Returns the new position; `at` stays as it is. */
export function follow(at, document) {
  return reading(document, "delta", () => {
    if (document.epoch !== at.epoch) throw new ChainBroken(`a new epoch ${document.epoch} began, after ${at.epoch}`);
    if (document.seq !== at.seq + 1) throw new ChainBroken(`a gap: the state is at ${at.seq}, the delta is ${document.seq}`);
    if (document.base !== at.base) throw new ChainBroken(`delta ${document.seq} numbers rows by ${document.base}, not ${at.base}`);
    const state = applyDelta(at.state, document);
    if (!document.reorder) return position(document, at.base, state);
    return position(document, document.seq, state.reordered(document.reorder.by));
  });
}

/** Symbol → record, as the source had it. */
export function records(state) {
  return new Map([...state.rowOf.keys()].map((symbol) => [symbol, state.record(symbol)]));
}

function reading(document, kind, read) {
  try {
    if (document.v !== VERSION) throw new DocumentUnreadable(`version ${document.v}; this reader knows ${VERSION}`);
    if (document.kind !== kind) throw new DocumentUnreadable(`expected a ${kind}, got a ${document.kind}`);
    const at = read();
    const found = at.state.checksum();
    if (found !== document.checksum) {
      throw new ChainBroken(`after ${kind} ${document.seq} the checksum is ${found}, the writer's was ${document.checksum}`);
    }
    return at;
  } catch (error) {
    if (error instanceof ChainBroken || error instanceof DocumentUnreadable) throw error;
    throw new DocumentUnreadable(`the ${kind} cannot be read: ${error}`, { cause: error });
  }
}

function position(document, base, state) {
  const { name, epoch, seq, ts, profile } = document;
  return { name, epoch, base, seq, ts, profile, state };
}

function readTable({ symbols, columns }) {
  if (!symbols.every((symbol) => typeof symbol === "string")) throw new DocumentUnreadable("a symbol is no string");
  const names = Object.entries(columns);
  checkSize(symbols.length, names.length);
  return { symbols, columns: new Map(names.map(([name, column]) => [name, Column.of(readColumn(column, symbols.length))])) };
}

function checkSize(symbols, columns) {
  if (columns > MAX_COLUMNS || symbols * columns > MAX_CELLS) {
    throw new DocumentUnreadable(`${symbols} symbols of ${columns} fields are more than a state may have`);
  }
}

function applyDelta(before, document) {
  const columns = new Map(before.columns);
  const touched = new Set();
  const touch = (name) => {
    if (!touched.has(name)) {
      touched.add(name);
      columns.set(name, columns.get(name)?.copy() ?? withoutField(before.symbols));
      checkSize(before.size, columns.size);
    }
    return columns.get(name);
  };
  for (const group of document.groups) {
    const rows = rowsOf(group.rows, before.size);
    for (const [name, column] of Object.entries(group.columns ?? {})) writeChanges(touch(name), rows, column);
    for (const name of group.missing ?? []) fill(touch(name), rows, undefined);
  }
  if (!document.remove && !document.add) return new Table(before.symbols, columns, before.rowOf, before.symbolsCrc);

  const symbols = before.symbols.slice();
  const rowOf = new Map(before.rowOf);
  const removed = rowsOf(document.remove ?? [], before.size);
  for (const row of removed) {
    rowOf.delete(symbols[row]);
    symbols[row] = null;
  }
  const added = document.add ? readTable(document.add) : { symbols: [], columns: new Map() };
  for (const symbol of added.symbols) {
    if (rowOf.has(symbol)) throw new DocumentUnreadable(`${symbol} is added, and there already`);
    rowOf.set(symbol, symbols.push(symbol) - 1);
  }
  for (const name of new Set([...columns.keys(), ...added.columns.keys()])) {
    const column = (columns.get(name) ?? withoutField(before.symbols)).copy(added.symbols.length, added.columns.get(name) ?? null);
    fill(column, removed, 0);
    columns.set(name, column);
  }
  checkSize(symbols.length, columns.size);
  return new Table(symbols, columns, rowOf);
}

/** A column that begins now: no row has the field, and a removed row has 0. */
function withoutField(symbols) {
  return Column.of(symbols.map((symbol) => (symbol === null ? 0 : undefined)));
}

function fill(column, rows, cell) {
  column.write(rows, () => cell);
}

function writeChanges(target, rows, column) {
  if (Array.isArray(column) || !column.v) {
    const cells = readColumn(column, rows.length);
    target.write(rows, (index) => cells[index]);
    return;
  }
  const { d, v } = column;
  if (v.length !== rows.length) throw new DocumentUnreadable(`${v.length} differences for ${rows.length} rows`);
  if (!(Number.isInteger(d) && d >= 0 && d <= MAX_DECIMALS)) throw new DocumentUnreadable(`differences of ${d} decimals`);
  if (!target.addSteps(rows, v, d)) target.write(rows, (index, before) => stepped(before, v[index], d));
}

function stepped(before, step, d) {
  if (Array.isArray(step)) return readCell(step[0]);
  if (d === 0 && (typeof before === "number" || typeof before === "bigint")) return integer(BigInt(before) + BigInt(step));
  if (typeof before === "number") return (Math.round(before * 10 ** d) + step) / 10 ** d;
  throw new DocumentUnreadable(`a difference to ${before}, which is no number`);
}

/** Rows from the steps between them. */
function rowsOf(steps, size) {
  const rows = new Int32Array(steps.length);
  let row = 0;
  for (let index = 0; index < steps.length; index += 1) {
    const step = steps[index];
    if ((step | 0) !== step || step < (index === 0 ? 0 : 1)) throw new DocumentUnreadable("rows that do not ascend");
    row += step;
    if (row >= size) throw new DocumentUnreadable(`row ${row} of ${size}`);
    rows[index] = row;
  }
  return rows;
}

function readColumn(column, size) {
  let cells;
  if (Array.isArray(column)) {
    cells = column.map(readCell);
  } else if (column.rows) {
    const rows = rowsOf(column.rows, size);
    const values = readColumn(column.values, rows.length);
    cells = new Array(size).fill(undefined);
    rows.forEach((row, index) => (cells[row] = values[index]));
  } else {
    cells = column.big.map((text) => (text === null ? null : integer(BigInt(text))));
  }
  if (cells.length !== size) throw new DocumentUnreadable(`a column has ${cells.length} cells for ${size} rows`);
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

function integer(big) {
  const number = Number(big);
  return Number.isSafeInteger(number) ? number : big;
}
