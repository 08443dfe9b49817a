import { defineConfig } from "vitest/config";

/** The built page in a real Chromium over real nodes, which `BYWAY_BINARY` names; `cargo xtask test --only client-test` sets it. */
export default defineConfig({
  test: {
    include: ["tests/real/**/*.test.ts"],
    environment: "node",
    testTimeout: 300_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
