// Reads the text of an answer, and no more of it than a document may have: docs/snapshot-format.md says how much, and what it
// may take once it is parsed. So an answer that was made to fill the memory of a page cannot.

const MOST_BYTES = 64 * 2 ** 20 + 1024; // a document, and what is around it
const MOST_PARSED_BYTES = 512 * 2 ** 20;
const LIGHT_BYTES = 4 * 2 ** 20; // no text of so many bytes takes half of that

/** What each byte of a text may cost at most, itself included. */
const COSTS = new Uint8Array(256).fill(1);
for (const [mark, cost] of [["{", 240], ["[", 64], ['"', 30], [",", 40]]) COSTS[mark.charCodeAt(0)] += cost;

export class TooLarge extends Error {}

/** Takes a Response, and throws TooLarge. */
export async function textOf(response) {
  const parts = [];
  let size = 0;
  for (const reader = response.body?.getReader(); reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MOST_BYTES) {
      await reader.cancel();
      throw new TooLarge(`more than ${MOST_BYTES.toLocaleString("en")} bytes`);
    }
    parts.push(value);
  }
  if (size > LIGHT_BYTES && costOf(parts) > MOST_PARSED_BYTES) {
    throw new TooLarge(`${size.toLocaleString("en")} bytes that would take more than ${MOST_PARSED_BYTES.toLocaleString("en")} parsed`);
  }
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}

function costOf(parts) {
  let cost = 0;
  for (const part of parts) for (let at = 0; at < part.length; at += 1) cost += COSTS[part[at]];
  return cost;
}
