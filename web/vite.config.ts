// How the page is built. In: src/. Out: dist/, files with hashes in their names, nothing inline (the backend's content security policy
// forbids it). In development, questions go to the stage of the browser tests (tests/browser/stage.py).
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": "http://127.0.0.1:8484" } },
});
