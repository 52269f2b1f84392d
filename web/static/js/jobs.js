// The list of jobs: follows those that are not over, and lets many be chosen at once.

import { follow } from "./follow.js";
import { showAges } from "./shell.js";
import { makeSortable } from "./sort.js";

const ACTIVE = new Set(["queued", "running"]);
const WORDS = { succeeded: "done", dead: "set aside" };
const MOST_IDS = 200;

const table = document.getElementById("jobs");
if (table) {
  makeSortable();
  watch(table);
  letChoose(table);
}

function watch(table) {
  const activeRows = () => [...table.tBodies[0].rows].filter((row) => ACTIVE.has(row.dataset.status)).slice(0, MOST_IDS);
  const address = () => {
    const ids = activeRows().map((row) => row.dataset.id);
    return ids.length ? `${table.dataset.api}?ids=${ids.join(",")}` : null;
  };
  follow(address, async ({ jobs }) => {
    const stale = [];
    for (const job of jobs) {
      const row = document.getElementById(`job-${job.id}`);
      if (row && row.dataset.status !== job.status) stale.push(job.id);
      else if (row) showProgress(row, job);
    }
    const known = new Set(jobs.map((job) => job.id));
    for (const row of activeRows()) if (!known.has(row.dataset.id)) row.remove();
    if (stale.length) await replaceRows(table, stale);
    return jobs.some((job) => job.status === "running") || stale.length > 0;
  });
}

function showProgress(row, job) {
  row.querySelector("progress").value = job.progress;
  row.querySelector("[data-phase]").textContent = job.cancel_requested ? "stopping" : (job.phase ?? "");
}

async function replaceRows(table, ids) {
  const answer = await fetch(`${table.dataset.rows}?ids=${ids.join(",")}`, { cache: "no-store" });
  if (!answer.ok) return;
  // A template takes rows that stand outside a table; a document's parser drops them.
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  for (const fresh of holder.content.querySelectorAll("tr")) {
    const old = document.getElementById(fresh.id);
    fresh.querySelector("input").checked = old.querySelector("input").checked;
    old.replaceWith(fresh);
    showAges(fresh);
  }
  showCounts(table);
}

function showCounts(table) {
  const counts = {};
  for (const { dataset } of table.tBodies[0].rows) counts[dataset.status] = (counts[dataset.status] ?? 0) + 1;
  const said = Object.entries(counts).map(([status, count]) => `${count} ${WORDS[status] ?? status}`).join(", ");
  document.getElementById("counts").textContent = said;
  document.getElementById("live").textContent = said;
}

function letChoose(table) {
  const all = document.getElementById("all");
  const said = document.getElementById("chosen");
  const buttons = document.querySelectorAll("#change button");
  const boxes = () => [...table.querySelectorAll("tbody input[type=checkbox]")];
  const show = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    said.textContent = chosen ? `${chosen} chosen` : "Choose all";
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
    for (const button of buttons) button.disabled = !chosen;
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
    show();
  });
  table.addEventListener("change", show);
  show();
}
