// Tables ---------------------------------------------------------------------------------------

function sortBy(header) {
  const table = header.closest("table");
  const column = [...header.parentElement.children].indexOf(header);
  const first = header.classList.contains("text") ? "ascending" : "descending";
  const second = first === "ascending" ? "descending" : "ascending";
  const order = header.getAttribute("aria-sort") === first ? second : first;
  all("th[aria-sort]", table).forEach((other) => other.setAttribute("aria-sort", "none"));
  header.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const value = (row) => {
    const cell = row.children[column];
    return header.classList.contains("text") ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const body = table.tBodies[0];
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (typeof x === "string") return sign * x.localeCompare(y, undefined, { numeric: true });
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y); // no value: last
    return sign * (x - y);
  };
  body.append(...[...body.rows].sort(compare));
}
all("th[aria-sort] button").forEach((button) => {
  button.addEventListener("click", () => sortBy(button.closest("th")));
});

// Curves: one class stands out -----------------------------------------------------------------

all(".pick-curve").forEach((select) => {
  const plot = one(`#${select.dataset.plot}`);
  const show = () => {
    plot.classList.toggle("picked", select.value !== "");
    all(".curve", plot).forEach((curve) => {
      const on = curve.dataset.class === select.value;
      curve.classList.toggle("on", on);
      if (on) curve.parentElement.append(curve); // drawn last, on top
    });
    all(".curve-facts", plot).forEach((line) => { line.hidden = line.dataset.class !== select.value; });
  };
  select.addEventListener("change", show);
  show();
});

// Gallery --------------------------------------------------------------------------------------

const gallery = one("#gallery");
const STEP = 24;

if (gallery) {
  const cards = all(".card", gallery);
  const chips = all(".chips button", gallery);
  const classes = one("#gallery-class");
  const status = one("#gallery-status");
  const empty = one(".empty", gallery);
  const more = one(".more", gallery);
  let kind = "";
  let limit = STEP;

  const ofClass = (card) => classes.value === "" || card.dataset.classes.split(" ").includes(classes.value);
  const ofKind = (card, wanted) => wanted === "" || card.dataset.kinds.split(" ").includes(wanted);

  function show() {
    const fitting = cards.filter((card) => ofClass(card) && ofKind(card, kind));
    const shown = new Set(fitting.slice(0, limit));
    cards.forEach((card) => { card.hidden = !shown.has(card); });
    chips.forEach((chip) => {
      chip.setAttribute("aria-pressed", String(chip.dataset.kind === kind));
      one("span", chip).textContent = cards.filter((card) => ofClass(card) && ofKind(card, chip.dataset.kind)).length;
    });
    status.textContent = `${shown.size} of ${fitting.length} shown`;
    empty.hidden = fitting.length > 0;
    more.hidden = shown.size === fitting.length;
    more.textContent = `Show ${Math.min(STEP, fitting.length - shown.size)} more`;
  }
  function filter(wantedKind, wantedClass) {
    kind = wantedKind;
    classes.value = wantedClass;
    limit = STEP;
    show();
  }

  chips.forEach((chip) => chip.addEventListener("click", () => filter(chip.dataset.kind, classes.value)));
  classes.addEventListener("change", () => filter(kind, classes.value));
  more.addEventListener("click", () => {
    const before = cards.filter((card) => !card.hidden).length;
    limit += STEP;
    show();
    const next = cards.filter((card) => !card.hidden)[before];
    if (next) one(".crop", next).focus(); // where the reader was, not where the button went
  });
  one("#gallery-boxes").addEventListener("click", (event) => {
    const bare = document.body.classList.toggle("bare");
    event.currentTarget.setAttribute("aria-pressed", String(!bare));
  });
  // Elsewhere on the page: "show me those".
  all("[data-show-kind], [data-show-class]").forEach((link) => link.addEventListener("click", () => {
    filter(link.dataset.showKind ?? "", link.dataset.showClass ?? "");
    gallery.scrollIntoView();
    chips.find((chip) => chip.dataset.kind === kind)?.focus({ preventScroll: true });
  }));

  // One crop, large, with the arrow keys through those that the filters leave.
  const dialog = one("dialog");
  let at = 0;
  function enlarge(card) {
    const figure = one("figure", dialog);
    const picture = one(".crop", card).cloneNode(true);
    const frame = document.createElement("div");
    frame.className = "crop";
    frame.append(...picture.childNodes);
    figure.replaceChildren(frame, one("figcaption", card).cloneNode(true));
  }
  function step(by) {
    const fitting = cards.filter((card) => ofClass(card) && ofKind(card, kind));
    at = (at + by + fitting.length) % fitting.length;
    enlarge(fitting[at]);
  }
  cards.forEach((card) => one(".crop", card).addEventListener("click", () => {
    at = cards.filter((other) => ofClass(other) && ofKind(other, kind)).indexOf(card);
    enlarge(card);
    dialog.showModal();
  }));
  one("#previous").addEventListener("click", () => step(-1));
  one("#next").addEventListener("click", () => step(1));
  one("#close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  show();
}
