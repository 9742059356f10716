// Reads what is typed into the live table's filter: words that the symbol has in it, and conditions such as price>100.

const COMPARE = {
  ">": (one, other) => one > other,
  "<": (one, other) => one < other,
  ">=": (one, other) => one >= other,
  "<=": (one, other) => one <= other,
  "=": (one, other) => one === other,
};

/** {accepts: row → boolean, error: a sentence, or null}. All words must hold; one that is wrong is told and left out. */
export function filterOf(typed, table) {
  const tests = [];
  let error = null;
  for (const word of typed.trim().split(/\s+/).filter(Boolean)) {
    const [, name, sign, wanted] = /^([^<>=]+)(>=|<=|>|<|=)(.*)$/.exec(word) ?? [];
    if (!name) {
      const part = word.toUpperCase();
      tests.push((row) => table.symbols[row].toUpperCase().includes(part));
      continue;
    }
    const column = table.columns.get(name);
    if (!column) error = `There is no column ${name}.`;
    else if (wanted === "") error = `${name}${sign} what?`;
    else if (Number.isFinite(Number(wanted))) {
      const number = Number(wanted);
      tests.push((row) => typeof column.get(row) === "number" && COMPARE[sign](column.get(row), number));
    } else if (sign === "=") tests.push((row) => String(column.get(row)).toUpperCase() === wanted.toUpperCase());
    else error = `${wanted} is no number.`;
  }
  return { accepts: (row) => tests.every((test) => test(row)), error };
}
