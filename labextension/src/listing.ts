/** Pure functions over the list of experiments: order, search, counts. */

import type { IItem, IListing, State } from './types';

/** States in the order in which they need attention. */
export const ORDER: readonly State[] = [
  'broken',
  'breached',
  'overdue',
  'ready',
  'sealed',
  'running',
  'registered',
  'draft',
  'watched',
  'decided'
];

/** A mark for each state, so that colour never stands alone. */
export const MARKS: Readonly<Record<State, string>> = {
  draft: '✎',
  registered: '□',
  running: '▷',
  sealed: '◆',
  ready: '●',
  decided: '▲',
  watched: '◉',
  overdue: '!',
  breached: '✕',
  broken: '✕'
};

export const HEALTH_MARKS: Readonly<Record<IItem['health']['status'], string>> = {
  pass: '✓',
  warn: '▲',
  fail: '✕',
  unknown: '─'
};

/** Experiments in the order of attention, then by key; the input is left as it is. */
export function sorted(items: readonly IItem[]): IItem[] {
  const rank = (item: IItem): number => (item.due.is_overdue ? -1 : ORDER.indexOf(item.state));
  return [...items].sort((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** Those whose key, title, owner, state, sentence, hypothesis, what was learned or runs before hold every word of the search. */
export function matching(items: readonly IItem[], search: string): IItem[] {
  const words = search.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) {
    return [...items];
  }
  return items.filter(item => {
    const told = [item.hypothesis, item.learned, ...item.follows, item.restarted_as];
    const text = [item.key, item.title, item.owner, item.state, item.sentence, item.health.text, ...told].join('\n').toLocaleLowerCase();
    return words.every(word => text.includes(word));
  });
}

/** Titles that more than one experiment has; there the key says which is which. */
export function repeatedTitles(items: readonly IItem[]): Set<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const item of items) {
    if (item.title && seen.has(item.title)) {
      twice.add(item.title);
    }
    seen.add(item.title);
  }
  return twice;
}

/** Whether two answers say the same, so that nothing needs to be drawn again. */
export function same(a: IListing | null, b: IListing | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What needs someone now: due, overdue, or broken. */
export function attention(listing: IListing | null): number {
  return listing === null ? 0 : listing.due + listing.overdue + listing.broken;
}

/** A path under a root. */
export function under(root: string, path: string): string {
  return root === '' ? path : path === '' ? root : `${root}/${path}`;
}
