// The field that finds a name among all classes, or adds one: those that begin with what was typed,
// then those in which a word does, then the others that hold it. Enter takes the marked one; a class
// is added only by going down to that line, so that no slip of the keys makes one.
{
  const MOST = 8;
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const field_of = (event) => event.target.closest(".answer-find input");
  const list = () => body.querySelector(".answer-find ul");
  const lines = () => [...list().children];

  function found(names, typed) {
    const rank = (name) => {
      const text = fold(name);
      return text.startsWith(typed) ? 0 : text.split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(typed)) ? 1 : text.includes(typed) ? 2 : 3;
    };
    return names.map((pair) => [rank(pair[1]), pair]).filter(([r]) => r < 3)
      .sort((a, b) => a[0] - b[0]).slice(0, MOST).map(([, pair]) => pair);
  }

  function line(text, id) {
    const item = document.createElement("li");
    item.id = id;
    item.setAttribute("role", "option");
    item.textContent = text;
    return item;
  }

  function fill(field) {
    const names = JSON.parse(field.closest(".answer-find").dataset.names);
    const text = field.value.trim(), typed = fold(text);
    const items = !typed ? [] : found(names, typed).map(([number, name]) => {
      const item = line(name, `answer-found-${number}`);
      Object.assign(item.dataset, { answer: "named", class: number });
      return item;
    });
    const first = items[0];
    if (typed && !names.some(([, name]) => fold(name) === typed)) {
      const item = line(`Add “${text}” as a new class`, "answer-found-new");
      Object.assign(item.dataset, { answer: "added", name: text });
      items.push(item);
    }
    list().replaceChildren(...items);
    list().hidden = !items.length;
    field.setAttribute("aria-expanded", String(items.length > 0));
    mark(field, first);
  }

  function mark(field, item) {
    for (const other of lines()) other.setAttribute("aria-selected", String(other === item));
    if (item) field.setAttribute("aria-activedescendant", item.id);
    else field.removeAttribute("aria-activedescendant");
    item?.scrollIntoView({ block: "nearest" });
  }

  dialog.addEventListener("input", (event) => { if (field_of(event)) fill(field_of(event)); });
  dialog.addEventListener("keydown", (event) => {
    const field = field_of(event);
    if (!field || event.isComposing) return;
    const items = lines(), at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && items.length) mark(field, items[(at + step + (at < 0 && step < 0 ? 1 : 0) + items.length) % items.length]);
    else if (event.key === "Enter") {
      if (at < 0) message.textContent = items.length ? "There is no such class: press ↓ and Enter to add it." : "Type a name first.";
      else { dialog.focus(); items[at].click(); }
    } else if (event.key === "Escape") {
      field.value = "";
      fill(field);
      dialog.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
}
