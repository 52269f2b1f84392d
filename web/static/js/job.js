// One job: follows it until it is over, then shows what came of it.

import { fetchPage, follow } from "./follow.js";
import { showAges } from "./shell.js";
import { makeSortable } from "./sort.js";
import { showScan } from "./viewer.js";

const live = () => document.querySelector("#job[data-live]");
const address = live()?.dataset.api;

follow(
  () => (live() ? address : null),
  async (job) => {
    const page = await fetchPage(location.href);
    if (page) takeOver(page.getElementById("job"));
    return job.status === "running";
  },
);
begin();

function takeOver(fresh) {
  const old = document.getElementById("job");
  if (fresh.hasAttribute("data-live") && old.dataset.status === fresh.dataset.status) {
    // Kept in place, for a status line that is replaced is not read out.
    old.querySelector(".timeline").replaceWith(fresh.querySelector(".timeline"));
    old.querySelector("#bar").value = fresh.querySelector("#bar").value;
    old.querySelector("#said").textContent = fresh.querySelector("#said").textContent;
    return;
  }
  old.replaceWith(fresh);
  const said = fresh.querySelector("#finding-head, #said, .notice p");
  document.getElementById("announce").textContent = said?.textContent ?? "";
  showAges(fresh);
  begin();
}

function begin() {
  const viewer = document.getElementById("viewer");
  if (!viewer) return;
  makeSortable();
  showScan(viewer, document.getElementById("lesions"));
}
