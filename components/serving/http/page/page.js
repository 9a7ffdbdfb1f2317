// Sends a picture to the predictor beside this page and draws what it answers. Nothing is kept anywhere.

const SENT = ["image/jpeg", "image/png", "image/webp"];
const CAMERA_PAUSE = 300; // milliseconds between two pictures of the camera

const by = (id) => document.getElementById(id);
const canvas = by("picture");
const pen = canvas.getContext("2d");
let url = "";
let stream = null;

async function start() {
  const { models } = await (await fetch("/v1/models")).json();
  url = `/v1/models/${models[0]}:predict`;
  by("model").textContent = `${models[0]}: it names the expression that a face shows, with errors; not what a person feels.`;
}

async function ask(picture, body) {
  const response = await fetch(url, { method: "POST", headers: { "content-type": body.type }, body });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  show(picture, answer.predictions[0]);
}

function show(picture, prediction) {
  canvas.hidden = false;
  canvas.width = picture.width;
  canvas.height = picture.height;
  pen.drawImage(picture, 0, 0);
  const faces = prediction.faces ?? [prediction];
  by("told").textContent = prediction.faces ? count(faces.length) : "";
  by("answers").replaceChildren(...faces.map((face, index) => card(face, prediction.faces && faces.length > 1 ? `Face ${index + 1}: ` : "")));
  faces.filter((face) => face.box).forEach((face, index) => outline(face, index + 1, faces.length));
}

const count = (faces) => (faces === 0 ? "No face was found." : faces === 1 ? "One face." : `${faces} faces.`);

function outline({ box: [left, top, right, bottom], label }, number, faces) {
  const size = Math.max(14, canvas.width / 40);
  pen.lineWidth = Math.max(2, canvas.width / 300);
  pen.strokeStyle = pen.fillStyle = "#1d5fa8";
  pen.strokeRect(left, top, right - left, bottom - top);
  pen.font = `${size}px system-ui, sans-serif`;
  const words = faces > 1 ? `${number} ${label}` : label;
  const [x, y] = [Math.max(0, left), Math.max(0, top)];
  pen.fillRect(x, y, pen.measureText(words).width + size, size * 1.5);
  pen.fillStyle = "#fff";
  pen.fillText(words, x + size / 2, y + size * 1.1);
}

function card(face, prefix) {
  const section = element("section");
  if (face.error) {
    section.append(element("h2", "This picture can't be used"), element("p", face.error.message));
    return section;
  }
  const list = element("dl");
  const ranked = Object.entries(face.probabilities).sort((one, other) => other[1] - one[1]);
  for (const [label, probability] of ranked) {
    const bar = element("meter");
    bar.value = probability;
    bar.ariaLabel = label;
    list.append(element("dt", label), bar, element("dd", `${(100 * probability).toFixed(1)} %`));
  }
  section.append(element("h2", prefix + face.label), list);
  return section;
}

function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

async function open(file) {
  stop();
  by("told").textContent = "Asking …";
  try {
    const picture = await createImageBitmap(file);
    await ask(picture, SENT.includes(file.type) ? file : await encoded(picture));
  } catch (error) {
    canvas.hidden = true;
    by("answers").replaceChildren();
    by("told").textContent = error instanceof DOMException ? "This file is no picture that the browser can show." : error.message;
  }
}

async function encoded(picture) {
  const drawn = new OffscreenCanvas(picture.width, picture.height);
  drawn.getContext("2d").drawImage(picture, 0, 0);
  return drawn.convertToBlob({ type: "image/jpeg", quality: 0.92 });
}

async function watch() {
  if (stream) return stop();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
  } catch (error) {
    by("told").textContent = `The camera can't be used: ${error.message}`;
    return;
  }
  by("camera").textContent = "Stop the camera";
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = stream;
  await video.play();
  while (stream) {
    try {
      const picture = await createImageBitmap(video);
      await ask(picture, await encoded(picture));
    } catch (error) {
      by("told").textContent = error.message;
    }
    await new Promise((done) => setTimeout(done, CAMERA_PAUSE));
  }
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  by("camera").textContent = "Use the camera";
}

function first(transfer) {
  const file = [...(transfer?.files ?? [])][0];
  if (file) open(file);
}

by("file").addEventListener("change", (event) => first(event.target));
by("camera").addEventListener("click", watch);
document.addEventListener("paste", (event) => first(event.clipboardData));
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
document.addEventListener("dragleave", () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => { event.preventDefault(); document.body.classList.remove("over"); first(event.dataTransfer); });
start().catch((error) => { by("told").textContent = `The server doesn't answer: ${error.message}`; });
