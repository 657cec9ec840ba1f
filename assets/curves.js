// Draws the figures that Python sends, each on a card of its own, and keeps them in step with the
// page: its light or dark mode, its width, and the zoom that the user chose (plotly's uirevision).
const board = element.querySelector(".curves");
const P = window.Plotly; // ours; another component might load a plotly of its own later
const CONFIG = {
  displaylogo: false,
  showSendToCloud: false, // plotly.js 4 offers to send the data away unless told otherwise
  responsive: false, // sizes are watched below, hidden tabs included
  displayModeBar: "hover",
  modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

function resolve(value, style) {
  if (Array.isArray(value)) return value.map((item) => resolve(item, style));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(v, style)]));
  }
  if (typeof value === "string" && value.startsWith("var(")) {
    return style.getPropertyValue(value.slice(4, -1)).trim();
  }
  return value;
}

function layoutOf(figure, style) {
  const grid = { gridcolor: "var(--series-grid)", zeroline: false, linecolor: "var(--series-grid)" };
  const layout = {
    height: 240,
    margin: { l: 52, r: 14, t: 10, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: style.getPropertyValue("--font") || "sans-serif", size: 12, color: "var(--series-text)" },
    hovermode: "x unified",
    hoverlabel: { bgcolor: "var(--series-hover)", bordercolor: "var(--series-grid)", font: { color: "var(--series-text)" }, namelength: -1 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    dragmode: "zoom",
    ...figure.layout,
    xaxis: { ...grid, ...figure.layout.xaxis },
    yaxis: { ...grid, ...figure.layout.yaxis },
  };
  return resolve(layout, style);
}

function card(figure) {
  let box = board.querySelector(`[data-figure="${CSS.escape(figure.key)}"]`);
  if (!box) {
    box = document.createElement("section");
    box.className = "curve-card";
    box.dataset.figure = figure.key;
    box.innerHTML = '<h3></h3><p class="curve-hint"></p><div class="curve-plot" role="figure"></div>';
    sizes.observe(box);
  }
  box.querySelector("h3").textContent = figure.title;
  box.querySelector(".curve-hint").textContent = figure.hint || "";
  box.querySelector(".curve-plot").setAttribute("aria-label", `${figure.title}. ${figure.summary}`);
  return box;
}

const sizes = new ResizeObserver((entries) => {
  for (const entry of entries) {
    const plot = entry.target.querySelector(".curve-plot");
    if (plot && plot.data && entry.contentRect.width > 0) P.Plots.resize(plot);
  }
});

function draw() {
  const { figures = [], empty = "" } = props.value || {};
  const style = getComputedStyle(element);
  const wanted = new Set(figures.map((figure) => figure.key));
  for (const box of [...board.children]) {
    if (!wanted.has(box.dataset.figure)) {
      const plot = box.querySelector(".curve-plot");
      if (plot && plot.data) P.purge(plot);
      sizes.unobserve(box);
      box.remove();
    }
  }
  if (!figures.length) {
    const box = document.createElement("div");
    box.className = "empty";
    box.append(Object.assign(document.createElement("p"), { textContent: empty }));
    if (empty) board.replaceChildren(box);
    return;
  }
  figures.forEach((figure, place) => {
    const box = card(figure);
    if (board.children[place] !== box) board.insertBefore(box, board.children[place] || null);
    const plot = box.querySelector(".curve-plot");
    P.react(plot, resolve(figure.traces, style), layoutOf(figure, style), CONFIG);
    // Read out is the figure's label; the strokes and ticks beneath would only be noise.
    for (const part of plot.querySelectorAll("svg.main-svg")) part.setAttribute("aria-hidden", "true");
    nameInFull(plot, figure.traces);
  });
}

// A legend has room for the beginning of a long name; the whole of it shows where it is pointed at.
function nameInFull(plot, traces) {
  plot.querySelectorAll(".legend .traces").forEach((entry, place) => {
    const title = entry.querySelector("title") || document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = traces[place] ? traces[place].meta : "";
    entry.prepend(title);
  });
}

watch("value", draw);
// The theme is a class on the body; colours were resolved when drawn, so draw again.
new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
draw();
