// Rebuilds chains of documents with the browser's reader: paths of client.js and of a JSON file with
// [[document, …], …]. Prints for each document the records after it.
import { readFileSync } from "node:fs";

const { openFull, follow, records } = await import(process.argv[2]);
const chains = JSON.parse(readFileSync(process.argv[3], "utf8"));

// Such that numbers, BigInts and objects arrive in Python as what they were.
function plain(value) {
  if (typeof value === "bigint") return { big: String(value) };
  if (typeof value === "number") return { number: Object.is(value, -0) ? "-0" : String(value) };
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object") return { object: Object.entries(value).map(([k, v]) => [k, plain(v)]) };
  return value;
}

const answers = chains.map((documents) => {
  let at = null;
  return documents.map((document) => {
    at = document.kind === "full" ? openFull(document) : follow(at, document);
    return [...records(at.state)].map(([symbol, record]) => [symbol, plain(record)]);
  });
});
process.stdout.write(JSON.stringify(answers));
