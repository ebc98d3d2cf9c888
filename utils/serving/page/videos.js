// Frames of videos and of the camera ----------------------------------------------------------

const FRAMES_A_SECOND = 5;  // of a video's time
const LONGEST_SIDE = 1920;  // of a frame that is sent
const happens = (target, name) => new Promise((done, fail) => {
  target.addEventListener(name, done, { once: true });
  target.addEventListener("error", fail, { once: true });
});

function videoElement() {
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  video.addEventListener("seeked", () => { if (current?.media === video) draw(); });
  return video;
}

// The visible frame as a JPEG.
function grab(video) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => { canvas.toBlob(done, "image/jpeg", 0.92); });
}

// What is on a frame, in pixels of the video.
async function detectFrame(video, blob, name, time) {
  const entry = await detect(blob, name);
  const scale = [video.videoWidth / entry.width, video.videoHeight / entry.height];
  const objects = entry.detections.map((object) => ({
    ...object, box: object.box.map((side, i) => side * scale[i % 2]),
  }));
  return {
    ...entry, width: video.videoWidth, height: video.videoHeight, time_s: time, detections: objects,
  };
}

// Goes through a video; the next frame is looked for while the server works on the one before.
async function analyse(item) {
  const video = item.media = videoElement();
  video.src = URL.createObjectURL(item.blob);
  setState(item, "working");
  select(current);
  let before = Promise.resolve();
  try {
    await happens(video, "loadeddata");
    thumbnail(item, video);
    if (!Number.isFinite(video.duration)) {  // recorded by a browser: known at its end only
      video.currentTime = 1e7;
      await happens(video, "seeked");
    }
    const frames = Math.max(1, Math.floor(video.duration * FRAMES_A_SECOND));
    for (let i = 0; i < frames && !item.stopped; i += 1) {
      const time = i / FRAMES_A_SECOND;
      video.currentTime = time;
      await happens(video, "seeked");
      const blob = await grab(video);
      await before;
      before = detectFrame(video, blob, item.name, time).then((entry) => {
        item.entries.push(entry);
        item.progress = `frame ${item.entries.length} of ${frames}`;
        refresh(item);
      });
    }
    await before;
    setState(item, "done");
  } catch (error) {
    await before.catch(() => {});
    item.error = error instanceof Error ? error.message
      : "this browser cannot play the video; python predict.py reads more formats";
    setState(item, "failed");
  }
  if (item.stopped && !items.includes(item)) return;
  video.controls = true;
  video.loop = true;
  refresh(item);
}

async function startCamera() {
  problem("");
  if (!navigator.mediaDevices) {
    problem("Browsers allow the camera only on this machine itself or over HTTPS. "
      + "“Choose files” lets a phone take a photo.");
    return;
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    problem(error.name === "NotAllowedError"
      ? "The browser did not allow the camera." : "No camera was found.");
    return;
  }
  const item = addItem("camera", "Camera", null);
  item.stream = stream;
  item.media = videoElement();
  item.media.srcObject = stream;
  item.state = "working";
  select(item);
  try {
    await item.media.play();
    thumbnail(item, item.media);
    await follow(item);
  } catch (error) {
    if (!item.stopped) problem(`The camera stopped: ${error.message}`);
  }
  remove(item);
}

// The newest frame goes to the server as soon as it has answered the one before.
async function follow(item) {
  const times = [];
  while (!item.stopped) {
    const entry = await detectFrame(item.media, await grab(item.media), item.name, null);
    item.entries = [entry];
    times.push(performance.now());
    if (times.length > 10) times.shift();
    const rate = 1000 * (times.length - 1) / (times.at(-1) - times[0]);
    item.progress = times.length > 2 ? `${rate.toFixed(1)} pictures a second` : "";
    refresh(item);
    if (document.hidden) await wait(0.5);
  }
}

// The visible frame becomes a picture of its own.
async function keepFrame(item) {
  const time = item.kind === "video" ? `-${item.media.currentTime.toFixed(2)}s` : "";
  const kept = items.filter((other) => other.kept).length + 1;
  const stem = item.name.replace(/\.[^.]*$/, "").toLowerCase();
  const picture = addPicture(`${stem}${time || `-${kept}`}.jpg`, await grab(item.media));
  picture.kept = true;
}
