// Keys for whoever has no mouse at hand: ? the sheet, g and a letter a page, / the filter, r now. Never while typing.
"use strict";

const PAGES = { "/": "o", "/streams/": "s", "/snapshots/": "n", "/hypertables/": "h", "/producers/": "p", "/jobs/": "j", "/findings/": "f", "/changes/": "c", "/verify/": "v", "/admin/": "a" };
const sheet = document.getElementById("keys");
const help = document.getElementById("help");
const WAIT = 1500; // after g
let goingUntil = 0;

const links = new Map(); // letter → the link of the bar
for (const link of document.querySelectorAll(".bar nav a")) {
  const letter = PAGES[link.getAttribute("href")];
  if (!letter) continue;
  links.set(letter, link);
  link.setAttribute("aria-keyshortcuts", `g ${letter}`);
  if (!sheet) continue;
  const row = sheet.querySelector("tbody").insertRow();
  const head = document.createElement("th");
  head.scope = "row";
  for (const key of ["g", letter]) head.append(Object.assign(document.createElement("kbd"), { textContent: key }), " ");
  row.append(head);
  const name = link.firstChild ? link.firstChild.textContent.trim() : "";
  row.insertCell().textContent = sheet.dataset.to.replace("{page}", name);
}

if (help && sheet) {
  help.hidden = false;
  help.addEventListener("click", () => sheet.showModal());
}

function filterField() {
  return document.querySelector("main input[type=search]") || document.querySelector("main form.filter input, main form.filter select");
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (event.target.closest("input, select, textarea, [contenteditable]") || document.querySelector("dialog[open]")) return;
  const key = event.key;
  if (Date.now() < goingUntil) {
    goingUntil = 0;
    const link = links.get(key);
    if (link) { event.preventDefault(); link.click(); return; }
  }
  if (key === "g") goingUntil = Date.now() + WAIT;
  else if (key === "?" && sheet) { event.preventDefault(); sheet.showModal(); }
  else if (key === "/") {
    const field = filterField();
    if (field) { event.preventDefault(); field.focus(); if (field.select) field.select(); }
  } else if (key === "r") {
    // console.js's own rules hold: never two requests at once, never under an editor.
    if (!live || !select) location.reload();
    else if (!inFlight && !editing()) htmx.trigger(live, "refresh");
  }
});
