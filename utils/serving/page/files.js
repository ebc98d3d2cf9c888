// Downloads: JSON, label files, the drawn picture ---------------------------------------------

const rounded = (value, digits) => Number(value.toFixed(digits));

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// All pictures and frames, as predict.py --json writes them.
function asJson() {
  const entries = items.flatMap((item) => item.entries.map((entry) => ({
    source: item.name, width: entry.width, height: entry.height, frame: null,
    time_s: entry.time_s,
    detections: shown(entry).map((object) => ({
      ...object, box: object.box.map((side) => rounded(side, 3)),
    })),
  })));
  return `${JSON.stringify(entries, null, 1)}\n`;
}

const donePictures = () => items.filter((item) => item.kind === "picture" && item.entries.length);

// One label file a picture: [path, text]. Pictures of one name get a number.
function labelFiles(folder, suffix, text) {
  const used = new Set();
  return donePictures().map((item) => {
    const stem = item.name.replace(/\.[^.]*$/, "").replace(/[/\\:*?"<>|]/g, "_") || "picture";
    let name = stem;
    for (let number = 2; used.has(name.toLowerCase()); number += 1) name = `${stem}-${number}`;
    used.add(name.toLowerCase());
    return [`${folder}/${name}.${suffix}`, text(item)];
  });
}

function yoloText({ entries: [entry] }) {
  const { width, height } = entry;
  return shown(entry).map(({ class_id: id, box: [x0, y0, x1, y1] }) => [
    id, ...[(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height]
      .map((share) => share.toFixed(8)),
  ].join(" ") + "\n").join("");
}

function vocText({ name, entries: [entry] }) {
  const root = document.implementation.createDocument(null, "annotation").documentElement;
  const add = (parent, tag, text = "") => {
    const element = root.ownerDocument.createElement(tag);
    // XML cannot hold control characters, not even escaped.
    element.textContent = String(text).replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, " ");
    parent.append(element);
    return element;
  };
  add(root, "filename", name);
  const size = add(root, "size");
  for (const [tag, value] of [["width", entry.width], ["height", entry.height], ["depth", 3]]) {
    add(size, tag, value);
  }
  add(root, "upright", 1);
  for (const { class: label, score, box: [x0, y0, x1, y1] } of shown(entry)) {
    const object = add(root, "object");
    add(object, "name", label);
    add(object, "difficult", 0);
    add(object, "score", score);
    const box = add(object, "bndbox");  // VOC counts pixels from 1, both ends included
    const sides = { xmin: x0 + 1, ymin: y0 + 1, xmax: x1, ymax: y1 };
    for (const [tag, value] of Object.entries(sides)) add(box, tag, rounded(value, 3));
  }
  return `${new XMLSerializer().serializeToString(root)}\n`;
}

async function saveDrawn(item) {
  const canvas = drawnCanvas(item.media, visibleEntry(item));
  const blob = await new Promise((done) => { canvas.toBlob(done, "image/jpeg", 0.92); });
  save(blob, `${item.name.replace(/\.[^.]*$/, "")}-objects.jpg`);
}

// A ZIP archive without compression (PKWARE's APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16).
function zip(files) {
  const encoder = new TextEncoder();
  const UTF8 = 0x800, DATE = 0x21;  // the flag of UTF-8 names; 1 January 1980
  const parts = [], directory = [];
  let offset = 0;
  for (const [path, text] of files) {
    const name = encoder.encode(path), data = encoder.encode(text);
    const about = [20, UTF8, 0, 0, DATE, ...words(crc32(data)), ...words(data.length),
      ...words(data.length), name.length, 0];
    const head = record(0x04034b50, about);
    directory.push(record(0x02014b50, [20, ...about, 0, 0, 0, 0, 0, ...words(offset)]), name);
    parts.push(head, name, data);
    offset += head.length + name.length + data.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record(0x06054b50,
    [0, 0, files.length, files.length, ...words(size), ...words(offset), 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

const words = (number) => [number & 0xffff, number >>> 16];
const record = (signature, rest) => new Uint8Array(
  [...words(signature), ...rest].flatMap((word) => [word & 0xff, word >>> 8]));

function crc32(data) {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}
