"use strict";
// Sort a table by a click on its heading, and filter the table of all metrics by typing.
(() => {
  const number = (text) => {
    const found = /[-+\u2212]?[\d,]+(\.\d+)?/.exec(text);
    return found ? Number(found[0].replace(/,/g, "").replace("\u2212", "-")) : null;
  };
  const compare = (a, b) => {
    const x = number(a), y = number(b);
    return x !== null && y !== null ? x - y : a.localeCompare(b, "en");
  };
  for (const table of document.querySelectorAll(".appendix table")) {
    const body = table.tBodies[0];
    if (!table.tHead || body.rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = document.createElement("button");
      button.textContent = cell.textContent;
      button.style.cssText = "all:unset;cursor:pointer;text-decoration:underline dotted";
      button.addEventListener("click", () => {
        const up = cell.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].sort((a, b) => compare(a.cells[column].textContent, b.cells[column].textContent));
        body.append(...(up ? rows : rows.reverse()));
      });
      cell.replaceChildren(button);
    });
  }
  const metrics = document.querySelector(".appendix table");
  if (metrics) {
    const label = document.createElement("label");
    label.className = "small";
    label.textContent = "Show metrics with ";
    const field = document.createElement("input");
    field.type = "search";
    field.addEventListener("input", () => {
      const wanted = field.value.toLowerCase();
      for (const row of metrics.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    label.append(field);
    metrics.closest(".wide").before(label);
  }
})();
