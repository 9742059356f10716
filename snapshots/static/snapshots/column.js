// A field of all rows of a snapshot. Its numbers lie side by side in a Float64Array. A column is never changed once its state is
// handed out: a delta makes copies of those it touches.
//
// A cell is null, true, false, a number, a string, a BigInt, an array, an empty object, or undefined: no such field.

import { crcAfter, crcOfDoubles, crcOfText, joined } from "./checksum.js";

/** What stands in `others` at a row whose cell is a number. */
const NUMBER = Symbol("number");

export class Column {
  /** `others` has the cells that are no numbers; null where there are none. */
  constructor(numbers, others = null) {
    this.numbers = numbers;
    this.words = new Uint32Array(numbers.buffer);
    this.others = others;
    this.crc = 0; // of the numbers, 0 where there is none
    this.lines = null; // of `others`: the CRC of each row's line and its bytes, none for a number
    this.othersCrc = 0; // of all lines
    this.othersBytes = 0;
    this.stale = []; // rows whose lines are to be summed again
    this.shared = false; // whether `others` and `lines` are another column's as well
  }

  /** Of cells that are read already. */
  static of(cells) {
    const column = new Column(new Float64Array(cells.length));
    for (let row = 0; row < cells.length; row += 1) {
      const cell = cells[row];
      if (typeof cell === "number") column.numbers[row] = cell + 0; // -0 is 0
      else column.put(row, cell);
    }
    column.crc = crcOfDoubles(column.words);
    return column;
  }

  get size() {
    return this.numbers.length;
  }

  get(row) {
    return this.others === null || this.others[row] === NUMBER ? this.numbers[row] : this.others[row];
  }

  /** A copy to be changed, with `more` rows of the column `added` at its end; rows without a field where it is null. */
  copy(more = 0, added = null) {
    const { size } = this;
    const column = new Column(grown(this.numbers, more));
    column.crc = this.crc;
    column.others = this.others;
    column.lines = this.lines;
    column.othersCrc = this.othersCrc;
    column.othersBytes = this.othersBytes;
    column.stale = this.stale.slice();
    column.shared = true;
    if (more) {
      column.#own(more);
      if (added !== null) column.numbers.set(added.numbers, size);
      column.crc = crcOfDoubles(column.words, size, this.crc);
      if (column.others !== null) for (let row = 0; row < more; row += 1) column.others.push(NUMBER);
      if (added === null) for (let row = 0; row < more; row += 1) column.put(size + row, undefined);
      else added.others?.forEach((cell, row) => cell !== NUMBER && column.put(size + row, cell));
    }
    return column;
  }

  #own(more = 0) {
    if (!this.shared) return;
    this.others &&= this.others.slice();
    this.lines &&= { crcs: grown(this.lines.crcs, more), bytes: grown(this.lines.bytes, more) };
    this.shared = false;
  }

  /** Puts a cell that is no number into a row, or takes it out: NUMBER. */
  put(row, cell) {
    this.#own();
    this.others ??= new Array(this.size).fill(NUMBER);
    this.others[row] = cell;
    this.stale.push(row);
  }

  /** Writes the cell that `cellAt(index, cell before)` says into each of `rows`, which ascend. */
  write(rows, cellAt) {
    const { numbers, words } = this;
    const changes = changesFor(rows);
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index];
      const cell = cellAt(index, this.get(row));
      changes[2 * index] = words[2 * row];
      changes[2 * index + 1] = words[2 * row + 1];
      if (typeof cell === "number") {
        numbers[row] = cell + 0;
        if (this.others !== null && this.others[row] !== NUMBER) this.put(row, NUMBER);
      } else {
        numbers[row] = 0;
        this.put(row, cell);
      }
      changes[2 * index] ^= words[2 * row];
      changes[2 * index + 1] ^= words[2 * row + 1];
    }
    this.crc = crcAfter(this.crc, this.size, rows, changes);
  }

  /**
   * Adds whole steps of 10^-d to the numbers in `rows`: what a delta spends its time in. False, and nothing is written, where
   * one is no number, or too large: then it is for `write`.
   */
  addSteps(rows, steps, d) {
    if (this.others !== null && rows.some((row) => this.others[row] !== NUMBER)) return false;
    const { numbers, words } = this;
    const scale = 10 ** d;
    const after = numbersFor(rows);
    for (let index = 0; index < rows.length; index += 1) {
      const step = steps[index];
      if (typeof step !== "number") return false;
      const before = numbers[rows[index]];
      // Whole, but for the last bits; one that is whole already may be too large for a half to be added.
      const scaled = (d === 0 ? before : Math.floor(before * scale + 0.5)) + step;
      if (!(scaled <= Number.MAX_SAFE_INTEGER && scaled >= -Number.MAX_SAFE_INTEGER)) return false;
      after[index] = scaled / scale;
    }
    const changes = changesFor(rows);
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index];
      const low = words[2 * row];
      const high = words[2 * row + 1];
      numbers[row] = after[index];
      changes[2 * index] = low ^ words[2 * row];
      changes[2 * index + 1] = high ^ words[2 * row + 1];
    }
    this.crc = crcAfter(this.crc, this.size, rows, changes);
    return true;
  }

  digest() {
    if (this.stale.length) this.#sumOthers();
    return this.othersBytes === 0 ? this.crc : joined(this.crc, this.othersCrc, this.othersBytes);
  }

  /** Of a column whose integers are beyond all doubles every cell has a line: only those that changed are made again. */
  #sumOthers() {
    this.lines ??= { crcs: new Uint32Array(this.size), bytes: new Uint32Array(this.size) };
    const { crcs, bytes } = this.lines;
    for (const row of this.stale) {
      const line = lineOf(row, this.others[row]);
      crcs[row] = crcOfText(line);
      bytes[row] = 2 * line.length;
    }
    this.stale = [];
    this.othersCrc = 0;
    this.othersBytes = 0;
    for (let row = 0; row < bytes.length; row += 1) {
      if (bytes[row] === 0) continue;
      this.othersCrc = joined(this.othersCrc, crcs[row], bytes[row]);
      this.othersBytes += bytes[row];
    }
    if (this.othersBytes === 0) this.others = this.lines = null;
  }
}

function lineOf(row, cell) {
  if (cell === NUMBER) return "";
  if (cell === null) return `${row}n\n`;
  return typeof cell === "string" ? `${row}s${cell}\n` : `${row}j${cell === undefined ? "" : canonical(cell)}\n`;
}

/** A copy with room for `more` at its end. */
function grown(array, more) {
  if (more === 0) return array.slice();
  const longer = new array.constructor(array.length + more);
  longer.set(array);
  return longer;
}

// Room that is used again and again: each is overwritten by the next who asks.
let numbersRoom = new Float64Array(0);
let changesRoom = new Uint32Array(0);

function numbersFor(rows) {
  if (numbersRoom.length < rows.length) numbersRoom = new Float64Array(rows.length);
  return numbersRoom;
}

/** Two words a row. */
function changesFor(rows) {
  if (changesRoom.length < 2 * rows.length) changesRoom = new Uint32Array(2 * rows.length);
  return changesRoom;
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
