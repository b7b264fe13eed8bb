/** The list of experiments, kept up to date while someone looks at it. */

import type { Contents } from '@jupyterlab/services';
import { Poll } from '@lumino/polling';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type { Api } from './api';
import { same } from './listing';
import { reasonOf } from './reason';
import type { IListing } from './types';

const OURS = /(?:ledger\.jsonl|plan\.json|memo\.html|readout\.json|watch\.html)$/;

export class Model {
  /**
   * @param api - Calls of the server.
   * @param contents - Tells of files that this browser has changed.
   */
  constructor(
    readonly api: Api,
    contents: Pick<Contents.IManager, 'fileChanged'> | null
  ) {
    this._poll = new Poll<void, Error>({
      auto: false,
      name: 'xpbench:experiments',
      factory: () => this.refresh(),
      frequency: { interval: 5000, backoff: true, max: 60_000 },
      standby: 'when-hidden'
    });
    contents?.fileChanged.connect((_, change) => {
      const path = change.newValue?.path ?? change.oldValue?.path ?? '';
      if (OURS.test(path) || change.newValue?.type === 'directory' || change.type === 'delete') {
        void this.refresh();
      }
    });
  }

  get listing(): IListing | null {
    return this._listing;
  }

  /** What went wrong at the last call, '' when nothing did. */
  get problem(): string {
    return this._problem;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Folder of all experiments as chosen, '' to find it. */
  get root(): string {
    return this._root;
  }

  configure(options: { root: string; seconds: number }): void {
    const moved = options.root !== this._root;
    this._root = options.root;
    this._poll.frequency = { ...this._poll.frequency, interval: Math.max(1, options.seconds) * 1000 };
    if (moved && this._started) {
      void this.refresh();
    }
  }

  start(): void {
    if (!this._started) {
      this._started = true;
      void this._poll.start();
    }
  }

  async refresh(): Promise<void> {
    const asked = this._root;
    try {
      const found = await this.api.list(asked);
      if (asked !== this._root) {
        return; // another root was chosen meanwhile; its answer follows
      }
      const news = this._problem !== '' || !same(found, this._listing);
      this._problem = '';
      this._listing = found;
      if (news) {
        this._changed.emit();
      }
    } catch (error) {
      const told = reasonOf(error);
      if (told !== this._problem) {
        this._problem = told;
        this._changed.emit();
      }
    }
  }

  dispose(): void {
    this._poll.dispose();
    Signal.clearData(this);
  }

  private readonly _poll: Poll<void, Error>;
  private readonly _changed = new Signal<this, void>(this);
  private _listing: IListing | null = null;
  private _problem = '';
  private _root = '';
  private _started = false;
}
