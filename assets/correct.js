// Answering about the image in the dialog (assets/detail.js), by buttons and by keys: each is the
// aria-keyshortcuts of what it presses. Where an image is corrected, a digit relabels to one of the
// likeliest names and L goes to the list of all classes, where Enter relabels. Where it is asked
// about, a digit says what it is, and any other letter begins another name (assets/find.js).
{
  const answers = (what) => body.querySelector(`.answers ${what}`);
  // Where names are Cyrillic, say, their letters begin names and are not read as Latin ones.
  const names = () => JSON.parse(answers(".answer-find")?.dataset.names || "[]");
  const named = (typed) => /^\p{L}$/u.test(typed) && names().some(([, name]) => name.toLowerCase().includes(typed));
  function key_of(event) {
    const typed = event.key.toLowerCase(), key = meant(event);
    if (event.key === " ") return "space";
    return /^[1-9]$/.test(key) || !named(typed) ? key : typed;
  }

  dialog.addEventListener("click", (event) => {
    if (event.target.closest("[data-undo]")) return ask("undo_answer", {});
    const chosen = event.target.closest("[data-answer]");
    if (!chosen) return;
    const label = chosen.hasAttribute("data-chosen") ? answers("select").value : chosen.dataset.class;
    ask("answer_image", { verdict: chosen.dataset.answer, label: label || "", name: chosen.dataset.name || "" });
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.repeat || event.defaultPrevented || !shown()) return;
    if (event.target.closest(".answers select")) {
      if (event.key !== "Enter") return;
      event.preventDefault();
      return answers("[data-chosen]").click();
    }
    if (event.target.closest("input, textarea")) return;
    if (event.key === "Enter" && event.target.closest("button, a")) return; // presses it
    const key = key_of(event);
    const wanted = [...body.querySelectorAll(".answers [aria-keyshortcuts]")]
      .find((part) => part.getAttribute("aria-keyshortcuts").toLowerCase() === key);
    if (!wanted) return begin_name(event);
    event.preventDefault();
    if (wanted.matches("select, input")) wanted.focus();
    else wanted.click();
  });
  // A button that has the focus would be pressed by the space bar as well, when it goes up.
  dialog.addEventListener("keyup", (event) => {
    if (event.key === " " && answers("[aria-keyshortcuts='Space']") && !event.target.closest("input, textarea, select")) event.preventDefault();
  });
  // The first letter of a name that has no key of its own.
  function begin_name(event) {
    const field = answers(".answer-find input");
    if (!field || !/^[\p{L}\p{N}]$/u.test(event.key)) return;
    event.preventDefault();
    field.focus();
    field.value = event.key;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
