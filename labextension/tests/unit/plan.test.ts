import { describe, expect, it } from 'vitest';

import { percent, viewOf } from '../../src/plan';

const plan = {
  key: 'form',
  title: 'One-page form',
  owner: 'growth',
  hypothesis: { if: 'one page', then: [{ metric: 'done', direction: 'increase', lift: 0.1 }], because: 'less work' },
  variants: [
    { key: 'a', split: 0.5, control: true },
    { key: 'b', split: 0.5 }
  ],
  metrics: [{ key: 'done', kind: 'column', role: 'primary', direction: 'increase', min_lift: 0.01 }],
  horizon: { units: 4000 }
};

describe('viewOf', () => {
  it('shows hypothesis, variants, metrics and what is due', () => {
    const view = viewOf(JSON.stringify(plan));
    expect(view.title).toBe('One-page form');
    const rows = Object.fromEntries(view.sections.map(s => [s.title, s.rows]));
    expect(rows['Hypothesis']?.[1]).toEqual(['Then', 'done increase by 10 %']);
    expect(rows['Variants']?.[0]).toEqual(['a (control)', '50 %']);
    expect(rows['Metrics']?.[0]?.[1]).toContain('primary');
    expect(rows['Results are due']).toEqual([['units', '4000']]);
  });

  it('shows what is there when most is missing or odd', () => {
    const view = viewOf('{"key": 3, "metrics": [null, 4], "variants": "x", "hypothesis": []}');
    expect(view.key).toBe('3');
    expect(view.sections.map(s => s.title)).toEqual(['Hypothesis', 'Variants', 'Metrics']);
  });

  it.each(['[]', 'null', '3', '{'])('refuses what is no object: %s', source => {
    expect(() => viewOf(source)).toThrow();
  });
});

describe('percent', () => {
  it('has a true minus', () => {
    expect(percent(-0.123)).toBe('−12.3 %');
    expect(percent(0.5)).toBe('50 %');
  });
});
