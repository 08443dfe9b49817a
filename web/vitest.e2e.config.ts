import { defineConfig } from "vitest/config";

/** End-to-end tests: the built page in a real Chromium against the mock node. */
export default defineConfig({
  test: {
    include: ["tests/e2e/**/*.test.ts"],
    environment: "node",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is waited for comes when it comes: a slow machine fails nothing.
    expect: { poll: { timeout: 30_000 } },
    fileParallelism: false,
  },
});
