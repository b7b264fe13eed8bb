/** The verdict on a document, for its toolbar. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { IVerdict, VerdictStatus } from './types';

const MARK: Readonly<Record<VerdictStatus, string>> = {
  verified: '✓',
  'numbers hold': '◒',
  differs: '✕',
  unreadable: '?',
  newer: '↑',
  draft: '✎'
};

/** The verdict in the toolbar; opens to what was found. */
export class VerdictView extends ReactWidget {
  constructor(private readonly _trans: TranslationBundle) {
    super();
    this.addClass('xp-Verdict');
  }

  set verdict(value: IVerdict | null) {
    this._verdict = value;
    this._said = '';
    this.update();
  }

  set said(value: string) {
    this._said = value;
    this.update();
  }

  protected override render(): React.JSX.Element {
    const trans = this._trans;
    const verdict = this._verdict;
    if (this._said !== '' || verdict === null) {
      return (
        <span className="xp-VerdictText" role="status">
          {this._said || trans.__('not verified yet')}
        </span>
      );
    }
    const words: Record<VerdictStatus, string> = {
      verified: trans.__('Verified'),
      'numbers hold': trans.__('Numbers hold'),
      differs: trans.__('Differs'),
      unreadable: trans.__('Unreadable'),
      newer: trans.__('Made by a newer version'),
      draft: trans.__('Draft')
    };
    const depths: Record<string, string> = {
      'in full': trans.__('Verified in full'),
      'in part': trans.__('Numbers hold, some not computed'),
      'page not compared': trans.__('Numbers hold, page not compared'),
      'page touched': trans.__('Numbers hold, page touched'),
      'no page': trans.__('Numbers hold, no page')
    };
    const isWhole = verdict.status === 'verified' && (verdict.kind === 'plan' || verdict.depth === 'in full');
    const tone = verdict.status === 'verified' && !isWhole ? 'numbers-hold' : verdict.status.replace(' ', '-');
    return (
      <span role="status" className={`xp-VerdictText xp-mod-${tone}`}>
        <button className="xp-Link" title={trans.__('What was checked')} onClick={() => { void this._details(verdict); }}>
          <strong>
            {verdict.sign || MARK[verdict.status]} {depths[verdict.depth] ?? words[verdict.status]}
          </strong>
        </button>{' '}
        <span className="xp-VerdictReason" title={verdict.reason}>
          {verdict.reason}
        </span>
      </span>
    );
  }

  private async _details(verdict: IVerdict): Promise<void> {
    const part = (title: string, lines: readonly string[]): React.JSX.Element | null =>
      lines.length === 0 ? null : (
        <>
          <h4>{title}</h4>
          <ul>
            {lines.slice(0, 100).map((line, i) => (
              <li key={i}>{line}</li>
            ))}
          </ul>
        </>
      );
    await showDialog({
      title: this._trans.__('What was checked'),
      body: (
        <div className="xp-Details">
          <p>{verdict.reason}</p>
          {part(verdict.kind === 'plan' && verdict.status === 'draft' ? this._trans.__('Problems') : this._trans.__('Differs'), verdict.lines)}
          {part(this._trans.__('Checked'), verdict.checked)}
          {part(this._trans.__('Not checked'), verdict.not_checked)}
          {part(this._trans.__('What this can’t prove'), verdict.unproven)}
        </div>
      ),
      buttons: [Dialog.okButton()]
    });
  }

  private _verdict: IVerdict | null = null;
  private _said = '';
}
