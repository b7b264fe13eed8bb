/** SHA-256 of a text (FIPS 180-4): the browser's own is there on secure addresses alone, and a Jupyter Server in a company's net has none. */

const BLOCK = 64;

/** First 32 bits of the fractional part of a root of each of the first primes. */
function roots(count: number, power: number): Uint32Array {
  const out = new Uint32Array(count);
  for (let candidate = 2, found = 0; found < count; candidate++) {
    let isPrime = true;
    for (let i = 2; i * i <= candidate; i++) {
      isPrime &&= candidate % i !== 0;
    }
    if (isPrime) {
      const root = Math.pow(candidate, power);
      out[found++] = (root - Math.floor(root)) * 4294967296;
    }
  }
  return out;
}

const START = roots(8, 1 / 2);
const ROUND = roots(64, 1 / 3);

const turn = (x: number, by: number): number => (x >>> by) | (x << (32 - by));

/** SHA-256 of bytes in hexadecimal. */
export function sha256(data: Uint8Array): string {
  const size = Math.ceil((data.length + 9) / BLOCK) * BLOCK;
  const padded = new Uint8Array(size);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(size - 8, Math.floor(data.length / 536870912));
  view.setUint32(size - 4, (data.length * 8) >>> 0);
  const state = Uint32Array.from(START);
  const w = new Uint32Array(BLOCK);
  const at = (array: Uint32Array, i: number): number => array[i] ?? 0;
  for (let start = 0; start < size; start += BLOCK) {
    for (let i = 0; i < 16; i++) {
      w[i] = view.getUint32(start + 4 * i);
    }
    for (let i = 16; i < BLOCK; i++) {
      const a = at(w, i - 15);
      const b = at(w, i - 2);
      const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
      const s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
      w[i] = at(w, i - 16) + s0 + at(w, i - 7) + s1;
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
    for (let i = 0; i < BLOCK; i++) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + at(ROUND, i) + at(w, i)) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => { state[i] = at(state, i) + value; });
  }
  return Array.from(state, value => value.toString(16).padStart(8, '0')).join('');
}

/** Digest of the text that a document shows, with line ends as `\n`: what the server compares with its file. */
export function digestOf(text: string): string {
  return sha256(new TextEncoder().encode(text.replace(/\r\n?/g, '\n')));
}
