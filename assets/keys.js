// The keys of the Explore tab that work wherever the focus is, and the list of all of them. Whoever
// dictates or has other uses for single keys turns them off there.
const list = element.querySelector("dialog");
const off = list.querySelector("[data-keys-off]");
const STORED = "studio-keys";

function setOff(value) {
  window.studioKeysOff = value;
  off.checked = value;
  try { localStorage.setItem(STORED, value ? "off" : "on"); } catch { /* no storage: until the reload */ }
}
try { setOff(localStorage.getItem(STORED) === "off"); } catch { setOff(false); }
off.addEventListener("change", () => setOff(off.checked));

const typing = (target) => target.closest && target.closest("input:not([type=checkbox]), select, textarea, [contenteditable=true]");
const seen = () => element.isConnected && document.querySelector("#explore-tabs")?.offsetParent;

document.addEventListener("keydown", (event) => {
  if (!seen() || list.open || typing(event.target) || event.altKey || event.ctrlKey || event.metaKey) return;
  const key = meant(event);
  if (/^[?؟？]$/.test(key)) list.showModal();
  else if (/^[cw]$/.test(key) && !window.studioKeysOff && !document.querySelector("dialog[open]")) {
    document.querySelector(key === "c" ? "#correct-start" : "#ask-start")?.click();
  } else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-keys]")) list.showModal();
});
list.addEventListener("click", (event) => { if (event.target === list) list.close(); });
// A chosen name may be longer than its field.
document.addEventListener("mouseover", (event) => {
  if (event.target.matches?.("#tabs input[role=combobox]")) event.target.title = event.target.value;
});
