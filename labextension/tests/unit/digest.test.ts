import { describe, expect, it } from 'vitest';

import { digestOf, sha256 } from '../../src/digest';

const theirs = async (data: Uint8Array<ArrayBuffer> | string): Promise<string> => {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('');
};

describe('digest', () => {
  it('is SHA-256 for every length around the blocks', async () => {
    for (let length = 0; length < 300; length++) {
      const data = Uint8Array.from({ length }, (_, i) => (i * 37 + length) % 256);
      expect(sha256(data)).toBe(await theirs(data));
    }
  });

  it('is that of the text as UTF-8, with line ends as one sign', async () => {
    const text = 'Grüße, 日本 😀\n'.repeat(5000);
    expect(digestOf(text)).toBe(await theirs(text));
    expect(digestOf('a\r\nb\rc\n')).toBe(await theirs('a\nb\nc\n'));
  });

  it('tells two texts apart', () => {
    expect(digestOf('ship')).not.toBe(digestOf('Ship'));
  });
});
