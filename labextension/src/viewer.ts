/** Memos and plans as documents, with *Verify* and its verdict in the toolbar. */

import type { IThemeManager } from '@jupyterlab/apputils';
import { ToolbarButton } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import { ABCWidgetFactory, DocumentWidget } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Toolbar } from '@jupyterlab/ui-components';

import type { Api } from './api';
import { memoIcon, planIcon } from './icons';
import { MemoView } from './memoview';
import { PlanView } from './planview';
import { reasonOf } from './reason';
import { VerdictView } from './verdict';

export class XpDocument extends DocumentWidget {
  constructor(
    options: DocumentWidget.IOptions,
    private readonly _api: Api,
    private readonly _contents: Pick<Contents.IManager, 'localPath'>,
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
      this.context.fileChanged.connect(() => { this._view.verdict = null; });
    });
  }

  /** Ask the server and show what it says. */
  async verify(): Promise<void> {
    this._view.said = this._words.__('checking …');
    try {
      this._view.verdict = await this._api.verify(this._contents.localPath(this.context.path));
    } catch (error) {
      this._view.said = `✕ ${reasonOf(error)}`;
    }
  }

  private readonly _view: VerdictView;
}

export class Factory extends ABCWidgetFactory<XpDocument> {
  constructor(
    options: DocumentRegistry.IWidgetFactoryOptions<XpDocument>,
    private readonly _parts: {
      api: Api;
      contents: Pick<Contents.IManager, 'localPath'>;
      themes: IThemeManager | null;
      trans: TranslationBundle;
    }
  ) {
    super(options);
  }

  protected createNewWidget(context: DocumentRegistry.Context): XpDocument {
    const { api, contents, themes, trans } = this._parts;
    const isPage = context.path.endsWith('.html');
    const content = isPage ? new MemoView(context, themes, trans.__('Memo')) : new PlanView(context, trans);
    // a plain toolbar: the reactive one hides an item that grows
    const widget = new XpDocument({ content, context, toolbar: new Toolbar() }, api, contents, trans);
    widget.title.icon = isPage ? memoIcon : planIcon;
    return widget;
  }
}
