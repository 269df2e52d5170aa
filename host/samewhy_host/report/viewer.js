// The viewer: the gallery's maps, and what maps of two rungs differ by, drawn from the whole numbers in #viewer-data.
(() => {
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const form = document.getElementById("viewer");
  const stage = form.querySelector(".stage");
  const axes = data.shape.slice(0, -1);
  const channels = data.shape.at(-1);
  const series = axes.length === 1;
  const places = axes.reduce((a, b) => a * b, 1);
  const STAGE = { side: 520, row: 150, least: 34, width: 1000, gap: 8, font: 15 };
  const HALF = { ...STAGE, side: 260, row: 90, least: 26 };
  const SMALL = { side: 104, row: 44, least: 5, width: 180, gap: 3, font: 0 };
  const INK = "#1f2328";
  const range = (count) => [...Array(count).keys()];
  const radios = (name) => [...form.querySelectorAll(`input[name="${name}"]`)];
  const chosen = (name) => radios(name).find((one) => one.checked).value;

  // Whole numbers to values.
  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

  function values({ unit, codes }) {
    const whole = new Int16Array(bytes(codes).buffer);
    return Float64Array.from(whole, (code) => (code === data.undefined ? NaN : code * unit));
  }

  const known = new Map();
  function once(key, make) {
    if (!known.has(key)) known.set(key, make());
    return known.get(key);
  }

  // What is held: the reference's map, and of every other rung the difference from it.
  const held = (s, e, r) => once(`held ${s} ${e} ${r}`, () => values(data.samples[s].maps[e][r]));
  const errors = (s, e, r) => once(`errors ${s} ${e} ${r}`, () => values(data.samples[s].errors[e][r]));
  const fromReference = (s, e, r) => (r ? held(s, e, r) : new Float64Array(held(s, e, 0).length));
  const mapOf = (s, e, r) => fromReference(s, e, r).map((value, i) => value + held(s, e, 0)[i]);
  const less = (s, e, r, other) => fromReference(s, e, r).map((value, i) => value - fromReference(s, e, other)[i]);
  const rungBefore = (view, r) => (view === "above" ? Math.max(r - 1, 0) : 0);
  const content = (s, e, r, view) => (view === "map" ? mapOf(s, e, r) : less(s, e, r, rungBefore(view, r)));
  const peak = (maps) => Math.max(...maps.map((one) => one.reduce((most, v) => Math.max(most, Math.abs(v) || 0), 0)));

  // One scale for all rungs; differences below a hundredth of the maps are not blown up to it.
  function scaleOf(s, e, view) {
    return once(`scale ${s} ${e} ${view}`, () => {
      const most = peak(data.rungs.map((_, r) => content(s, e, r, view)));
      return (view === "map" ? most : Math.max(most, scaleOf(s, e, "map") / 100)) || 1;
    });
  }

  // Below this a difference says nothing: null where no bound is known.
  function boundOf(s, e, r, view) {
    const explainer = data.explainers[e];
    const other = rungBefore(view, r);
    if (view === "map" || r === other) return null;
    if (explainer.noise === "drawn") {
      return errors(s, e, r).map((error, i) => data.within * Math.hypot(error, errors(s, e, other)[i]));
    }
    const step = Math.max(explainer.steps[r] ?? 0, explainer.steps[other] ?? 0);
    return step ? new Float64Array(held(s, e, 0).length).fill(step) : null;
  }

  function hiddenIn(map, s, e, r, view) {
    const bound = boundOf(s, e, r, view);
    return form.elements.hatched?.checked && bound && map.map((value, i) => Number(value !== 0 && Math.abs(value) < bound[i]));
  }

  // A map as tiles: an image has one, or one a channel; a series has one, with a row a channel where maps tell them apart.
  function tilesOf(count) {
    const layers = count / places;
    if (series) return [{ rows: layers, columns: axes[0], index: (row, column) => column * layers + row }];
    return range(layers).map((layer) => ({
      rows: axes[0], columns: axes[1], layer: layers > 1 ? layer : null,
      index: (row, column) => (row * axes[1] + column) * layers + layer,
    }));
  }

  function layout(tiles, size) {
    const across = Math.ceil(Math.sqrt(tiles.length));
    const head = tiles.length > 1 && size.font ? size.font + 5 : 0;
    const { rows, columns } = tiles[0];
    const side = size.side / Math.min(across, 2);
    const wide = series ? size.width : columns * Math.max(1, Math.round(side / Math.max(rows, columns)));
    const high = series ? Math.max(size.row, size.least * rows) : (rows * wide) / columns;
    const boxes = tiles.map((tile, place) => ({
      ...tile, wide, high,
      left: (place % across) * (wide + size.gap),
      top: Math.floor(place / across) * (high + head + size.gap) + head,
    }));
    const down = Math.ceil(tiles.length / across);
    return { boxes, head, wide: across * (wide + size.gap) - size.gap, high: down * (high + head + size.gap) - size.gap };
  }

  // Colours.
  function colour(share) {
    const end = share > 0 ? data.colours.for : data.colours.against;
    const part = Math.min(1, Math.abs(share));
    return data.colours.neutral.map((from, i) => from + part * (end[i] - from));
  }

  function raster(box, pixel) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [box.columns, box.rows];
    const image = new ImageData(box.columns, box.rows);
    for (const row of range(box.rows)) {
      for (const column of range(box.columns)) image.data.set(pixel(row, column), 4 * (row * box.columns + column));
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  function grey(pixels, layer) {
    return (row, column) => {
      const at = (row * axes[1] + column) * channels;
      const own = [...pixels.subarray(at, at + channels)];
      if (layer !== null) return [own[layer], own[layer], own[layer], 255];
      const mean = own.reduce((a, b) => a + b, 0) / channels;
      return channels === 3 ? [...own, 255] : [mean, mean, mean, 255];
    };
  }

  function lines(pen, box, pixels) {
    pen.strokeStyle = INK;
    pen.lineWidth = box.wide > 400 ? 1.6 : 0.8;
    const row = box.high / box.rows;
    for (const channel of range(channels)) {
      const top = box.top + (box.rows > 1 ? channel * row : 0);
      pen.beginPath();
      for (const time of range(axes[0])) {
        const y = top + row * (0.9 - (0.8 * pixels[time * channels + channel]) / 255);
        pen.lineTo(box.left + ((time + 0.5) * box.wide) / axes[0], y);
      }
      pen.stroke();
    }
  }

  function hatching(pen) {
    const tile = document.createElement("canvas");
    [tile.width, tile.height] = [8, 8];
    const ink = tile.getContext("2d");
    ink.strokeStyle = "#a9b1b9";
    ink.lineWidth = 1.5;
    for (const shift of [-8, 0, 8]) {
      ink.moveTo(shift, 8);
      ink.lineTo(shift + 8, 0);
    }
    ink.stroke();
    return pen.createPattern(tile, "repeat");
  }

  function hatch(pen, box, hidden) {
    const [wide, high] = [box.wide / box.columns, box.high / box.rows];
    pen.beginPath();
    for (const row of range(box.rows)) {
      for (const column of range(box.columns)) {
        if (hidden[box.index(row, column)]) pen.rect(box.left + column * wide, box.top + row * high, wide, high);
      }
    }
    pen.fillStyle = hatching(pen);
    pen.fill();
  }

  // A plate: a sample, its map over it, and hatching over that.
  function paint(canvas, size, { pixels, map, bound, hidden, alpha }) {
    const plan = layout(tilesOf(map ? map.length : places), size);
    [canvas.width, canvas.height] = [Math.round(plan.wide), Math.round(plan.high)];
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    for (const box of plan.boxes) {
      const put = (pixel) => pen.drawImage(raster(box, pixel), box.left, box.top, box.wide, box.high);
      const tint = (row, column) => {
        const at = box.index(row, column);
        const share = hidden && hidden[at] ? 0 : map[at] / bound || 0;
        // over an image the sample shows where the map says little
        return [...colour(share), pixels && !series ? 255 * Math.min(1, Math.sqrt(Math.abs(share))) : 255];
      };
      if (!series && pixels) put(grey(pixels, box.layer));
      else put(() => [...data.colours.neutral, 255]);
      pen.globalAlpha = alpha ?? 1;
      if (map) put(tint);
      pen.globalAlpha = 1;
      if (hidden) hatch(pen, box, hidden);
      if (series && pixels) lines(pen, box, pixels);
      if (plan.head) {
        pen.fillStyle = getComputedStyle(canvas).color;
        pen.font = `${size.font}px sans-serif`;
        pen.fillText(`channel ${box.layer + 1}`, box.left, box.top - 5);
      }
    }
    return plan;
  }

  // Words.
  const number = (value) => (Number.isNaN(value) ? "\u2013" : String(Number(value.toPrecision(3))).replaceAll("-", "\u2212"));

  function where(box, row, column) {
    if (series) return `time ${column + 1}${box.rows > 1 ? `, channel ${row + 1}` : ""}`;
    return `row ${row + 1}, column ${column + 1}${box.layer === null ? "" : `, channel ${box.layer + 1}`}`;
  }

  function pointed(event, canvas, plan, map, limit) {
    const frame = canvas.getBoundingClientRect();
    const x = ((event.clientX - frame.left) * canvas.width) / frame.width;
    const y = ((event.clientY - frame.top) * canvas.height) / frame.height;
    const inside = (box) => x >= box.left && x < box.left + box.wide && y >= box.top && y < box.top + box.high;
    const box = plan.boxes.find(inside);
    if (!box) return "";
    const row = Math.floor(((y - box.top) * box.rows) / box.high);
    const column = Math.floor(((x - box.left) * box.columns) / box.wide);
    const at = box.index(row, column);
    const told = limit ? ` (hatched below ${number(limit[at])})` : "";
    return `${where(box, row, column)}: ${number(map[at])}${told}`;
  }

  function plate(title, look, size = STAGE) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", title);
    figure.append(caption, canvas);
    stage.querySelector(".plates").append(figure);
    const plan = paint(canvas, size, look);
    const readout = stage.querySelector(".readout");
    canvas.addEventListener("pointermove", (event) => {
      readout.textContent = look.map ? pointed(event, canvas, plan, look.map, look.limit) : "";
    });
    canvas.addEventListener("pointerleave", () => { readout.textContent = ""; });
  }

  // What is on the stage.
  function now() {
    const state = { view: chosen("view"), layout: chosen("layout"), alpha: form.elements.opacity.value / 100 };
    for (const name of ["sample", "explainer", "rung"]) state[name] = Number(chosen(name));
    return state;
  }

  function plates({ sample: s, explainer: e, rung: r, view, layout: way, alpha }) {
    const pixels = bytes(data.samples[s].pixels);
    const map = content(s, e, r, view);
    const bound = scaleOf(s, e, view);
    const other = rungBefore(view, r);
    const hidden = hiddenIn(map, s, e, r, view);
    const limit = boundOf(s, e, r, view);
    const title = view === "map" ? data.rungs[r].name : `${data.rungs[r].name} \u2212 ${data.rungs[other].name}`;
    if (way === "over") return plate(title, { pixels, map, bound, hidden, limit, alpha });
    const size = view === "map" ? STAGE : HALF;
    plate("sample", { pixels }, size);
    if (view !== "map") {
      for (const rung of [other, r]) {
        plate(data.rungs[rung].name, { map: mapOf(s, e, rung), bound: scaleOf(s, e, "map") }, size);
      }
    }
    return plate(title, { map, bound, hidden, limit }, size);
  }

  function caption({ sample: s, explainer: e, rung: r }) {
    const sample = data.samples[s];
    const flip = sample.flipped[r] ? ", a flip" : "";
    const own = sample.label === sample.target ? "" : ` (its label is ${sample.label})`;
    return [
      [sample.id, `explained class ${sample.target}${own}`],
      [data.rungs[r].name, `answers ${sample.answers[r]}${flip}`],
      [data.explainers[e].name, data.explainers[e].said[r]],
    ];
  }

  function say(state) {
    const bound = scaleOf(state.sample, state.explainer, state.view);
    const [low, high] = stage.querySelectorAll(".scale > span:not(.ramp)");
    [low.textContent, high.textContent] = [number(-bound), number(bound)];
    const parts = caption(state).map(([name, rest]) => {
      const part = document.createElement("li");
      const strong = document.createElement("b");
      strong.textContent = name;
      part.append(strong, ` ${rest}`);
      return part;
    });
    stage.querySelector(".caption").replaceChildren(...parts);
    explainBound(state);
  }

  function explainBound({ sample: s, explainer: e, rung: r, view }) {
    const limit = boundOf(s, e, r, view);
    const { noise } = data.explainers[e];
    const found = view === "map" ? "map" : !r ? "reference" : noise === "fixed" && limit ? "stepped" : noise;
    for (const one of form.querySelectorAll("[data-noise]")) one.hidden = one.dataset.noise !== found;
    if (found === "stepped") form.querySelector('[data-noise="stepped"] b').textContent = number(limit[0]);
  }

  function film({ sample: s, explainer: e, view }) {
    radios("rung").forEach((radio, r) => {
      const map = content(s, e, r, view);
      const look = { map, bound: scaleOf(s, e, view), hidden: hiddenIn(map, s, e, r, view) };
      paint(radio.nextElementSibling, SMALL, look);
      radio.parentElement.classList.toggle("flipped", data.samples[s].flipped[r]);
    });
  }

  function draw() {
    const state = now();
    stage.querySelector(".plates").replaceChildren();
    stage.querySelector(".readout").textContent = "";
    plates(state);
    film(state);
    say(state);
    form.elements.opacity.disabled = state.layout !== "over";
    if (form.elements.hatched) form.elements.hatched.disabled = state.view === "map";
  }

  // Keys, while the maps have the focus.
  function move(name, by) {
    const all = radios(name);
    const place = all.findIndex((one) => one.checked);
    all[(place + by + all.length) % all.length].checked = true;
  }

  function choose(name, value) {
    const one = radios(name).find((radio) => radio.value === value);
    if (one) one.checked = true;
  }

  const KEYS = {
    ArrowLeft: () => move("rung", -1),
    ArrowRight: () => move("rung", 1),
    ArrowUp: () => move("explainer", -1),
    ArrowDown: () => move("explainer", 1),
    n: () => move("sample", 1),
    p: () => move("sample", -1),
    m: () => choose("view", "map"),
    d: () => choose("view", "reference"),
    a: () => choose("view", "above"),
    o: () => move("layout", 1),
    h: () => form.elements.hatched?.click(),
  };

  form.addEventListener("keydown", (event) => {
    const go = Object.hasOwn(KEYS, event.key) && KEYS[event.key];
    const arrowOfControl = event.key.startsWith("Arrow") && event.target !== stage;
    if (!go || arrowOfControl || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    go();
    draw();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", draw);

  form.hidden = false;
  document.querySelector(".unscripted").hidden = true;
  document.querySelector(".sheets").open = false;
  radios("sample").forEach((radio, s) => {
    const size = { ...SMALL, side: 48, row: 36, width: 72 };
    paint(radio.nextElementSibling, size, { pixels: bytes(data.samples[s].pixels) });
  });
  draw();
})();
