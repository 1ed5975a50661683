// Suggestions below a search field. HTMX fetches them, this moves through them; without it the field is a plain one.
"use strict";
(() => {
  const field = document.querySelector("[data-suggest]");
  const list = document.getElementById("suggestions");
  const status = document.getElementById("suggestions-status");
  if (!field || !list) return;
  let chosen = -1;
  let dismissed = true;
  const options = () => [...list.querySelectorAll("[role=option]")];

  const choose = (place) => {
    const all = options();
    chosen = all.length ? place : -1;
    all.forEach((option, at) => { option.setAttribute("aria-selected", String(at === chosen)); });
    if (chosen < 0) { field.removeAttribute("aria-activedescendant"); return; }
    field.setAttribute("aria-activedescendant", all[chosen].id);
    all[chosen].scrollIntoView({ block: "nearest" });
  };
  const show = (open) => {
    list.hidden = !open;
    field.setAttribute("aria-expanded", String(open));
    choose(-1);
  };
  const dismiss = () => {
    dismissed = true;
    htmx.trigger(field, "htmx:abort");
    if (!list.hidden) status.textContent = "";
    show(false);
  };

  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", list.id);
  show(false);

  field.addEventListener("input", () => {
    dismissed = false;
    if (!field.value.trim()) dismiss();
  });
  list.addEventListener("htmx:afterSwap", () => {
    const count = options().length;
    show(count > 0 && !dismissed && document.activeElement === field);
    if (!list.hidden) status.textContent = count === 1 ? "1 suggestion" : `${count} suggestions`;
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const count = options().length;
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count && field.value.trim()) {
      event.preventDefault();
      if (list.hidden) { dismissed = false; show(true); }
      // One place stands for the field itself, before the first and after the last.
      const step = event.key === "ArrowDown" ? 1 : -1;
      choose(((chosen + 1 + step + count + 1) % (count + 1)) - 1);
    } else if (event.key === "Enter" && !list.hidden && chosen >= 0) {
      event.preventDefault();
      options()[chosen].click();
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      dismiss();
    }
  });
  field.form.addEventListener("submit", dismiss);
  field.addEventListener("blur", dismiss);
  // A press on a suggestion must not take the focus, or the list would be gone before the click.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("mousedown", (event) => event.preventDefault());
})();
