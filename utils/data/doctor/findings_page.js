// Filtering the findings by severity, kind and file.

const filter = one("#filter");

if (filter) {
  const chips = all("[data-severity]", filter);
  const kind = one("#kind");
  const search = one("#search");
  const pressed = (chip) => chip.getAttribute("aria-pressed") === "true";

  const apply = () => {
    const severities = new Set(chips.filter(pressed).map((chip) => chip.dataset.severity));
    const part = search.value.trim().toLowerCase();
    const sections = all("section.kind");
    for (const section of sections) {
      let matches = 0;
      for (const finding of all(".finding", section)) {
        finding.hidden = !finding.textContent.toLowerCase().includes(part);
        matches += !finding.hidden;
      }
      if (part) all("details", section).forEach((more) => { more.open = true; });
      // A kind that is asked for by name is shown whatever its severity.
      const wanted = kind.value ? kind.value === section.dataset.kind
        : severities.has(section.dataset.severity);
      section.hidden = !matches || !wanted;
    }
    one("#none").hidden = sections.some((section) => !section.hidden);
  };

  chips.forEach((chip) => chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", String(!pressed(chip)));
    kind.value = "";
    apply();
  }));
  kind.addEventListener("change", apply);
  search.addEventListener("input", apply);
  apply();
}
