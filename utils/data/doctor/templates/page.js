"use strict";
(() => {
  const filter = document.getElementById("filter");
  if (!filter) return;
  const chips = [...filter.querySelectorAll(".chip")];
  const kind = document.getElementById("kind");
  const search = document.getElementById("search");
  const sections = [...document.querySelectorAll("section.kind")];

  const apply = () => {
    const wanted = new Set(chips.filter(chip => chip.getAttribute("aria-pressed") === "true")
      .map(chip => chip.dataset.severity));
    const part = search.value.trim().toLowerCase();
    let any = false;
    for (const section of sections) {
      let left = 0;
      for (const finding of section.querySelectorAll(".finding")) {
        const shown = finding.textContent.toLowerCase().includes(part);
        finding.hidden = !shown;
        left += shown;
      }
      for (const more of section.querySelectorAll("details")) if (part) more.open = true;
      section.hidden = !left || (kind.value ? kind.value !== section.dataset.kind
        : !wanted.has(section.dataset.severity));
      any ||= !section.hidden;
    }
    document.getElementById("none").hidden = any;
  };

  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      kind.value = "";
      apply();
    });
  }
  kind.addEventListener("change", apply);
  search.addEventListener("input", apply);
  apply();
})();
