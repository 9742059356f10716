// Polls the part of a page that changes, and gets out of the way: not on a hidden tab, not while someone edits or a
// dialog is open, never two requests at once. Pages work without it.
"use strict";

const live = document.getElementById("live");
const pulse = document.getElementById("pulse");
const select = document.getElementById("refresh");
const themeButton = document.getElementById("theme");

// --- theme
if (themeButton) {
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const next = (document.documentElement.dataset.theme || system) === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
  });
}

// --- refresh
let inFlight = false;
let lastClock = "";
let nextAt = 0;
let readingUntil = 0; // what a save said stays long enough to be read, however fast the page polls
let asking = 0; // requests of the person: an editor that is on its way has its row to come to
const counts = (element) => element !== live && !element.matches("[data-preview]"); // a preview comes inside an editor

const seconds = () => Number(select.value);
const editing = () =>
  asking > 0 || Date.now() < readingUntil || live.querySelector("form[data-editing]") !== null || document.querySelector("dialog[open]") !== null;

// Texts are the page's: it knows the person's language.
const phrase = (name, values = {}) => Object.entries(values).reduce((text, [key, value]) => text.replace(`{${key}}`, value), pulse.dataset[name]);

function tell() {
  if (inFlight) return;
  const failed = live.classList.contains("unanswered");
  pulse.classList.toggle("failed", failed);
  if (failed) {
    const wait = Math.max(0, Math.ceil((nextAt - Date.now()) / 1000));
    pulse.textContent = phrase(seconds() ? "retry" : "failed", { clock: lastClock, wait });
  } else if (!seconds()) pulse.textContent = phrase("paused", { clock: lastClock });
  else if (editing() && Date.now() >= readingUntil) pulse.textContent = phrase("editing", { clock: lastClock });
  else pulse.textContent = phrase("refreshed", { clock: lastClock });
}

function tick() {
  if (seconds() && !document.hidden && !inFlight && !editing() && Date.now() >= nextAt) htmx.trigger(live, "refresh");
  tell();
}

function readClock() {
  const mark = document.getElementById("read-at");
  if (mark) lastClock = mark.dataset.readAt;
}

function colour() {
  const sentence = document.getElementById("sentence");
  if (!sentence) return;
  const tone = { within: "#2f8f4e", attention: "#b7791f", over: "#c5372c", unknown: "#6b7685" }[sentence.dataset.condition];
  const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${tone}"/></svg>`;
  document.querySelector("link[rel=icon]").href = "data:image/svg+xml," + encodeURIComponent(icon);
}

if (live && select) {
  select.closest("label").hidden = false;
  select.value = localStorage.getItem("refresh") || "5";
  select.addEventListener("change", () => { localStorage.setItem("refresh", select.value); nextAt = 0; tick(); });
  readClock();
  colour();
  nextAt = Date.now() + seconds() * 1000;
  setInterval(tick, 250);
  document.addEventListener("visibilitychange", tick);

  live.addEventListener("htmx:beforeSend", (event) => {
    if (event.detail.elt === live) inFlight = true;
    else if (counts(event.detail.elt)) asking += 1;
  });
  live.addEventListener("htmx:beforeOnLoad", (event) => { if (counts(event.detail.elt)) asking -= 1; });
  for (const failure of ["htmx:sendError", "htmx:timeout", "htmx:sendAbort"]) {
    document.addEventListener(failure, (event) => { if (counts(event.detail.elt) && asking > 0) asking -= 1; });
  }
  live.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== live) return;
    inFlight = false;
    nextAt = Date.now() + Math.max(1, seconds()) * 1000;
    live.classList.toggle("unanswered", !event.detail.successful);
    if (event.detail.successful) { readClock(); colour(); }
    tell();
  });
  live.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.requestConfig.elt !== live && live.querySelector(".saved")) readingUntil = Date.now() + 4000;
  });
  // An editor opened while a poll was under way must not be overwritten by its answer.
  live.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.requestConfig.elt === live && editing()) event.detail.shouldSwap = false;
  });
}

// --- editing
// Forms answer 422 with the errors in place; htmx swaps only 2xx unless told.
document.addEventListener("htmx:beforeSwap", (event) => {
  // A login that ran out answers with the login page: go there instead of showing it inside this one.
  if (event.detail.xhr.responseURL.includes("/login/")) { event.detail.shouldSwap = false; location.reload(); return; }
  if (event.detail.xhr.status === 422) { event.detail.shouldSwap = true; event.detail.isError = false; }
});
// What can't be shown in place is said in place: a save may stand although its row can't be drawn.
document.addEventListener("htmx:responseError", (event) => {
  const form = event.detail.elt.closest("form[data-editing]");
  if (!form) return;
  const said = form.querySelector("[data-said]") || form.appendChild(document.createElement("p"));
  said.dataset.said = said.className = "error";
  said.setAttribute("role", "alert");
  const plain = (event.detail.xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
  said.textContent = plain ? event.detail.xhr.responseText : phrase("refused", { status: event.detail.xhr.status });
});
document.addEventListener("htmx:afterSettle", (event) => {
  const field = event.target.querySelector && event.target.querySelector("form[data-editing] input:not([type=hidden], [type=checkbox])");
  if (field && document.activeElement !== field) { field.focus(); field.select(); }
});
document.addEventListener("keydown", (event) => {
  const form = event.target.closest && event.target.closest("form[data-editing]");
  if (event.key === "Escape" && form) form.querySelector("[data-cancel]").click();
});
document.addEventListener("input", (event) => {
  const told = document.getElementById(`${event.target.id}-told`);
  if (told) {
    const value = Number(event.target.value);
    told.textContent = Number.isSafeInteger(value) && value > 0 ? phrase("entries", { number: value.toLocaleString("en") }) : phrase("number");
  }
});

// --- where a number comes from: the link beside it opens a drawer; a click on a number opens that of its column
const drawer = document.getElementById("explain");
let explainedFrom = null;
function openDrawer(href, from) {
  explainedFrom = from;
  htmx.ajax("GET", href, { target: "#explain", swap: "innerHTML" });
}
function closeDrawer() {
  drawer.replaceChildren();
  if (explainedFrom && explainedFrom.isConnected) explainedFrom.focus();
}
function columnsLink(cell) {
  const heading = cell.closest("table").tHead?.rows[0]?.cells[cell.cellIndex];
  const of = cell.parentElement.dataset.of;
  const link = heading?.querySelector("a.explain");
  return link && link.getAttribute("href") + (of ? `&of=${encodeURIComponent(of)}` : "");
}
function showCopies() {
  if (navigator.clipboard) for (const button of drawer.querySelectorAll("[data-copy]")) button.hidden = false;
}
if (drawer) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.explain");
    const cell = event.target.closest("td.number");
    if (link && !event.ctrlKey && !event.metaKey) { event.preventDefault(); openDrawer(link.getAttribute("href"), link); }
    else if (cell && !event.target.closest("a, button, input, form") && !getSelection().toString()) {
      const href = columnsLink(cell);
      if (href) openDrawer(href, null);
    }
  });
  drawer.addEventListener("htmx:afterSwap", () => { showCopies(); document.getElementById("explained")?.focus(); });
  drawer.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) { event.preventDefault(); closeDrawer(); }
    const button = event.target.closest("[data-copy]");
    if (button) navigator.clipboard.writeText(button.previousElementSibling.textContent).then(() => button.classList.add("copied"));
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && drawer.firstElementChild) closeDrawer(); });
  showCopies();
}

// --- what a person opened stays open when a poll draws its part again
let opened = [];
if (live) {
  live.addEventListener("htmx:beforeSwap", () => { opened = [...live.querySelectorAll("details[id][open]")].map((one) => one.id); });
  live.addEventListener("htmx:afterSwap", () => { for (const id of opened) document.getElementById(id)?.setAttribute("open", ""); });
}
