// From samples to grey, as mammo/voi.py does it (PS3.3 C.11.2.1.2 and C.11.2.1.3).

const FUNCTIONS = {
  LINEAR: (x, center, width) =>
    width === 1 ? (x > center - 0.5 ? 1 : 0) : (x - (center - 0.5)) / (width - 1) + 0.5,
  LINEAR_EXACT: (x, center, width) => (x - center) / width + 0.5,
  SIGMOID: (x, center, width) => 1 / (1 + Math.exp((-4 * (x - center)) / width)),
};

/** The window that the header asks for; of a LUT, the stretch of stored values it covers. */
export function windowOf(about) {
  if (about.window) {
    return { center: about.window.center, width: about.window.width, inverted: false };
  }
  const { table, first } = about;
  let low = 0;
  let high = table.length - 1;
  while (low < high && table[low] === table[low + 1]) low++;
  while (high > low && table[high] === table[high - 1]) high--;
  return { center: first + (low + high) / 2, width: Math.max(1, high - low), inverted: false };
}

/** Grey of each sample, 256 levels, under a window of the reader's. */
export function levels(about, own, chosen) {
  const grey = new Uint8ClampedArray(65536);
  const shape = about.window ? byFunction(about) : byTable(about, own);
  for (let sample = 1; sample < 65536; sample++) {
    let share = shape(about.first + sample - 1, chosen);
    if (chosen.inverted) share = 1 - share;
    grey[sample] = Math.round(255 * Math.min(1, Math.max(0, share)));
  }
  return grey; // a sample of 0 is no image, and stays black
}

function byFunction(about) {
  const shape = FUNCTIONS[about.window.function];
  return (stored, chosen) => {
    const value = stored * about.slope + about.intercept;
    const share = Math.min(1, Math.max(0, shape(value, chosen.center, chosen.width)));
    return about.inverted ? 1 - share : share;
  };
}

/** A LUT keeps its form: it is moved with the level and stretched with the window. */
function byTable(about, own) {
  const { table, first } = about;
  const last = table.length - 1;
  return (stored, chosen) => {
    const at = ((stored - chosen.center) * own.width) / chosen.width + own.center - first;
    const inside = Math.min(last, Math.max(0, at));
    const below = Math.floor(inside);
    const above = Math.min(last, below + 1);
    return (table[below] + (table[above] - table[below]) * (inside - below)) / 65535;
  };
}
