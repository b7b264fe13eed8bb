/** Memos and plans as documents, with *Verify* and its verdict in the toolbar. */

import type { IThemeManager } from '@jupyterlab/apputils';
import { ToolbarButton } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import { ABCWidgetFactory, DocumentWidget } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Toolbar } from '@jupyterlab/ui-components';
import { Poll } from '@lumino/polling';

import type { Api } from './api';
import { digestOf } from './digest';
import { memoIcon, planIcon } from './icons';
import { MemoView } from './memoview';
import { PlanView } from './planview';
import { reasonOf } from './reason';
import { VerdictView } from './verdict';

/** Milliseconds between two looks at the file of a document that can be seen. */
const FOLLOWED = 3_000;

export class XpDocument extends DocumentWidget {
  constructor(
    options: DocumentWidget.IOptions,
    private readonly _api: Api,
    private readonly _contents: Pick<Contents.IManager, 'localPath' | 'get'>,
    private readonly _words: TranslationBundle
  ) {
    super(options);
    this.addClass('xp-Document');
    this._view = new VerdictView(_words);
    this.toolbar.addItem(
      'verify',
      new ToolbarButton({
        label: _words.__('Verify'),
        tooltip: _words.__('Check this document with its own evidence'),
        onClick: () => { void this.verify(); }
      })
    );
    this.toolbar.addItem('verdict', this._view);
    void this.context.ready.then(() => {
      // a verdict is about the text that is shown, and goes with it
      this.context.model.contentChanged.connect(this._forget);
      this.context.fileChanged.connect(this._forget);
    });
    this._watch = new Poll({
      factory: () => this._follow(),
      frequency: { interval: FOLLOWED, backoff: true, max: 60_000 },
      standby: () => (this.isVisible ? 'when-hidden' : true),
      name: 'xpbench:document'
    });
  }

  override dispose(): void {
    this._watch.dispose();
    super.dispose();
  }

  /** Ask the server and show what it says. */
  async verify(): Promise<void> {
    this._view.said = this._words.__('checking …');
    await this.context.ready; // before that there is no text to speak about
    const shown = digestOf(this.context.model.toString());
    try {
      const verdict = await this._api.verify(this._contents.localPath(this.context.path), shown);
      if (shown === digestOf(this.context.model.toString())) {
        this._view.verdict = verdict;
      }
    } catch (error) {
      this._view.said = `✕ ${reasonOf(error)}`;
    }
  }

  /** Show the file as it is now, where something else has changed it. */
  private async _follow(): Promise<void> {
    const known = this.context.contentsModel;
    if (this.isDisposed || !this.context.isReady || known === null) {
      return;
    }
    const now = await this._contents.get(this.context.path, { content: false });
    if (now.last_modified !== known.last_modified || now.size !== known.size) {
      this._view.verdict = null;
      await this.context.revert();
    }
  }

  private readonly _forget = (): void => {
    this._view.verdict = null;
  };

  private readonly _view: VerdictView;
  private readonly _watch: Poll;
}

export class Factory extends ABCWidgetFactory<XpDocument> {
  constructor(
    options: DocumentRegistry.IWidgetFactoryOptions<XpDocument>,
    private readonly _parts: {
      api: Api;
      contents: Pick<Contents.IManager, 'localPath' | 'get'>;
      themes: IThemeManager | null;
      trans: TranslationBundle;
    }
  ) {
    super(options);
  }

  protected createNewWidget(context: DocumentRegistry.Context): XpDocument {
    const { api, contents, themes, trans } = this._parts;
    const isPage = context.path.endsWith('.html');
    const address = (shown: string, isLight: boolean): string => api.page(contents.localPath(context.path), shown, isLight);
    const content = isPage ? new MemoView(context, themes, address, trans.__('Memo')) : new PlanView(context, trans);
    // a plain toolbar: the reactive one hides an item that grows
    const widget = new XpDocument({ content, context, toolbar: new Toolbar() }, api, contents, trans);
    widget.title.icon = isPage ? memoIcon : planIcon;
    return widget;
  }
}
