"use strict";
// Sorting: numbers by data-v or their leading number, words by text, gaps last.
function sortKey(cell) {
  const value = "v" in cell.dataset ? cell.dataset.v : cell.textContent.trim();
  const number = parseFloat(value);
  const gap = value === "" || value === "-";
  return { gap, number, text: value };
}
function compare(a, b) {
  if (a.gap || b.gap) return a.gap - b.gap;
  const words = Number.isNaN(a.number) || Number.isNaN(b.number);
  return words ? a.text.localeCompare(b.text) : a.number - b.number;
}
function sortBy(header) {
  const table = header.closest("table");
  const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
  const keyed = [...table.tBodies[0].rows].map((row) => [sortKey(row.cells[header.cellIndex]), row]);
  keyed.sort(([a], [b]) => (a.gap || b.gap ? compare(a, b) : direction * compare(a, b)));
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}
for (const header of document.querySelectorAll("th[data-name]")) {
  header.querySelector("button").addEventListener("click", () => sortBy(header));
}

// Filtering: every word must appear in a row; column=value must equal that column.
function columnsOf(table) {
  return Object.fromEntries([...table.querySelectorAll("th[data-name]")]
    .map((header) => [header.dataset.name.toLowerCase(), header.cellIndex]));
}
function matches(row, word, columns) {
  const at = word.indexOf("=");
  const column = columns[word.slice(0, Math.max(at, 0))];
  if (at > 0 && column !== undefined) {
    return row.cells[column].textContent.trim().toLowerCase() === word.slice(at + 1);
  }
  return row.textContent.toLowerCase().includes(word);
}
function filter(input) {
  const table = input.parentElement.nextElementSibling.querySelector("table");
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const columns = columnsOf(table);
  const rows = [...table.tBodies[0].rows];
  for (const row of rows) row.hidden = !words.every((word) => matches(row, word, columns));
  const shown = rows.filter((row) => !row.hidden).length;
  input.parentElement.querySelector("output").textContent = `${shown} of ${rows.length} rows`;
}
for (const input of document.querySelectorAll(".filter")) {
  input.addEventListener("input", () => filter(input));
  filter(input);
}

// A number of a table leads to its cells.
const find = document.getElementById("find");
for (const link of document.querySelectorAll("a[data-find]")) {
  link.addEventListener("click", () => { find.value = link.dataset.find; filter(find); find.focus({ preventScroll: true }); });
}

// The other theme than the one shown.
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
