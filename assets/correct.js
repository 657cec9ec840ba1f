// Correcting the image in the dialog. A accepts, R rejects, L goes to the list of classes, and Enter there relabels.
{
  const dialog = element.querySelector("dialog");
  const part = (what) => dialog.querySelector(`.say ${what}`);
  let last = ""; // the verdict that was pressed here, whose button gets the focus back

  dialog.addEventListener("change", (event) => {
    const list = event.target.closest(".say select");
    if (!list) return;
    const button = part("[data-relabel]");
    button.dataset.pick = button.dataset.pick.replace(/[^:]*$/, list.value);
  });
  dialog.addEventListener("click", (event) => {
    const chosen = event.target.closest(".say [data-pick]");
    if (chosen) last = chosen.dataset.pick.split(":")[1];
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !part("")) return;
    if (event.target.closest(".say select")) {
      if (event.key !== "Enter") return;
      event.preventDefault();
      return part("[data-relabel]").click();
    }
    if (event.target.closest("input, textarea")) return;
    const key = event.key.toLowerCase();
    const wanted = part(`[aria-keyshortcuts="${CSS.escape(key)}"]`);
    if (!wanted) return;
    event.preventDefault();
    if (key === "l") wanted.focus();
    else wanted.click();
  });
  // New contents have taken the focus away: without it the dialog would hear no more keys.
  watch("value", () => {
    if (!dialog.open || dialog.contains(document.activeElement)) return;
    const again = last && part(`[data-pick^="say:${last}:"]`);
    (again || dialog.querySelector(".dialog-close:not(:disabled)")).focus();
  });
}
