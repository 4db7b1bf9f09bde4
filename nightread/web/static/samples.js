// Samples of 16 bits, as nightread/previews/parts.py packs them.

/** What the viewer must know of an image, and its overview. */
export async function overview(address) {
  const data = await fetched(address);
  const length = new DataView(data).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const columns = Math.ceil(about.columns / about.factor);
  const rows = Math.ceil(about.rows / about.factor);
  return { about, plane: unpacked(new Uint8Array(data, 4 + length), rows, columns) };
}

/** A native tile. */
export async function tile(address, rows, columns) {
  return unpacked(new Uint8Array(await fetched(address)), rows, columns);
}

async function fetched(address) {
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) {
    throw new Error((await answer.text()).slice(0, 200) || `HTTP ${answer.status}`);
  }
  return answer.arrayBuffer();
}

/** Low bytes before high ones, signs folded in, differences along each row. */
function unpacked(bytes, rows, columns) {
  const count = rows * columns;
  if (bytes.length !== 2 * count) {
    throw new Error("The preview is not as long as it says.");
  }
  const samples = new Uint16Array(count);
  for (let row = 0, at = 0; row < rows; row++) {
    let value = 0;
    for (let column = 0; column < columns; column++, at++) {
      const folded = bytes[at] | (bytes[at + count] << 8);
      value = (value + ((folded >> 1) ^ -(folded & 1))) & 0xffff;
      samples[at] = value;
    }
  }
  return { rows, columns, samples };
}
