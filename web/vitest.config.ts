import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** Unit tests: plain modules, no browser, no network. */
export default defineConfig({
  plugins: [svelte()],
  test: { include: ["tests/unit/**/*.test.ts"], environment: "node" },
});
