import { Signal } from '@lumino/signaling';
import { describe, expect, it } from 'vitest';

import type { Api } from '../../src/api';
import { Model } from '../../src/model';
import type { IListing } from '../../src/types';

const listing = (root: string, due = 0): IListing => ({ root, exists: true, roots: [root], version: '0', items: [], due, overdue: 0, broken: 0 });

interface IAnswers {
  (root: string): Promise<IListing>;
}

const model = (answers: IAnswers): Model => new Model({ list: answers } as unknown as Api, null);

describe('Model', () => {
  it('tells of news only', async () => {
    let due = 0;
    const found = model(root => Promise.resolve(listing(root, due)));
    let told = 0;
    found.changed.connect(() => { told += 1; });
    await found.refresh();
    await found.refresh();
    expect(told).toBe(1);
    due = 1;
    await found.refresh();
    expect(told).toBe(2);
    expect(found.listing?.due).toBe(1);
    found.dispose();
  });

  it('keeps the last list and says what went wrong, then recovers', async () => {
    let broken = false;
    const found = model(root => (broken ? Promise.reject(new Error('the server is away')) : Promise.resolve(listing(root))));
    await found.refresh();
    broken = true;
    await found.refresh();
    expect(found.problem).toBe('the server is away');
    expect(found.listing).not.toBeNull();
    broken = false;
    await found.refresh();
    expect(found.problem).toBe('');
    found.dispose();
  });

  it('drops the answer for a root that was left meanwhile', async () => {
    const waiting: ((value: IListing) => void)[] = [];
    const found = model(root => (root === 'slow' ? new Promise(resolve => { waiting.push(resolve); }) : Promise.resolve(listing(root))));
    found.configure({ root: 'slow', seconds: 5 });
    const slow = found.refresh();
    found.configure({ root: 'quick', seconds: 5 });
    await found.refresh();
    waiting[0]?.(listing('slow'));
    await slow;
    expect(found.listing?.root).toBe('quick');
    found.dispose();
  });

  it('looks again when a file of an experiment changes', async () => {
    const source = {};
    const fileChanged = new Signal<object, unknown>(source);
    let asked = 0;
    const api = { list: (root: string) => { asked += 1; return Promise.resolve(listing(root)); } } as unknown as Api;
    const found = new Model(api, { fileChanged } as never);
    fileChanged.emit({ type: 'save', newValue: { path: 'experiments/a/ledger.jsonl' } });
    fileChanged.emit({ type: 'save', newValue: { path: 'notes.txt' } });
    await Promise.resolve();
    expect(asked).toBe(1);
    found.dispose();
  });
});
