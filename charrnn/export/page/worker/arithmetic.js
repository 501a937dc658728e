// The arithmetic that takes the time: products of a matrix and a vector, and tanh. In WebAssembly with SIMD or, where a
// browser has none, in plain JavaScript. A matrix [N, K] lies row after row; N is a multiple of ROWS, K of COLUMNS. The
// products of whole numbers (W in 8 bits, x in 16) are exact in any order; the others are of bfloat16, the upper halves of
// float32, and float32.

const ROWS = 4;
const COLUMNS = 8;

// tanh x ≈ x P(x²) / Q(x²) for |x| ≤ 8, as in charrnn/engine/kernels/simd.py: the error is at most 4e-7
const TANH_P = [1.0, 0.13381025195121765, 0.003495587268844247, 2.0609069906640798e-5, 1.3354644501362145e-8];
const TANH_Q = [1.0, 0.4671434164047241, 0.025876978412270546, 0.0003285633574705571, 7.776550887683698e-7];
const TANH_LIMIT = 8;

// The binary module of three functions of addresses in memory, for matrices of K columns
function arithmeticModule(K) {
  const [i32, f32, v128, none] = [0x7f, 0x7d, 0x7b, 0x40];
  const unsigned = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >> 7)]);
  const signed = (n) => (n < 64 ? [n] : [(n & 127) | 128, ...signed(n >> 7)]); // for n ≥ 0
  const sized = (bytes) => [...unsigned(bytes.length), ...bytes];
  const list = (items) => [...unsigned(items.length), ...items.flat()];
  const name = (text) => sized([...text].map((c) => c.charCodeAt(0)));
  const times = (n, make) => Array.from({ length: n }, (_, k) => make(k)).flat();

  // Instructions, by their numbers
  const get = (local) => [0x20, local];
  const set = (local) => [0x21, local];
  const integer = (n) => [0x41, ...signed(n)];
  const addInteger = [0x6a];
  const addFloat = [0x92];
  const multiplyFloat = [0x94];
  const toFloat = [0xb2];
  const loadFloat = (local, offset) => [...get(local), 0x2a, 2, ...unsigned(offset)];
  const storeFloat = (offset) => [0x38, 2, ...unsigned(offset)];
  const simd = (number, ...rest) => [0xfd, ...unsigned(number), ...rest];
  const load = (local, offset = 0) => [...get(local), ...simd(0, 4, ...unsigned(offset))];
  const loadBytes = (local, offset) => [...get(local), ...simd(1, 3, ...unsigned(offset))]; // eight, widened to 16 bits
  const loadHalves = (local, offset) => [...get(local), ...simd(4, 3, ...unsigned(offset)), ...integer(16), ...shiftLeft];
  const store = simd(11, 4, 0);
  const float = (value) => simd(12, ...times(4, () => [...new Uint8Array(new Float32Array([value]).buffer)]));
  const zero = simd(12, ...times(16, () => [0]));
  const integerLane = (n) => simd(27, n);
  const floatLane = (n) => simd(31, n);
  const shiftLeft = simd(171);
  const addIntegers = simd(174);
  const dot = simd(186); // of eight numbers of 16 bits: the sums of neighbours in 32 bits
  const [addFloats, multiply, divide, least, most] = [228, 230, 231, 232, 233].map((number) => simd(number));

  const advance = (local, bytes) => [...get(local), ...integer(bytes), ...addInteger, ...set(local)];
  const until = (local, end, body) => [0x03, none, ...body, ...get(local), ...get(end), 0x49, 0x0d, 0, 0x0b];
  const functionOf = (locals, body) => sized([...list(locals), ...body, 0x0b]);

  // (W, end of W, x, end of x, y, steps, b, scale): ROWS products side by side, so that x is read once for all of them
  const [W, Wend, x, xend, y, steps, b, scale, at, part, sum] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const product = (bytesOfRow, read, add, total) => {
    const round = times(ROWS, (n) => [...get(sum + n), ...read(n * bytesOfRow), ...get(part), ...add, ...set(sum + n)]);
    const scaled = (n) => [
      ...[...get(y), ...total(get(sum + n)), ...get(scale), ...multiplyFloat],
      ...[...loadFloat(steps, 4 * n), ...multiplyFloat, ...loadFloat(b, 4 * n), ...addFloat, ...storeFloat(4 * n)],
    ];
    const rows = [
      ...[...get(x), ...set(at), ...times(ROWS, (n) => [...zero, ...set(sum + n)])],
      ...until(at, xend, [...load(at), ...set(part), ...round, ...advance(W, 8), ...advance(at, 16)]),
      ...[...advance(W, (ROWS - 1) * bytesOfRow), ...times(ROWS, scaled)],
      ...[y, steps, b].flatMap((pointer) => advance(pointer, 4 * ROWS)),
    ];
    return functionOf([[1, i32], [1 + ROWS, v128]], until(W, Wend, rows));
  };
  const lanes = (vector, lane, plus) => times(4, (n) => [...vector, ...lane(n), ...(n ? plus : [])]);
  const whole = product(
    K, (offset) => loadBytes(W, offset), [...dot, ...addIntegers],
    (vector) => [...lanes(vector, integerLane, addInteger), ...toFloat],
  );
  const real = product(
    2 * K, (offset) => loadHalves(W, offset), [...multiply, ...addFloats], (vector) => lanes(vector, floatLane, addFloat),
  );

  // (values, their end): tanh in place, four values at a time
  const [value, valuesEnd, clipped, square] = [0, 1, 8, 9];
  const polynomial = ([first, ...rest]) =>
    rest.length ? [...polynomial(rest), ...get(square), ...multiply, ...float(first), ...addFloats] : float(first);
  const tanh = functionOf([[2, v128]], until(value, valuesEnd, [
    ...[...load(value), ...float(-TANH_LIMIT), ...most, ...float(TANH_LIMIT), ...least, ...set(clipped)],
    ...[...get(clipped), ...get(clipped), ...multiply, ...set(square)],
    ...[...get(value), ...get(clipped), ...polynomial(TANH_P), ...multiply, ...polynomial(TANH_Q), ...divide, ...store],
    ...advance(value, 16),
  ]));

  const section = (id, items) => [id, ...sized(list(items))];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [[0x60, 8, ...times(7, () => [i32]), f32, 0]]),
    ...section(2, [[...name("js"), ...name("memory"), 2, 0, 1]]),
    ...section(3, [[0], [0], [0]]),
    ...section(7, ["whole", "real", "tanh"].map((text, n) => [...name(text), 0, n])),
    ...section(10, [whole, real, tanh]),
  ]);
}

// The compiled module; null where a browser has no WebAssembly, or none with SIMD
function compiledArithmetic(K) {
  try {
    return new WebAssembly.Module(arithmeticModule(K));
  } catch {
    return null;
  }
}

// A memory of some bytes in which `array` makes arrays, and the functions that work on such arrays: `whole` and `real`
// write y = scale · steps ⊙ (W x) + b for an x [K], and `tanh`, of a multiple of 4 values, works in place
function arithmeticIn(bytes, K, withSimd) {
  const module = withSimd ? compiledArithmetic(K) : null;
  const pages = Math.ceil(bytes / 65536);
  const memory = module ? new WebAssembly.Memory({ initial: pages }) : { buffer: new ArrayBuffer(bytes) };
  let free = 0;
  const array = (type, length) => {
    const made = new type(memory.buffer, free, length);
    free = Math.ceil((free + made.byteLength) / 16) * 16;
    return made;
  };
  return { array, ...(module ? compiledFunctions(module, memory) : plainFunctions()) };
}

function compiledFunctions(module, memory) {
  const { whole, real, tanh } = new WebAssembly.Instance(module, { js: { memory } }).exports;
  const end = (values) => values.byteOffset + values.byteLength;
  const product = (call) => (W, x, y, steps, b, scale) =>
    call(W.byteOffset, end(W), x.byteOffset, end(x), y.byteOffset, steps.byteOffset, b.byteOffset, scale);
  return {
    whole: product(whole),
    real: product(real),
    tanh: (values) => tanh(values.byteOffset, end(values), 0, 0, 0, 0, 0, 0),
  };
}

function plainFunctions() {
  const product = (valueOf) => (W, x, y, steps, b, scale) => {
    for (let n = 0, k = 0; n < y.length; n++) {
      let total = 0;
      for (let j = 0; j < x.length; j++, k++) total += valueOf(W[k]) * x[j];
      y[n] = total * scale * steps[n] + b[n];
    }
  };
  const float = new DataView(new ArrayBuffer(4));
  const widened = (half) => (float.setUint16(0, half), float.getFloat32(0));
  const tanh = (values) => {
    for (let n = 0; n < values.length; n++) values[n] = Math.tanh(values[n]);
  };
  return { whole: product((number) => number), real: product(widened), tanh };
}
