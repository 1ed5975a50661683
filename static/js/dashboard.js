// Pausing, keeping the reader's place, and reading bars; the updates themselves are HTMX's.
"use strict";
(() => {
  const toggle = document.querySelector("[data-live-toggle]");
  const text = document.querySelector("[data-live-text]");
  const live = () => document.getElementById("dashboard-live");
  let paused = false;
  let scrollTop = 0;

  const label = () => { text.textContent = paused ? "Paused" : "Live, every 2 s"; };
  toggle.addEventListener("click", () => {
    paused = !paused;
    toggle.setAttribute("aria-pressed", String(paused));
    label();
  });

  // No update while it is paused, unseen, or being read with the pointer on a bar.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id !== "dashboard-live") return;
    if (paused || document.hidden || live().querySelector(".bar:hover")) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target.id === "dashboard-live") scrollTop = document.getElementById("requests-scroll").scrollTop;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "dashboard-live") return;
    document.getElementById("requests-scroll").scrollTop = scrollTop;
    label();
  });
  for (const name of ["htmx:responseError", "htmx:sendError"]) {
    document.addEventListener(name, (event) => {
      if (event.detail.elt.id === "dashboard-live") text.textContent = "No answer, trying again";
    });
  }

  document.addEventListener("pointerover", (event) => {
    const bar = event.target.closest(".bar");
    const readout = document.querySelector("[data-bar-readout]");
    if (bar && readout) readout.textContent = bar.querySelector("title").textContent;
  });
})();
