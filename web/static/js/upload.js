// Uploading: one request a file, a few at a time, each with its progress and its own answer.

const AT_ONCE = 3;
const TRIES = 4;
const PAUSE_MS = 1500;

const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const list = document.getElementById("files");
const said = document.getElementById("said");
const total = document.getElementById("total");
const token = document.querySelector("meta[name=csrf-token]").content;
const advice = JSON.parse(form.dataset.advice);
const limit = Number(form.dataset.limit);
const waiting = [];
const counts = { all: 0, queued: 0, refused: 0 };
let under = 0;

document.querySelector("[data-choosers]").hidden = false;
for (const id of ["scan", "folder"]) {
  const input = document.getElementById(id);
  input.hidden = false;
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
}
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  take(entries.length ? (await Promise.all(entries.map(filesIn))).flat() : [...event.dataTransfer.files]);
});
// A file dropped beside the target must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
addEventListener("beforeunload", (event) => {
  if (under || waiting.length) event.preventDefault();
});

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader();
  const found = [];
  // A reader gives a folder in parts, and an empty one at its end.
  for (;;) {
    const part = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!part.length) break;
    found.push(...part);
  }
  return (await Promise.all(found.map(filesIn))).flat();
}

function take(files) {
  const label = document.getElementById("label").value.trim();
  for (const file of files.filter(({ name }) => !name.startsWith("."))) {
    const item = document.getElementById("file").content.firstElementChild.cloneNode(true);
    item.querySelector(".name").textContent = file.name;
    item.querySelector(".name").title = file.name;
    item.querySelector(".state").textContent = "waiting";
    item.querySelector("progress").setAttribute("aria-label", `Upload of ${file.name}`);
    list.append(item);
    counts.all += 1;
    waiting.push({ file, label, item, key: newKey(), tries: 0 });
  }
  document.getElementById("progress").hidden = counts.all === 0;
  sendNext();
}

// crypto.randomUUID is missing on pages that came without TLS.
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sendNext() {
  while (under < AT_ONCE && waiting.length) {
    under += 1;
    send(waiting.shift());
  }
  show();
}

function send(upload) {
  const { file, item, label, key } = upload;
  if (file.size > limit) return refuse(upload, { code: "too_large", detail: `A scan may have at most ${limit.toLocaleString("en")} bytes.` });
  const body = new FormData();
  body.append("scan", file);
  if (label) body.append("label", label);
  const request = new XMLHttpRequest();
  request.open("POST", form.dataset.to);
  request.setRequestHeader("X-CSRFToken", token);
  request.setRequestHeader("Idempotency-Key", key);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    item.querySelector("progress").value = loaded / total;
    item.querySelector(".state").textContent = `${Math.round((100 * loaded) / total)} %`;
  });
  request.addEventListener("load", () => answer(upload, request));
  // The answer may have been lost after the scan was taken: the same key makes a second try harmless.
  request.addEventListener("error", () => again(upload, { code: "bad_upload", detail: "The connection broke off." }));
  request.send(body);
}

function answer(upload, request) {
  let document = {};
  try {
    document = JSON.parse(request.responseText);
  } catch {
    // An answer that is no JSON comes from something between us and the server.
  }
  if (request.status === 202 || request.status === 200) return accept(upload, document);
  const refusal = { code: document.code ?? "unknown", detail: document.detail ?? `The server answered ${request.status}.` };
  if (request.status >= 500) return again(upload, refusal);
  refuse(upload, refusal);
}

function again(upload, refusal) {
  upload.tries += 1;
  if (upload.tries >= TRIES) return refuse(upload, refusal);
  upload.item.querySelector(".state").textContent = "trying again";
  setTimeout(() => send(upload), PAUSE_MS * 2 ** upload.tries * (0.75 + Math.random() / 2));
}

function accept({ item }, { jobs }) {
  const link = document.createElement("a");
  link.href = jobs[0].links.page;
  link.textContent = "in the queue";
  item.querySelector(".state").replaceChildren(link);
  item.querySelector("progress").hidden = true;
  counts.queued += 1;
  finish();
}

function refuse({ item }, { code, detail }) {
  const reason = item.querySelector(".said");
  reason.textContent = `${detail} ${advice[code] ?? ""}`;
  reason.hidden = false;
  item.querySelector(".state").textContent = "not taken";
  item.querySelector("progress").hidden = true;
  item.classList.add("refused");
  counts.refused += 1;
  finish();
}

function finish() {
  under -= 1;
  sendNext();
}

function show() {
  const done = counts.queued + counts.refused;
  total.value = counts.all ? done / counts.all : 0;
  const refused = counts.refused ? `, ${counts.refused} not taken` : "";
  said.textContent = done < counts.all ? `${done} of ${counts.all} uploaded${refused}` : `${counts.queued} in the queue${refused}`;
}
