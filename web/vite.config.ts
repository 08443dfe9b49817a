import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  server: { host: "127.0.0.1" },
  build: {
    target: "es2022",
    // The page's policy allows files of its own only.
    assetsInlineLimit: 0,
    // It comes from the machine that it is shown on.
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
  },
});
