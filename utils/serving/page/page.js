// The page itself: what is visible, and what buttons do ---------------------------------------

const overlay = one("#overlay");
let highlighted = null;  // an object under the pointer in the list

function problem(text) {
  one("#problem").textContent = text;
  one("#problem").hidden = !text;
}

const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

function select(item) {
  if (current?.kind === "video" && current !== item) current.media?.pause();
  current = item;
  highlighted = null;
  all("#media > :not(canvas)").forEach((element) => element.remove());
  if (item) {
    if (item.kind === "picture") item.media ??= pictureElement(item);
    if (item.media) one("#media").prepend(item.media);
    item.button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  refresh();
}

// Everything that depends on what was found and on what is to be shown.
function refresh(item = current) {
  one("#work").classList.toggle("filled", items.length > 0);
  one("#results").hidden = one("#clear").hidden = !items.length;
  items.forEach(nameButton);
  one("#strip").hidden = items.length < 2;
  tellStatus();
  if (item !== current || !current) return;
  const film = current.kind !== "picture";
  const running = film && current.state === "working";
  one("#film").hidden = !film;
  one("#stop").hidden = !running;
  one("#keep").disabled = !current.media || (running && current.kind === "video");
  one("#rate").textContent = running ? current.progress ?? "" : "";
  one("#name").textContent = current.name;
  fillClasses();
  draw();
  const pictures = donePictures().length > 0;
  one("#save-json").disabled = !items.some((other) => other.entries.length);
  one("#save-yolo").disabled = one("#save-voc").disabled = !pictures;
}

function nameButton(item) {
  const number = item.kind === "video" ? null : shown(item.entries[0]).length;
  const badge = { waiting: "…", working: "…", failed: "!", done: number ?? "▶" }[item.state];
  one(".badge", item.button).textContent = badge;
  item.button.className = item.state;
  item.button.setAttribute("aria-current", String(item === current));
  const words = { waiting: "waiting", working: "in work", failed: item.error }[item.state]
    ?? (number === null ? "video" : counted(number, "object"));
  item.button.setAttribute("aria-label", `${item.name}: ${words}`);
  item.button.title = item.name;
}

function tellStatus() {
  const pictures = items.filter((item) => item.kind === "picture");
  const open = pictures.filter((item) => item.state === "waiting" || item.state === "working");
  const failed = pictures.filter((item) => item.state === "failed");
  const read = donePictures();
  const parts = [];
  if (open.length) {
    parts.push(`${pictures.length - open.length} of ${counted(pictures.length, "picture")} done`);
  } else if (pictures.length) {
    const objects = read.reduce((sum, item) => sum + shown(item.entries[0]).length, 0);
    parts.push(`${counted(read.length, "picture")} with ${counted(objects, "object")}`);
  }
  if (failed.length) parts.push(`${counted(failed.length, "picture")} failed`);
  one("#status").textContent = parts.join(", ");
  if (current?.state === "failed") problem(`${current.name}: ${current.error}`);
}

// Boxes, list and counts: fast enough for each movement of the slider.
function draw() {
  if (!current?.media) return;
  const entry = visibleEntry(current);
  const [width, height] = mediaSize(current);
  if (width) one("#media").style.setProperty("--ratio", width / height);
  one("#size").textContent = width ? `${width} × ${height}` : "";
  const sharp = devicePixelRatio, box = overlay.getBoundingClientRect();
  overlay.width = Math.round(box.width * sharp);
  overlay.height = Math.round(box.height * sharp);
  const context = overlay.getContext("2d");
  context.clearRect(0, 0, overlay.width, overlay.height);
  if (entry) drawBoxes(context, entry, overlay.width / entry.width, sharp, highlighted);
  overlay.setAttribute("aria-label", entry ? summary(entry) : "nothing found yet");
  one("#save-drawn").disabled = !entry || Boolean(current.blind);
  fillObjects(entry);
}

function fillObjects(entry) {
  const objects = shown(entry);
  one("#count").textContent = entry ? objects.length : "";
  const rows = objects.map((object) => {
    const row = document.createElement("li");
    row.tabIndex = 0;
    row.append(swatch(object.class_id), span("title", object.class),
      span("number", object.score.toFixed(2)));
    const highlight = (wanted) => { highlighted = wanted; drawOverlayOnly(entry); };
    for (const name of ["pointerenter", "focus"]) {
      row.addEventListener(name, () => highlight(object));
    }
    for (const name of ["pointerleave", "blur"]) row.addEventListener(name, () => highlight(null));
    return row;
  });
  one("#objects").replaceChildren(...rows);
}

function drawOverlayOnly(entry) {
  const context = overlay.getContext("2d");
  context.clearRect(0, 0, overlay.width, overlay.height);
  drawBoxes(context, entry, overlay.width / entry.width, devicePixelRatio, highlighted);
}

// A button for each class that was found anywhere, however unsure.
function fillClasses() {
  const entry = visibleEntry(current);
  const found = new Set(items.flatMap((item) => item.entries)
    .flatMap((each) => each.detections.map((object) => object.class_id)));
  const group = one("#classes");
  const wanted = [...found].sort((a, b) => a - b);
  one("#class-field").hidden = !wanted.length;
  const there = all("button", group).map((button) => Number(button.dataset.id));
  if (there.join() !== wanted.join()) group.replaceChildren(...wanted.map(classButton));
  for (const button of all("button", group)) {
    const id = Number(button.dataset.id);
    const sure = (object) => object.class_id === id && object.score >= view.conf;
    button.setAttribute("aria-pressed", String(!view.hidden.has(id)));
    one(".number", button).textContent = entry ? entry.detections.filter(sure).length : "";
  }
}

function classButton(id) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.id = id;
  button.append(swatch(id), span("", model.classes[id].name), span("number", ""));
  button.addEventListener("click", () => {
    if (!view.hidden.delete(id)) view.hidden.add(id);
    refresh();
  });
  return button;
}

const span = (className, text) =>
  Object.assign(document.createElement("span"), { className, textContent: text });

function swatch(id) {
  const element = Object.assign(document.createElement("i"), { className: "swatch" });
  element.style.background = model.classes[id].colour;
  return element;
}

// Starting --------------------------------------------------------------------------------------

async function start() {
  const response = await call("v1/model");
  const locked = response.status === 401;
  one("#unlock").hidden = !locked;
  if (locked) {
    one("#model").textContent = "This server asks for its token.";
    problem(sessionStorage.getItem("token") ? "That is not the token." : "");
    one("#token").focus();
    return;
  }
  if (!response.ok) throw new Error(await reason(response));
  model = await response.json();
  one("#work").hidden = false;
  const classes = model.classes.length;
  one("#model").textContent
    = `${model.name}, ${classes} ${classes === 1 ? "class" : "classes"}, ${model.runtime}`;
  const conf = one("#conf");
  conf.min = Math.min(LOWEST_CONF, model.conf);
  conf.value = view.conf = model.conf;
  one("#conf-value").textContent = view.conf.toFixed(2);
  const header = sessionStorage.getItem("token") ? " \\\n  -H \"Authorization: Bearer $TOKEN\"" : "";
  one("#example").textContent
    = `curl --data-binary @photo.jpg ${location.origin}/v1/detect${header}`;
}

one("#unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", one("#token").value.trim());
  start().catch((error) => problem(error.message));
});
one("#choose").addEventListener("click", () => one("#files").click());
one("#files").addEventListener("change", (event) => {
  addFiles([...event.target.files]);
  event.target.value = "";  // the same file may be chosen again
});
one("#camera").addEventListener("click", startCamera);
one("#clear").addEventListener("click", removeAll);
one("#stop").addEventListener("click", () => { current.stopped = true; });
one("#keep").addEventListener("click", () => keepFrame(current));
one("#conf").addEventListener("input", (event) => {
  view.conf = Number(event.target.value);
  one("#conf-value").textContent = view.conf.toFixed(2);
  refresh();
});
one("#save-json").addEventListener("click", () =>
  save(new Blob([asJson()], { type: "application/json" }), "objects.json"));
one("#save-yolo").addEventListener("click", () => {
  const names = model.classes.map(({ name }) => `${name}\n`).join("");
  save(zip([...labelFiles("labels", "txt", yoloText), ["classes.txt", names]]), "yolo-labels.zip");
});
one("#save-voc").addEventListener("click", () =>
  save(zip(labelFiles("Annotations", "xml", vocText)), "voc-labels.zip"));
one("#save-drawn").addEventListener("click", () => saveDrawn(current));

// Files may be dropped anywhere, and pasted.
let depth = 0;  // how many nested elements the dragged files are over
const hover = (change) => { depth += change; document.body.classList.toggle("over", depth > 0); };
document.addEventListener("dragenter", (event) => { event.preventDefault(); hover(1); });
document.addEventListener("dragleave", () => hover(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  hover(-depth);
  if (model) addFiles([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  if (model && event.clipboardData.files.length) addFiles([...event.clipboardData.files]);
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || !current || event.target.closest("input, video") || event.altKey) return;
  const next = items[items.indexOf(current) + step];
  if (!next) return;
  event.preventDefault();
  select(next);
  if (event.target.closest("#strip")) next.button.focus();
});

new ResizeObserver(draw).observe(one("#media"));
function animate() {  // boxes follow a playing video
  if (current?.kind === "video" && current.media && !current.media.paused) draw();
  requestAnimationFrame(animate);
}
animate();

start().catch((error) => problem(error.message));
