// A list of households: Enter goes to the next row, rows from a spreadsheet are pasted, a card is taken from a charger.

{
  const CARD = 'input[name="card"], input[name$=".card"], .giving input[name="tag"]';
  const list = document.getElementById("list");
  const table = list && list.querySelector("tbody");
  let aimed = null; // the cell for a card

  const rows = () => [...table.querySelectorAll("tr")];
  const cells = (row) => [...row.querySelectorAll("input")];

  function addRow() {
    const number = rows().length;
    const row = table.lastElementChild.cloneNode(true);
    for (const cell of cells(row)) {
      cell.id = cell.id.replace(/\[\d+\]/, `[${number}]`);
      cell.name = cell.name.replace(/\[\d+\]/, `[${number}]`);
      cell.setAttribute("aria-label", cell.getAttribute("aria-label").replace(/\d+$/, number + 1));
      cell.value = "";
    }
    for (const problem of row.querySelectorAll(".problem")) problem.remove();
    table.append(row);
    return row;
  }

  function split(text) { // of a spreadsheet, or of a file
    const lines = text.replace(/\r\n?/g, "\n").replace(/\n+$/, "").split("\n");
    const mark = ["\t", ";", ","].find((one) => lines.every((line) => line.includes(one)) && (one === "\t" || lines.length > 1));
    return lines.map((line) => (mark ? line.split(mark) : [line]).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")));
  }

  function day(text) { // 2026-11-01, 1.11.2026, 01/11/2026
    const local = /^(\d{1,2})[./](\d{1,2})[./](\d{4})$/.exec(text);
    return local ? `${local[3]}-${local[2].padStart(2, "0")}-${local[1].padStart(2, "0")}` : text;
  }

  if (table) {
    table.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
      event.preventDefault();
      const row = event.target.closest("tr");
      cells(row.nextElementSibling || addRow())[0].focus();
    });
    table.addEventListener("paste", (event) => {
      const text = event.clipboardData.getData("text/plain");
      if (!/[\t\n]/.test(text)) return;
      event.preventDefault();
      const [first, column] = [rows().indexOf(event.target.closest("tr")), cells(event.target.closest("tr")).indexOf(event.target)];
      split(text).forEach((given, place) => {
        const into = cells(rows()[first + place] || addRow());
        given.forEach((cell, at) => {
          const input = into[column + at];
          if (input) input.value = input.type === "date" ? day(cell) : cell;
        });
      });
    });
  }

  document.addEventListener("focusin", (event) => {
    if (event.target.matches(CARD)) aimed = event.target;
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-card], [data-print]");
    if (!button) return;
    if (button.hasAttribute("data-print")) return print();
    const every = [...document.querySelectorAll(CARD)];
    const into = aimed && !aimed.value ? aimed : every.find((one) => !one.value);
    if (!into) return;
    into.value = button.dataset.card;
    into.focus();
  });

  const offer = () => {
    for (const button of document.querySelectorAll("[data-card][hidden], [data-print][hidden]")) button.hidden = false;
  };
  const live = document.getElementById("unknown-cards");
  if (live && document.querySelector(CARD)) new MutationObserver(offer).observe(live, { childList: true, subtree: true, attributes: true });
  if (document.querySelector(`${CARD}, [data-print]`)) offer();
}
