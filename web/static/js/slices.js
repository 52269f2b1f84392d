// The slices of a volume: slider, keys, wheel and the lesions' rows choose which one is shown.

import { loadPicture } from "./layers.js";

// Slices on both sides that are fetched before they are asked for, and how many are kept.
const AHEAD = 3;
const KEPT = 60;
const KEYS = { PageUp: 1, PageDown: -1, ArrowUp: 1, ArrowDown: -1, Home: -Infinity, End: Infinity };

export class Slices {
  constructor(section, show) {
    this.section = section;
    this.show = show;
    this.panel = section.querySelector("#slices");
    this.slider = this.panel.querySelector("input");
    this.count = Number(this.slider.max);
    this.number = Number(this.slider.value);
    this.fetched = new Map();
    this.slider.addEventListener("input", () => this.goTo(Number(this.slider.value)));
    this.panel.querySelector("svg").addEventListener("pointerdown", (event) => this.goToPlace(event));
    this.panel.hidden = false;
  }

  // Both pictures of a slice, fetched once.
  fetch(number) {
    const found = this.fetched.get(number) ?? Promise.all(["slicePreview", "sliceMask"].map((name) => loadPicture(this.address(name, number))));
    this.fetched.delete(number);
    this.fetched.set(number, found);
    found.catch(() => this.fetched.delete(number));
    if (this.fetched.size > KEPT) this.fetched.delete(this.fetched.keys().next().value);
    return found;
  }

  address(name, number) {
    return this.section.dataset[name].replace("/slices/0/", `/slices/${number}/`);
  }

  async goTo(wanted) {
    const number = Math.max(1, Math.min(this.count, wanted));
    this.number = number;
    this.slider.value = number;
    const words = `Slice ${number} of ${this.count}`;
    this.slider.setAttribute("aria-valuetext", words);
    this.panel.querySelector("output").textContent = words;
    this.panel.querySelector(".now").setAttribute("x", number - 1);
    try {
      const pictures = await this.fetch(number);
      // Whoever scrolls on meanwhile does not want this one any more.
      if (this.number !== number) return;
      this.show(number, ...pictures);
    } catch {
      this.panel.querySelector("output").textContent = `${words} cannot be fetched.`;
      return;
    }
    for (let step = 1; step <= AHEAD; step += 1) {
      for (const near of [number + step, number - step]) if (near >= 1 && near <= this.count) this.fetch(near).catch(() => {});
    }
  }

  goToPlace(event) {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    this.goTo(1 + Math.floor(((event.clientX - left) / width) * this.count));
  }

  // Returns whether the key was meant for us.
  onKey(key) {
    if (!(key in KEYS)) return false;
    this.goTo(this.number + KEYS[key]);
    return true;
  }

  onWheel(event) {
    this.goTo(this.number + ((event.deltaY || event.deltaX) < 0 ? 1 : -1));
  }
}
