// One view of a breast on a canvas: overview first, native tiles where it is enlarged.

import { levels, windowOf } from "./grey.js";
import { overview, tile } from "./samples.js";

const DEEPEST = 8; // screen pixels for a native one
const THIN = 0.3; // of the widest row: skin below a breast, not the breast
const SHARP = 1.15; // how far the overview may be enlarged before tiles are asked for
const SVG = "http://www.w3.org/2000/svg";

export class View {
  constructor(pane) {
    this.pane = pane;
    this.canvas = pane.querySelector("canvas");
    this.overlay = pane.querySelector("svg");
    this.note = pane.querySelector(".view-note");
    this.right = pane.dataset.laterality === "R";
    this.projection = pane.dataset.projection;
    this.extra = pane.classList.contains("extra");
    this.address = pane.dataset.address;
    this.tiles = new Map();
    this.about = null;
    this.scale = 0; // CSS pixels for a native one
    this.x = this.y = 0; // native pixel in the pane's upper left corner
    this.fitted = true;
    this.boxes = [];
  }

  async load() {
    try {
      const { about, plane } = await overview(`${this.address}/overview`);
      this.about = about;
      this.own = windowOf(about);
      this.window = { ...this.own };
      this.plane = painted(plane);
      this.inside = bounds(plane, about);
      if (about.withheld) this.say("No breast was found here: nothing is shown. Look in the PACS.");
      else this.say("");
    } catch (error) {
      this.say(`Not shown: ${error.message}`);
    }
    this.pane.dataset.state = this.about && !this.about.withheld ? "ready" : "failed";
  }

  say(words) {
    this.note.textContent = words;
    this.note.hidden = !words;
  }

  get ready() {
    return this.about !== null && !this.about.withheld;
  }

  /** The scale at which the breast fills the pane. */
  fitting() {
    const { width, height } = this.size();
    const { left, top, right, bottom } = this.inside;
    return Math.min((width - 4) / (right - left), (height - 8) / (bottom - top));
  }

  /** Chest wall at the pane's inner edge; MLO hang from the same height. */
  fit(scale = this.fitting()) {
    const { width, height } = this.size();
    const { left, top, right, bottom } = this.inside;
    this.scale = scale;
    this.x = this.right ? right - width / scale : left;
    const middle = this.projection !== "MLO";
    this.y = middle ? (top + bottom) / 2 - height / scale / 2 : top - 4 / scale;
    this.fitted = true;
  }

  size() {
    return { width: this.pane.clientWidth, height: this.pane.clientHeight };
  }

  zoom(factor, atX = this.size().width / 2, atY = this.size().height / 2) {
    const scale = Math.min(DEEPEST, Math.max(this.fitting() / 4, this.scale * factor));
    this.x += atX / this.scale - atX / scale;
    this.y += atY / this.scale - atY / scale;
    this.scale = scale;
    this.fitted = false;
    this.draw();
  }

  move(dx, dy) {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.fitted = false;
    this.draw();
  }

  /** Enlarge so that a box lies in the middle. */
  goTo(box) {
    const [x0, y0, x1, y1] = this.hung(box);
    const { width, height } = this.size();
    const wanted = 0.35 * Math.min(width / (x1 - x0), height / (y1 - y0));
    this.scale = Math.min(2, Math.max(this.fitting(), wanted));
    this.x = (x0 + x1) / 2 - width / this.scale / 2;
    this.y = (y0 + y1) / 2 - height / this.scale / 2;
    this.fitted = false;
    this.draw();
  }

  recolour() {
    this.grey = null;
    this.draw();
  }

  draw() {
    if (!this.ready || this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      this.paint();
    });
  }

  paint() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.size();
    if (!width || !height) return;
    resize(this.canvas, Math.round(width * ratio), Math.round(height * ratio));
    if (!this.grey) {
      this.grey = levels(this.about, this.own, this.window);
      colour(this.plane, this.grey);
      for (const one of this.tiles.values()) one.stale = true;
    }
    const context = this.canvas.getContext("2d", { alpha: false });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const k = this.scale * ratio;
    context.setTransform(k, 0, 0, k, -this.x * k, -this.y * k);
    context.imageSmoothingEnabled = k < 3;
    context.imageSmoothingQuality = "high";
    const { factor } = this.about;
    const { surface } = this.plane;
    context.drawImage(surface, 0, 0, surface.width * factor, surface.height * factor);
    if (k * factor > SHARP) this.paintTiles(context, width, height);
    this.paintBoxes();
  }

  paintTiles(context, width, height) {
    const side = this.about.tile;
    const right = this.x + width / this.scale;
    const bottom = this.y + height / this.scale;
    for (const [row, column] of this.about.tiles) {
      const [left, top] = [column * side, row * side];
      if (left > right || top > bottom || left + side < this.x || top + side < this.y) continue;
      const one = this.tileAt(row, column);
      if (!one.surface) continue;
      if (one.stale) {
        colour(one, this.grey);
        one.stale = false;
      }
      // The edges of neighbours meet on whole pixels of the overview below: no seam shows.
      context.drawImage(one.surface, left, top);
    }
  }

  tileAt(row, column) {
    const name = `tile-${row}-${column}`;
    let one = this.tiles.get(name);
    if (!one) {
      one = { stale: true };
      this.tiles.set(name, one);
      const side = this.about.tile;
      const rows = Math.min(side, this.about.rows - row * side);
      const columns = Math.min(side, this.about.columns - column * side);
      tile(`${this.address}/${name}`, rows, columns)
        .then((plane) => Object.assign(one, painted(plane)))
        .catch(() => this.tiles.delete(name)) // asked for again when it is next in sight
        .finally(() => this.draw());
    }
    return one;
  }

  /** A box of the stored image as it hangs here: turned, then mirrored. */
  hung([x0, y0, x1, y1]) {
    let [rows, columns] = this.about.native_shape;
    for (let turn = 0; turn < this.about.quarter_turns; turn++) {
      [x0, y0, x1, y1] = [y0, columns - x1, y1, columns - x0];
      [rows, columns] = [columns, rows];
    }
    return this.about.mirrored ? [columns - x1, y0, columns - x0, y1] : [x0, y0, x1, y1];
  }

  paintBoxes() {
    this.overlay.replaceChildren();
    for (const { box, label, kind, chosen } of this.boxes) {
      const [x0, y0, x1, y1] = this.hung(box);
      const left = (x0 - this.x) * this.scale;
      const top = (y0 - this.y) * this.scale;
      const group = element("g", { class: `box ${kind}${chosen ? " chosen" : ""}` });
      const width = (x1 - x0) * this.scale;
      group.append(element("rect", { x: left, y: top, width, height: (y1 - y0) * this.scale, rx: 2 }));
      const y = top > 18 ? top - 6 : (y1 - this.y) * this.scale + 16;
      const beyond = left + 50 > this.size().width; // the words would leave the pane
      const words = element("text", {
        x: beyond ? left + width : left,
        y,
        "text-anchor": beyond ? "end" : "start",
      });
      words.textContent = label;
      group.append(words);
      this.overlay.append(group);
    }
  }
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function resize(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
}

/** A plane with a surface of its size to be coloured. */
function painted(plane) {
  const surface = document.createElement("canvas");
  surface.width = plane.columns;
  surface.height = plane.rows;
  return { ...plane, surface, pixels: new ImageData(plane.columns, plane.rows) };
}

function colour(plane, grey) {
  const rgba = new Uint32Array(plane.pixels.data.buffer);
  const { samples } = plane;
  const words = new Uint32Array(65536);
  for (let sample = 0; sample < 65536; sample++) words[sample] = 0xff000000 | (grey[sample] * 0x010101);
  for (let at = 0; at < samples.length; at++) rgba[at] = words[samples[at]];
  plane.surface.getContext("2d", { alpha: false }).putImageData(plane.pixels, 0, 0);
}

/** What is to fill the pane, in native pixels: all that shows, but for a thin rest above or below. */
function bounds({ rows, columns, samples }, { factor, rows: height, columns: width }) {
  let [left, right] = [columns, 0];
  const wide = new Uint32Array(rows);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) {
      if (!samples[at]) continue;
      wide[row]++;
      if (column < left) left = column;
      if (column >= right) right = column + 1;
    }
  }
  if (right <= left) return { left: 0, top: 0, right: width, bottom: height };
  const enough = THIN * Math.max(...wide);
  const top = wide.findIndex((count) => count >= enough);
  let bottom = rows;
  while (wide[bottom - 1] < enough) bottom--;
  return {
    left: left * factor,
    top: top * factor,
    right: Math.min(width, right * factor),
    bottom: Math.min(height, bottom * factor),
  };
}
