// Is the page small enough? In: dist/. Out: one line with its size after gzip; exit 1 above the limit, which is what a first visit loads.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 250 * 1024;
const files = ["dist/index.html", ...readdirSync("dist/assets").map((name) => `dist/assets/${name}`)];
const sizes = files.map((file) => gzipSync(readFileSync(file)).length);
const total = sizes.reduce((sum, size) => sum + size, 0);
console.log(`web: ${files.length} files, ${(total / 1024).toFixed(1)} KB after gzip (limit ${LIMIT / 1024} KB)`);
if (total > LIMIT) {
  for (const [at, file] of files.entries()) console.error(`  ${file}: ${((sizes[at] ?? 0) / 1024).toFixed(1)} KB`);
  process.exit(1);
}
