/** The status bar item: what is due, overdue or broken. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { attention } from './listing';
import type { Model } from './model';

export class Status extends ReactWidget {
  constructor(
    private readonly _model: Model,
    private readonly _open: () => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('xp-StatusItem');
    _model.changed.connect(() => { this.update(); });
  }

  protected override render(): React.JSX.Element | null {
    const listing = this._model.listing;
    if (listing === null || listing.items.length === 0) {
      return null;
    }
    const trans = this._trans;
    const parts: string[] = [];
    if (listing.overdue > 0) {
      parts.push(trans.__('%1 overdue', listing.overdue));
    }
    if (listing.due > 0) {
      parts.push(trans.__('%1 due', listing.due));
    }
    if (listing.broken > 0) {
      parts.push(trans.__('%1 broken', listing.broken));
    }
    const text = parts.length > 0 ? parts.join(' · ') : trans.__('none due');
    return (
      <button
        className={attention(listing) > 0 ? 'xp-Status xp-mod-attention' : 'xp-Status'}
        title={trans.__('Show experiments')}
        onClick={this._open}
      >
        {trans.__('Experiments:')} {text}
      </button>
    );
  }
}
