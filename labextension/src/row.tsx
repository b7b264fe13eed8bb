/** One experiment in the panel: state, health, what is due and what to do next. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { CommandIDs } from './commands';
import { HEALTH_MARKS, MARKS, under } from './listing';
import type { HealthWord, IItem, State } from './types';

interface IRowProps {
  item: IItem;
  root: string;
  twice: boolean;
  run: (command: string, args?: Record<string, string>) => void;
  trans: TranslationBundle;
}

export const Row = React.memo(function Row({ item, root, twice, run, trans }: IRowProps): React.JSX.Element {
  const words = stateWords(trans);
  const open = (path: string): void => {
    run(CommandIDs.open, { path: under(root, path) });
  };
  return (
    <li className="xp-Row" data-state={item.state} data-key={item.key}>
      <div className="xp-RowTop">
        <span className={`xp-State xp-mod-${item.state}`}>
          <span aria-hidden="true">{MARKS[item.state]}</span> {words[item.state]}
        </span>
        <span className={`xp-Health xp-mod-${item.health.status}`} title={item.health.text}>
          <span aria-hidden="true">{HEALTH_MARKS[item.health.status]}</span>{' '}
          {healthWords(trans)[item.health.status]}
        </span>
      </div>
      <h3 title={item.title || item.key}>{item.title || item.key}</h3>
      <p className="xp-Key">
        <code className={twice ? 'xp-mod-twice' : ''}>{item.key}</code>
        {item.owner !== '' && ` · ${item.owner}`}
      </p>
      <p className={item.state === 'broken' ? 'xp-Sentence xp-mod-broken' : 'xp-Sentence'} title={item.sentence}>
        {wholeDates(item.sentence)}
      </p>
      {item.follows.length > 0 && (
        <p className="xp-Lineage">{trans.__('Follows %1', [...item.follows].reverse().join(' ← '))}</p>
      )}
      {item.restarted_as !== '' && <p className="xp-Lineage">{trans.__('Restarted as %1', item.restarted_as)}</p>}
      {item.due.is_due && <p className={item.due.is_overdue ? 'xp-Due xp-mod-overdue' : 'xp-Due'}>→ {wholeDates(item.due.text)}</p>}
      <div className="xp-Actions" role="group" aria-label={trans.__('Actions for %1', item.title || item.key)}>
        {actions(item, trans).map(([label, template]) => (
          <button
            key={template}
            className="xp-Link"
            aria-label={`${label}: ${item.key}`}
            onClick={() => { run(CommandIDs.create, { template, key: item.key }); }}
          >
            {label}
          </button>
        ))}
        {item.has_memo && (
          <button className="xp-Link" aria-label={`${trans.__('Memo')}: ${item.key}`} onClick={() => { open(`${item.key}/memo.html`); }}>
            {trans.__('Memo')}
          </button>
        )}
        {item.letters.slice(0, 1).map(name => (
          <button key={name} className="xp-Link" aria-label={`${trans.__('Letter')}: ${item.key}`} onClick={() => { open(`${item.key}/${name}`); }}>
            {trans.__('Letter')}
          </button>
        ))}
        {item.path !== '' && !item.path.startsWith('.') && (
          <button className="xp-Link" aria-label={`${trans.__('Plan')}: ${item.key}`} onClick={() => { open(item.path); }}>
            {trans.__('Plan')}
          </button>
        )}
      </div>
    </li>
  );
});

/** The text with each date in a piece of its own, so that no line breaks within it. */
function wholeDates(text: string): React.ReactNode[] {
  return text.split(/(\d{4}-\d\d-\d\d)/).map((part, i) => (i % 2 ? <time key={i}>{part}</time> : part));
}

function healthWords(trans: TranslationBundle): Record<HealthWord, string> {
  return {
    pass: trans.__('health: pass'),
    warn: trans.__('health: warn'),
    fail: trans.__('health: fail'),
    unknown: trans.__('no health yet')
  };
}

/** The names of states. */
function stateWords(trans: TranslationBundle): Record<State, string> {
  return {
    draft: trans.__('draft'),
    registered: trans.__('registered'),
    running: trans.__('running'),
    sealed: trans.__('sealed'),
    ready: trans.__('ready'),
    decided: trans.__('decided'),
    watched: trans.__('watched'),
    overdue: trans.__('watch overdue'),
    breached: trans.__('guardrail breached'),
    broken: trans.__('broken')
  };
}

function actions(item: IItem, trans: TranslationBundle): [string, string][] {
  const labels: Record<string, string> = {
    plan: trans.__('Edit plan'),
    preflight: trans.__('Preflight'),
    monitor: trans.__('Monitor'),
    readout: trans.__('Readout'),
    decision: trans.__('Decide'),
    'post-rollout': trans.__('Check')
  };
  const wanted: Record<State, string[]> = {
    draft: ['plan'],
    registered: ['preflight', 'monitor'],
    running: ['monitor', 'readout'],
    sealed: ['monitor', 'readout'],
    ready: ['readout', 'decision'],
    decided: ['readout'],
    watched: ['post-rollout'],
    overdue: ['post-rollout'],
    breached: ['post-rollout'],
    broken: []
  };
  return wanted[item.state].map(template => [labels[template] ?? template, template]);
}
