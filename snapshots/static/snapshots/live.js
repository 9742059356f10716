// The live table: keeps a snapshot with the reader in client.js and draws the rows that are in view. Asks only while the page
// is looked at; what it could not read again stays on the page, faded, with since when and why.

import { SnapshotClient } from "./client.js";
import { filterOf } from "./filter.js";

const ROW = 28; // px, as console.css has it
const SPARE = 8; // rows drawn above and below the view
const LONGEST_WAIT = 30_000; // ms between attempts while there is no answer
const KEPT = "snapshot columns of ";

const market = document.getElementById("market");
const [state, cost, tools, scroll, grid, filter, told, choices] = ["state", "cost", "tools", "scroll", "grid", "filter", "filter-told", "choices"].map((id) => document.getElementById(id));
const head = grid.tHead;
const body = grid.tBodies[0];
const every = Number(market.dataset.every);
const client = new SnapshotClient("/snapshot", { list: market.dataset.list });
const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

let before = null; // the state that was drawn before this one: for what changed
let shown = []; // names of columns
let order = []; // rows of the state, as they are listed
let sort = { name: null, down: true }; // by name; null: as the writer has them, by volume
let failures = 0;
let since = null; // of the failure
let timer = 0;
let flashing = false;

// --- reading -----------------------------------------------------------------------------------------------------------
async function read() {
  clearTimeout(timer);
  if (document.hidden) return;
  const drawn = client.at?.state ?? null;
  try {
    const changed = await client.refresh();
    failures = 0;
    since = null;
    market.classList.remove("old");
    if (changed) took(drawn);
    tell();
  } catch (error) {
    failures += 1;
    since ??= Date.now();
    fail(error);
  }
  const wait = failures ? Math.min(LONGEST_WAIT, every * 2 ** (failures - 1)) : every;
  timer = setTimeout(read, wait);
}

function took(drawn) {
  before = drawn;
  const { state: now } = client.at;
  if (drawn === null) begin(now);
  else if (drawn.columns.size !== now.columns.size) offer(now);
  arrange();
  flashing = before !== null;
  draw();
  flashing = false;
}

function tell() {
  const { at } = client;
  state.className = "live-state within";
  state.textContent = `● Live. ${at.state.rowOf.size.toLocaleString("en")} tickers at sequence ${at.seq.toLocaleString("en")}, built ${clock(at.ts)} UTC${at.profile === "exact" ? "" : `, smaller moves wait (${at.profile})`}.`;
  const { full, deltas } = client.received;
  const documents = client.applied.fulls + client.applied.deltas;
  cost.hidden = false;
  cost.textContent =
    `Received ${bytes(full + deltas)}: ${count(client.applied.fulls, "full")} and ${count(client.applied.deltas, "delta")}. ` +
    `As fulls it would have been ${bytes((documents * full) / client.applied.fulls)}. The last one was applied in ${client.applied.ms.toFixed(1)} ms.`;
}

function fail(error) {
  const why = error.status === 401 ? "you are logged out; reload to log in" : error.message;
  const next = Math.round(Math.min(LONGEST_WAIT, every * 2 ** (failures - 1)) / 1000);
  if (client.at === null && error.status === 404 && !body.rows.length) {
    if (!state.textContent.trim()) state.textContent = why; // the page came with what to do about it
    return;
  }
  market.classList.add("old");
  state.className = "live-state failed";
  state.textContent = `■ Stale since ${clock(since)} UTC: ${why.replace(/\.$/, "")}. Trying again in ${next} s.`;
}

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

function bytes(number) {
  const power = number < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(number) / 3));
  return `${(number / 1000 ** power).toFixed(power && number < 100 * 1000 ** power ? 1 : 0)} ${["B", "KB", "MB", "GB"][power]}`;
}

// --- which columns, which rows -------------------------------------------------------------------------------------------
function begin(now) {
  tools.hidden = false;
  const saved = JSON.parse(localStorage.getItem(KEPT + market.dataset.list) ?? "null") ?? market.dataset.columns.split(" ");
  shown = saved.filter((name) => now.columns.has(name));
  if (!shown.length) shown = [...now.columns.keys()].slice(0, 8);
  offer(now);
}

function offer(now) {
  shown = shown.filter((name) => now.columns.has(name));
  choices.replaceChildren(
    ...[...now.columns.keys()].sort().map((name) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.value = name;
      box.checked = shown.includes(name);
      label.append(box, ` ${name}`);
      return label;
    }),
  );
  headings();
}

choices.addEventListener("change", ({ target }) => {
  shown = target.checked ? [...shown, target.value] : shown.filter((name) => name !== target.value);
  localStorage.setItem(KEPT + market.dataset.list, JSON.stringify(shown));
  headings();
  draw();
});

function headings() {
  const row = head.rows[0];
  row.replaceChildren(
    ...[null, ...shown].map((name) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      const button = document.createElement("button");
      button.type = "button";
      const sorted = name === null ? sort.name === "" : sort.name === name;
      button.textContent = `${name ?? "symbol"}${sorted ? (sort.down ? " ▾" : " ▴") : ""}`;
      if (sorted) cell.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
      button.addEventListener("click", () => sortBy(name ?? ""));
      cell.append(button);
      return cell;
    }),
  );
}

/** Numbers the largest first, then the smallest, then as the writer has them; texts the other way round. */
function sortBy(name) {
  const first = name !== "";
  if (sort.name !== name) sort = { name, down: first };
  else if (sort.down === first) sort = { name, down: !first };
  else sort = { name: null, down: true };
  const at = [...head.rows[0].cells].indexOf(document.activeElement?.closest("th"));
  headings();
  head.rows[0].cells[at]?.firstChild.focus();
  arrange();
  scroll.scrollTop = 0;
  draw();
}

let typing = 0;
filter.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { arrange(); scroll.scrollTop = 0; draw(); }, 120);
});

function arrange() {
  const now = client.at.state;
  const { accepts, error } = filterOf(filter.value, now);
  order = [];
  for (let row = 0; row < now.size; row += 1) if (now.symbols[row] !== null && accepts(row)) order.push(row);
  const few = `${order.length.toLocaleString("en")} of ${now.rowOf.size.toLocaleString("en")}`;
  told.textContent = error ?? (filter.value.trim() ? few : "");
  const column = sort.name === "" ? { get: (row) => now.symbols[row] } : now.columns.get(sort.name);
  if (!column) return;
  const keys = new Map(order.map((row) => [row, column.get(row)]));
  const sign = sort.down ? -1 : 1;
  order.sort((a, b) => {
    const [one, other] = [keys.get(a), keys.get(b)];
    if (typeof one === typeof other) return one < other ? -sign : one > other ? sign : a - b;
    return rank(one) - rank(other) || a - b; // what is no number comes last, either way
  });
}

const rank = (cell) => ({ number: 0, bigint: 0, string: 1, boolean: 2 })[typeof cell] ?? 3;

// --- drawing -----------------------------------------------------------------------------------------------------------
const above = gap();
const below = gap();
let from = 0;

function gap() {
  const row = document.createElement("tr");
  row.className = "gap";
  row.setAttribute("aria-hidden", "true");
  row.append(document.createElement("td"));
  return row;
}

function draw() {
  const now = client.at?.state;
  if (!now) return;
  const height = scroll.clientHeight || 600;
  from = Math.max(0, Math.min(Math.floor(scroll.scrollTop / ROW) - SPARE, order.length - 1));
  const to = Math.min(order.length, from + Math.ceil(height / ROW) + 2 * SPARE);
  above.firstChild.style.height = `${from * ROW}px`;
  below.firstChild.style.height = `${(order.length - to) * ROW}px`;
  for (const { firstChild } of [above, below]) firstChild.colSpan = shown.length + 1;
  const drawn = order.slice(from, to);
  const columns = shown.map((name) => {
    const column = now.columns.get(name);
    const cells = drawn.map((row) => column.get(row));
    const broken = cells.some((cell) => typeof cell === "number" && !Number.isInteger(cell));
    return { column, before: before?.columns.get(name), broken, words: cells.some((cell) => typeof cell === "string") };
  });
  columns.forEach(({ words }, index) => head.rows[0].cells[index + 1].classList.toggle("text", words));
  grid.setAttribute("aria-rowcount", String(order.length + 1));
  body.replaceChildren(above, ...drawn.map((row, index) => drawnRow(now, row, columns, from + index)), below);
  if (!order.length) above.firstChild.textContent = filter.value.trim() ? "No ticker is like that." : "The snapshot has no tickers.";
  else above.firstChild.textContent = "";
}

function drawnRow(now, row, columns, index) {
  const drawn = document.createElement("tr");
  drawn.setAttribute("aria-rowindex", String(index + 2));
  const symbol = document.createElement("th");
  symbol.scope = "row";
  symbol.textContent = now.symbols[row];
  drawn.append(symbol);
  const old = flashing ? before.rowOf.get(now.symbols[row]) : undefined;
  for (const { column, before: columnBefore, broken, words } of columns) {
    const value = column.get(row);
    const cell = document.createElement("td");
    cell.textContent = text(value, broken);
    cell.classList.toggle("text", words);
    cell.classList.toggle("missing", value === undefined || value === null);
    if (old !== undefined && columnBefore) {
      const was = columnBefore.get(old);
      if (was !== value) cell.classList.add(typeof was !== "number" || typeof value !== "number" ? "other" : value > was ? "up" : "down");
    }
    drawn.append(cell);
  }
  return drawn;
}

/** `broken`: whether the column has numbers that are not whole; then all have two decimals at least, to line up. */
function text(value, broken) {
  if (value === undefined) return "–"; // no such field
  if (typeof value === "string") return value;
  if (typeof value === "number") {
    if (!broken) return value.toLocaleString("en");
    return /\.\d\d|e/.test(String(value)) ? String(value) : value.toFixed(2);
  }
  return typeof value === "bigint" ? value.toLocaleString("en") : JSON.stringify(value);
}

let frame = 0;
scroll.addEventListener("scroll", () => {
  if (frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
});
addEventListener("resize", draw);
document.addEventListener("visibilitychange", read);
read();
