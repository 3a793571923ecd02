// Sorting: a click on a column's head; numbers by their full value, empty ones last.
const valueOf = (cell) => cell.dataset.value ?? cell.textContent.trim();
const sorting = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    // a head with a control in it is not repeated on each printed page
    addEventListener("beforeprint", () => button.replaceWith(...button.childNodes));
    addEventListener("afterprint", () => { button.append(...head.childNodes); head.append(button); });
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [valueOf(a.cells[column]), valueOf(b.cells[column])];
        const [p, q] = [x, y].map((text) => (text === "" ? NaN : Number(text)));
        if (Number.isNaN(p) !== Number.isNaN(q)) return Number.isNaN(p) ? 1 : -1;
        return (up ? 1 : -1) * (Number.isNaN(p) ? x.localeCompare(y) : p - q);
      });
      table.tBodies[0].append(...rows);
    });
  });
};

// Buttons that keep the rows with one value in a column.
const choosing = (table, column, rows, update) => {
  const values = [...new Set(rows.map((row) => valueOf(row.cells[column])))];
  const chosen = new Set();
  const buttons = values.map((value) => {
    const button = make("button", { type: "button", ariaPressed: "false" }, value);
    button.addEventListener("click", () => {
      chosen.has(value) ? chosen.delete(value) : chosen.add(value);
      button.ariaPressed = String(chosen.has(value));
      update();
    });
    return button;
  });
  return { buttons, keep: (row) => chosen.size === 0 || chosen.has(valueOf(row.cells[column])) };
};

// The rows that are shown, in their order, as a file: numbers with all their digits.
const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const saving = (table) => {
  const button = make("button", { type: "button" }, "CSV of these rows");
  button.addEventListener("click", () => {
    const rows = [...table.tHead.rows, ...table.tBodies[0].rows].filter((row) => !row.hidden);
    const lines = rows.map((row) => [...row.cells].map((cell) => quoted(valueOf(cell).replace(/\s+/g, " "))).join(","));
    const address = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    make("a", { href: address, download: `${table.dataset.download}.csv` }).click();
    URL.revokeObjectURL(address);
  });
  return button;
};

const FEW = 6; // rows that one overlooks without help
for (const table of document.querySelectorAll("table.sortable")) {
  sorting(table);
  const rows = [...table.tBodies[0].rows];
  if (rows.length < FEW) continue;
  const texts = rows.map((row) => row.textContent.toLowerCase());
  let choice;
  const name = table.parentElement.getAttribute("aria-label");
  const { field, count, update } = finder("rows", rows, texts, (row) => !choice || choice.keep(row));
  field.ariaLabel = `Filter rows: ${name}`;
  if (table.dataset.choose) choice = choosing(table, Number(table.dataset.choose), rows, update);
  table.parentElement.before(make("div", { className: "tools" }, field, ...(choice?.buttons ?? []), saving(table), count));
}
