// What the map shows around its points: how dense they lie, the names of classes, small pictures
// when near, and all of it as a picture to save.
const WHOLE = 2.12; // the width of the whole map
const NEAR = 2.5; // how far to zoom in before pictures appear
const PICTURES = 60, PICTURE_SIZE = 48; // at most, and pixels
const DENSE_FROM = 500; // images from which on the density is shown unless it is turned off
const PLAIN_POINTS = 5000; // that a browser without WebGL draws as SVG

const webgl = (() => {
  const gl = (kind) => { try { return document.createElement("canvas").getContext(kind); } catch { return null; } };
  const found = gl("webgl2") || gl("webgl");
  found?.getExtension("WEBGL_lose_context")?.loseContext(); // browsers allow a few at a time
  return Boolean(found);
})();

// A contour of how many points lie where; a root, as classes differ much in how close they lie.
function density(store) {
  const size = 64, half = WHOLE / 2, cell = WHOLE / (size - 1);
  let grid = new Float32Array(size * size);
  const place = (v) => Math.min(size - 1, Math.max(0, Math.round((v + half) / cell)));
  for (let i = 0; i < store.number; i++) grid[place(store.y[i]) * size + place(store.x[i])] += 1;
  for (let turn = 0; turn < 3; turn++) { // three means over 3 x 3 cells are close to a bell
    const smooth = new Float32Array(size * size);
    for (let y = 1; y < size - 1; y++) for (let x = 1; x < size - 1; x++) {
      let sum = 0;
      for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) sum += grid[(y + dy) * size + x + dx];
      smooth[y * size + x] = sum / 9;
    }
    grid = smooth;
  }
  const top = Math.sqrt(Math.max(...grid)) || 1;
  const rows = Array.from({ length: size }, (_, y) => Array.from(grid.subarray(y * size, (y + 1) * size), (v) => Math.sqrt(v) / top));
  const grey = isDark() ? "159, 173, 185" : "84, 97, 110";
  return { type: "contour", z: rows, x0: -half, dx: cell, y0: -half, dy: cell, hoverinfo: "skip", showscale: false,
    showlegend: false, contours: { coloring: "fill", showlines: false, start: 0.15, end: 0.95, size: 0.16 }, line: { width: 0 },
    colorscale: [[0, `rgba(${grey}, 0)`], [1, `rgba(${grey}, 0.2)`]], zmin: 0, zmax: 1 };
}

// Where most images of each class lie: the middle of those in and around its fullest cell.
function centres(store, labels, classes) {
  const size = 12, cell = (v) => Math.min(size - 1, Math.max(0, Math.floor(((v + 1) / 2) * size)));
  return classes.map((label) => {
    const counts = new Map(), mine = [];
    for (let i = 0; i < store.number; i++) {
      if (labels[i] !== label) continue;
      const key = cell(store.y[i]) * size + cell(store.x[i]);
      counts.set(key, (counts.get(key) || 0) + 1);
      mine.push([i, key]);
    }
    if (!mine.length) return null;
    const best = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
    const near = mine.filter(([, key]) => Math.abs((key % size) - (best % size)) < 2 && Math.abs(Math.floor(key / size) - Math.floor(best / size)) < 2);
    const mean = (values) => near.reduce((sum, [i]) => sum + values[i], 0) / near.length;
    return { label, x: mean(store.x), y: mean(store.y) };
  }).filter(Boolean);
}

// Names as plotly's annotations; of two that would overlap, that of the larger class.
function annotations(found, names, plot) {
  const { xaxis, yaxis } = plot._fullLayout, taken = [];
  const ink = isDark() ? "#e4e9ee" : "#17212b", paper = isDark() ? "rgba(22, 29, 35, 0.72)" : "rgba(255, 255, 255, 0.76)";
  return found.flatMap(({ label, x, y }) => {
    const name = names[label].length > 26 ? `${names[label].slice(0, 25)}…` : names[label];
    const wide = 7 * name.length + 10, left = xaxis.l2p(x) - wide / 2, top = yaxis.l2p(y) - 11;
    if (taken.some(([l, t, w]) => left < l + w && l < left + wide && Math.abs(top - t) < 22)) return [];
    taken.push([left, top, wide]);
    const text = name.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    return [{ x, y, text, wide, showarrow: false, font: { size: 12, color: ink }, bgcolor: paper, borderpad: 2 }];
  });
}

// Pictures over their points, as many as have room beside the names. groups: {x, y, index, colour} of what is lit.
function pictureLayer(plot, fetchSources) {
  const layer = document.createElement("div");
  layer.className = "map-pictures";
  layer.setAttribute("aria-hidden", "true");
  plot.parentElement.append(layer);
  const sources = new Map();
  let ticket = 0;

  function chosen(groups, names) {
    const { xaxis, yaxis, _size } = plot._fullLayout, found = [], half = PICTURE_SIZE / 2;
    const written = names.map((n) => [xaxis.l2p(n.x), yaxis.l2p(n.y), n.wide / 2]);
    for (const { x, y, index, colour } of groups) {
      for (let i = 0; i < index.length; i++) {
        const left = xaxis.l2p(x[i]), top = yaxis.l2p(y[i]);
        if (left < 0 || top < 0 || left > _size.w || top > _size.h) continue;
        if (written.some(([x, y, wide]) => Math.abs(x - left) < wide + half && Math.abs(y - top) < 11 + half)) continue;
        if (found.some((f) => Math.abs(f.left - left) < PICTURE_SIZE && Math.abs(f.top - top) < PICTURE_SIZE)) continue;
        found.push({ left, top, index: index[i], colour });
        if (found.length === PICTURES) return found;
      }
    }
    return found;
  }
  function clear() {
    ticket++;
    layer.replaceChildren();
  }
  return {
    clear,
    forget() { clear(); sources.clear(); },
    async show(groups, names) {
      clear();
      const mine = ticket, [from, to] = plot._fullLayout.xaxis.range;
      if (WHOLE / Math.abs(to - from) < NEAR) return;
      const found = chosen([...groups].reverse(), names); // what lies on top comes first
      const missing = found.map((f) => f.index).filter((index) => !sources.has(index));
      if (missing.length) {
        for (const [index, address] of Object.entries(await fetchSources(missing))) sources.set(Number(index), address);
      }
      if (mine !== ticket) return;
      layer.replaceChildren(...found.filter((f) => sources.get(f.index)).map((f) => {
        const image = Object.assign(new Image(PICTURE_SIZE, PICTURE_SIZE), { alt: "", src: sources.get(f.index) });
        image.dataset.index = f.index;
        image.style.cssText = `left: ${f.left - PICTURE_SIZE / 2}px; top: ${f.top - PICTURE_SIZE / 2}px; border-color: ${f.colour}`;
        return image;
      }));
    },
  };
}

// The map as it stands, with a legend, as a PNG.
async function savePicture(plot, { title, name }) {
  const paper = isDark() ? "#161d23" : "#ffffff", ink = isDark() ? "#e4e9ee" : "#17212b";
  const data = plot.data.map((trace) => ({ ...trace, showlegend: Boolean(trace.name) && trace.marker.opacity > 0.2 }));
  const layout = { ...plot.layout, paper_bgcolor: paper, plot_bgcolor: paper, showlegend: true, margin: { l: 16, r: 16, t: 48, b: 16 },
    title: { text: title, font: { size: 15, color: ink }, x: 0.02, xanchor: "left" }, legend: { font: { color: ink, size: 12 }, itemsizing: "constant" } };
  const size = { width: Math.max(900, plot.clientWidth + 200), height: Math.max(560, plot.clientHeight) };
  const url = await window.Plotly.toImage({ data, layout: { ...layout, ...size }, config: { plotGlPixelRatio: 2 } }, { format: "png", scale: 2, ...size });
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
}
