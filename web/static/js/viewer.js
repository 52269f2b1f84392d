// The scan beside itself with what was found; both move together.

import { heatLayer, loadPicture, maskLayers } from "./layers.js";
import { Slices } from "./slices.js";

const BOX = "#ffe08a";
const LIT = "#ffffff";
const DEEPEST = 12;
const STEP = 1.4;
const WHEEL_STEP = 1.15;
const MOVE_PX = 40;
const FINE_PX = 900;
const MAPS = {
  heat: { source: "probability", ends: ["0", "1"], words: "Probability of tumor at each position, as the network gives it." },
  doubt: {
    source: "uncertainty",
    ends: ["sure", "torn"],
    words: "Doubt between background, liver and tumor at each position. The network can be sure and wrong.",
  },
};
const MISSING = "This result has no such map: it was made by an earlier version, or the server does not answer.";

export async function showScan(section, table) {
  const { preview, mask } = section.dataset;
  const pictures = await Promise.all([loadPicture(preview), loadPicture(mask)]);
  const viewer = new Viewer(section, table);
  viewer.show(viewer.slices?.number ?? null, ...pictures);
  viewer.listen();
  new ResizeObserver(() => viewer.draw()).observe(section);
  section.dataset.ready = "";
}

class Viewer {
  constructor(section, table) {
    this.section = section;
    this.rows = [...(table?.tBodies[0].rows ?? [])];
    this.controls = section.querySelector("[data-controls]");
    this.panes = [...section.querySelectorAll(".pane")];
    this.lesions = JSON.parse(section.dataset.lesions);
    this.maps = Object.keys(MAPS).filter((name) => this.field(name));
    this.slices = section.dataset.sliceMask ? new Slices(section, (...shown) => this.show(...shown)) : null;
    Object.assign(this, { zoom: 1, x: 0, y: 0, lit: null });
  }

  // Shows a scan, or a slice of a volume by its number.
  show(number, scan, marks) {
    this.number = number;
    this.scan = scan;
    [this.width, this.height] = [scan.naturalWidth, scan.naturalHeight];
    // The preview may be smaller than the scan, in whose px boxes are given.
    this.toPreview = this.width / Number(this.section.dataset.width);
    // A small scan's outline is drawn on a finer grid than its own, or it would be as thick as a vessel. It takes four
    // times as long, too long to scroll.
    const finer = this.slices && this.width > FINE_PX / 4 ? 1 : Math.max(1, Math.round(FINE_PX / this.width));
    const thick = Math.max(1, Math.round((this.width * finer) / 500));
    this.layers = maskLayers(marks, this.width * finer, this.height * finer, thick);
    if (this.slices) this.section.dataset.slice = number;
    this.draw();
  }

  // The lesions of this picture, each with its box in it.
  get boxed() {
    if (!this.slices) return this.lesions;
    const boxIn = (lesion) => lesion.bbox_by_slice[this.number - lesion.first_slice];
    return this.lesions.filter(boxIn).map((lesion) => ({ ...lesion, bbox: boxIn(lesion) }));
  }

  field(name) {
    return this.controls.querySelector(`[name=${name}]`);
  }

  // Where the picture lies on a canvas: px of the canvas per px of the picture, and its upper left corner.
  place(canvas) {
    const scale = Math.min(canvas.width / this.width, canvas.height / this.height) * this.zoom;
    return {
      scale,
      left: canvas.width / 2 + (this.x - this.width / 2) * scale,
      top: canvas.height / 2 + (this.y - this.height / 2) * scale,
    };
  }

  draw() {
    for (const pane of this.panes) this.drawPane(pane.querySelector("canvas"), pane.dataset.pane === "overlay");
  }

  drawPane(canvas, withFindings) {
    const ratio = devicePixelRatio || 1;
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * ratio));
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    canvas.classList.toggle("zoomed", this.zoom > 1);
    const context = canvas.getContext("2d");
    const at = this.place(canvas);
    const put = (picture) => context.drawImage(picture, at.left, at.top, this.width * at.scale, this.height * at.scale);
    context.clearRect(0, 0, wide, high);
    // Far in, the scan's own pixels are to be seen.
    context.imageSmoothingEnabled = at.scale < 3;
    context.filter = `brightness(${this.field("brightness").value}%) contrast(${this.field("contrast").value}%)`;
    put(this.scan);
    context.filter = "none";
    if (!withFindings) return;
    context.globalAlpha = this.field("opacity").value / 100;
    for (const name of this.maps) if (this.field(name).checked && this.layers[name]) put(this.layers[name]);
    if (this.field("tumor").checked) put(this.layers.tumor);
    context.globalAlpha = 1;
    if (this.field("liver").checked) put(this.layers.liver);
    if (this.field("boxes").checked) for (const lesion of this.boxed) this.drawBox(context, at, lesion, ratio);
  }

  drawBox(context, { scale, left, top }, { id, bbox }, ratio) {
    const [x, y, width, height] = bbox.map((side) => side * this.toPreview * scale);
    const isLit = this.lit === id;
    const gap = 2 * ratio;
    context.lineWidth = (isLit ? 3 : 1.5) * ratio;
    context.setLineDash(isLit ? [] : [5 * ratio, 4 * ratio]);
    context.strokeStyle = isLit ? LIT : BOX;
    context.strokeRect(left + x - gap, top + y - gap, width + 2 * gap, height + 2 * gap);
    context.setLineDash([]);
    context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    context.lineWidth = 3 * ratio;
    context.strokeStyle = "#000";
    context.fillStyle = isLit ? LIT : BOX;
    const number = [String(id), left + x - gap, Math.max(14 * ratio, top + y - 3 * gap)];
    context.strokeText(...number);
    context.fillText(...number);
  }

  moveBy(dx, dy) {
    this.x = Math.max(-this.width / 2, Math.min(this.width / 2, this.x + dx));
    this.y = Math.max(-this.height / 2, Math.min(this.height / 2, this.y + dy));
    this.draw();
  }

  zoomBy(factor) {
    this.zoom = Math.max(1, Math.min(DEEPEST, this.zoom * factor));
    if (this.zoom === 1) Object.assign(this, { x: 0, y: 0 });
    this.draw();
  }

  fit() {
    this.zoomBy(0);
  }

  light(id) {
    if (this.lit === id) return;
    this.lit = id;
    for (const row of this.rows) row.classList.toggle("lit", Number(row.dataset.lesion) === id);
    this.draw();
  }

  lesionAt(canvas, { offsetX, offsetY }) {
    const { scale, left, top } = this.place(canvas);
    const ratio = devicePixelRatio || 1;
    const [px, py] = [(offsetX * ratio - left) / scale / this.toPreview, (offsetY * ratio - top) / scale / this.toPreview];
    return this.boxed.find(({ bbox: [x, y, w, h] }) => px >= x && py >= y && px <= x + w && py <= y + h)?.id ?? null;
  }

  listen() {
    for (const pane of this.panes) this.listenTo(pane.querySelector("canvas"));
    const zooms = { in: () => this.zoomBy(STEP), out: () => this.zoomBy(1 / STEP), fit: () => this.fit() };
    for (const button of this.controls.querySelectorAll("[data-zoom]")) button.addEventListener("click", zooms[button.dataset.zoom]);
    this.controls.addEventListener("input", (event) => this.applyControls(event.target));
    for (const row of this.rows) {
      for (const name of ["mouseenter", "focus"]) row.addEventListener(name, () => this.light(Number(row.dataset.lesion)));
      for (const name of ["mouseleave", "blur"]) row.addEventListener(name, () => this.light(null));
      row.addEventListener("click", () => this.goToLesion(Number(row.dataset.lesion)));
      row.addEventListener("keydown", ({ key }) => key === "Enter" && this.goToLesion(Number(row.dataset.lesion)));
    }
    this.controls.hidden = false;
  }

  goToLesion(id) {
    this.slices?.goTo(this.lesions.find((lesion) => lesion.id === id).slice);
  }

  listenTo(canvas) {
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons) return this.light(this.lesionAt(canvas, event));
      if (this.zoom === 1) return;
      const scale = this.place(canvas).scale / (devicePixelRatio || 1);
      this.moveBy(event.movementX / scale, event.movementY / scale);
    });
    canvas.addEventListener("pointerleave", () => this.light(null));
    canvas.addEventListener("dblclick", () => (this.zoom > 1 ? this.fit() : this.zoomBy(STEP ** 3)));
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.onKey(event));
  }

  onWheel(event) {
    // Without a key the wheel scrolls the page, as everywhere.
    if (this.slices && event.shiftKey) {
      event.preventDefault();
      return this.slices.onWheel(event);
    }
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoomBy(event.deltaY < 0 ? WHEEL_STEP : 1 / WHEEL_STEP);
  }

  onKey(event) {
    const far = MOVE_PX / this.zoom;
    const moves = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
    const zooms = { "+": STEP, "=": STEP, "-": 1 / STEP, 0: 0 };
    if (event.ctrlKey || event.metaKey) return;
    if (event.key in zooms) this.zoomBy(zooms[event.key]);
    else if (event.key in moves && this.zoom > 1) this.moveBy(...moves[event.key]);
    else if (!this.slices?.onKey(event.key)) return;
    event.preventDefault();
  }

  async applyControls(changed) {
    const isAlone = this.field("single").checked;
    this.panes[0].hidden = isAlone;
    this.section.querySelector("#panes").classList.toggle("single", isAlone);
    if (changed.name in MAPS) await this.showMap(changed);
    this.draw();
  }

  // One map at a time, with its scale; it is fetched when first asked for.
  async showMap(box) {
    const { source, ends, words } = MAPS[box.name];
    for (const other of this.maps) if (other !== box.name && box.checked) this.field(other).checked = false;
    const scale = this.section.querySelector("[data-scale]");
    scale.hidden = !box.checked;
    scale.querySelectorAll("[data-end]").forEach((end, index) => (end.textContent = ends[index]));
    scale.querySelector("[data-scale-words]").textContent = words;
    if (!box.checked || this.layers[box.name]) return;
    try {
      this.layers[box.name] = heatLayer(await loadPicture(this.section.dataset[source]), this.width, this.height);
    } catch {
      scale.querySelector("[data-scale-words]").textContent = MISSING;
    }
  }
}
