import { describe, expect, it } from 'vitest';

import { attention, HEALTH_MARKS, MARKS, matching, ORDER, repeatedTitles, same, sorted, under } from '../../src/listing';
import type { IItem, IListing, State } from '../../src/types';

const item = (key: string, state: State, more: Partial<IItem> = {}): IItem => ({
  key,
  title: `Title ${key}`,
  owner: 'growth',
  state,
  sentence: '',
  health: { status: 'pass', text: '3 pass' },
  due: { at: '', text: '', is_due: false, is_overdue: false },
  next: '',
  looks: 0,
  decision: '',
  has_memo: false,
  path: `${key}/plan.json`,
  hypothesis: '',
  learned: '',
  follows: [],
  restarted_as: '',
  letters: [],
  ...more
});

const listing = (items: IItem[], more: Partial<IListing> = {}): IListing => ({
  root: 'experiments',
  exists: true,
  roots: ['experiments'],
  version: '0',
  items,
  due: 0,
  overdue: 0,
  broken: 0,
  ...more
});

describe('sorted', () => {
  it('puts what needs attention first and keeps the input', () => {
    const items = [item('c', 'decided'), item('b', 'broken'), item('a', 'ready'), item('d', 'overdue')];
    const before = [...items];
    expect(sorted(items).map(i => i.key)).toEqual(['b', 'd', 'a', 'c']);
    expect(items).toEqual(before);
  });

  it('puts overdue dates before everything, then goes by key', () => {
    const due = { at: '', text: '', is_due: true, is_overdue: true };
    expect(sorted([item('b', 'sealed'), item('a', 'sealed'), item('z', 'watched', { due })]).map(i => i.key)).toEqual(['z', 'a', 'b']);
  });

  it('knows every state, each with its own mark beside its colour', () => {
    expect(new Set(ORDER).size).toBe(Object.keys(MARKS).length);
    expect([...ORDER].sort()).toEqual(Object.keys(MARKS).sort());
    expect(new Set(Object.values(HEALTH_MARKS)).size).toBe(4);
  });
});

describe('matching', () => {
  const items = [item('beta', 'sealed', { title: 'Beta homepage', owner: 'Ana' }), item('form', 'ready', { title: 'One-page form' })];

  it('needs every word, in any field, whatever the case', () => {
    expect(matching(items, 'BETA ana').map(i => i.key)).toEqual(['beta']);
    expect(matching(items, 'ready').map(i => i.key)).toEqual(['form']);
    expect(matching(items, 'beta ready')).toEqual([]);
    const told = [item('c', 'decided', { hypothesis: 'If fewer steps', learned: 'People missed the total', follows: ['b'] })];
    expect(matching(told, 'steps missed').map(i => i.key)).toEqual(['c']);
  });

  it('takes characters of patterns as they are', () => {
    expect(matching(items, '.*')).toEqual([]);
    expect(matching(items, '  ')).toHaveLength(2);
  });
});

describe('repeatedTitles', () => {
  it('names titles of two experiments, not the empty one', () => {
    const twice = repeatedTitles([item('a', 'ready', { title: 'X' }), item('b', 'ready', { title: 'X' }), item('c', 'broken', { title: '' }), item('d', 'broken', { title: '' })]);
    expect([...twice]).toEqual(['X']);
  });
});

describe('small things', () => {
  it('joins and splits paths', () => {
    expect(under('experiments', 'a/plan.json')).toBe('experiments/a/plan.json');
    expect(under('', 'a')).toBe('a');
    expect(under('r', '')).toBe('r');
  });

  it('counts what needs someone', () => {
    expect(attention(null)).toBe(0);
    expect(attention(listing([], { due: 1, overdue: 2, broken: 3 }))).toBe(6);
  });

  it('tells answers apart', () => {
    const a = listing([item('a', 'ready')]);
    expect(same(a, listing([item('a', 'ready')]))).toBe(true);
    expect(same(a, listing([item('a', 'sealed')]))).toBe(false);
    expect(same(null, a)).toBe(false);
  });
});
