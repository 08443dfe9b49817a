// Runs before the first paint so that a chosen theme doesn't flash. The rest is in src/lib/theme.svelte.ts.
try {
  const theme = localStorage.getItem("byway.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage can be switched off; the system's theme is used then.
}
