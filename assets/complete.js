// Folders that a path may go on to, offered by the browser while it is typed. The field is made by
// gradio, and made anew now and then: it gets its list when it gets the focus.
const PAUSE = 150; // ms without a key
const list = document.createElement("datalist");
list.id = "folder-completions";
let timer = 0;
let asked = 0;

async function complete(field) {
  const mine = ++asked;
  const found = await server.completions(field.value);
  if (mine !== asked) return; // typed on meanwhile
  list.replaceChildren(...found.map((path) => Object.assign(document.createElement("option"), { value: path })));
}

const field = (event) => (event.target.closest("#folder-path") ? event.target : null);
document.addEventListener("focusin", (event) => {
  if (!field(event)) return;
  event.target.setAttribute("list", list.id);
  event.target.setAttribute("autocomplete", "off");
  event.target.after(list);
  complete(event.target);
});
document.addEventListener("input", (event) => {
  if (!field(event)) return;
  clearTimeout(timer);
  timer = setTimeout(() => complete(event.target), PAUSE);
});
