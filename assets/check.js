// Boxes with data-check in a table: every change raises "select" with all that are ticked, in the
// order of the rows. Which are ticked stays here; Python only hears of it, so that focus is kept.
function show() {
  const table = element.querySelector("table[data-most]");
  if (!table) return [];
  const boxes = [...table.querySelectorAll("input[data-check]")];
  const ticked = boxes.filter((box) => box.checked);
  for (const box of boxes) {
    const place = ticked.indexOf(box);
    const letter = place < 0 ? "" : String.fromCharCode(65 + place);
    const mark = box.parentElement.querySelector(".run-mark");
    mark.textContent = letter;
    mark.className = letter ? `run-mark run-${letter}` : "run-mark";
    box.closest("tr").classList.toggle("chosen", place >= 0);
    box.disabled = place < 0 && ticked.length >= Number(table.dataset.most);
  }
  return ticked.map((box) => box.dataset.check);
}
element.addEventListener("change", (event) => {
  if (event.target.matches("input[data-check]")) trigger("select", { checks: show() });
});
watch("value", () => requestAnimationFrame(show));
show();
