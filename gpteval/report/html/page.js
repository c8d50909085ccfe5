"use strict";
// Tables stand in the page as they are; here their headings become buttons that sort, and those
// with many rows get a field that filters.

const SCALES = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 };

// A cell as something to sort by: a time, a number with its prefix, else the text; null: empty.
function value(cell) {
  const text = cell.textContent.trim();
  if (text === "" || text === "–") return null;
  const time = /^(?:(\d+) h )?(\d+) min$/.exec(text);
  if (time) return 3600 * (time[1] || 0) + 60 * time[2];
  const number = /^([+-]?\d[\d,]*(?:\.\d+)?)([kMGTPE]?)/.exec(text);
  if (number && cell.classList.contains("n")) {
    return Number(number[1].replaceAll(",", "")) * (SCALES[number[2]] || 1);
  }
  return text;
}

function compared(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}

function sort(table, place) {
  const heads = [...table.tHead.rows[0].cells];
  const numeric = heads[place].classList.contains("n");
  const now = heads[place].getAttribute("aria-sort");
  const first = numeric ? "descending" : "ascending";
  const second = numeric ? "ascending" : "descending";
  const order = now === first ? second : first;
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[place].setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows].map((row) => [value(row.cells[place]), row]);
  rows.sort(([one], [other]) => {
    if (one === null || other === null) return (one === null) - (other === null);
    return sign * compared(one, other);
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, place));
    head.append(button);
  });
}

function makeFilter(table) {
  const box = document.createElement("div");
  box.className = "filter";
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "search";
  label.append("Filter by words", input);
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  box.append(label, count);
  table.parentElement.before(box);
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => [...row.cells].map((c) => c.textContent).join(" ").toLowerCase());
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      shown += !row.hidden;
    });
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  input.addEventListener("input", apply);
  apply();
}

for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);
for (const table of document.querySelectorAll("table[data-filter]")) makeFilter(table);
