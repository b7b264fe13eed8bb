/** A memo's page in the document viewer. */

import type { IThemeManager } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import { Widget } from '@lumino/widgets';

import { digestOf } from './digest';

/**
 * A memo's page: no script of it runs, nothing of it reaches this page, nothing is fetched.
 *
 * The server hands it out under a policy of its own, and only while its file holds the text that was opened here: what the
 * document says of itself protects nobody from the document.
 */
export class MemoView extends Widget {
  constructor(
    private readonly _context: DocumentRegistry.Context,
    private readonly _themes: IThemeManager | null,
    private readonly _address: (shown: string, isLight: boolean) => string,
    name: string
  ) {
    super();
    this.addClass('xp-MemoView');
    this._frame = document.createElement('iframe');
    this._frame.setAttribute('sandbox', '');
    this._frame.setAttribute('referrerpolicy', 'no-referrer');
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
      this._frame.src = this._address(digestOf(this._context.model.toString()), isLight);
    }
  }

  private readonly _retheme = (): void => {
    if (this._context.isReady) {
      this._draw();
    }
  };

  private readonly _frame: HTMLIFrameElement;
}
