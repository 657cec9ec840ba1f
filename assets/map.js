// Draws the map and reports what is picked on it. Python sends which run, stage and selection to
// show (`props.value`, small); the points come by `server` calls, when the map can be seen.
const P = window.Plotly; // ours; another component might load a plotly of its own later
const part = (name) => element.querySelector(`.map-${name}`);
const [plot, tip, colour, layoutChoice, slider] = ["plot", "tip", "colour", "layout", "slider"].map(part);
const [namesBox, densityBox] = ["names", "density"].map(part);
const CONFIG = { displaylogo: false, showSendToCloud: false, displayModeBar: false, scrollZoom: true, doubleClick: false };
const user = { mode: "clean", layout: "", tool: "lasso", stage: "", density: null };
let data = null; // what the server answered last that could be drawn
let selection = null; // {id, index: Uint32Array, more: store}
let drawn = []; // by trace: the images behind its points
let bright = []; // groups of points that no filter takes the light from
let ticket = 0, timer = 0, hover = 0, dark = isDark();
let wanted = "", telling = 0; // the stage that the slider asked for and Python has not confirmed yet
const tips = new Map(); // what the tip says, by stage and image

// From base64 to arrays --------------------------------------------------------------------------

function array(text, Kind) {
  const raw = atob(text || "");
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Kind(bytes.buffer);
}

function unpack(packed) {
  const stages = {};
  for (const [name, s] of Object.entries(packed.stages)) {
    stages[name] = { label: array(s.label, Uint16Array), clean: array(s.clean, Uint8Array),
      combined: s.combined ? array(s.combined, Uint8Array) : null,
      confidence: array(s.confidence, Uint8Array), flags: array(s.flags, Uint8Array) };
  }
  return { number: packed.number, index: array(packed.index, Uint32Array), x: array(packed.x, Float32Array),
    y: array(packed.y, Float32Array), truth: packed.truth ? array(packed.truth, Uint16Array) : null, stages };
}

// What the server knows --------------------------------------------------------------------------

const value = () => props.value || {};
const LIMIT = webgl ? null : PLAIN_POINTS;
const visible = () => !document.hidden && element.offsetParent !== null;

async function load() {
  clearTimeout(timer);
  const asked = ++ticket;
  const { run, key } = value();
  if (!key) return clear("");
  if (!visible()) return again(load, 500);
  const have = data && data.key === key ? data.layout : "";
  const answer = await server.map_points({ run, layout: user.layout, have, limit: LIMIT });
  if (asked !== ticket) return;
  if (!answer || answer.again === undefined) return again(load, 3000); // no connection: the page says so itself
  const fresh = Boolean(answer.points);
  if (fresh) {
    data = { ...answer, key, store: unpack(answer.points), view: `${key} ${answer.layout}` };
    delete data.points;
    selection = null;
    tips.clear();
    pictures.forget();
  } else if (!data || data.key !== key) {
    clear(answer.text);
  }
  if (fresh) await light();
  if (asked !== ticket) return;
  part("status").textContent = answer.text;
  if (answer.layout) {
    layoutChoice.value = answer.layout;
    layoutChoice.options[0].disabled = answer.umap !== "ready";
  }
  if (fresh) { draw(); twin(); }
  if (answer.again) again(load, answer.again);
}

function again(work, after) {
  clearTimeout(timer);
  timer = setTimeout(work, after);
}

async function light() {
  const { run, selection: id } = value();
  if (!id) { selection = null; return; }
  if (selection && selection.id === id) return;
  const answer = await server.map_selected({ run, selection: id, layout: data.layout, limit: LIMIT });
  if (value().selection !== id) return;
  selection = answer && answer.more ? { id, index: array(answer.indices, Uint32Array), more: unpack(answer.more) } : null;
}

// Drawing ----------------------------------------------------------------------------------------

function stage() {
  const names = Object.keys(data.store.stages);
  return names.includes(user.stage) ? user.stage : names[names.length - 1];
}

// For each point of a store whether it is selected; both lists ascend.
function marks(store) {
  const found = new Uint8Array(store.number), { index } = selection;
  for (let i = 0, j = 0; i < store.number && j < index.length; ) {
    if (store.index[i] === index[j]) found[i] = 1;
    store.index[i] <= index[j] ? i++ : j++;
  }
  return found;
}

function traces(mode) {
  const { groups, of } = grouping(mode, stage(), data);
  const { label, disagree } = value();
  const stores = selection ? [data.store, selection.more] : [data.store];
  const whole = stores.reduce((n, store) => n + store.number, 0);
  const buckets = groups.map(() => [[], []]);
  const ring = { x: [], y: [] };
  for (const store of stores) {
    const mine = selection && marks(store);
    const at = store.stages[stage()];
    for (let i = 0; i < store.number; i++) {
      let strong = !mine || mine[i] === 1;
      if (strong && label !== null && label !== undefined && at.label[i] !== label) strong = false;
      if (strong && disagree && !(at.flags[i] & 2)) strong = false;
      buckets[of(store, i)][strong ? 1 : 0].push(store, i);
      if (strong && mine) { ring.x.push(store.x[i]); ring.y.push(store.y[i]); }
    }
  }
  const size = whole <= 2000 ? 8 : whole <= 10000 ? 6 : whole <= 30000 ? 4.5 : 3.5;
  const opacity = Math.max(0.45, Math.min(0.92, 2e4 / whole));
  const type = webgl ? "scattergl" : "scatter", made = [];
  [drawn, bright] = [[], []];
  for (const strong of [0, 1]) {
    groups.forEach((group, g) => {
      const members = buckets[g][strong], n = members.length / 2;
      if (!n) return;
      const x = new Float32Array(n), y = new Float32Array(n), index = new Uint32Array(n);
      for (let k = 0; k < n; k++) {
        const store = members[2 * k], i = members[2 * k + 1];
        x[k] = store.x[i]; y[k] = store.y[i]; index[k] = store.index[i];
      }
      const marker = { color: group.colour, symbol: group.symbol, line: { width: 0 },
        size: strong && selection ? size + 1 : size, opacity: strong ? opacity : 0.14 };
      made.push({ type, mode: "markers", x, y, name: group.name, hoverinfo: "none", showlegend: false, marker });
      drawn.push(index);
      if (strong) bright.push({ x, y, index, colour: group.colour });
    });
  }
  if (ring.x.length && ring.x.length <= 40) { // more of them would hide what they are around
    const text = getComputedStyle(element).color;
    made.push({ type, mode: "markers", ...ring, hoverinfo: "skip", showlegend: false,
      marker: { symbol: "circle-open", color: text, size: size + 6, line: { width: 1.5, color: text } } });
  }
  if (densityBox.checked) made.push(density(data.store)); // plotly draws it behind, wherever it stands
  part("legend").replaceChildren(...legend(mode, stage(), groups, buckets.map((b) => b[0].length + b[1].length > 0)));
  return made;
}

function draw() {
  if (!data || !P) return;
  if (!plot.clientWidth) return; // a closed tab; the size is watched
  controls();
  const axis = { visible: false, fixedrange: false, range: [-WHOLE / 2, WHOLE / 2] };
  const layout = {
    height: plot.clientHeight, margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: { ...axis }, yaxis: { ...axis }, dragmode: dragging(), hovermode: "closest", hoverdistance: 14,
    showlegend: false, uirevision: data.view, annotations: plot.layout?.annotations || [],
  };
  const first = !plot.data;
  P.react(plot, traces(user.mode), layout, CONFIG).then(around);
  if (first) listen();
  const without = `This browser has no WebGL: at most ${PLAIN_POINTS.toLocaleString("en")} images can be drawn.`;
  part("note").textContent = webgl ? data.note : `${data.note || `All ${data.store.number} images are drawn.`} ${without}`;
  plot.setAttribute("aria-label", `Map of ${data.images} images, coloured by ${MODES[user.mode]}` +
    `${selection ? `; ${value().selected} selected` : ""}. The table below says the same.`);
  element.dataset.drawn = `${data.layout} ${stage()} ${user.mode} ${selection ? selection.id : ""}`;
}

// What depends on how near the map is: names that have room, and pictures.
function around() {
  if (!data || !plot.data) return;
  const { label } = value(), store = data.store;
  const classes = label === null || label === undefined ? data.largest : [label];
  const found = namesBox.checked ? centres(store, store.stages[stage()].label, classes) : [];
  const written = annotations(found, data.names, plot);
  P.relayout(plot, { annotations: written.map(({ wide, ...name }) => name) });
  pictures.show(bright, written);
}

function clear(text) {
  data = selection = null;
  drawn = bright = [];
  pictures.forget();
  if (plot.data) P.purge(plot);
  part("status").textContent = text;
  part("legend").replaceChildren();
  part("note").textContent = "";
  part("table").replaceChildren();
  delete element.dataset.drawn;
}

function controls() {
  const scored = Object.values(data.store.stages).some((s) => s.combined);
  const modes = Object.keys(MODES).filter((mode) => (data.store.truth || (mode !== "truth" && mode !== "right")) && (scored || mode !== "combined"));
  if (!modes.includes(user.mode)) user.mode = "clean";
  if ([...colour.options].map((o) => o.value).join() !== modes.join()) {
    colour.replaceChildren(...modes.map((mode) => new Option(MODES[mode], mode)));
  }
  colour.value = user.mode;
  densityBox.checked = user.density ?? data.images >= DENSE_FROM;
  const stages = value().stages || [];
  slider.max = Math.max(0, stages.length - 1);
  slider.value = Math.max(0, stages.findIndex(([name]) => name === stage()));
  slider.disabled = stages.length < 2;
  const title = (stages[slider.value] || ["", ""])[1];
  part("stage-name").textContent = title;
  slider.setAttribute("aria-valuetext", title);
}

async function twin() {
  if (!part("twin").open || !data) return;
  const { html } = (await server.map_table({ run: value().run, stage: stage(), layout: data.layout })) || {};
  if (html) part("table").innerHTML = html; // made and escaped by the server
}

// What the pointer does --------------------------------------------------------------------------

function listen() {
  plot.on("plotly_hover", (event) => {
    const point = event.points.find((p) => drawn[p.curveNumber]);
    if (point && !drawer.busy()) show(drawn[point.curveNumber][point.pointNumber], event.event);
  });
  plot.on("plotly_unhover", hide);
  plot.on("plotly_relayouting", () => pictures.clear());
  plot.on("plotly_relayout", (change) => {
    if (Object.keys(change).some((key) => /^(.axis|width)/.test(key))) around();
  });
  plot.on("plotly_click", (event) => {
    const point = event.points.find((p) => drawn[p.curveNumber]);
    if (!point || user.tool === "zoom") return;
    hide();
    pick({ how: "point", index: drawn[point.curveNumber][point.pointNumber], add: Boolean(event.event && event.event.shiftKey) });
  });
}

const pictures = pictureLayer(plot, async (indices) => (await server.map_thumbnails({ run: value().run, indices })) || {});
const drawer = lineDrawer(plot, {
  tool: () => user.tool,
  began: hide,
  done: (line) => { hide(); if (data) pick({ ...line, layout: data.layout }); },
});
const dragging = () => (user.tool === "pan" || user.tool === "zoom" ? user.tool : false);
const pick = (what) => trigger("select", what);

async function show(index, pointer) {
  const mine = ++hover;
  const frame = part("frame").getBoundingClientRect();
  const left = pointer.clientX - frame.left, top = pointer.clientY - frame.top;
  const key = `${stage()} ${index}`;
  if (!tips.has(key)) tips.set(key, server.map_image({ run: value().run, stage: stage(), index }));
  if (tips.size > 500) tips.delete(tips.keys().next().value);
  const about = await tips.get(key);
  if (mine !== hover || drawer.busy() || !about?.title) return;
  const image = tip.querySelector("img");
  image.hidden = !about.src;
  if (about.src) image.src = about.src;
  tip.querySelector("strong").textContent = about.title;
  tip.querySelector(".map-tip-lines").replaceChildren(...about.lines.map((line) => Object.assign(document.createElement("span"), { textContent: line })));
  tip.hidden = false;
  const across = left > frame.width / 2 ? left - tip.offsetWidth - 14 : left + 14;
  const down = Math.min(Math.max(0, top - tip.offsetHeight / 2), Math.max(0, frame.height - tip.offsetHeight));
  tip.style.transform = `translate(${Math.max(0, across)}px, ${down}px)`;
}

function hide() {
  hover++;
  tip.hidden = true;
}

// What the controls do ---------------------------------------------------------------------------

colour.addEventListener("change", () => { user.mode = colour.value; draw(); });
layoutChoice.addEventListener("change", () => { user.layout = layoutChoice.value; load(); });
slider.addEventListener("input", () => {
  user.stage = (value().stages[slider.value] || [""])[0];
  hide();
  draw(); // at once; the other panels follow
  wanted = user.stage;
  clearTimeout(telling);
  telling = setTimeout(() => { twin(); trigger("stage", { stage: wanted }); }, 200);
});
part("tools").addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-tool]");
  if (!chosen) return;
  user.tool = chosen.dataset.tool;
  for (const button of part("tools").children) button.setAttribute("aria-pressed", String(button === chosen));
  part("frame").dataset.tool = user.tool;
  if (plot.data) P.relayout(plot, { dragmode: dragging() });
});
part("home").addEventListener("click", () => {
  if (plot.data) P.relayout(plot, { "xaxis.range": [-WHOLE / 2, WHOLE / 2], "yaxis.range": [-WHOLE / 2, WHOLE / 2] });
});
namesBox.addEventListener("change", around);
densityBox.addEventListener("change", () => { user.density = densityBox.checked; draw(); });
part("save").addEventListener("click", () => {
  const run = value().run, name = `map-${run.replace(/[^\w.-]+/g, "-")}.png`;
  if (plot.data) savePicture(plot, { title: `${data.images} images, by ${MODES[user.mode]}`, name });
});
plot.addEventListener("dblclick", () => { if (value().selection) pick({ how: "clear" }); });
part("twin").addEventListener("toggle", twin);
part("table").addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-pick]");
  if (chosen) pick({ how: "group", pick: chosen.dataset.pick });
});

watch("value", async () => {
  const { key, stage: confirmed } = value();
  if (!key || !data || data.key !== key) wanted = ""; // another run
  if (confirmed && (!wanted || confirmed === wanted)) { user.stage = confirmed; wanted = ""; }
  if (!key || !data || data.key !== key) return load();
  await light();
  draw();
  twin();
});
// The theme is a class on the body; colours were resolved when drawn, so draw again.
new MutationObserver(() => {
  if (isDark() !== dark) { dark = isDark(); draw(); }
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
new ResizeObserver(() => {
  if (!plot.clientWidth) return;
  plot.data ? P.relayout(plot, { width: plot.clientWidth, height: plot.clientHeight }) : draw();
}).observe(plot);
load();
