// Offers the browser's own time zone beside UTC and New York, and sets a choice without its button.
"use strict";

const zones = document.getElementById("zone");
if (zones) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = [...zones.options].find((option) => option.value === own);
  if (known && own !== "UTC") known.textContent += ` (${zones.dataset.local})`;
  else if (own && !known) zones.add(new Option(`${zones.dataset.local} · ${own.replaceAll("_", " ")}`, own));
  zones.form.querySelector("button").hidden = true;
  zones.addEventListener("change", () => zones.form.requestSubmit());
}
