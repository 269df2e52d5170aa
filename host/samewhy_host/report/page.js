"use strict";
// The page around the viewer: its theme, tables that sort, a filter, and details that open in print.
(() => {
  const all = (what, where = document) => [...where.querySelectorAll(what)];

  // Theme: as the system, light, dark.
  const THEMES = [["", "as the system"], ["light", "light"], ["dark", "dark"]];
  const button = document.getElementById("theme");
  let theme = 0;
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = (theme + 1) % THEMES.length;
    document.documentElement.dataset.theme = THEMES[theme][0];
    button.querySelector("span").textContent = THEMES[theme][1];
  });

  // Tables: a button a column; the third press brings the first order back.
  const NUMBER = /^\D*?(-?\d[\d,]*(?:\.\d+)?)/;

  function key(row, column, numeric) {
    const cell = row.cells[column];
    const text = cell.dataset.key ?? cell.textContent.trim().replaceAll("\u2212", "-");
    if (!numeric) return text;
    const found = NUMBER.exec(text);
    return found ? Number(found[1].replaceAll(",", "")) : NaN; // undefined: a dash
  }

  function order(a, b) {
    if (typeof a === "string") return a.localeCompare(b, "en", { numeric: true });
    return a - b;
  }

  function sort(table, head, way) {
    const body = table.tBodies[0];
    const column = head.cellIndex;
    const numeric = head.classList.contains("n");
    const keyed = all("tr", body).map((row) => ({ row, key: key(row, column, numeric), first: Number(row.dataset.first) }));
    const last = ({ key }) => Number.isNaN(key); // what is undefined stands last in both directions
    const sign = way === "descending" ? -1 : 1;
    keyed.sort((a, b) => {
      if (way === "none") return a.first - b.first;
      return last(a) - last(b) || (last(a) ? 0 : sign * order(a.key, b.key)) || a.first - b.first;
    });
    body.append(...keyed.map(({ row }) => row));
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", other === head ? way : "none");
  }

  function sortable(table) {
    all("tr", table.tBodies[0]).forEach((row, place) => { row.dataset.first = place; });
    for (const head of table.tHead.rows[0].cells) {
      const press = document.createElement("button");
      press.type = "button";
      press.append(...head.childNodes);
      head.append(press);
      head.setAttribute("aria-sort", "none");
      press.addEventListener("click", () => {
        const next = { none: "ascending", ascending: "descending", descending: "none" };
        sort(table, head, next[head.getAttribute("aria-sort")]);
      });
    }
  }

  all("table.sortable").forEach(sortable);

  // The filter keeps the rows that hold every word.
  function filtered(box) {
    const rows = all(".filtered tbody tr", box.parentElement);
    const input = box.querySelector("input");
    const show = () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
      }
      box.querySelector("output").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    };
    box.hidden = false;
    input.addEventListener("input", show);
    show();
  }

  all(".filter").forEach(filtered);

  // Paper has no way to open details.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    closed.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
})();
