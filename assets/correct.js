// Correcting the image in the dialog (assets/detail.js), by buttons and by keys: each is the
// aria-keyshortcuts of what it presses. A digit relabels to one of the likeliest names, L goes to
// the list of all classes, where Enter relabels.
{
  const answers = (what) => body.querySelector(`.answers ${what}`);

  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-undo]")) return ask("undo_answer", {});
    const chosen = event.target.closest("[data-answer]");
    if (!chosen) return;
    const label = chosen.hasAttribute("data-chosen") ? answers("select").value : chosen.dataset.class;
    ask("answer_image", { verdict: chosen.dataset.answer, label: label || "" });
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.repeat || !shown()) return;
    if (event.target.closest(".answers select")) {
      if (event.key !== "Enter") return;
      event.preventDefault();
      return answers("[data-chosen]").click();
    }
    if (event.target.closest("input, textarea") || !/^[a-z1-9]$/i.test(event.key)) return;
    const wanted = answers(`[aria-keyshortcuts="${event.key.toLowerCase()}"]`);
    if (!wanted) return;
    event.preventDefault();
    if (wanted.matches("select")) wanted.focus();
    else wanted.click();
  });
}
