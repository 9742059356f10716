// CRC-32 of columns and texts, as docs/snapshot-format.md says, and of a column of which a few cells changed without
// looking at the others: CRC-32 is linear, so the CRC of a change is XORed to that of what was there before.
//
// Doubles are read as this machine has them: little-endian, as every browser's is.

if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) throw new Error("snapshots need a little-endian machine");

/** SLICES[n][byte]: what a byte that n bytes follow adds to the register. */
const SLICES = Array.from({ length: 8 }, () => new Uint32Array(256));
for (let byte = 0; byte < 256; byte += 1) {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  SLICES[0][byte] = value;
}
for (let slice = 1; slice < 8; slice += 1) {
  for (let byte = 0; byte < 256; byte += 1) {
    const before = SLICES[slice - 1][byte];
    SLICES[slice][byte] = SLICES[0][before & 0xff] ^ (before >>> 8);
  }
}
const [T0, T1, T2, T3, T4, T5, T6, T7] = SLICES;

/** ZEROS[n]: four tables of what the register is after 2^n bytes of zeros, a table for each of its bytes. */
const ZEROS = [];
for (let power = 0; power < 32; power += 1) {
  const table = new Uint32Array(1024);
  for (let at = 0; at < 1024; at += 1) {
    const value = ((at & 0xff) << (8 * (at >>> 8))) >>> 0;
    table[at] = power === 0 ? T0[value & 0xff] ^ (value >>> 8) : through(ZEROS[power - 1], through(ZEROS[power - 1], value));
  }
  ZEROS.push(table);
}

function through(table, value) {
  return table[value & 0xff] ^ table[256 | ((value >>> 8) & 0xff)] ^ table[512 | ((value >>> 16) & 0xff)] ^ table[768 | (value >>> 24)];
}

/** The register after `count` steps of 2^power bytes of zeros. */
function pastZeros(value, count, power) {
  for (let rest = count, at = power; rest !== 0; rest = Math.floor(rest / 2), at += 1) {
    if (rest % 2) value = through(ZEROS[at], value);
  }
  return value;
}

/** NEAR[bytes]: four tables as in ZEROS, of so many bytes. Made when asked for: lines have few lengths, and there are many. */
const NEAR = new Array(128).fill(null);

function near(bytes) {
  NEAR[bytes] = new Uint32Array(1024);
  for (let at = 0; at < 1024; at += 1) NEAR[bytes][at] = pastZeros((at & 0xff) << (8 * (at >>> 8)), bytes, 0);
  return NEAR[bytes];
}

/** CRC-32 of what `crc` is of, and after it `bytes` bytes that have the CRC-32 `next`. */
export function joined(crc, next, bytes) {
  const before = bytes < NEAR.length ? through(NEAR[bytes] ?? near(bytes), crc) : pastZeros(crc, bytes, 0);
  return (before ^ next) >>> 0;
}

/** CRC-32 of the text as UTF-16LE, continued from `crc`. */
export function crcOfText(text, crc = 0) {
  let value = ~crc;
  for (let at = 0; at < text.length; at += 1) {
    const both = (value ^ text.charCodeAt(at)) & 0xffff;
    value = T1[both & 0xff] ^ T0[both >>> 8] ^ (value >>> 16);
  }
  return ~value >>> 0;
}

/** CRC-32 of doubles from row `from` on, continued from `crc`. `words`: the same memory, two words a double. */
export function crcOfDoubles(words, from = 0, crc = 0) {
  let value = ~crc;
  for (let at = 2 * from; at < words.length; at += 2) value = pastWord(value, words[at], words[at + 1]);
  return ~value >>> 0;
}

function pastWord(value, lower, high) {
  const low = value ^ lower;
  return (
    T7[low & 0xff] ^ T6[(low >>> 8) & 0xff] ^ T5[(low >>> 16) & 0xff] ^ T4[low >>> 24] ^
    T3[high & 0xff] ^ T2[(high >>> 8) & 0xff] ^ T1[(high >>> 16) & 0xff] ^ T0[high >>> 24]
  );
}

/** FAR: four tables as in ZEROS, for each distance from 0 to 32 doubles, one after the other: looked up without a branch. */
const FARTHEST = 32;
const FAR = new Uint32Array(1024 * (FARTHEST + 1));
for (let distance = 0; distance <= FARTHEST; distance += 1) {
  for (let at = 0; at < 1024; at += 1) FAR[1024 * distance + at] = pastZeros((at & 0xff) << (8 * (at >>> 8)), distance, 3);
}

/**
 * CRC-32 of a column of `size` doubles after some changed, from its `crc` before: `rows` ascend, `changes` has two words for
 * each, old XOR new.
 */
export function crcAfter(crc, size, rows, changes) {
  let value = 0;
  let last = 0;
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index];
    const distance = row - last;
    if (distance <= FARTHEST) {
      const at = 1024 * distance;
      value =
        FAR[at + (value & 0xff)] ^ FAR[at + 256 + ((value >>> 8) & 0xff)] ^
        FAR[at + 512 + ((value >>> 16) & 0xff)] ^ FAR[at + 768 + (value >>> 24)];
    } else value = pastZeros(value, distance, 3);
    value ^= pastWord(0, changes[2 * index], changes[2 * index + 1]);
    last = row;
  }
  return (crc ^ pastZeros(value, size - 1 - last, 3)) >>> 0;
}

export function hex(number) {
  return (number >>> 0).toString(16).padStart(8, "0");
}
