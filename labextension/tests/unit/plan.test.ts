import { describe, expect, it } from 'vitest';

import { percent, viewOf } from '../../src/plan';
import type { IPlanView } from '../../src/plan';

const view = (source: string, prefix = ''): IPlanView => viewOf(source, { __: text => prefix + text });

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
    const found = view(JSON.stringify(plan));
    expect(found.title).toBe('One-page form');
    const rows = Object.fromEntries(found.sections.map(s => [s.title, s.rows]));
    expect(rows['Hypothesis']?.[1]).toEqual(['Then', 'done increase by 10 %']);
    expect(rows['Variants']?.[0]).toEqual(['a (control)', '50 %']);
    expect(rows['Metrics']?.[0]?.[1]).toContain('primary');
    expect(rows['Results are due']).toEqual([['units', '4000']]);
  });

  it('shows what is there when most is missing or odd', () => {
    const found = view('{"key": 3, "metrics": [null, 4], "variants": "x", "hypothesis": []}');
    expect(found.key).toBe('3');
    expect(found.sections.map(s => s.title)).toEqual(['Hypothesis', 'Variants', 'Metrics']);
  });

  it('puts decision and results of a memo before its plan', () => {
    const row = { label: 'Done', metric: 'done', variant: 'b', role: 'primary', effect: -0.066, ci_low: -0.09, ci_high: -0.04 };
    const memo = {
      decision: { outcome: 'ship', variant: 'b', by: 'ana', because: 'as planned', at: '2026-11-03', follows_rule: false },
      readout: { plan, rows: [{ ...row, lift: 0.3325, lift_low: 0.1895, lift_high: null }, null, 3] }
    };
    const found = view(JSON.stringify(memo));
    expect(found.key).toBe('form');
    expect(found.sections.map(s => s.title).slice(0, 3)).toEqual(['Decision', 'Results', 'Hypothesis']);
    expect(found.sections[0]?.rows[0]).toEqual(['Outcome', 'ship b']);
    expect(found.sections[0]?.rows[4]).toEqual(['As the rule advises', 'no']);
    expect(found.sections[1]?.rows).toEqual([['Done · b', 'primary · effect −0.066 (−0.09 … −0.04) · lift 33.25 %']]);
  });

  it('has every heading translated', () => {
    const found = view(JSON.stringify(plan), '#');
    expect(found.sections.every(s => s.title.startsWith('#'))).toBe(true);
    expect(found.sections[0]?.rows.every(([name]) => name.startsWith('#'))).toBe(true);
  });

  it.each(['[]', 'null', '3', '{'])('refuses what is no object: %s', source => {
    expect(() => view(source)).toThrow();
  });
});

describe('percent', () => {
  it('has a true minus', () => {
    expect(percent(-0.123)).toBe('−12.3 %');
    expect(percent(0.5)).toBe('50 %');
  });
});
