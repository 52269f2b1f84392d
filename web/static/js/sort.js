// Tables whose columns can be sorted by a click on their heads.

const valueOf = (row, index) => row.cells[index].dataset.value ?? row.cells[index].textContent.trim();

function sortBy(table, head, index) {
  const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  const compare = head.dataset.sort === "number" ? (a, b) => (parseFloat(a) || 0) - (parseFloat(b) || 0) : (a, b) => a.localeCompare(b);
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort((a, b) => direction * compare(valueOf(a, index), valueOf(b, index))));
}

export function makeSortable(within = document) {
  for (const table of within.querySelectorAll("table[data-sortable]")) {
    [...table.tHead.rows[0].cells].forEach((head, index) => {
      if (head.dataset.sort === undefined) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortBy(table, head, index));
    });
  }
}
