import { describe, expect, it } from 'vitest';

import { themed } from '../../src/themed';

const page =
  '<!DOCTYPE html><html><head><meta name="color-scheme" content="light dark"><style>a{color:red}' +
  '@media (prefers-color-scheme:dark){a{color:pink}}@media screen and ( prefers-color-scheme : light ){b{top:0}}</style></head>' +
  '<body>(prefers-color-scheme:dark) $& <meta name="color-scheme" content="light dark"></body></html>';

describe('themed', () => {
  it('turns the dark side out in a dark theme, and the light one in a light theme', () => {
    const dark = themed(page, false);
    expect(dark).toContain('@media (min-width:0){a{color:pink}}');
    expect(dark).toContain('@media screen and (max-width:0){b{top:0}}');
    expect(dark).toContain('<head><meta name="color-scheme" content="dark">');
    const light = themed(page, true);
    expect(light).toContain('@media (max-width:0){a{color:pink}}');
    expect(light).toContain('@media screen and (min-width:0){b{top:0}}');
    expect(light).toContain('<head><meta name="color-scheme" content="light">');
  });

  it('leaves what the memo says as it is', () => {
    const body = page.slice(page.indexOf('<body>'));
    expect(themed(page, false).endsWith(body)).toBe(true);
  });

  it('leaves a page without a head alone', () => {
    for (const text of ['', 'noise', '<header>(prefers-color-scheme:dark)</header>']) {
      expect(themed(text, false)).toBe(text);
    }
  });
});
