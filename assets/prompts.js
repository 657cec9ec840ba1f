// A row for each class: its sentences to edit, and beside them what they do. Rows are made once and
// changed in place, so that focus, caret and what is being typed survive every answer.
const PAUSE = 500; // ms without a key after which an edit is sent
const HOLD = 4000; // ms in which an answer may be older than what was typed
const FIRST = 60; // rows to begin with
const board = element.querySelector(".prompt-board");
const tools = board.querySelector(".prompt-tools");
const find = tools.querySelector("input");
const more = board.querySelector(".prompt-more");
const list = board.querySelector("ul");
const made = new Map(); // class name -> its row
const held = new Map(); // class name -> until when its text is left alone
const timers = new Map();
let all = false;

function part(kind, name, ...inside) {
  const node = document.createElement(kind);
  node.className = name;
  node.append(...inside);
  return node;
}

function row(name) {
  if (made.has(name)) return made.get(name);
  const text = part("textarea", "prompt-text");
  text.placeholder = "only the templates";
  text.setAttribute("aria-label", `Sentences for ${name}, one a line`);
  text.spellcheck = false;
  const fault = part("p", "prompt-fault");
  fault.setAttribute("role", "alert");
  const bar = part("div", "bar", document.createElement("span"));
  const about = part("div", "prompt-about", part("strong", "class-name", name), part("span", "prompt-count"), bar, part("span", "prompt-change"));
  const node = part("li", "prompt-row", about, part("div", "prompt-edit", text, fault));
  node.dataset.class = name;
  text.addEventListener("input", () => {
    size(text);
    held.set(name, Infinity);
    clearTimeout(timers.get(name));
    timers.set(name, setTimeout(() => send(name, text, fault), PAUSE));
  });
  text.addEventListener("blur", () => {
    if (held.get(name) === Infinity) send(name, text, fault);
    else draw(); // what came while it had the focus
  });
  made.set(name, node);
  return node;
}

function send(name, text, fault) {
  clearTimeout(timers.get(name));
  const longest = props.value.longest;
  const long = text.value.split("\n").findIndex((line) => line.trim().length > longest);
  text.setAttribute("aria-invalid", long >= 0);
  fault.textContent = long < 0 ? "" : `Line ${long + 1} is longer than ${longest} characters.`;
  if (long >= 0) return; // held: nothing that was typed is lost
  held.set(name, Date.now() + HOLD);
  trigger("edit", { name, text: text.value });
}

function size(text) {
  text.rows = Math.min(10, Math.max(1, text.value.split("\n").length));
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function draw() {
  const rows = (props.value || {}).rows || [];
  board.hidden = !rows.length;
  tools.hidden = rows.length <= 12;
  const wanted = tools.hidden ? "" : find.value.trim().toLowerCase();
  const found = rows.filter((entry) => entry.name.toLowerCase().includes(wanted));
  const shown = all ? found : found.slice(0, FIRST);
  const names = new Set(rows.map((entry) => entry.name));
  for (const name of [...made.keys()]) if (!names.has(name)) made.delete(name);
  const nodes = shown.map((entry) => {
    const node = row(entry.name);
    const text = node.querySelector("textarea");
    const free = (held.get(entry.name) || 0) < Date.now();
    if (text.value === entry.text) held.delete(entry.name);
    else if (free && document.activeElement !== text) text.value = entry.text;
    size(text);
    say(node.querySelector(".prompt-count"), entry.count || "");
    say(node.querySelector(".prompt-change"), entry.change || "");
    node.querySelector(".bar").hidden = entry.share === undefined;
    node.querySelector(".bar > span").style.width = `${100 * (entry.share || 0)}%`;
    return node;
  });
  // Moving a node takes its focus away, so only where the order has changed.
  if (nodes.length !== list.children.length || nodes.some((node, i) => list.children[i] !== node)) {
    list.replaceChildren(...nodes);
  }
  say(board.querySelector(".prompt-note"), (props.value || {}).note || "");
  more.hidden = shown.length === found.length;
  say(more, `Show all ${found.length} classes`);
}

find.addEventListener("input", draw);
more.addEventListener("click", () => {
  all = true;
  draw();
});
watch("value", draw);
draw();
