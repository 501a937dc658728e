// The network: one character in, a logit for each that may come next out. The mathematics is that of charrnn/layers/,
// with weights rounded as in charrnn/layers/narrow.py.

const GATES = { lstm: 4, gru: 3, rnn: 1, rnn_relu: 1 };
const LARGEST = 127;
const SMALLEST = 1e-30;
const ROUNDING = 1.5 * 2 ** 23; // a float32 of this size has no bits left for a fraction: adding it rounds

// A step of each cell changes h and, for an LSTM, c, from the arguments of its gates: their sum a or, for a GRU, the
// parts x and hW. Since σ(a) = ½ tanh(½ a) + ½, one tanh of a whole array serves all gates
const CELLS = {
  lstm({ h, c }, { a, squashed }, H, tanh) {
    for (let n = 0; n < 2 * H; n++) a[n] *= 0.5;
    for (let n = 3 * H; n < 4 * H; n++) a[n] *= 0.5;
    tanh(a);
    for (let j = 0; j < H; j++) {
      const i = 0.5 * a[j] + 0.5;
      const f = 0.5 * a[H + j] + 0.5;
      c[j] = f * c[j] + i * a[2 * H + j];
      squashed[j] = c[j];
    }
    tanh(squashed);
    for (let j = 0; j < H; j++) h[j] = (0.5 * a[3 * H + j] + 0.5) * squashed[j];
  },
  gru({ h }, { x, hW, a, squashed }, H, tanh) {
    for (let n = 0; n < 2 * H; n++) a[n] = 0.5 * (x[n] + hW[n]);
    tanh(a);
    for (let j = 0; j < H; j++) {
      const r = 0.5 * a[j] + 0.5;
      squashed[j] = x[2 * H + j] + r * hW[2 * H + j];
    }
    tanh(squashed);
    for (let j = 0; j < H; j++) {
      const z = 0.5 * a[H + j] + 0.5;
      h[j] = squashed[j] + z * (h[j] - squashed[j]);
    }
  },
  rnn({ h }, { a }, H, tanh) {
    for (let j = 0; j < H; j++) h[j] = a[j];
    tanh(h);
  },
  rnn_relu({ h }, { a }, H) {
    for (let j = 0; j < H; j++) h[j] = Math.max(0, a[j]);
  },
};

// The network of a configuration; `bytes` has the weights as charrnn/export/page/weights.py packs them
function networkOf(config, bytes, withSimd = true) {
  const { cell, hidden: H, layers: L, vocabulary: V, precision } = config;
  const [G, isWhole] = [GATES[cell] * H, precision === "int8"];
  const padded = (n, multiple) => Math.ceil(n / multiple) * multiple;
  const K = padded(H, COLUMNS);
  const [N, M] = [padded(G, ROWS), padded(V, ROWS)];
  const weights = ((2 * L - 1) * N + M) * K * (isWhole ? 1 : 2);
  const vectors = 4 * ((4 * L + 3) * N + 3 * M + (2 * L + 1) * K) + 256 * (L + 1); // and what it takes to align them
  const { array, whole, real, tanh } = arithmeticIn(weights + vectors, K, withSimd);

  // The weights: first all float32 numbers, then those of the matrices
  let [nextFloat, nextNumber] = [0, 4 * config.floats];
  const floats = (n) => new Float32Array(bytes.slice(4 * nextFloat, 4 * (nextFloat += n)).buffer);
  const numbers = (n) => {
    const read = bytes.subarray(nextNumber, (nextNumber += n * (isWhole ? 1 : 2)));
    if (isWhole) return new Int8Array(read.buffer, read.byteOffset, n);
    return Uint16Array.from({ length: n }, (_, k) => (read[n + k] << 8) | read[k]); // the lower bytes come first
  };
  const vector = (n, values = []) => {
    const made = array(Float32Array, padded(n, ROWS));
    made.set(values);
    return made;
  };
  const steps = (n) => vector(n, isWhole ? floats(n) : new Float32Array(n).fill(1));
  const widened = (halves) => new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
  const matrix = (rows) => {
    const W = array(isWhole ? Int8Array : Uint16Array, padded(rows, ROWS) * K);
    const read = numbers(rows * H);
    for (let n = 0; n < rows; n++) W.set(read.subarray(n * H, (n + 1) * H), n * K);
    return { W, steps: steps(rows) };
  };
  const table = { rows: isWhole ? numbers(V * G) : widened(numbers(V * G)), steps: steps(G) };
  const layers = Array.from({ length: L }, (_, layer) => ({
    W_ih: layer ? matrix(G) : null,
    b: vector(G, floats(G)),
    W_hh: matrix(G),
    b_hh: cell === "gru" ? vector(G, [...Array(2 * H).fill(0), ...floats(H)]) : null,
    h: array(Float32Array, K),
    c: new Float32Array(H),
    rounded: isWhole ? array(Int16Array, K) : null,
    scale: 1, // h is about rounded · scale
  }));
  const output = { W: matrix(V), b: vector(V, floats(V)) };
  const gates = { x: vector(G), hW: vector(G), a: vector(G), squashed: array(Float32Array, K) };
  const logits = vector(V);

  // Rounds h as a matrix in int8 is multiplied by it
  const round = (layer) => {
    let largest = 0;
    for (let j = 0; j < H; j++) largest = Math.max(largest, Math.abs(layer.h[j]));
    const factor = largest < SMALLEST ? 0 : Math.fround(LARGEST / largest);
    for (let j = 0; j < H; j++) {
      layer.rounded[j] = Math.fround(Math.fround(layer.h[j] * factor) + ROUNDING) - ROUNDING;
    }
    layer.scale = Math.fround(largest / LARGEST);
  };
  // y = W h + b
  const multiply = ({ W, steps }, { h, rounded, scale }, b, y) => {
    if (isWhole) whole(W, rounded, y, steps, b, scale);
    else real(W, h, y, steps, b, 1);
  };

  return {
    // Forgets all that was read
    reset() {
      for (const layer of layers) {
        for (const state of [layer.h, layer.c]) state.fill(0);
        if (isWhole) round(layer);
      }
    },
    // The logits after another character; the next step overwrites them
    step(id) {
      layers.forEach((layer, n) => {
        const { x, hW, a } = gates;
        if (n) multiply(layer.W_ih, layers[n - 1], layer.b, x);
        else for (let k = 0; k < G; k++) x[k] = table.rows[id * G + k] * table.steps[k] + layer.b[k];
        multiply(layer.W_hh, layer, layer.b_hh ?? x, layer.b_hh ? hW : a);
        CELLS[cell](layer, gates, H, tanh);
        if (isWhole) round(layer);
      });
      multiply(output.W, layers[L - 1], output.b, logits);
      return logits.subarray(0, V);
    },
  };
}
