// What pages gain with JavaScript. Without it everything still works.
"use strict";
(() => {
  const notice = document.getElementById("notice");
  let noticeTimer = 0;
  const tell = (text) => {
    notice.textContent = text;
    window.clearTimeout(noticeTimer);
    noticeTimer = window.setTimeout(() => { notice.textContent = ""; }, 8000);
  };

  // Theme.
  const toggle = document.querySelector("[data-theme-toggle]");
  const label = document.querySelector("[data-theme-label]");
  const labelToggle = () => {
    label.textContent = document.documentElement.dataset.theme === "dark" ? "Switch to light theme" : "Switch to dark theme";
  };
  labelToggle();
  toggle.addEventListener("click", () => { window.speedscaleToggleTheme(); labelToggle(); });

  // How a product was found is told once; its address is for keeping and sharing.
  if (location.pathname.startsWith("/products/") && new URLSearchParams(location.search).has("pos")) {
    history.replaceState(history.state, "", location.pathname + location.hash);
  }

  // "/" goes to the search field, as on code hosts; never while somebody types.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const field = document.querySelector("[data-search-main]") || document.querySelector("[data-search]");
    event.preventDefault();
    field.focus();
    field.select();
  });

  // A picture of another host that cannot be loaded gives way to the drawn one.
  const fallBack = (image) => {
    const drawn = image.dataset.fallback;
    if (!drawn) return;
    delete image.dataset.fallback;
    image.classList.remove("is-photo");
    image.src = drawn;
  };
  document.addEventListener("error", (event) => {
    if (event.target instanceof HTMLImageElement) fallBack(event.target);
  }, true);
  document.querySelectorAll("img[data-fallback]").forEach((image) => {
    if (image.complete && image.naturalWidth === 0) fallBack(image);
  });

  // Filters apply as they are changed. Enter in a field means "change" and "submit" at once, which is one request.
  let applying = 0;
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form && form.matches("[data-filter-form]")) applying = window.setTimeout(() => form.requestSubmit(), 0);
  });
  document.addEventListener("submit", () => window.clearTimeout(applying), true);

  // Empty fields do not belong into an address.
  document.addEventListener("htmx:configRequest", (event) => {
    const { parameters, elt } = event.detail;
    if (!elt.closest("[data-filter-form]")) return;
    for (const name of ["min_price", "max_price"]) if (parameters[name] === "") delete parameters[name];
    if (parameters.sort === "relevance") delete parameters.sort;
  });

  // Whoever used a control that an update removed goes on at the heading of the results.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id !== "product-results" || document.activeElement !== document.body) return;
    document.getElementById("results-title").focus({ preventScroll: true });
  });

  // An update that fails leaves the page as it is and says why.
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr, elt } = event.detail;
    if (xhr.status === 400 || elt.closest("[data-live], [data-suggest]")) return;
    const seconds = xhr.getResponseHeader("Retry-After");
    const wait = seconds ? ` Try again in ${seconds} seconds.` : " Try again.";
    tell((xhr.status === 429 ? "That was a bit fast." : "The server could not answer.") + wait);
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (!event.detail.elt.closest("[data-live], [data-suggest]")) tell("The server cannot be reached. Try again.");
  });
})();
