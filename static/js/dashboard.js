// Pausing, keeping the reader's place, and moving through charts by keyboard; the updates themselves are HTMX's.
"use strict";
(() => {
  const toggle = document.querySelector("[data-live-toggle]");
  const text = document.querySelector("[data-live-text]");
  const isLive = (element) => element instanceof Element && element.matches("[data-live]");
  let paused = false;
  let places = {};
  let chosen = null;

  // On a narrow screen the tabs go on beyond the edge; the one that is open is in sight.
  const tabs = document.querySelector(".dash__tabs");
  const open = tabs && tabs.querySelector("[aria-current]");
  if (open) tabs.scrollLeft = open.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - open.offsetWidth) / 2;

  const tell = (state) => { if (text) text.textContent = state; };
  if (toggle) {
    toggle.addEventListener("click", () => {
      paused = !paused;
      toggle.setAttribute("aria-pressed", String(paused));
      tell(paused ? "Paused" : "Live");
    });
  }

  // No update while it is paused, unseen, or while somebody points at a figure or has the focus in a chart.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const live = event.target;
    if (!isLive(live)) return;
    const isRead = live.querySelector("[data-bars] a:hover, [data-heatmap] a:hover");
    const focused = live.contains(document.activeElement) && document.activeElement.closest("[data-bars], [data-heatmap]");
    if (paused || document.hidden || isRead || focused) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isLive(event.target)) return;
    places = {};
    event.target.querySelectorAll(".table-scroll[id]").forEach((table) => { places[table.id] = [table.scrollTop, table.scrollLeft]; });
    chosen = document.activeElement && event.target.contains(document.activeElement) ? document.activeElement.closest("[id]") : null;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    for (const [id, [top, left]] of Object.entries(places)) {
      const table = document.getElementById(id);
      if (table) { table.scrollTop = top; table.scrollLeft = left; }
    }
    if (chosen && chosen.id && !document.contains(chosen)) {
      const again = document.getElementById(chosen.id);
      if (again) again.focus({ preventScroll: true });
    }
    chosen = null;
    if (isLive(event.detail.elt)) tell(paused ? "Paused" : "Live");
  });
  // No longer than the room that is kept for it (.live-state), or what is beside it would move.
  for (const name of ["htmx:responseError", "htmx:sendError"]) {
    document.addEventListener(name, (event) => {
      if (isLive(event.detail.elt)) tell("Trying again");
    });
  }

  // What a bar or a cell means is told beside the chart, whether it is pointed at or reached by keyboard.
  const read = (event) => {
    const mark = event.target instanceof Element && event.target.closest("[data-bars] a, [data-heatmap] a");
    if (!mark) return;
    const readout = document.querySelector(mark.closest("[data-bars]") ? "[data-bar-readout]" : "[data-heat-readout]");
    const title = mark.querySelector("title");
    if (readout && title) readout.textContent = title.textContent;
  };
  document.addEventListener("pointerover", read);
  document.addEventListener("focusin", read);

  // One stop for the Tab key a chart; arrows go from mark to mark.
  document.addEventListener("focusin", (event) => {
    const map = event.target instanceof Element && event.target.closest("[data-heatmap]");
    if (map && event.target === map) { const last = [...map.querySelectorAll("a")].pop(); if (last) last.focus(); }
  });
  document.querySelectorAll("[data-heatmap]").forEach((map) => { map.tabIndex = 0; });
  document.addEventListener("htmx:load", () => {
    document.querySelectorAll("[data-heatmap]").forEach((map) => { map.tabIndex = 0; });
  });
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1 }[event.key];
    const mark = event.target instanceof Element && event.target.closest("[data-bars] a, [data-heatmap] a");
    if (!mark || !step) return;
    event.preventDefault();
    const marks = [...mark.closest("svg").querySelectorAll("a")];
    const next = marks[marks.indexOf(mark) + step];
    if (!next) return;
    mark.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
})();
