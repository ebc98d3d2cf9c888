// The pictures and videos on the page ---------------------------------------------------------

const AT_ONCE = 4;  // pictures on their way to the server
const THUMBNAIL = { width: 192, height: 144 };

// An item is a picture, a video or the camera:
//   kind, name, blob, media (the element that shows it), button (in the strip),
//   state: waiting, working, done or failed; error;
//   entries: what was found, one for a picture, one a frame for a video, the newest of a camera.
const items = [];
let current = null;
const waiting = [];
let working = 0;

function addItem(kind, name, blob) {
  const item = { kind, name, blob, state: "waiting", entries: [], error: "" };
  item.button = stripButton(item);
  items.push(item);
  one("#strip").append(item.button);
  if (!current || current.kind === "camera") select(item);
  return item;
}

function addFiles(files) {
  const others = [];
  for (const file of files) {
    if (file.type.startsWith("video/")) analyse(addItem("video", file.name, file));
    else if (file.type && !file.type.startsWith("image/")) others.push(file.name);
    else addPicture(file.name, file);
  }
  problem(others.length ? `Neither a picture nor a video: ${others.join(", ")}` : "");
}

function addPicture(name, blob) {
  const item = addItem("picture", name, blob);
  waiting.push(item);
  takeNext();
  return item;
}

async function takeNext() {
  if (working >= AT_ONCE || !waiting.length) return;
  const item = waiting.shift();
  working += 1;
  setState(item, "working");
  await thumbnail(item, item.blob);
  try {
    item.entries = [await detect(item.blob, item.name)];
    setState(item, "done");
  } catch (error) {
    item.error = error.message;
    setState(item, "failed");
  }
  working -= 1;
  takeNext();
}

function setState(item, state) {
  item.state = state;
  refresh(item);
}

function removeAll() {
  for (const item of items) {
    item.stopped = true;
    release(item);
  }
  items.length = waiting.length = 0;
  current = null;
  one("#strip").replaceChildren();
  problem("");
  refresh();
}

function remove(item) {
  const place = items.indexOf(item);
  if (place < 0) return;
  items.splice(place, 1);
  item.button.remove();
  release(item);
  if (current === item) {
    current = null;
    select(items[Math.min(place, items.length - 1)] ?? null);
  }
}

function release(item) {
  if (item.stream) item.stream.getTracks().forEach((track) => track.stop());
  if (item.media?.src) URL.revokeObjectURL(item.media.src);
  item.media?.remove();
}

// What was found in what is visible now; of a video, in the last frame before that time.
function visibleEntry(item) {
  if (item?.kind !== "video") return item?.entries[0] ?? null;
  const now = (item.media?.currentTime ?? 0) + 1e-3;
  return item.entries.findLast((entry) => entry.time_s <= now) ?? null;
}

// A picture's element; one that the browser cannot show is grey, with the right shape.
function pictureElement(item) {
  const image = new Image();
  image.alt = item.name;
  image.addEventListener("load", () => refresh(item));
  image.addEventListener("error", () => { item.blind = true; refresh(item); });
  image.src = URL.createObjectURL(item.blob);
  return image;
}

function mediaSize(item) {
  const { media, entries } = item;
  const [width, height] = item.kind === "picture"
    ? [media.naturalWidth, media.naturalHeight] : [media.videoWidth, media.videoHeight];
  return width ? [width, height] : [entries[0]?.width ?? 0, entries[0]?.height ?? 0];
}

function stripButton(item) {
  const button = document.createElement("button");
  const canvas = Object.assign(document.createElement("canvas"), THUMBNAIL);
  const badge = Object.assign(document.createElement("span"), { className: "badge" });
  const title = Object.assign(document.createElement("span"), { className: "title" });
  title.textContent = item.name;
  button.type = "button";
  button.append(canvas, badge, title);
  button.addEventListener("click", () => select(item));
  return button;
}

async function thumbnail(item, source) {
  const canvas = one("canvas", item.button);
  try {
    const bitmap = await createImageBitmap(source);
    const scale = Math.max(canvas.width / bitmap.width, canvas.height / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    canvas.getContext("2d").drawImage(
      bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    bitmap.close();
  } catch {
    item.blind = item.kind === "picture";  // a format that the server may know all the same
  }
}
