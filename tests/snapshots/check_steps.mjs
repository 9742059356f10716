// What the reader must do at each step of a vector; runs in Node and, as it is, in a browser.

export function checkSteps({ openFull, follow, records, ChainBroken, DocumentUnreadable }, file, steps) {
  let at = null;
  steps.forEach((step, number) => {
    const where = `${file}, step ${number}`;
    const before = at === null ? "" : text(records(at.state));
    let said = null;
    try {
      const document = parsed(step.text);
      at = at === null || document.kind === "full" ? openFull(document) : follow(at, document);
    } catch (error) {
      said = error instanceof ChainBroken ? "broken" : error instanceof DocumentUnreadable ? "unreadable" : String(error);
    }
    if (said !== step.error) throw new Error(`${where}: ${said}, not ${step.error}`);
    const expected = step.error ? before : text(new Map(Object.entries(step.records)));
    if (text(records(at.state)) !== expected) throw new Error(`${where}: ${text(records(at.state))}\nnot ${expected}`);
    if (step.error) return;
    if (at.seq !== step.sequence || at.base !== step.base) throw new Error(`${where}: at ${at.base}, ${at.seq}`);
  });
  return steps.length;

  function parsed(json) {
    try {
      return JSON.parse(json);
    } catch (error) {
      throw new DocumentUnreadable("no JSON", { cause: error });
    }
  }
}

// The same text for the same value: keys in order, a BigInt as the vectors have it.
function text(value) {
  if (value instanceof Map) return text(Object.fromEntries(value));
  if (typeof value === "bigint") return text({ big: String(value) });
  if (Array.isArray(value)) return `[${value.map(text).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${text(value[key])}`).join()}}`;
}
