import { createHash } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { digestOf, sha256 } from '../../src/digest';

const theirs = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');

describe('digest', () => {
  it('is SHA-256 for every length around the blocks', () => {
    for (let length = 0; length < 300; length++) {
      const data = Uint8Array.from({ length }, (_, i) => (i * 37 + length) % 256);
      expect(sha256(data)).toBe(theirs(data));
    }
  });

  it('is that of the text as UTF-8, with line ends as one sign', () => {
    const text = 'Grüße, 日本 😀\n'.repeat(5000);
    expect(digestOf(text)).toBe(theirs(text));
    expect(digestOf('a\r\nb\rc\n')).toBe(theirs('a\nb\nc\n'));
  });

  it('tells two texts apart', () => {
    expect(digestOf('ship')).not.toBe(digestOf('Ship'));
  });
});
