// The scan beside itself with what was found; both move together.

import { heatLayer, loadPicture, maskLayers } from "./layers.js";

const BOX = "#ffe08a";
const LIT = "#ffffff";
const DEEPEST = 12;
const STEP = 1.4;
const MOVE_PX = 40;
const FINE_PX = 900;

export async function showScan(section, table) {
  const { preview, mask, probability, width } = section.dataset;
  const lesions = JSON.parse(section.dataset.lesions);
  const controls = section.querySelector("[data-controls]");
  const field = (name) => controls.querySelector(`[name=${name}]`);
  const panes = [...section.querySelectorAll(".pane")];
  const view = { zoom: 1, x: 0, y: 0, lit: null };
  const [scan, marks] = await Promise.all([loadPicture(preview), loadPicture(mask)]);
  const [w, h] = [scan.naturalWidth, scan.naturalHeight];
  // A small scan's outline is drawn on a finer grid than its own, or it would be as thick as a vessel.
  const finer = Math.max(1, Math.round(FINE_PX / w));
  const layers = maskLayers(marks, w * finer, h * finer, Math.max(1, Math.round((w * finer) / 500)));
  const toPreview = w / Number(width);

  function place(canvas) {
    const fit = Math.min(canvas.width / w, canvas.height / h) * view.zoom;
    return { scale: fit, left: canvas.width / 2 + view.x * fit - (w * fit) / 2, top: canvas.height / 2 + view.y * fit - (h * fit) / 2 };
  }

  function drawBoxes(context, { scale, left, top }) {
    const ratio = devicePixelRatio || 1;
    context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    for (const { id, bbox } of lesions) {
      const [x, y, width, height] = bbox.map((side) => side * toPreview * scale);
      const isLit = view.lit === id;
      context.lineWidth = (isLit ? 3 : 1.5) * ratio;
      context.setLineDash(isLit ? [] : [5 * ratio, 4 * ratio]);
      context.strokeStyle = isLit ? LIT : BOX;
      const gap = 2 * ratio;
      context.strokeRect(left + x - gap, top + y - gap, width + 2 * gap, height + 2 * gap);
      context.setLineDash([]);
      context.lineWidth = 3 * ratio;
      context.strokeStyle = "#000";
      context.fillStyle = isLit ? LIT : BOX;
      const corner = [String(id), left + x - gap, Math.max(14 * ratio, top + y - 3 * gap)];
      context.strokeText(...corner);
      context.fillText(...corner);
    }
  }

  function draw() {
    for (const pane of panes) {
      const canvas = pane.querySelector("canvas");
      const ratio = devicePixelRatio || 1;
      const [wide, high] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
      if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
      canvas.classList.toggle("zoomed", view.zoom > 1);
      const context = canvas.getContext("2d");
      const at = place(canvas);
      const put = (picture) => context.drawImage(picture, at.left, at.top, w * at.scale, h * at.scale);
      context.clearRect(0, 0, wide, high);
      context.imageSmoothingEnabled = at.scale < 3;
      context.filter = `brightness(${field("brightness").value}%) contrast(${field("contrast").value}%)`;
      put(scan);
      context.filter = "none";
      if (pane.dataset.pane === "original") continue;
      context.globalAlpha = field("opacity").value / 100;
      if (field("heat").checked && layers.heat) put(layers.heat);
      if (field("tumor").checked) put(layers.tumor);
      context.globalAlpha = 1;
      if (field("liver").checked) put(layers.liver);
      if (field("boxes").checked) drawBoxes(context, at);
    }
  }

  function move(dx, dy) {
    view.x = Math.max(-w / 2, Math.min(w / 2, view.x + dx));
    view.y = Math.max(-h / 2, Math.min(h / 2, view.y + dy));
    draw();
  }

  function zoom(factor) {
    view.zoom = factor ? Math.max(1, Math.min(DEEPEST, view.zoom * factor)) : 1;
    if (view.zoom === 1) Object.assign(view, { x: 0, y: 0 });
    draw();
  }

  function light(id) {
    if (view.lit === id) return;
    view.lit = id;
    for (const row of table?.tBodies[0].rows ?? []) row.classList.toggle("lit", Number(row.dataset.lesion) === id);
    draw();
  }

  function lesionAt(canvas, event) {
    const { scale, left, top } = place(canvas);
    const ratio = devicePixelRatio || 1;
    const [px, py] = [(event.offsetX * ratio - left) / scale / toPreview, (event.offsetY * ratio - top) / scale / toPreview];
    const hit = lesions.find(({ bbox: [x, y, bw, bh] }) => px >= x && py >= y && px <= x + bw && py <= y + bh);
    return hit?.id ?? null;
  }

  for (const pane of panes) listen(pane.querySelector("canvas"));

  function listen(canvas) {
    canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons) return light(lesionAt(canvas, event));
      if (view.zoom === 1) return;
      const scale = place(canvas).scale / (devicePixelRatio || 1);
      move(event.movementX / scale, event.movementY / scale);
    });
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointerleave", () => light(null));
    canvas.addEventListener("dblclick", () => zoom(view.zoom > 1 ? 0 : 2.5));
    canvas.addEventListener("wheel", (event) => {
      // Without a key the wheel scrolls the page, as everywhere.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    }, { passive: false });
    const far = () => MOVE_PX / view.zoom;
    const keys = {
      "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), 0: () => zoom(0),
      ArrowLeft: () => move(far(), 0), ArrowRight: () => move(-far(), 0), ArrowUp: () => move(0, far()), ArrowDown: () => move(0, -far()),
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || (event.key.startsWith("Arrow") && view.zoom === 1)) return;
      event.preventDefault();
      keys[event.key]();
    });
  }

  for (const button of controls.querySelectorAll("[data-zoom]")) {
    const factor = { in: STEP, out: 1 / STEP, fit: 0 }[button.dataset.zoom];
    button.addEventListener("click", () => zoom(factor));
  }
  controls.addEventListener("input", async () => {
    const alone = field("single").checked;
    panes[0].hidden = alone;
    section.querySelector("#panes").classList.toggle("single", alone);
    if (field("heat").checked && !layers.heat) layers.heat = heatLayer(await loadPicture(probability), w, h);
    draw();
  });
  for (const row of table?.querySelectorAll("[data-lesion]") ?? []) {
    for (const name of ["mouseenter", "focus"]) row.addEventListener(name, () => light(Number(row.dataset.lesion)));
    for (const name of ["mouseleave", "blur"]) row.addEventListener(name, () => light(null));
  }
  controls.hidden = false;
  new ResizeObserver(draw).observe(section);
  draw();
  section.dataset.ready = "";
}
