// Checks the browser's reader against the test vectors: paths of client.js and of a JSON file {file: [step, …]}.
// Prints how many steps each file had; the first one that is not as it says ends with an error.
import { readFileSync } from "node:fs";
import { checkSteps } from "./check_steps.mjs";

const client = await import(process.argv[2]);
const files = JSON.parse(readFileSync(process.argv[3], "utf8"));
const counts = Object.entries(files).map(([file, steps]) => [file, checkSteps(client, file, steps)]);
process.stdout.write(JSON.stringify(Object.fromEntries(counts)));
