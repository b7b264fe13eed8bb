/** A plan, or the data of a memo, in the document viewer. */

import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { viewOf } from './plan';
import type { IPlanView } from './plan';
import { reasonOf } from './reason';

export class PlanView extends ReactWidget {
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
          ✕ {this._trans.__('This file cannot be read as a plan or memo:')} {reasonOf(error)}
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
