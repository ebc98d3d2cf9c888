// Which objects are shown, and how they are drawn ---------------------------------------------

const view = { conf: 0.25, hidden: new Set() };  // hidden: class ids

const isShown = (object) => object.score >= view.conf && !view.hidden.has(object.class_id);
const shown = (entry) => entry ? entry.detections.filter(isShown) : [];

// Boxes and labels of an entry, on a canvas whose pixels are `scale` times those of the picture.
// Labels lie above their box, else in it, else below; one that finds no free place is left out.
function drawBoxes(context, entry, scale, unit, highlighted = null) {
  const { width, height } = context.canvas;
  const line = 2 * unit, size = 13 * unit, pad = 4 * unit;
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const taken = [];
  const objects = shown(entry);
  for (const object of [...objects].reverse()) {  // the surest lie on top
    const [x0, y0, x1, y1] = object.box.map((side) => side * scale);
    const faded = highlighted && highlighted !== object;
    context.globalAlpha = faded ? 0.25 : 1;
    context.lineWidth = line + 2 * unit;
    context.strokeStyle = "rgba(0, 0, 0, .55)";
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    context.lineWidth = highlighted === object ? 2 * line : line;
    context.strokeStyle = model.classes[object.class_id].colour;
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
  for (const object of objects) {
    if (highlighted && highlighted !== object) continue;
    const [x0, y0, , y1] = object.box.map((side) => side * scale);
    const text = `${object.class} ${object.score.toFixed(2)}`;
    const w = context.measureText(text).width + 2 * pad, h = size + pad;
    const x = Math.max(0, Math.min(x0 - line / 2, width - w));
    const place = [y0 - h, y0, y1 - h, y1]
      .map((y) => ({ x, y, w, h }))
      .find((p) => p.y >= 0 && p.y + h <= height && !taken.some((q) => overlap(p, q)));
    if (!place) continue;
    taken.push(place);
    const { colour, ink } = model.classes[object.class_id];
    context.globalAlpha = 1;
    context.fillStyle = colour;
    context.fillRect(place.x, place.y, w, h);
    context.fillStyle = ink;
    context.fillText(text, place.x + pad, place.y + h / 2 + unit / 2);
  }
  context.globalAlpha = 1;
}

function overlap(p, q) {
  return p.x < q.x + q.w && q.x < p.x + p.w && p.y < q.y + q.h && q.y < p.y + p.h;
}

// The picture itself with its boxes, in its own size.
function drawnCanvas(source, entry) {
  const canvas = document.createElement("canvas");
  canvas.width = entry.width;
  canvas.height = entry.height;
  const context = canvas.getContext("2d");
  context.drawImage(source, 0, 0, entry.width, entry.height);
  drawBoxes(context, entry, 1, Math.max(1, Math.max(entry.width, entry.height) / 900));
  return canvas;
}

// "2 stop, 1 yield"
function summary(entry) {
  const counts = new Map();
  for (const object of shown(entry)) counts.set(object.class, (counts.get(object.class) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${count} ${name}`).join(", ") || "no objects";
}
