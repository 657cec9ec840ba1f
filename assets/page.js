// What the whole page does: its title and notifications, the tab in its address, words that are
// explained, commands that are copied. It sits in the header, which is always there.
const KEY = "studio-notify";
const NAME = document.title;
let seenAtWork = ""; // the run that this page has seen at work

// The state of things ---------------------------------------------------------------------------

function standing() {
  const state = element.querySelector(".state");
  return { ...state.dataset, active: state.dataset.active === "true" };
}

function tell({ title, run, active, message }) {
  if (active) seenAtWork = run;
  // An older run that has ended is no news.
  document.title = active || (run && run === seenAtWork) ? title : NAME;
  if (active || !run || run !== seenAtWork || tell.notified === run) return;
  tell.notified = run;
  if (wanted() && document.hidden) new Notification(NAME, { body: message, tag: run });
}

function wanted() {
  return "Notification" in window && Notification.permission === "granted" && sessionStorage.getItem(KEY);
}

function offer() {
  const button = element.querySelector(".state-notify");
  if (!button || !("Notification" in window) || !window.isSecureContext) return;
  button.hidden = Notification.permission === "denied";
  button.disabled = Boolean(wanted());
  if (button.disabled) button.textContent = "You will be notified";
}

async function notify() {
  if ((await Notification.requestPermission()) === "granted") sessionStorage.setItem(KEY, "yes");
  offer();
}

watch("value", () => {
  tell(standing());
  offer();
});
tell(standing());
// Gradio's timers rest while nobody looks at the page, but that is when its title is looked at.
setInterval(async () => {
  if (document.hidden) tell(await server.standing());
}, 4000);

// The tab in the address ------------------------------------------------------------------------

const bar = () => document.querySelector("#tabs > .tab-wrapper [role=tablist]");
const button = (id) => bar() && bar().querySelector(`[role=tab][data-tab-id="${CSS.escape(id)}"]`);
const chosen = () => bar().querySelector("[role=tab][aria-selected=true]").dataset.tabId;
const address = () => location.hash.slice(1) || "data";

function open() {
  const tab = button(address());
  if (tab && tab.getAttribute("aria-selected") !== "true") tab.click();
}

function follow() {
  if (!bar()) return setTimeout(follow, 50);
  if (location.hash) open();
  // Whoever chose the tab: its user, or the answer to a button.
  new MutationObserver(() => {
    if (bar() && chosen() !== address()) history.pushState(null, "", `#${chosen()}`);
  }).observe(bar(), { subtree: true, attributes: true, attributeFilter: ["aria-selected"] });
}
addEventListener("popstate", open);
follow();

// Presses anywhere on the page ------------------------------------------------------------------

const calm = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");

function explain(id) {
  const dialog = document.querySelector("#words dialog");
  if (!dialog) return;
  if (!dialog.open) dialog.showModal();
  const entry = id && dialog.querySelector(`#word-${CSS.escape(id)}`);
  if (entry) entry.scrollIntoView({ block: "start" });
  else dialog.scrollTop = 0;
}

async function copy(from) {
  await navigator.clipboard.writeText(from.dataset.copy);
  const text = from.textContent;
  from.textContent = "Copied";
  setTimeout(() => (from.textContent = text), 1500);
}

function reach(selector) {
  const found = [...document.querySelectorAll(selector)].find((node) => node.offsetParent);
  if (!found) return;
  found.scrollIntoView({ block: "center", behavior: calm() });
  const field = "button, input:not([type=file]), textarea";
  const target = found.matches(field) ? found : found.querySelector(field);
  if (target) target.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const on = (name) => event.target.closest(`[data-${name}]`);
  if (on("word")) explain(on("word").dataset.word);
  else if (on("copy")) copy(on("copy"));
  else if (on("reach")) reach(on("reach").dataset.reach);
  else if (event.target.closest(".state-notify")) notify();
  else if (event.target.matches("#words dialog")) event.target.close(); // outside of the content
});
