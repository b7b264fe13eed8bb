/** Memos and plans as documents, with *Verify* and its verdict in the toolbar. */

import { Dialog, showDialog, ToolbarButton } from '@jupyterlab/apputils';
import type { IThemeManager } from '@jupyterlab/apputils';
import { ABCWidgetFactory, DocumentRegistry, DocumentWidget } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, Toolbar } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import React from 'react';

import type { Api } from './api';
import { memoIcon, planIcon } from './icons';
import { viewOf } from './plan';
import type { IPlanView } from './plan';
import { themed } from './themed';
import type { IVerdict, VerdictStatus } from './types';

export const MARK: Readonly<Record<VerdictStatus, string>> = { verified: '✓', differs: '✕', unreadable: '✕', newer: '▲', draft: '✎' };

/** The verdict in the toolbar; opens to what was found. */
class VerdictView extends ReactWidget {
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
      differs: trans.__('Differs'),
      unreadable: trans.__('Unreadable'),
      newer: trans.__('Made by a newer version'),
      draft: trans.__('Draft')
    };
    return (
      <span role="status" className={`xp-VerdictText xp-mod-${verdict.status}`}>
        <button className="xp-Link" title={trans.__('What was checked')} onClick={() => { void this._details(verdict); }}>
          <strong>
            {MARK[verdict.status]} {words[verdict.status]}
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
        </div>
      ),
      buttons: [Dialog.okButton()]
    });
  }

  private _verdict: IVerdict | null = null;
  private _said = '';
}

/** A memo's page: no script of it runs, nothing of it reaches this page, nothing is fetched. */
class MemoView extends Widget {
  constructor(private readonly _context: DocumentRegistry.Context, private readonly _themes: IThemeManager | null, name: string) {
    super();
    this.addClass('xp-MemoView');
    this._frame = document.createElement('iframe');
    this._frame.setAttribute('sandbox', '');
    this._frame.setAttribute('title', name);
    this.node.append(this._frame);
    void _context.ready.then(() => {
      this._draw();
      _context.model.contentChanged.connect(() => { this._draw(); });
    });
    _themes?.themeChanged.connect(this._retheme);
  }

  override dispose(): void {
    this._themes?.themeChanged.disconnect(this._retheme);
    super.dispose();
  }

  private _draw(): void {
    if (!this.isDisposed) {
      const themes = this._themes;
      const isLight = !themes?.theme || themes.isLight(themes.theme);
      this._frame.style.colorScheme = isLight ? 'light' : 'dark';
      this._frame.srcdoc = themed(this._context.model.toString(), isLight);
    }
  }

  private readonly _retheme = (): void => {
    if (this._context.isReady) {
      this._draw();
    }
  };

  private readonly _frame: HTMLIFrameElement;
}

/** The data of a memo, or a plan. */
class PlanView extends ReactWidget {
  constructor(
    private readonly _context: DocumentRegistry.Context,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('xp-PlanView');
    void _context.ready.then(() => {
      this.update();
      _context.model.contentChanged.connect(() => { this.update(); });
    });
  }

  protected override render(): React.JSX.Element {
    if (!this._context.isReady) {
      return <p>{this._trans.__('Reading …')}</p>;
    }
    let view: IPlanView;
    try {
      view = viewOf(this._context.model.toString(), this._trans);
    } catch (error) {
      return (
        <p className="xp-Problem" role="alert">
          ✕ {this._trans.__('This is no plan or memo that can be read:')} {error instanceof Error ? error.message : String(error)}
        </p>
      );
    }
    return (
      <article>
        <p className="xp-Key">
          <code>{view.key}</code>
          {view.owner !== '' && ` · ${view.owner}`}
        </p>
        <h1>{view.title || view.key}</h1>
        {view.sections.map(section => (
          <section key={section.title}>
            <h2>{section.title}</h2>
            <table>
              <tbody>
                {section.rows.map(([name, value], i) => (
                  <tr key={i}>
                    <th scope="row">{name}</th>
                    <td>{value}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        ))}
      </article>
    );
  }
}

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
      this._view.said = `✕ ${error instanceof Error ? error.message : String(error)}`;
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
