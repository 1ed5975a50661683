// Runs before the page is painted, so that a chosen theme never flashes.
"use strict";
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const apply = () => {
    const stored = read();
    root.dataset.theme = stored === "light" || stored === "dark" ? stored : dark.matches ? "dark" : "light";
  };
  apply();
  root.classList.add("has-js");
  dark.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  window.speedscaleToggleTheme = () => {
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", next); } catch { /* Private windows: the choice lasts for this page. */ }
    root.dataset.theme = next;
    return next;
  };
})();
