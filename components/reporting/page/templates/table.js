// On paper nothing can be opened.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((details) => { details.open = true; }));

// Makes the header cells of tables marked data-sortable sort by their column. Without it the tables are only not sortable.
const told = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
const order = (a, b) => (a === "" || b === "" || isNaN(a) || isNaN(b) ? a.localeCompare(b, "en", { numeric: true }) : a - b);
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") !== "descending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => order(told(a, column), told(b, column)) * (down ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
}
